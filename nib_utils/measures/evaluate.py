"""Run a method over many pairs and measure it; what is done is kept, so an interrupted run goes on."""
from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

import pandas as pd

from ..clip.clip import Clip
from ..common.checks import brief, check_choice, check_seed, check_whole, need_columns, one_or_several
from ..common.progress import progress
from ..maps.explain import explain, warn_blank
from ..maps.explanation import Explanation, check_explanation
from ..maps.options import check_request, per_tower
from . import cache as kept
from .confidence import PROTOCOLS, confidence
from .curves import curves
from .localization import located
from .masks import seen_masks
from .reference import nearness
from .words import word_accuracy

MEASURES: dict[str, Callable[[Clip, Explanation, pd.DataFrame], pd.DataFrame]] = {
    "published": lambda clip, ex, pairs: confidence(clip, ex, "published").add_prefix("published_"),
    "corrected": lambda clip, ex, pairs: confidence(clip, ex, "corrected").add_prefix("corrected_"),
    "gain": lambda clip, ex, pairs: curves(clip, ex).drop(columns="similarity"),
    "words": lambda clip, ex, pairs: word_accuracy(ex, pairs["content"]).add_prefix("word_"),
    "located": lambda clip, ex, pairs: pd.DataFrame(located(ex, seen_masks(pairs, clip.preprocess))),
    "agreement": lambda clip, ex, pairs: nearness(ex, pairs["shapley"]).add_prefix("agreement_"),
}
NEEDS = {"words": "content", "located": "mask", "agreement": "shapley"}  # the column of the pairs that a measure reads
ALONE = {"image": ("located", "agreement"), "text": ("words", "agreement")}  # what one map is enough for


def evaluate(clip: Clip, pairs: pd.DataFrame, method: str, *, seed: int = 0, chunk: int = 40,
             cache: str | Path | None = None, truncate: bool = False, measures: Sequence[str] = PROTOCOLS,
             only: str | None = None, image_options: dict | None = None, text_options: dict | None = None,
             **options) -> pd.DataFrame:
    """Explain every pair and measure its maps: a row per pair.

    measures: "published" and "corrected", the columns of `confidence` with that word before them; "gain", those of
    `curves`; "words", those of `word_accuracy` with "word_" before them, of pairs with a column content; "located",
    those of `localize`, with a column mask; "agreement", those of `agreement` with "agreement_" before them, with a
    column shapley (of `with_reference`). Beside them similarity, and explain_seconds (the time of
    the pair's chunk, shared equally). only: "image" or "text", for measures that one map is enough for. Memory does
    not grow with the number of pairs: `chunk` of them are in work at a time. cache: a folder; finished chunks are
    kept there and taken up again by the same call.

    >>> nib.evaluate(clip, nib.load_pairs("shapes", n=100), "nib").mean()
    """
    measures = check_measures(measures, pairs, only)
    check_whole("chunk", chunk, 1)
    asked = per_tower(options, image_options, text_options)
    own = dict(image_options=image_options or {}, text_options=text_options or {})
    function = check_request(clip, method, asked, only)
    check_seed("seed", seed)
    work = (clip, pairs, method, options | own, seed, truncate, measures, only,
            *(kept.of_column(pairs[NEEDS[measure]]) for measure in measures if measure in NEEDS))
    file = None if cache is None else Path(cache) / f"{kept.fingerprint(*work)}.csv"
    ids = clip.ids(list(pairs.caption), truncate)  # all of them first, so that what is wrong with one is said now
    done = pd.DataFrame() if file is None else kept.read(file)
    blank, new = Counter(), len(pairs) - len(done)
    with progress(len(pairs), method, done=len(done)) as bar:
        for first in range(len(done), len(pairs), chunk):
            part = pairs.iloc[first : first + chunk]
            start = time.perf_counter()
            pixels, captions = clip.pixels(list(part.image), first), ids[first : first + chunk]  # read once for all
            chance = {"seed": seed} if function.about.noise else {}
            here = {name: from_row(chance | given, first, len(part)) for name, given in own.items()}
            with counted(first, first + len(part)), warnings.catch_warnings():
                warnings.filterwarnings("ignore", f"{method} finds nothing")  # said once, for all chunks, below
                ex = explain(clip, pixels, captions, method, only=only, progress=False, **here, **options)
                seconds = (time.perf_counter() - start) / len(part)
                rows = measured(clip, ex, part, measures).assign(explain_seconds=seconds)
            blank.update(ex.blank)
            done = pd.concat([done, rows], ignore_index=True)
            if file is not None:
                kept.write(file, done)
            bar.update(len(part))
    warn_blank(clip, method, asked, blank, new)
    return done


