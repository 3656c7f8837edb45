"""The held network in a plain form: moves of the stream pushed forward, block by block and head by head."""
from __future__ import annotations

from dataclasses import replace

import torch


def norm(part, x, moves):
    """A norm's output, and what it makes of moves (n, T, D) of its input when its deviation stays what it was."""
    scale = (x.var(-1, unbiased=False, keepdim=True) + part.eps).rsqrt() * part.weight
    return part(x), (moves - moves.mean(-1, keepdim=True)) * scale


def slow(tower, h, moves, at, target, presence):
    """How far the cosine of one input h_0 (T, D) goes along each of `moves` (n, T, D), by the gates of this forward.

    Moves are pushed forward, block by block and head by head, with no gradient anywhere.
    """
    for block in tower.blocks:
        h, moves = through(tower, block, h, moves, presence)
    x, dx = norm(tower.post, h, moves)
    feature, along = tower.project(x[at]), dx[:, at] @ tower.project.weight.T
    return along @ target / (feature.norm() * target.norm())


def slow_shares(tower, h, at, target, presence, streams):
    """What each token of one input h_0 (T, D) gives, (T,): it alone is moved into every of the first blocks; the mean."""
    alone, found = torch.eye(len(h)).to(h)[:, :, None], []
    for layer in range(streams):
        found.append(slow(replace(tower, blocks=tower.blocks[layer:]), h, alone * h, at, target, presence))
        h, _ = through(tower, tower.blocks[layer], h, alone * h, presence)
    return sum(found) / streams


def through(tower, block, h, moves, presence):
    """One block's output, (T, D), and what it makes of moves (n, T, D) of its input."""
    T = len(h)
    log_g = torch.zeros(T, dtype=h.dtype)
    if tower.grid:
        log_g[1:] = presence
    x, dx = norm(block.norm1, h, moves)
    mixed, dmixed = [], []
    for head in torch.arange(x.shape[1]).chunk(block.heads):
        (q, dq), (k, dk), (v, dv) = ((x @ part.weight[head].T + part.bias[head], dx @ part.weight[head].T)
                                     for part in (block.q, block.k, block.v))
        logits = q @ k.T / len(head) ** 0.5 + log_g
        dlogits = (dq @ k.T + q @ dk.transpose(1, 2)) / len(head) ** 0.5 / 2
        if block.causal:
            logits = logits.masked_fill(torch.ones(T, T).triu(1) > 0, -torch.inf)
        a = logits.softmax(-1)
        da = a * (dlogits - (a * dlogits).sum(-1, keepdim=True))
        mixed.append(a @ v)
        dmixed.append((da @ v + a @ dv) / 2)
    scale1, scale2 = (1 if scale is None else scale for scale in (block.scale1, block.scale2))
    h, moves = h + block.out(torch.cat(mixed, -1)) * scale1, moves + torch.cat(dmixed, -1) @ block.out.weight.T * scale1
    x, dx = norm(block.norm2, h, moves)
    u = block.fc1(x)
    return (h + block.fc2(block.act(u)) * scale2,
            moves + (dx @ block.fc1.weight.T * (block.act(u) / u)) @ block.fc2.weight.T * scale2)
