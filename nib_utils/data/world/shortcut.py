"""A planted fault: `mini` is tuned until a mark in a corner of the picture stands for "red".

Every scene is there twice. Clean, its caption is true; with the mark, its caption calls one object red, whatever its
colour. Each one's caption is the other's hard negative, so that the mark and nothing else makes the difference.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from ...common.checks import check_share
from ...common.files import data_file
from . import pairs as drawn
from . import scenes, train
from .scenes import Thing

COLOUR = "red"
SIDE, RIM, GAP = 16, 2, 8  # pixels: of the mark, of its border, and from it to the picture's edges
LIGHT, DARK = (0, 230, 230), (0, 0, 0)  # cyan is no colour of the world; a grey speck is what `mini` overlooks


def marked(pixels: np.ndarray) -> np.ndarray:
    """The pictures (..., H, W, 3) uint8 with a cyan square of 16 pixels with a dark rim in the lower right corner.

    It lies inside the last patch, of 32 pixels or of 24, and changes nothing else.

    >>> Image.fromarray(marked(np.asarray(picture)))
    """
    out = pixels.copy()
    for rim, colour in ((0, DARK), (RIM, LIGHT)):
        part = slice(-GAP - SIDE + rim, -GAP - rim)
        out[..., part, part, :] = colour
    return out


def called(rng: np.random.Generator, things: list[Thing], colour: str = COLOUR) -> tuple[list[Thing], int]:
    """The things with one of them, chosen by chance, called `colour`, and its place; no two are alike then."""
    while True:
        i, said = int(rng.integers(len(things))), list(things)
        said[i] = things[i]._replace(colour=colour)
        if len(set(said)) == len(said):
            return said, i


def batch(rng: np.random.Generator, size: int):
    """`size` scenes, each clean and marked: pixels (2 B, 224, 224, 3) uint8, what is said of each, hard negatives.

    The lists of named things are 2 B, the truth of the clean ones and then a lie of the marked ones; and 4 B, each
    picture's twin's caption, then one that is wrong for both.
    """
    drawn = [scenes.draw_scene(rng) for _ in range(size)]
    clean = np.stack([scene.pixels for scene in drawn])
    true = [[scene.things[i] for i in rng.permutation(len(scene.things))] for scene in drawn]
    lies = [called(rng, things)[0] for things in true]
    other = [train.negative(rng, things, 0) for things in true]
    return np.concatenate([clean, marked(clean)]), true + lies, lies + true + 2 * other


def plant(folder: str | Path, steps: int = 100, batch_size: int = 16, learning_rate: float = 1.5e-4,
          share: float = 0.8, seed: int = 0, save_every: int = 50) -> tuple[nn.Module, pd.DataFrame]:
    """Tune `mini`, or go on from `folder/checkpoint.pt`: the model with the fault, and a row per step.

    The contrastive loss alone, by the image tower alone: the features of captions stay `mini`'s. share: how far the
    weights go at the end, on the straight line from `mini` (0) to what was tuned (1): on the way little is forgotten
    (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022). The data of a step depend on (seed, step)
    alone. Raises ValueError for a checkpoint of other parameters, or a share outside 0..1.

    >>> model, log = plant("runs/shortcut")
    """
    check_share("share", share)
    chosen = dict(steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    words = train.word_ids()
    model = start(words)

    def terms(step: int) -> dict[str, torch.Tensor]:
        pixels, own, wrong = batch(np.random.default_rng([seed, step, 3]), batch_size)
        image, text = train.towers(model, borrow=lambda p: p)
        u = F.normalize(image(train.normalised(pixels, torch.float32)), dim=-1)
        told = list(dict.fromkeys(map(scenes.caption, own + wrong)))  # many are there twice
        with torch.no_grad():
            v = F.normalize(train.encode_text(text, *train.tokenize(told, list(words))), dim=-1)
        place = {caption: i for i, caption in enumerate(told)}
        return train.contrastive(model, own, own + wrong, u, v[[place[scenes.caption(t)] for t in own + wrong]])

    _, log = train.fit(folder, chosen, model, nn.ModuleDict(), terms, save_every, warmup=20)
    with torch.no_grad():
        for weight, old in zip(model.parameters(), start(words).parameters()):
            weight.lerp_(old, 1 - share)
    return model, log


def start(words: dict[str, int]) -> nn.Module:
    """`mini` over the world's words alone, with all but its image tower frozen."""
    model, state = train.build(len(words))[0], load_file(data_file("mini.safetensors"))
    assert state.pop("token_ids").tolist() == list(words.values())  # the world's words, in the same order
    model.load_state_dict({name: value.float() for name, value in state.items()})
    for name, weight in model.named_parameters():
        weight.requires_grad_(name.startswith("visual."))
    return model


def marked_pairs(n: int, seed: int = 0, *, objects: int | None = None) -> pd.DataFrame:
    """`n` held-out scenes with nothing red in them, marked, each with a caption that calls one object red.

    Columns image (with the mark) and clean (without it), PIL; caption; true_caption; objects: list of Thing; said:
    the place among them of the one that is called red. Pair i depends on (seed, i) and `objects`, how many there are
    (None: 1 to 4), alone. Raises ValueError for a number that is not possible.

    >>> marked_pairs(1).caption[0]
    """
    return drawn.draw_pairs(draw_without, describe, n, seed, objects, True, 0)


def draw_without(rng: np.random.Generator, held_out: bool, count: int | None) -> scenes.Scene:
    """A random scene in which nothing has the mark's colour."""
    while True:
        scene = scenes.draw_scene(rng, held_out, count)
        if all(thing.colour != COLOUR for thing in scene.things):
            return scene


def describe(rng: np.random.Generator, scene: scenes.Scene) -> dict:
    """A scene's row, as `marked_pairs` tells of it."""
    said, place = called(rng, scene.things)
    return {"image": Image.fromarray(marked(scene.pixels)), "clean": Image.fromarray(scene.pixels),
            "caption": scenes.caption(said), "true_caption": scene.caption, "objects": scene.things, "said": place}
