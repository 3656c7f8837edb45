"""M2IB: learn how much noise each element of one layer's stream can bear."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from .register import method
from .shared.layers import resolve
from .shared.random_masks import seeds_of


@method(title="M2IB", group="published", source="M2IB, NeurIPS 2023", forwards=23, gradients=True, noise=True)
def m2ib(tower: Tower, reading: Reading, target: Tensor, *, layer: int | None = None, beta: float = 0.1,
         learning_rate: float = 1.0, steps: int = 10, copies: int = 10, start: float = 5.0,
         seed: int | Sequence[int] = 0) -> Tensor:
    """Information kept per token by a noisy mask learnt on the stream leaving block index 9 (h_10 of 12).

    `x' = m h + (1 - m) e` with `m = sigmoid(a)`, `e ~ N(0, 1)`, `a` of h's shape, from `start`; Adam
    minimises `beta * mean C - mean cosine`, C the information of each element in nats. reading: a
    reading of B inputs; target: (B, E). layer: 0..L-1, where h_layer enters; seed: an integer (pair b
    gets seed + b) or one per pair. Returns scores (B, T) >= 0: C before the last step, summed over channels.
    Source: M2IB, NeurIPS 2023, equations 4 to 8, as released. Raises ValueError for a bad option.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = m2ib(clip.image, reading, clip.encode_text("a cat"), beta=0.1, seed=0)
    """
    for name, value in (("steps", steps), ("copies", copies)):
        if value < 1:
            raise ValueError(f"m2ib: {name} is {value}; it takes at least 1.")
    course = learnt(tower, reading, target, layer, beta, learning_rate, copies, start, seed)
    return next(islice(course, steps - 1, None))


def learnt(tower: Tower, reading: Reading, target: Tensor, layer: int | None, beta: float, learning_rate: float,
           copies: int, start: float, seed: int | Sequence[int]) -> Iterator[Tensor]:
    """The scores (B, T) of `m2ib` with 1, 2, 3, ... steps, without end."""
    layer = resolve(tower, layer, 10 / 12)
    if beta < 0 or learning_rate <= 0:
        raise ValueError(f"m2ib: beta is {beta}, learning_rate {learning_rate}; they take at least 0, and more than 0.")
    h = reading.stream(layer).float()  # (B, T, D)
    B, T, D = h.shape
    real = torch.arange(T, device=h.device) < reading.lengths[:, None]  # (B, T): padding carries no information
    size = (reading.lengths * D).float()[:, None, None]  # elements that the mean over C runs over
    noise = Noise(reading, seed, copies, D)
    a = torch.full_like(h, start)
    adam = torch.optim.Adam([a], lr=learning_rate)
    while True:
        m, q = a.sigmoid(), (-a).sigmoid()  # q = 1 - m, without cancellation where m is near 1
        information = (0.5 * ((m * h) ** 2 + q**2 - 1) - F.logsigmoid(-a)) * real[..., None]
        yield information.sum(-1)
        kept = mean_gradient(tower, reading, target, h, m, noise.draw(), layer)
        # d C / d m = m h^2 - q + 1 / q, and d m / d a = m q
        cost = beta / size * real[..., None] * (m * q * (m * h**2 - q) + m)
        a.grad = cost - kept * m * q
        adam.step()


def mean_gradient(tower: Tower, reading: Reading, target: Tensor, h: Tensor, m: Tensor, noise: Tensor,
                  layer: int) -> Tensor:
    """d/dm of the cosine of `m h + (1 - m) e`, averaged over the noise copies (copies, B, T, D) -> (B, T, D)."""
    copies, B = noise.shape[:2]
    total = torch.zeros_like(h)
    for rows in torch.arange(copies * B, device=h.device).split(reading.rows):
        b, e = rows % B, noise.flatten(0, 1)[rows]
        x = torch.lerp(e, h[b], m[b]).to(tower.dtype).requires_grad_()
        with torch.enable_grad():
            similarity = cosine(tower.finish(x, layer, reading.at[b]), target[b])
            grad = torch.autograd.grad(similarity.sum(), x)[0]
        total.index_add_(0, b, grad.float() * (h[b] - e))
    return total / copies


class Noise:
    """Each pair's own stream of standard normal noise, the same whatever it is batched with."""

    def __init__(self, reading: Reading, seed: int | Sequence[int], copies: int, D: int):
        self.generators = [torch.Generator().manual_seed(s) for s in seeds_of(seed, len(reading), "m2ib")]
        self.shapes = [(copies, int(T), D) for T in reading.lengths]
        self.device, self.longest = reading.x.device, reading.stream(0).shape[1]

    def draw(self) -> Tensor:
        """(copies, B, T, D), zero over padding; drawn on the CPU, so that every device sees the same."""
        drawn = [torch.randn(shape, generator=g) for shape, g in zip(self.shapes, self.generators)]
        padded = [torch.nn.functional.pad(e, (0, 0, 0, self.longest - e.shape[1])) for e in drawn]
        return torch.stack(padded, 1).to(self.device)
