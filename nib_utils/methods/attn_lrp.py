"""AttnLRP: relevance handed down from the similarity to the tokens, rule by rule, as a gradient with the gates held."""
from __future__ import annotations

import torch
from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.held import Held


@method(title="AttnLRP", group="rival", source="Achtibat et al., ICML 2024", forwards=2.9, gradients=True, signed=True)
def attn_lrp(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """Relevance of each token entering block 0, summed over channels: signed scores (B, T).

    Rules: a linear layer hands on in proportion to its terms, its bias absorbing a share; a norm is linear with
    its deviation held; an activation is `x` times a held factor; a product shares equally between its factors;
    softmax is taken at first order. Each is the gradient times input of a network in which the held parts are
    constants (`shared/held.py`), and which is linear, so one pass back is enough. The cosine's norms are held too.
    The authors' own recipe for CLIP sends nothing through the softmax and has gamma rules, to be tuned, in place of
    the epsilon rule that every linear layer has here.
    Source: AttnLRP, Achtibat et al., ICML 2024, section 3.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = attn_lrp(clip.image, reading, clip.encode_text("a cat"))
    """
    found, features = [], []
    for part in reading.parts(reading.own.stream(0), target):
        net = Held(tower, part.start, part.at)
        features.append(net.feature.to(tower.dtype))
        found.append((part, net.pull(part.goal, part.row)[1]))
    reading.own.feature = torch.cat(features)
    return reading.in_order(found)
