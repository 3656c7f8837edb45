"""open_clip models as two towers."""
from __future__ import annotations

from PIL import Image
from torch import nn

from ...clip.blocks import Block, identity
from ...clip.pictures import MEAN, STD
from ...clip.tower import Tower
from .parts import activation, first, fused_attention, highest, image_tower, linear, norm, projection, text_tower


def towers(model: nn.Module, borrow) -> tuple[Tower, Tower]:
    """(image, text) towers of an open_clip `CLIP`, whose text parts lie in the model, or `CustomTextCLIP`."""
    reason = obstacle(model)
    if reason:
        raise ValueError(f"this open_clip {type(model).__name__} {reason}; what can be wrapped is a ViT pooled at CLS "
                         "beside a causal text transformer, both of plain pre-LN blocks.")
    visual, text = model.visual, getattr(model, "text", model)

    def block(module, causal):
        return Block(
            heads=module.attn.num_heads, norm1=norm(module.ln_1, borrow), norm2=norm(module.ln_2, borrow),
            **fused_attention(module.attn, borrow), fc1=linear(module.mlp.c_fc, borrow),
            act=activation(module.mlp.gelu), fc2=linear(module.mlp.c_proj, borrow),
            scale1=borrow(getattr(module.ls_1, "gamma", None)), scale2=borrow(getattr(module.ls_2, "gamma", None)),
            causal=causal)

    pre = identity if isinstance(visual.ln_pre, nn.Identity) else norm(visual.ln_pre, borrow)
    image = image_tower(
        visual.conv1, visual.class_embedding, visual.positional_embedding, tuple(visual.grid_size), pre,
        [block(b, False) for b in visual.transformer.resblocks], norm(visual.ln_post, borrow),
        projection(visual.proj, borrow), borrow)
    text = text_tower(
        text.token_embedding.weight, text.positional_embedding, pooled_row(model),
        [block(b, True) for b in text.transformer.resblocks], norm(text.ln_final, borrow),
        projection(text.text_projection, borrow), text.transformer.get_cast_dtype(), borrow)
    return image, text


def obstacle(model: nn.Module) -> str | None:
    """Why an open_clip model is not two towers of plain residual blocks, None if it is."""
    from open_clip.transformer import TextTransformer, VisionTransformer

    visual, text = model.visual, getattr(model, "text", model)
    if hasattr(model, "text_decoder"):
        return "also decodes captions"
    if not isinstance(visual, VisionTransformer):
        return f"has a {type(visual).__name__} for its image tower"
    if visual.attn_pool is not None:
        return "pools its patches by attention"
    if visual.pool_type != "tok":
        return f"pools its patches by '{visual.pool_type}'"
    if text is not model and not isinstance(text, TextTransformer):
        return f"has a {type(text).__name__} for its text tower"
    if getattr(text, "cls_emb", None) is not None:
        return "pools captions at a class token"
    if text.attn_mask is None:
        return "has text attention that is not causal"
    if pooled_row(model) is None:
        return "does not pool captions at their EOS"
    if not all(plain(b) for tower in (visual, text) for b in tower.transformer.resblocks):
        return "normalises or scales inside its blocks"
    return None


def plain(block: nn.Module) -> bool:
    """Whether none of the extra norms and scales of open_clip's custom blocks is in use."""
    attn = block.attn
    extras = [getattr(attn, name, None) for name in ("ln_q", "ln_k", "ln_inner", "logit_scale", "head_scale")]
    extras += [getattr(block, "ln_attn", None), getattr(block.mlp, "ln", None)]
    return all(extra is None or isinstance(extra, nn.Identity) for extra in extras)


def pooled_row(model: nn.Module):
    """The function ids (B, T) -> pooled row (B,), None where captions are not pooled at their EOS."""
    if hasattr(model, "text"):
        kind, eos = model.text.pool_type, model.text.eos_id
    else:
        kind, eos = model.text_pool_type, model.text_eos_id
    return first(eos) if kind == "eos" else highest if kind == "argmax" else None


def pixel_format(model: nn.Module):
    """What Preprocess is made of for this model: size, mean, std, squash, resample."""
    from open_clip import get_model_preprocess_cfg

    config, size = get_model_preprocess_cfg(model), model.visual.image_size
    mode = config.get("resize_mode", "shortest")
    if mode not in ("shortest", "squash"):
        raise ValueError(f"this model resizes pictures by '{mode}', which is not known here; "
                         "pass preprocess=nib_utils.clip.pictures.Preprocess(...) to wrap().")
    resample = Image.Resampling.BILINEAR if config.get("interpolation") == "bilinear" else Image.Resampling.BICUBIC
    size = size if isinstance(size, (tuple, list)) else (size, size)
    return tuple(size), tuple(config.get("mean", MEAN)), tuple(config.get("std", STD)), mode == "squash", resample
