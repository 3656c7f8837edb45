"""Train `mini-hard`, the second embedded CLIP, on `shapes-hard`: 10 x 10 patches, its last third contrastive alone.

It begins as `mini`, whose patches and positions are resampled to the finer grid. For two thirds of the training the
text tower stays as it is and the image tower learns to see hard scenes for it, with the help of the concept head and
of the patches' labels (see `train`), which fade out; then both towers learn together. Nothing in it says that what
only testing shows is wrong: a model that is told so names any other shape first.
"""
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from ...common.files import data_file
from . import hard_scenes, scenes, train

GRID = 10
PATCH = hard_scenes.SIDE // GRID
IMAGES, CAPTIONS = 16, 64  # that one thread reads at a time
SHOWN = 40  # patches of an image that the first part of the training reads
LESSONS = 2048  # captions from which the concept head learns to read `mini`'s text features, before all else


def build(words: dict[str, int], seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """`mini` on another grid, and training's own heads: the concepts' reads `mini`'s captions, the patches' nothing."""
    model, heads = train.build(len(words), seed, hard_scenes.SIDE, PATCH)
    state = load_file(data_file("mini.safetensors"))
    assert state.pop("token_ids").tolist() == list(words.values())  # the worlds have the same words
    state = {name: value.float() for name, value in state.items()}
    kernel, position = state["visual.conv1.weight"], state["visual.positional_embedding"]
    size = kernel.shape[-1]
    state["visual.conv1.weight"] = (size / PATCH) ** 2 * F.interpolate(
        kernel, size=(PATCH, PATCH), mode="bilinear", antialias=True)  # a like patch gives a like sum
    side = round((len(position) - 1) ** 0.5)
    grid = position[1:].T.unflatten(1, (side, side))[None]  # (1, D, 7, 7)
    grid = F.interpolate(grid, size=(GRID, GRID), mode="bicubic", align_corners=False)
    state["visual.positional_embedding"] = torch.cat([position[:1], grid[0].flatten(1).T])
    model.load_state_dict(state)
    teach(heads["concept"], model, list(words), np.random.default_rng(seed))
    return model, heads


def teach(head: nn.Module, model: nn.Module, words: list[str], rng: np.random.Generator, steps: int = 300) -> None:
    """Make the head find in the features of LESSONS random captions what they name."""
    most = scenes.MAX_OBJECTS
    things = [[scenes.random_thing(rng) for _ in range(rng.integers(1, most + 1))] for _ in range(LESSONS)]
    _, text = train.towers(model, borrow=lambda p: p)
    with torch.no_grad():
        v = F.normalize(train.encode_text(text, *train.tokenize([scenes.caption(t) for t in things], words)), dim=-1)
    labels, optimiser = train.labels(things), torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(head(16 * v), labels).backward()
        optimiser.step()


@cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), initializer=lambda: torch.set_num_threads(1))


class Together(torch.autograd.Function):
    """Tasks, functions that return tuples of tensors, run forwards and backwards at once, a thread each.

    Against threads within each operation this keeps a core useful while others are busy elsewhere. The sums
    have a fixed order, so a step is the same to the bit however the threads run.
    """

    @staticmethod
    def forward(ctx, tasks, *weights):
        ctx.weights, ctx.parts = weights, list(pool().map(lambda task: task(), tasks))
        return tuple(out.detach() for part in ctx.parts for out in part)

    @staticmethod
    def backward(ctx, *gradients):
        gradients = iter(gradients)
        jobs = [(part, [next(gradients) for _ in part]) for part in ctx.parts]
        each = pool().map(lambda job: torch.autograd.grad(job[0], ctx.weights, job[1], allow_unused=True), jobs)
        columns = ([g for g in column if g is not None] for column in zip(*each))
        return None, *(sum(column[1:], column[0]) if column else None for column in columns)


