"""CLIPs of transformers as two towers."""
from __future__ import annotations

from torch import nn

from ...clip.blocks import Block
from ...clip.pictures import MEAN, STD
from ...clip.tower import Tower
from .parts import activation, first, highest, image_tower, linear, norm, text_tower

LEGACY_EOS = 2  # what configs said before transformers 4.31; such models pool at the highest id


def towers(model: nn.Module, borrow) -> tuple[Tower, Tower]:
    """(image, text) towers of a `transformers.CLIPModel`, whatever attention implementation it was made with."""
    from transformers import CLIPModel

    if not isinstance(model, CLIPModel):
        raise ValueError(f"a transformers {type(model).__name__} cannot be wrapped; pass a CLIPModel, which has both "
                         "towers.")
    vision, language = model.vision_model, model.text_model

    def block(module, causal):
        attn = module.self_attn
        return Block(
            heads=attn.num_heads, norm1=norm(module.layer_norm1, borrow), q=linear(attn.q_proj, borrow),
            k=linear(attn.k_proj, borrow), v=linear(attn.v_proj, borrow), out=linear(attn.out_proj, borrow),
            norm2=norm(module.layer_norm2, borrow), fc1=linear(module.mlp.fc1, borrow),
            act=activation(module.mlp.activation_fn), fc2=linear(module.mlp.fc2, borrow), causal=causal)

    pixels, words = vision.embeddings, language.embeddings
    side = pixels.image_size // pixels.patch_size
    image = image_tower(
        pixels.patch_embedding, pixels.class_embedding, pixels.position_embedding.weight, (side, side),
        norm(vision.pre_layrnorm, borrow), [block(b, False) for b in vision.encoder.layers],
        norm(vision.post_layernorm, borrow), linear(model.visual_projection, borrow), borrow)
    at = highest if language.eos_token_id == LEGACY_EOS else first(language.eos_token_id)
    text = text_tower(
        words.token_embedding.weight, words.position_embedding.weight, at,
        [block(b, True) for b in language.encoder.layers], norm(language.final_layer_norm, borrow),
        linear(model.text_projection, borrow), words.token_embedding.weight.dtype, borrow)
    return image, text


def pixel_format(model: nn.Module):
    """What Preprocess is made of for this model: size, mean, std; a model's config knows only the size."""
    side = model.config.vision_config.image_size
    return (side, side), MEAN, STD
