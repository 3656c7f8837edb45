"""Train `mini`, the embedded CLIP, on the drawn world: contrastive, with labels of what is in the scene.

Both towers answer one shared question about their normalised feature, "which pairs of attributes
occur together in one object?" (red & striped, striped & star, ...), which is what makes a small
model learn in an hour; the patches answer it too, two blocks before the end. CLIP itself has no
such labels: `mini` is concept-supervised. Hard negatives differ from the caption in one attribute,
one object or one swap.
"""
from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...clip.pictures import MEAN, STD
from ...clip.tower import Tower
from ...common.packages import part_of_clip
from ...loading.live.openai import towers
from . import scenes
from .fit import fit
from .scenes import ATTRIBUTES, Thing

WIDTH, EMBED, DEPTH = 128, 256, 12
PAIRS = [(a, u, b, v) for a, b in combinations(ATTRIBUTES, 2) for u in ATTRIBUTES[a] for v in ATTRIBUTES[b]]
PAIR_INDEX = {pair: i for i, pair in enumerate(PAIRS)}
NAMES = tuple(ATTRIBUTES)
SOS, EOS = "<|startoftext|>", "<|endoftext|>"


def pairs_of(thing: Thing) -> list[int]:
    """Indices into PAIRS of the six attribute pairs that one object shows."""
    return [PAIR_INDEX[a, getattr(thing, a), b, getattr(thing, b)] for a, b in combinations(NAMES, 2)]


def labels(scenes: list[list[Thing]]) -> Tensor:
    """Which attribute pairs occur in each list of things, (N, len(PAIRS)) of 0 and 1."""
    out = torch.zeros(len(scenes), len(PAIRS))
    for row, things in zip(out, scenes):
        row[[i for thing in things for i in pairs_of(thing)]] = 1
    return out


@cache
def untold(thing: Thing) -> list[int]:
    """Pairs that would make of the thing, by one other attribute, a triple that training never shows."""
    others = [thing._replace(**{name: value}) for name in NAMES for value in ATTRIBUTES[name]]
    return sorted({i for other in others if scenes.is_held_out(other) for i in pairs_of(other)} - {*pairs_of(thing)})


def told(shown: list[list[Thing]]) -> Tensor:
    """1 for the pairs whose labels teach, (N, len(PAIRS)), 0 for those that are `untold` and do not occur.

    That they never occur is no truth of the world but of the choice of the training scenes.
    """
    out = torch.ones(len(shown), len(PAIRS))
    for row, things in zip(out, shown):
        row[[i for thing in things for i in untold(thing)]] = 0
    return out.maximum(labels(shown))


def patch_labels(scene: scenes.Scene, side: int = 7) -> np.ndarray:
    """Which attribute pairs each patch shows (an object counts where it fills 15 % of the patch), (side^2, PAIRS)."""
    cell = scene.masks.shape[-1] // side
    share = scene.shown_masks.reshape(-1, side, cell, side, cell).mean((2, 4)).reshape(-1, side * side)  # (n, patches)
    out = np.zeros((side * side, len(PAIRS)), np.float32)
    for thing, cover in zip(scene.shown, share):
        out[np.ix_(cover > 0.15, pairs_of(thing))] = 1
    return out


def tokenize(captions: list[str], words: list[str]) -> tuple[Tensor, Tensor]:
    """Places of the captions' words among the world's, padded with 0: (N, T), and their lengths (N,)."""
    place = {word: i for i, word in enumerate(words)}
    rows = [[place[w] for w in (SOS, *text.replace(",", " ,").split(), EOS)] for text in captions]
    lengths = torch.tensor([len(row) for row in rows])
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True), lengths


def word_ids() -> dict[str, int]:
    """The CLIP BPE's id of each word of the world (all are single tokens), in the order of the ids."""
    bpe = part_of_clip("simple_tokenizer").SimpleTokenizer()
    words = {"a", "and", ",", *(value for values in ATTRIBUTES.values() for value in values)}
    ids = {word: bpe.encoder[word + "</w>"] for word in words}
    ids |= {mark: bpe.encoder[mark] for mark in (SOS, EOS)}
    return dict(sorted(ids.items(), key=lambda item: item[1]))