def losses(model, heads, data, words: list[str], patch_weight: float, shown: Tensor | None = None,
           text_learns: bool = True) -> dict[str, Tensor]:
    """`train.losses` in float32, in tasks of a few images or a few captions of like length.

    shown: the patches of each image that are read (B, patches), the others left out, or None for every one; without
    text_learns no gradient reaches the text tower.
    """
    pixels, things, patch, named = data
    if shown is not None:
        data = pixels, things, np.take_along_axis(patch, shown.numpy()[..., None], 1), named
    dense = patch_weight > 0
    ids, lengths = train.tokenize([scenes.caption(things) for things in named], words)
    order = lengths.argsort(descending=True, stable=True)

    def read(part, shown):
        image, _ = train.towers(model, borrow=lambda p: p)
        return train.see(image, heads, train.normalised(part, torch.float32), dense, shown)[: 1 + dense]

    def hear(part):
        _, text = train.towers(model, borrow=lambda p: p)
        return (text(ids[part, : int(lengths[part].max())]),)

    parts = np.array_split(pixels, range(IMAGES, len(pixels), IMAGES))
    images = [*map(partial, repeat(read), parts, repeat(None) if shown is None else shown.split(IMAGES))]
    captions = [partial(hear, part) for part in order.split(CAPTIONS)]
    weights = [p for m in (model, heads) for p in m.parameters()]
    n = len(images) * (1 + dense)
    out = Together.apply(images + captions * text_learns, *weights)
    said = out[n:] if text_learns else [v for v, in pool().map(torch.no_grad()(lambda task: task()), captions)]
    u, v = torch.cat(out[: n : 1 + dense]), torch.cat(said)[order.argsort()]
    logits = torch.cat(out[1:n:2]) if dense else None
    return train.terms_of(model, heads, data, u, v, logits, patch_weight, unseen=False)


def mostly_objects(patch: np.ndarray, rng: np.random.Generator, most: int = SHOWN) -> Tensor:
    """`most` of each image's patches (B, most), ascending: those of objects, which have labels, then those around."""
    own = torch.from_numpy(patch).any(-1).float()  # (B, patches)
    near = F.max_pool2d(own.view(-1, 1, GRID, GRID), 3, 1, 1).flatten(1)  # without an outline there is no shape
    first = rng.random(patch.shape[:2]) - (own + near).numpy()
    return torch.from_numpy(np.sort(np.argsort(first)[:, :most]))


def fading(progress: float, start: float, end: float) -> float:
    """1 before `start`, 0 after `end`, and a straight line between."""
    return min(1.0, max(0.0, (end - progress) / (end - start)))


def train_hard(folder: str | Path, steps: int = 6000, batch_size: int = 64, learning_rate: float = 1.5e-3,
               hard_from: float = 2 / 3, negatives: int = 2, most: int = scenes.MAX_OBJECTS, seed: int = 0,
               save_every: int = 100, all_from: float = 0.8, text_from: float = 2 / 3,
               few_until: float = 0.15, turned_by: float = 0.2) -> tuple[nn.Module, pd.DataFrame]:
    """Train, or go on from `folder/checkpoint.pt`; returns the model and the log, a row per step.

    Shares of the steps: until `turned_by` shapes are turned ever farther, since `mini` knows them upright; before
    `few_until` scenes name one or two objects; before `all_from` only SHOWN patches are read, for half the time;
    before `text_from` the text tower is `mini`'s; from `hard_from` on a caption has `negatives`. The data
    of a step depend on (seed, step) alone. Raises ValueError for a checkpoint of other parameters.
    """
    chosen = dict(steps=steps, batch_size=batch_size, learning_rate=learning_rate, hard_from=hard_from,
                  negatives=negatives, most=most, seed=seed, all_from=all_from, text_from=text_from,
                  few_until=few_until, turned_by=turned_by)
    words = train.word_ids()
    model, heads = build(words, seed)
    ahead = {}  # step -> its data, which are drawn while the step before is computed

    def data_of(step: int):
        progress, rng = step / steps, np.random.default_rng([seed, step])
        wrong = negatives if progress >= hard_from else 0
        named = most if progress >= few_until else min(2, most)
        spread = round(hard_scenes.SPREAD * (1 - fading(progress, 0, turned_by)))
        draw = partial(hard_scenes.draw_scene, spread=spread)
        return train.batch(rng, batch_size, wrong, named, draw, GRID, unseen=False)

    def terms(step: int) -> dict[str, Tensor]:
        progress = step / steps
        concepts, patches = fading(progress, 0.6, 2 / 3), 4 * fading(progress, 0, 0.6)
        data = ahead.pop(step).result() if step in ahead else data_of(step)
        if step + 1 < steps:
            ahead[step + 1] = pool().submit(data_of, step + 1)
        shown = mostly_objects(data[2], np.random.default_rng([seed, step, 2])) if progress < all_from else None
        parts = losses(model, heads, data, list(words), patches, shown, progress >= text_from)
        for name in ("image_labels", "text_labels"):
            parts[name] = concepts * parts[name] if concepts else parts[name].detach()
        return parts

    return train.fit(folder, chosen, model, heads, terms, save_every, warmup=100)
