"""Does a map say what the similarity really hangs on? Measured on pictures redrawn with one thing changed."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata, spearmanr

from ..clip.clip import Clip
from ..clip.similarity import cosine
from ..common.checks import need_columns
from ..maps.explanation import Explanation, check_explanation
from .localization import mass
from .masks import left, seen


def falls(clip: Clip, pairs: pd.DataFrame, changes: pd.DataFrame, batch_size: int = 32) -> np.ndarray:
    """By how much the cosine falls where a picture is changed and its caption is left alone: (changes,), in cosine.

    pairs: of load_pairs; changes: of `counterfactuals` with the same name, n, seed and options. Before minus after,
    below 0 where the changed picture fits better. It is the model's alone, the same for all methods. Raises
    ValueError for changes of other pairs.

    >>> changes["fall"] = nib.falls(clip, pairs, changes)
    >>> changes.groupby("kind")["fall"].mean()
    """
    need_columns(pairs, "image", "caption")
    check_changes(changes, list(pairs["caption"]), "image")
    encode = lambda images: torch.cat([clip.encode_image(images[i : i + batch_size])
                                       for i in range(0, len(images), batch_size)])
    captions, rows = clip.encode_text(list(pairs["caption"])), torch.tensor(changes["pair"].tolist())
    before, after = cosine(encode(list(pairs["image"])), captions), encode(list(changes["image"]))
    return (before[rows] - cosine(after, captions[rows])).double().cpu().numpy()


def word_truth(ex: Explanation, changes: pd.DataFrame) -> pd.DataFrame:
    """How relevant the text map finds the words that changes make untrue: a row per word, or per object taken away.

    ex: of the pairs that were changed; changes: of `counterfactuals`, with a column fall (see `falls`). Columns pair,
    kind, object, word; fall, the mean over the values that the word became; relevance, the map's value of the word in
    0..1 (of kind "object": the mean of the object's four words); rank, the share of the caption's other words that
    the map puts lower, equal ones by half, in 0..1. Raises ValueError for changes of other captions, or for
    words that are not one token each.

    >>> rows = nib.word_truth(nib.explain(clip, list(pairs.image), list(pairs.caption)), changes)
    >>> nib.concordance(rows).groupby("kind").mean()
    """
    check_explanation(ex, "text")
    check_changes(changes, ex.captions, "object", "word", "places", "fall")
    maps = [m[1:-1].double().numpy() for m in ex.text]
    ranks = [(rankdata(m) - 1) / max(len(m) - 1, 1) for m in maps]
    rows, said = [], changes[changes["places"].map(len) > 0]
    for pair in said["pair"].unique():
        if ex.tokens[pair][1:-1] != ex.captions[pair].replace(",", " ,").split():
            raise ValueError(f"caption {pair}, {ex.captions[pair]!r}, has the tokens {ex.tokens[pair][1:-1]}; explain "
                             "a model whose tokens are its words.")
    for (pair, kind, thing), part in said.groupby(["pair", "kind", "object"], sort=False):
        first = part.iloc[0]
        rows.append({"pair": pair, "kind": kind, "object": thing, "word": first["word"], "fall": part["fall"].mean(),
                     "relevance": maps[pair][first["places"]].mean(), "rank": ranks[pair][first["places"]].mean()})
    return pd.DataFrame(rows, columns=["pair", "kind", "object", "word", "fall", "relevance", "rank"])


def object_truth(ex: Explanation, changes: pd.DataFrame) -> pd.DataFrame:
    """How much of the image map lies on each object that was taken away: a row per object, named or not.

    ex, changes: as for `word_truth`. Columns pair, kind, object, fall, and relevance, the share of the map's positive
    scores that lies on the object (see `mass`), in 0..1. A larger object has a larger share of any map, so compare
    with the control "all_ones". Raises ValueError for changes of other captions.

    >>> nib.concordance(nib.object_truth(ex, changes)).mean()
    """
    check_explanation(ex, "image")
    check_changes(changes, ex.captions, "object", "mask", "image", "fall")
    gone = changes[changes["kind"] == "object"]
    if not len(gone):
        raise ValueError("none of the changes takes an object away; pass those of kind 'object' too.")
    masks = torch.from_numpy(np.stack([seen(row.mask, row.image, f"change {row.Index}", ex.clip.preprocess)
                                       for row in gone.itertuples()]))  # (changes, H, W)
    left(masks, list(gone["caption"]), "raise")
    shares = mass(ex.image_scores[torch.tensor(gone["pair"].tolist())], masks)
    return gone[["pair", "kind", "object", "fall"]].assign(relevance=shares.double().numpy())


def concordance(rows: pd.DataFrame) -> pd.DataFrame:
    """Is more relevant what makes the cosine fall more? A row for each picture and kind of change.

    rows: of `word_truth` or `object_truth`. Columns pair; kind, one of theirs, or "words" for all that change one
    word; spearman, of relevance and fall, in -1..1, 0 by chance and where relevance is constant; concordance, the
    share of couples that relevance puts in the order of their falls, equal relevance counting half, in 0..1, 0.5
    by chance; changes, how many were compared, all within their picture. Where all falls are equal, as of one change
    alone, there is no row. Raises ValueError for a missing column or a NaN. Source: Kendall, Biometrika, 1938.

    >>> nib.concordance(rows).groupby("kind")["concordance"].mean()
    """
    check_rows(rows, "pair", "kind", "relevance", "fall")
    words = rows[rows["kind"] != "object"].assign(kind="words")
    found = [{"pair": pair, "kind": kind, "spearman": spearman(part["relevance"], part["fall"]),
              "concordance": ordered(part["relevance"].to_numpy(), part["fall"].to_numpy()), "changes": len(part)}
             for (pair, kind), part in pd.concat([words, rows]).groupby(["pair", "kind"], sort=False)
             if part["fall"].nunique() > 1]
    return pd.DataFrame(found, columns=["pair", "kind", "spearman", "concordance", "changes"])


def spearman(relevance: pd.Series, fall: pd.Series) -> float:
    return float(spearmanr(relevance, fall).statistic) if relevance.nunique() > 1 else 0.0


def ordered(relevance: np.ndarray, fall: np.ndarray) -> float:
    """The share of couples with different falls whose relevance differs in the same direction, equal ones by half."""
    a, b = np.triu_indices(len(fall), 1)
    tells, says = np.sign(fall[a] - fall[b]), np.sign(relevance[a] - relevance[b])
    return float(((1 + tells * says) / 2)[tells != 0].mean())


def check_rows(rows: pd.DataFrame, *columns: str) -> None:
    """Refuse rows without these columns, or with a gap in them."""
    missing = [name for name in columns if name not in getattr(rows, "columns", ())]
    if missing:
        raise ValueError(f"the rows lack the column {missing[0]!r}; pass those of word_truth or object_truth.")
    gaps = np.argwhere(rows[list(columns)].isna().to_numpy())
    if len(gaps):
        raise ValueError(f"row {gaps[0][0]} has no {columns[gaps[0][1]]}; leave such rows out, or find out why.")


def check_changes(changes: pd.DataFrame, captions: Sequence[str], *columns: str) -> None:
    """Refuse what are not changes of these captions."""
    missing = [name for name in ("pair", "caption", "kind", *columns) if name not in getattr(changes, "columns", ())]
    if missing or not len(changes):
        lacking = f"lack the column {missing[0]!r}" if missing else "are none"
        raise ValueError(f"the changes {lacking}; pass those of counterfactuals(...), their column fall being "
                         "falls(clip, pairs, changes).")
    for pair, caption in zip(changes["pair"], changes["caption"]):
        if not 0 <= pair < len(captions) or captions[pair] != caption:
            raise ValueError(f"a change is of pair {pair}, {caption!r}, which is not among those given; draw both with "
                             "the same name, n, seed and options.")