def batch(rng: np.random.Generator, size: int, negatives: int, most: int, draw=scenes.draw_scene, side: int = 7,
          unseen: bool = True):
    """`size` scenes and their captions, one in four leaving objects out, each with hard `negatives` (see `negative`).

    Returns pixels (B, 224, 224, 3) uint8, scenes' things, patch labels (B, side^2, P), and (1 + negatives) * B
    lists of named things: first the true ones, then the negatives of the first kind, and so on.
    """
    drawn = [draw(rng, count=int(rng.integers(1, most + 1))) for _ in range(size)]
    named = [[scene.things[i] for i in rng.permutation(len(scene.things))] for scene in drawn]
    named = [things[: rng.integers(1, len(things) + 1)] if rng.integers(4) == 0 else things for things in named]
    wrong = [[negative(rng, things, kind, unseen) for things in named] for kind in range(negatives)]
    pixels = np.stack([scene.pixels for scene in drawn])
    patch = np.stack([patch_labels(scene, side) for scene in drawn])
    return pixels, [scene.shown for scene in drawn], patch, sum(wrong, named)


def negative(rng: np.random.Generator, things: list[Thing], kind: int, unseen: bool = True) -> list[Thing]:
    """A caption's things made wrong: the first kind swaps an attribute between two objects where it can.

    unseen: whether they may be of triples that training never shows, which teaches that these are never true.
    """
    fine = lambda made: unseen or not any(map(scenes.is_held_out, made))
    if kind == 0 and len(things) > 1:
        i, j = (int(v) for v in rng.permutation(len(things))[:2])
        differ = [name for name in NAMES if getattr(things[i], name) != getattr(things[j], name)]
        made = scenes.swapped(things, differ[rng.integers(len(differ))], i, j)
        if set(made) != set(things) and fine(made):
            return made
    while not fine(made := scenes.differing(rng, things)):
        pass
    return made


def untrue(named: list[list[Thing]], scenes: list[list[Thing]]) -> Tensor:
    """Which captions say something that a scene does not show, (scenes, captions) bool."""
    kinds = {thing: i for i, thing in enumerate({t for things in named + scenes for t in things})}

    def rows(lists):
        out = torch.zeros(len(lists), len(kinds))
        for row, things in zip(out, lists):
            row[[kinds[thing] for thing in things]] = 1
        return out

    said, shown = rows(named), rows(scenes)
    return shown @ said.T < said.sum(1)


def encode_text(text, ids: Tensor, lengths: Tensor, groups: int = 4) -> Tensor:
    """Features of captions of mixed length, a group of like length at a time so that little is padding."""
    order = lengths.argsort()
    features = torch.cat([text(ids[part, : int(lengths[part].max())]) for part in order.chunk(groups)])
    return features[order.argsort()]


