"""How alike an image and a sentence are."""
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of features, (..., E), (..., E) -> (...), in float32 and safe at zero (eps 1e-6)."""
    return F.cosine_similarity(a.float(), b.float(), dim=-1, eps=1e-6)