def measured(clip: Clip, ex: Explanation, pairs: pd.DataFrame, measures: Sequence[str] = PROTOCOLS) -> pd.DataFrame:
    """What `evaluate` measures, of maps that are there already, such as those of `explanation`: a row per pair.

    Raises ValueError for a measure that there is not, or for pairs that are not those of the maps: not as many, or of
    other captions.

    >>> nib.measured(clip, nib.explanation(clip, images, texts, maps, words), pairs, ["gain"]).mean()
    """
    check_explanation(ex)
    measures = check_measures(measures, pairs)
    if len(pairs) != len(ex):
        raise ValueError(f"there are {len(pairs)} pairs but maps of {len(ex)}; pass the pairs that were explained.")
    for i, (ids, caption) in enumerate(zip(ex.clip.ids(list(pairs["caption"]), truncate=True), pairs["caption"])):
        if ids.tolist() != ex.ids[i].tolist():
            raise ValueError(f"the caption of row {i} is {brief(caption)}, but the map there is of "
                             f"{brief(ex.captions[i])}; pass the pairs that were explained, in their order.")
    columns = [MEASURES[measure](clip, ex, pairs) for measure in measures]
    return pd.concat([*columns, pd.DataFrame({"similarity": ex.similarity.double().numpy()})], axis=1)


def measures_for(pairs: pd.DataFrame, only: str | None = None) -> list[str]:
    """All measures that `evaluate` can take of these pairs, of both maps, or with `only` of the one.

    >>> nib.evaluate(clip, pairs, "nib", measures=nib.measures_for(pairs)).mean()
    """
    check_choice("only", only, (None, *ALONE))
    return [name for name in ALONE.get(only, MEASURES) if name not in NEEDS or NEEDS[name] in pairs]


def check_measures(measures: Sequence[str], pairs: pd.DataFrame, only: str | None = None) -> list[str]:
    """The measures as a list, when there are such and the pairs and the maps have what they need."""
    check_choice("only", only, (None, *ALONE))
    measures = one_or_several("measures", measures, "names of measures")
    for measure in measures:
        check_choice("a measure", measure, tuple(MEASURES))
        if only and measure not in ALONE[only]:
            raise ValueError(f"only is {only!r}, but the measure {measure!r} is of both maps, or of the other one; "
                             f"measure {' or '.join(ALONE[only])}, or leave only out.")
    if not measures:
        raise ValueError(f"no measure is named; there are {', '.join(MEASURES)}.")
    need_columns(pairs, "image", "caption", *(NEEDS[measure] for measure in measures if measure in NEEDS))
    return measures


def from_row(options: dict, first: int, count: int) -> dict:
    """The options for `count` pairs from row `first` on: pair i has seed + i, however many are in work at a time."""
    seed = options.get("seed")
    if seed is None:
        return options
    return options | {"seed": seed + first if isinstance(seed, Integral) else list(seed)[first : first + count]}


@contextmanager
def counted(first: int, last: int) -> Iterator[None]:
    """What goes wrong inside is said to be of the pairs from `first` to before `last`, unless these begin with 0."""
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        if first == 0:
            raise
        raise type(error)(f"of the pairs {first} to {last - 1}, counted from the first of them: {error}") from None