def build(vocabulary: int, seed: int = 0, side: int = scenes.SIDE, patch: int = 32) -> tuple[nn.Module, nn.Module]:
    """An untrained mini CLIP in OpenAI's architecture, over the world's words alone, and training's own heads."""
    torch.manual_seed(seed)
    model = part_of_clip("model").CLIP(EMBED, side, DEPTH, WIDTH, patch, 77, vocabulary, WIDTH, WIDTH // 64, DEPTH)
    heads = nn.ModuleDict({"concept": nn.Linear(EMBED, len(PAIRS)), "norm": nn.LayerNorm(WIDTH),
                           "patch": nn.Linear(WIDTH, len(PAIRS))})
    nn.init.constant_(heads["concept"].bias, -2.0)
    nn.init.constant_(heads["patch"].bias, -4.0)
    return model.float(), heads


def losses(model, heads, data, words: list[str], patch_weight: float) -> dict[str, Tensor]:
    """The terms of the loss and the share of images that prefer their own caption to its hard negatives."""
    pixels, _, _, named = data
    image, text = towers(model, borrow=lambda p: p)  # views of parameters live for one step
    dtype = precision()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        u, dense = see(image, heads, normalised(pixels, dtype), patch_weight > 0)
        v = encode_text(text, *tokenize([scenes.caption(things) for things in named], words))
    return terms_of(model, heads, data, u.float(), v.float(), dense, patch_weight)


def normalised(pixels: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Pixels (B, H, W, 3) uint8 as a model takes them, (B, 3, H, W)."""
    mean, std = (torch.tensor(values).to(dtype).view(1, 3, 1, 1) for values in (MEAN, STD))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).to(dtype) * (1 / 255 / std) - mean / std


def see(image: Tower, heads, x: Tensor, dense: bool, shown: Tensor | None = None) -> tuple[Tensor, ...]:
    """Features (B, E) of pixels and, two blocks before the end, the patches' logits (B, patches, P) or None.

    shown: the patches of each image that are read at all, (B, patches), or None for every one.
    """
    layer, h = image.depth - 2, image.tokens(x)
    if shown is not None:
        h = h.gather(1, F.pad(shown + 1, (1, 0))[..., None].expand(-1, -1, h.shape[-1]))  # CLS is row 0
    h = image.pre(h)
    for block in image.blocks[:layer]:
        h = block(h)
    return image.finish(h, layer, image.at(x)), heads["patch"](heads["norm"](h[:, 1:])) if dense else None


def terms_of(model, heads, data, u: Tensor, v: Tensor, dense: Tensor | None, patch_weight: float,
             unseen: bool = True) -> dict[str, Tensor]:
    """`losses` from the features of the images (B, E) and the captions (N, E); without `unseen` of what is `told`."""
    _, shown, patch, named = data
    u, v = F.normalize(u, dim=-1), F.normalize(v, dim=-1)
    weights = lambda things: None if unseen else told(things)
    say = lambda f, things: 10 * F.binary_cross_entropy_with_logits(heads["concept"](16 * f), labels(things),
                                                                    weights(things))
    terms = {"image_labels": say(u, shown), "text_labels": say(v, named), **contrastive(model, shown, named, u, v)}
    if dense is not None:
        patch = torch.from_numpy(patch)
        terms["patch_labels"] = 10 * patch_weight * F.binary_cross_entropy_with_logits(
            dense.float(), patch, None if unseen else told(shown)[:, None].maximum(patch))
    return terms


def contrastive(model, shown: list[list[Thing]], named: list[list[Thing]], u: Tensor, v: Tensor) -> dict[str, Tensor]:
    """CLIP's loss of unit features of images (B, E) and captions (N, E), and how many images prefer their own.

    The own captions come first. One that is true of another image, by what is `shown`, is no negative of it. The
    share that prefers its own to its hard negatives is NaN where there are none.
    """
    B = len(shown)
    logits = model.logit_scale.exp().clamp(max=100) * u @ v.T  # (B, N)
    own = torch.arange(B)
    allowed = untrue(named, shown)
    allowed[own, own] = True
    to_text = F.cross_entropy(logits.masked_fill(~allowed, -1e4), own)
    to_image = F.cross_entropy(logits[:, :B].T.masked_fill(~allowed[:, :B].T, -1e4), own)
    rivals = logits.view(B, -1, B).diagonal(dim1=0, dim2=2).T  # (B, 1 + negatives): own caption first
    best = (rivals[:, :1] >= rivals).all(1).float() if len(named) > B else torch.tensor(torch.nan)
    return {"contrastive": (to_text + to_image) / 2, "prefers_own": best.mean().detach()}


def precision() -> torch.dtype:
    """bfloat16 where the processor has wide units, float32 where it would only be emulated, ten times slower."""
    return torch.float32 if torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2") else torch.bfloat16


def train_mini(folder: str | Path, steps: int = 4700, batch_size: int = 96, learning_rate: float = 1.2e-3,
               hard_from: float = 0.5, negatives: int = 3, most: int = scenes.MAX_OBJECTS, seed: int = 0,
               save_every: int = 100) -> tuple[nn.Module, pd.DataFrame]:
    """Train, or go on from `folder/checkpoint.pt`; returns the model and the log, a row per step.

    The data of a step depend on (seed, step) alone, so an interrupted run sees what an unbroken one would.
    Raises ValueError for a checkpoint of a training with other parameters.
    """
    chosen = dict(steps=steps, batch_size=batch_size, learning_rate=learning_rate, hard_from=hard_from,
                  negatives=negatives, most=most, seed=seed)
    words = list(word_ids())
    model, heads = build(len(words), seed)

    def terms(step: int) -> dict[str, Tensor]:
        progress = step / steps
        wrong = negatives if progress >= hard_from else min(1, negatives)
        data = batch(np.random.default_rng([seed, step]), batch_size, wrong, most)
        return losses(model, heads, data, words, patch_weight=4 * max(0.0, 1 - progress / 0.8))

    return fit(folder, chosen, model, heads, terms, save_every)
