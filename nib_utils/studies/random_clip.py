"""CLIPs of random weights and pairs of noise, for measuring time and testing pipelines."""
from __future__ import annotations

import torch

from ..clip.clip import Clip
from ..common.packages import part_of_clip
from ..common.sentences import nobody

ARCHITECTURES = {  # image side, patch, image width and depth, text width, feature; of OpenAI's ViTs
    "ViT-B/32": (224, 32, 768, 12, 512, 512),
    "ViT-B/16": (224, 16, 768, 12, 512, 512),
    "ViT-L/14": (224, 14, 1024, 24, 768, 768),
    "ViT-L/14-336": (336, 14, 1024, 24, 768, 768),
    "tiny": (64, 16, 64, 3, 64, 64),  # of nobody: it tests a pipeline in seconds
}


def random_clip(arch: str = "ViT-B/32", seed: int = 0) -> torch.nn.Module:
    """A `clip.model.CLIP` of that architecture with random weights, for measuring time and testing pipelines."""
    if arch not in ARCHITECTURES:
        raise ValueError(nobody("architecture", arch, ARCHITECTURES))
    side, patch, width, depth, text_width, embed = ARCHITECTURES[arch]
    torch.manual_seed(seed)
    model = part_of_clip("model").CLIP(embed, side, depth, width, patch, 77, 49408, text_width, text_width // 64, 12)
    return model.float().eval()


def random_pairs(clip: Clip, count: int, seed: int = 0) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Noise pixels (count, 3, H, W) and captions of 8 to 20 tokens, as long as people's are."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(count, 3, *clip.preprocess.size, generator=generator)
    lengths = torch.randint(8, 21, (count,), generator=generator).tolist()
    words = [torch.randint(300, 40000, (n - 2,), generator=generator) for n in lengths]
    sos, eos = torch.tensor([clip.tokenizer.sos]), torch.tensor([clip.tokenizer.eos])
    return pixels, [torch.cat([sos, w, eos]) for w in words]
