"""OpenAI's `clip` models as two towers."""
from __future__ import annotations

from torch import nn

from ...clip.blocks import Block
from ...clip.pictures import MEAN, STD
from ...clip.tower import Tower
from .parts import QUICK_GELU, fused_attention, highest, image_tower, linear, norm, projection, text_tower


def towers(model: nn.Module, borrow) -> tuple[Tower, Tower]:
    """(image, text) towers of a `clip.model.CLIP`; `borrow` makes the view of a parameter that a tower keeps."""
    visual = model.visual
    if not hasattr(visual, "transformer"):
        raise ValueError(f"{type(visual).__name__} has no residual stream of tokens; only ViT CLIPs can be explained.")

    def block(module, causal):
        return Block(
            heads=module.attn.num_heads, norm1=norm(module.ln_1, borrow), norm2=norm(module.ln_2, borrow),
            **fused_attention(module.attn, borrow), fc1=linear(module.mlp.c_fc, borrow), act=QUICK_GELU,
            fc2=linear(module.mlp.c_proj, borrow), causal=causal)

    side = visual.input_resolution // visual.conv1.kernel_size[0]
    image = image_tower(
        visual.conv1, visual.class_embedding, visual.positional_embedding, (side, side), norm(visual.ln_pre, borrow),
        [block(b, False) for b in visual.transformer.resblocks], norm(visual.ln_post, borrow),
        projection(visual.proj, borrow), borrow)
    text = text_tower(
        model.token_embedding.weight, model.positional_embedding, highest,
        [block(b, True) for b in model.transformer.resblocks], norm(model.ln_final, borrow),
        projection(model.text_projection, borrow), model.dtype, borrow)
    return image, text


def pixel_format(model: nn.Module):
    """What Preprocess is made of for this model: size, mean, std."""
    side = model.visual.input_resolution
    return (side, side), MEAN, STD
