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


def slow_looks(tower, h, at, target, presence):
    """What attention to each token of one input h_0 (T, D) would give, (T,): every weight of every head, query and block
    is raised alone, which moves the stream by half of what the key says, a product giving each factor its half."""
    found = torch.zeros(len(h)).to(h)
    for layer, block in enumerate(tower.blocks):
        rest, x, T = replace(tower, blocks=tower.blocks[layer + 1 :]), block.norm1(h), len(h)
        mid, _ = attended(tower, block, h, 0 * h[None], presence)
        for head in torch.arange(x.shape[1]).chunk(block.heads):
            said = (x @ block.v.weight[head].T + block.v.bias[head]) @ block.out.weight[:, head].T / 2  # (T, D), by key
            said = said if block.scale1 is None else said * block.scale1
            for query in range(T):
                moves = torch.zeros(T, T, h.shape[1]).to(h)  # (keys, T, D)
                moves[:, query] = said
                after, moves = widened(block, mid, moves)
                slope = slow(rest, after, moves, at, target, presence)
                found += slope.clamp(min=0) if not block.causal else slope.clamp(min=0) * (torch.arange(T) <= query)
        h, _ = widened(block, mid, 0 * h[None])
    return found


def through(tower, block, h, moves, presence):
    """One block's output, (T, D), and what it makes of moves (n, T, D) of its input."""
    return widened(block, *attended(tower, block, h, moves, presence))


def attended(tower, block, h, moves, presence):
    """The same of its first half, the attention's."""
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
    scale1 = 1 if block.scale1 is None else block.scale1
    return h + block.out(torch.cat(mixed, -1)) * scale1, moves + torch.cat(dmixed, -1) @ block.out.weight.T * scale1


def widened(block, h, moves):
    """And of its second, the MLP's."""
    scale2 = 1 if block.scale2 is None else block.scale2
    x, dx = norm(block.norm2, h, moves)
    u = block.fc1(x)
    return (h + block.fc2(block.act(u)) * scale2,
            moves + (dx @ block.fc1.weight.T * (block.act(u) / u)) @ block.fc2.weight.T * scale2)
