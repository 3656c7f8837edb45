"""`explain`: a heat map on each image and on the words of its caption."""
from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.captions import as_list, pad
from ..clip.clip import Clip, default_batch
from ..clip.pixels import listed
from ..clip.tower import Reading
from ..common.progress import progress as progress_bar
from ..methods import CONTROLS
from .explanation import Explanation, check_count, spoken
from .maps import image_maps, text_maps
from .options import check_request, check_seeds, per_tower, seeded


def explain(clip: Clip, images, texts, method: str = "nib", *, batch_size: int | None = None,
            only: str | None = None, text_target: str = "own", truncate: bool = False, progress: bool | None = None,
            image_options: dict | None = None, text_options: dict | None = None, **options) -> Explanation:
    """Explain why `clip` finds each image and its caption alike.

    images: PIL images, paths, or preprocessed pixels (B, 3, H, W); texts: B strings, or 1-D id arrays with
    SOS and EOS. method: a name in METHODS; `options` are its own, for both towers, and `image_options`,
    `text_options` for one. only: "image" or "text", to leave the other map out. text_target: "own", or
    "batch" to reproduce the released defect (a caption explains its mean similarity to all images of the
    batch). truncate: cut captions that are too long. progress: show a bar (by default when there is more
    than one batch). Everything is kept in memory; `evaluate` streams. Raises ValueError, TypeError or
    FileNotFoundError with a sentence that names the offending input.

    >>> ex = nib.explain(clip, ["cat.jpg"], ["a cat"])
    >>> ex.plot()
    """
    asked = per_tower(options, image_options, text_options)
    function = check_request(clip, method, asked, only, text_target, batch_size)
    images, texts = listed(images), as_list(texts)
    pixels, ids = clip.pixels(images), clip.ids(texts, truncate)
    check_count(len(pixels), len(ids))
    check_seeds(asked, len(ids))
    step = batch_size or default_batch(clip)
    blank = {"image": 0, "text": 0}
    parts: dict[str, list] = {"image": [], "image_scores": [], "text": [], "text_scores": [], "features": []}
    show = len(ids) > step if progress is None else progress
    with torch.inference_mode(False), progress_bar(len(ids), method, show=show) as bar:
        for first in range(0, len(ids), step):
            pairs = slice(first, min(first + step, len(ids)))
            image, text = clip.image.read(pixels[pairs]), clip.text.read(pad(ids[pairs]))
            for kind, tower, reading, other in (("image", clip.image, image, text), ("text", clip.text, text, image)):
                if only not in (None, kind):
                    continue
                target = other.feature  # asked for only now: explaining the image may have come by it
                if kind == "text" and text_target == "batch":
                    target = F.normalize(target, dim=-1).mean(0, keepdim=True).expand_as(target)
                scores = function(tower, reading, target, **seeded(asked[kind], function, pairs))
                if not scores.isfinite().all():
                    raise ValueError(f"{method}: the {kind} scores of pairs {pairs.start}..{pairs.stop - 1} are not "
                                     "finite; choose milder options, or a wider dtype.")
                raw, maps = (image_maps if kind == "image" else text_maps)(tower, reading, scores)
                blank[kind] += says_nothing(kind, reading, raw) if method not in CONTROLS else 0
                parts[f"{kind}_scores"].extend(raw.cpu())
                parts[kind].extend(m.cpu() for m in maps)
            parts["features"].append((image.feature, text.feature))
            bar.update(len(image))
    warn_blank(clip, method, asked, blank, len(ids))
    stack = lambda kind: torch.stack(parts[kind]) if parts[kind] else torch.empty(0)
    return Explanation(
        method, clip, pixels, ids, spoken(clip, texts, ids), tuple(torch.cat(f) for f in zip(*parts["features"])),
        stack("image"), parts["text"], stack("image_scores"),
        [s[: len(i)] for s, i in zip(parts["text_scores"], ids)], blank, images)


def warn_blank(clip: Clip, method: str, per_tower: dict[str, dict], blank: dict[str, int], pairs: int) -> None:
    """Say in how many of the images and texts a method, with the options that it had there, finds nothing."""
    for kind, place, tower in (("image", "patch", clip.image), ("text", "word", clip.text)):
        if count := blank.get(kind, 0):
            last = per_tower[kind].get("layer") == tower.depth - 1
            why = ("at the last layer only the pooled token acts; choose an earlier one" if last else
                   "as the method sees it, nothing speaks for the match")
            warnings.warn(f"{method} finds nothing in {count} of {pairs} {kind}s: every {place} scores zero, "
                          f"so the map is blank ({why}).", stacklevel=3)


def says_nothing(kind: str, reading: Reading, raw: Tensor) -> int:
    """For how many samples all patches (or pixels), or all words between SOS and EOS, score exactly zero."""
    if kind == "image":
        return int((raw == 0).flatten(1).all(1).sum())
    return sum(length > 2 and not row[1 : length - 1].any() for row, length in zip(raw, reading.lengths.tolist()))
