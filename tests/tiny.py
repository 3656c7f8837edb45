"""Tiny CLIPs of each library with weights that follow from their names, so that none of them is trivial."""
from __future__ import annotations

import re
import zlib

import numpy as np
import torch
from torch import Tensor, nn

SOS, EOS, PAD_TO = 49406, 49407, 77
# the model behind golden/reference_outputs.npz
GOLDEN = dict(width=64, heads=4, layers=12, projection=32, image_size=224, patch_size=32, gain=1.5)


def weight(name: str, shape: tuple[int, ...], gain: float, seed: int = 2024) -> Tensor:
    """One float32 parameter by its name in a state dict of transformers."""
    r = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape).astype(np.float32)
    if name == "logit_scale":
        r = np.full(shape, 4.6052, np.float32)
    elif re.search("layer_?norm|layrnorm|ln_", name):
        r = 0.1 * r + (1 if name.endswith("weight") else 0)
    elif name.endswith("bias"):
        r = 0.02 * r
    elif re.search("patch_embedding|conv1", name):
        r = 0.05 * r
    elif "embedding" in name:
        r = 0.5 * r
    else:
        r = r * (gain / np.sqrt(shape[-1] if shape else 1))
    return torch.from_numpy(np.asarray(r, np.float32))


def fill(model: nn.Module, gain: float) -> nn.Module:
    """The model in eval mode, with every parameter drawn from its name."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape), gain))
    return model.eval()


def captions(lengths=(5, 9, 12, 7), seed: int = 1) -> list[np.ndarray]:
    """Ids with SOS and EOS, one array per caption; the second half of a caption repeats a token."""
    rng = np.random.default_rng(seed)
    content = [rng.integers(300, 40000, n - 2) for n in lengths]
    return [np.concatenate([[SOS], c[:-1], c[:1], [EOS]]).astype(np.int64) for c in content]


def padded(ids, context: int = PAD_TO) -> Tensor:
    """(B, context), zero after EOS, as the libraries take them."""
    return torch.stack([torch.nn.functional.pad(torch.as_tensor(i), (0, context - len(i))) for i in ids])


def pixels(n: int = 4, size: tuple[int, int] = (64, 64), seed: int = 2) -> Tensor:
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(seed))


def openai(width=64, heads=1, layers=3, projection=32, image_size=64, patch_size=32, gain=1.0, **options) -> nn.Module:
    """`clip.model.CLIP`; it takes 64 channels per head, other numbers are set after it is built."""
    from clip.model import CLIP

    options = dict(vision_layers=layers, vocab_size=49408, transformer_layers=layers) | options
    model = CLIP(projection, image_size, options["vision_layers"], width, patch_size, PAD_TO, options["vocab_size"],
                 width, heads, options["transformer_layers"])
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention) and "attnpool" not in str(type(module)):
            module.num_heads, module.head_dim = heads, width // heads
    return fill(model, gain)


def open_clip_config(width=64, heads=2, layers=3, projection=32, image_size=64, patch_size=32, vision=None, text=None,
                     **options) -> dict:
    """What `open_clip.CLIP` and an open_clip_config.json are made of."""
    return dict(
        embed_dim=projection, **options,
        vision_cfg=dict(layers=layers, width=width, head_width=width // heads, patch_size=patch_size,
                        image_size=image_size) | (vision or {}),
        text_cfg=dict(context_length=PAD_TO, vocab_size=49408, width=width, heads=heads, layers=layers) | (text or {}))


def open_clip(custom_text: bool = False, gain=1.0, **options) -> nn.Module:
    from open_clip import CLIP, CustomTextCLIP

    return fill((CustomTextCLIP if custom_text else CLIP)(**open_clip_config(**options)), gain)


def hf(width=64, heads=2, layers=3, projection=32, image_size=64, patch_size=32, vision=None, text=None,
       gain=1.0) -> nn.Module:
    from transformers import CLIPConfig, CLIPModel

    both = dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads,
                projection_dim=projection)
    vision = both | dict(image_size=image_size, patch_size=patch_size) | (vision or {})
    text = both | dict(vocab_size=49408, max_position_embeddings=PAD_TO) | (text or {})
    return fill(CLIPModel(CLIPConfig(projection_dim=projection, vision_config=vision, text_config=text)), gain)


def features(model: nn.Module, x: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """(image, text) features as the library itself gives them for pixels and padded ids."""
    if hasattr(model, "encode_image"):
        return model.encode_image(x), model.encode_text(ids)
    outs = model.get_image_features(pixel_values=x), model.get_text_features(input_ids=ids)
    return tuple(out if isinstance(out, Tensor) else out.pooler_output for out in outs)  # transformers 4, 5


def openai_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of transformers' CLIPModel under the names that OpenAI's clip and open_clip share."""
    state, out = dict(state), {}
    for name in [n for n in state if n.endswith("q_proj.weight") or n.endswith("q_proj.bias")]:
        fused = torch.cat([state.pop(name.replace("q_proj", f"{part}_proj")) for part in "qkv"])
        state[name.replace("q_proj.", "in_proj_")] = fused
    for name, value in state.items():
        if name.endswith("position_ids"):
            continue
        if name in ("visual_projection.weight", "text_projection.weight"):
            out["visual.proj" if name.startswith("visual") else "text_projection"] = value.T.contiguous()
            continue
        for old, new in (
                ("vision_model.encoder.layers", "visual.transformer.resblocks"),
                ("text_model.encoder.layers", "transformer.resblocks"), ("self_attn", "attn"),
                ("text_model.final_layer_norm", "ln_final"), ("layer_norm", "ln_"),
                ("fc1", "c_fc"), ("fc2", "c_proj"), ("vision_model.embeddings.patch_embedding", "visual.conv1"),
                ("position_embedding.weight", "positional_embedding"), ("vision_model.embeddings.", "visual."),
                ("text_model.embeddings.", ""), ("vision_model.pre_layrnorm", "visual.ln_pre"),
                ("vision_model.post_layernorm", "visual.ln_post")):
            name = name.replace(old, new)
        out[name] = value
    return out
