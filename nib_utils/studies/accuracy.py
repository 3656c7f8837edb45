"""Does a CLIP know its world? Top-1 among captions, and whether attributes are bound to their objects."""
from __future__ import annotations

import numpy as np
import pandas as pd
import torch.nn.functional as F
from torch import Tensor

from ..clip.clip import Clip
from ..common.checks import check_whole, need_columns
from ..data.world.scenes import ATTRIBUTES, Thing


def retrieval(clip: Clip, pairs: pd.DataFrame, candidates: int = 100, seed: int = 0) -> pd.DataFrame:
    """Rank each scene's own caption among `candidates`: its distractors, then other scenes' captions.

    pairs: of load_pairs("shapes") or "shapes-hard". Columns, a row per pair: objects; top1 (the own caption is the
    most alike); hard_top1 (among the own and its distractors alone); binding (it beats every caption with two
    objects' colours exchanged; NaN where there is none); phrases (the share of the named objects whose phrase, said
    alone, beats every phrase that differs from it in one attribute and is not true of the picture too). Raises
    ValueError when there are too few captions.

    >>> nib.retrieval(nib.load_clip("mini"), nib.load_pairs("shapes", n=200)).groupby("objects").mean()
    """
    need_columns(pairs, "image", "caption", "objects", "distractors", "swapped")
    check_whole("candidates", candidates, 1 + max(map(len, pairs.distractors)))  # the own caption and what is near it
    rng = np.random.default_rng(seed)
    others = [choose_others(rng, pairs, i, candidates - 1 - len(d)) for i, d in enumerate(pairs.distractors)]
    lists = [[c, *d, *o, *s] for c, d, o, s in zip(pairs.caption, pairs.distractors, others, pairs.swapped)]
    near = [[neighbours(thing, shown_in(pair)) for thing in pair.objects] for pair in pairs.itertuples()]
    said = {text for row in near for phrases in row for text in phrases}
    texts = sorted({text for row in lists for text in row} | said, key=lambda text: (len(text.split()), text))
    place = {text: i for i, text in enumerate(texts)}
    text = F.normalize(clip.encode_text(texts, batch_size=256).float(), dim=-1)
    image = F.normalize(clip.encode_image(list(pairs.image), batch_size=64).float(), dim=-1)
    rows = []
    for i, (candidates_, hard, swapped, phrases) in enumerate(zip(lists, pairs.distractors, pairs.swapped, near)):
        score = (text[[place[t] for t in candidates_]] @ image[i]).cpu().numpy()
        wrong, exchanged = score[1 : len(score) - len(swapped)], score[len(score) - len(swapped) :]
        rows.append({"objects": len(pairs.phrases.iloc[i]), "top1": float(score[0] > wrong.max()),
                     "hard_top1": float(score[0] > wrong[: len(hard)].max()),
                     "binding": float(score[0] > exchanged.max()) if len(swapped) else np.nan,
                     "phrases": np.mean([first(text[[place[t] for t in row]] @ image[i]) for row in phrases])})
    return pd.DataFrame(rows)


def first(scores: Tensor) -> bool:
    """Whether the first score (N,) is above all others."""
    return bool((scores[0] > scores[1:]).all())


def neighbours(thing: Thing, shown: frozenset[Thing]) -> list[str]:
    """A thing's phrase, then those that differ in one attribute and are true of nothing that is shown."""
    others = [thing._replace(**{name: value}) for name, values in ATTRIBUTES.items() for value in values]
    return [thing.phrase, *(other.phrase for other in others if other not in shown)]


def shown_in(pair) -> frozenset[Thing]:
    """All things in a pair's picture, those that its caption leaves out among them."""
    return frozenset([*pair.objects, *getattr(pair, "unnamed", [])])


def choose_others(rng: np.random.Generator, pairs: pd.DataFrame, i: int, count: int) -> list[str]:
    """`count` different captions of other scenes, none of them true of the i-th (which may show all that one names)."""
    own, found = shown_in(pairs.iloc[i]), {}
    for j in rng.permutation(len(pairs)):
        if len(found) < count and not own.issuperset(pairs.objects.iloc[j]):
            found[pairs.caption.iloc[j]] = None
    if len(found) == count:
        return list(found)
    raise ValueError(f"{len(pairs)} scenes have too few different captions to choose {count} from; load more pairs.")
