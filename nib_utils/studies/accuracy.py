"""Does a CLIP know its world? Top-1 among captions, and whether attributes are bound to their objects."""
from __future__ import annotations

import numpy as np
import pandas as pd
import torch.nn.functional as F

from ..clip.clip import Clip
from ..common.checks import need_columns


def retrieval(clip: Clip, pairs: pd.DataFrame, candidates: int = 100, seed: int = 0) -> pd.DataFrame:
    """Rank each scene's own caption among `candidates`: its distractors, then other scenes' captions.

    pairs: of load_pairs("shapes"). Columns, a row per pair: objects; top1 (the own caption is the most
    alike); hard_top1 (among the own and its distractors alone); binding (it beats every caption with two
    objects' colours exchanged; NaN where there is none). Raises ValueError when there are too few captions.

    >>> nib.retrieval(nib.load_clip("mini"), nib.load_pairs("shapes", n=200)).groupby("objects").mean()
    """
    need_columns(pairs, "image", "caption", "objects", "distractors", "swapped")
    rng = np.random.default_rng(seed)
    others = [choose_others(rng, pairs, i, candidates - 1 - len(d)) for i, d in enumerate(pairs.distractors)]
    lists = [[c, *d, *o, *s] for c, d, o, s in zip(pairs.caption, pairs.distractors, others, pairs.swapped)]
    texts = sorted({text for row in lists for text in row}, key=lambda text: (len(text.split()), text))
    place = {text: i for i, text in enumerate(texts)}
    text = F.normalize(clip.encode_text(texts, batch_size=256).float(), dim=-1)
    image = F.normalize(clip.encode_image(list(pairs.image), batch_size=64).float(), dim=-1)
    rows = []
    for i, (candidates_, hard, swapped) in enumerate(zip(lists, pairs.distractors, pairs.swapped)):
        score = (text[[place[t] for t in candidates_]] @ image[i]).cpu().numpy()
        wrong, exchanged = score[1 : len(score) - len(swapped)], score[len(score) - len(swapped) :]
        rows.append({"objects": len(pairs.phrases.iloc[i]), "top1": float(score[0] > wrong.max()),
                     "hard_top1": float(score[0] > wrong[: len(hard)].max()),
                     "binding": float(score[0] > exchanged.max()) if len(swapped) else np.nan})
    return pd.DataFrame(rows)


def choose_others(rng: np.random.Generator, pairs: pd.DataFrame, i: int, count: int) -> list[str]:
    """`count` different captions of other scenes, none of them true of the i-th (which may show all that one names)."""
    own, found = frozenset(pairs.objects.iloc[i] + (pairs.unnamed.iloc[i] if "unnamed" in pairs else [])), {}
    for j in rng.permutation(len(pairs)):
        if not own.issuperset(pairs.objects.iloc[j]):
            found[pairs.caption.iloc[j]] = None
        if len(found) == count:
            return list(found)
    raise ValueError(f"{len(pairs)} scenes have too few different captions to choose {count} from; load more pairs.")
