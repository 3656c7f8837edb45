"""Words against pixels: where in the picture each word of a caption finds what it says."""
from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.captions import as_list
from ..clip.clip import Clip, default_batch
from ..clip.tower import Tower
from ..common.checks import brief
from ..methods import METHODS
from ..methods.shared.held import Held
from .explanation import check_count, spoken
from .maps import image_maps, upsampled
from .options import check_request


@dataclass(repr=False)
class WordMaps:
    """What each word of B captions, read inside its caption, finds in the picture; T_b words without SOS and EOS.

    `scores[b].flatten(1)` is the matrix of words x patches of pair b in cosine units.
    """

    method: str
    options: dict
    clip: Clip
    pixels: Tensor  # (B, 3, H, W), normalised
    captions: list[str]
    words: list[list[str]]  # T_b each
    parts: list[Tensor] = field(default_factory=list)  # (T_b, E): what each gives to the unit feature of its caption
    maps: list[Tensor] = field(default_factory=list)  # (T_b, H, W), signed; the mean over a patch is its score
    scores: list[Tensor] = field(default_factory=list)  # (T_b, gh, gw), signed

    def __repr__(self) -> str:
        return f"<WordMaps of {len(self)} pairs by {self.method}>"

    def __len__(self) -> int:
        return len(self.words)

    def span(self, pair: int, start: int, stop: int) -> Tensor:
        """The signed map (H, W) of the words start..stop - 1 of a caption: their parts are summed, and then mapped.

        Raises ValueError for a span that is not in the caption.

        >>> found.span(0, 1, 4)  # of "a large red circle": "large red circle"
        """
        if not 0 <= pair < len(self):
            raise ValueError(f"pair is {brief(pair)}; there are pairs 0..{len(self) - 1}.")
        if not 0 <= start < stop <= len(self.words[pair]):
            raise ValueError(f"the span is {start}..{stop}; caption {pair} has {len(self.words[pair])} words, so that "
                             f"0 <= start < stop <= {len(self.words[pair])}.")
        part = self.parts[pair][start:stop].sum(0, keepdim=True)
        return mapped(self, self.pixels[pair : pair + 1], part)[1][0].cpu()

    def plot(self, pair: int = 0, words: list[int] | None = None, **options):
        """A figure: the picture under its caption, and a map under each content word, or under `words`, places."""
        from .plot import plot_word_maps

        return plot_word_maps(self, pair, words, **options)


def word_maps(clip: Clip, images, captions, method: str = "nib_held", *, batch_size: int | None = None,
              truncate: bool = False, **options) -> WordMaps:
    """For each pair the map of every word of its caption, read inside that caption.

    A word's part is the E numbers that its row of the vocabulary gives to the caption's unit feature through the held
    text tower (`methods/shared/held.py`); its map is that of `method` with this part for a target, so that all words
    share one forward of the picture and take one backward pass each. images, captions, batch_size, truncate: as for
    `explain`; options: the method's own, for images; of nib_held unless given streams=1 and attention=0, where single
    words point better. With a method linear in its target (attn_lrp; nib_held, but for detail "product") the matrix of
    words x patches adds up to the cosine but for what SOS, EOS, CLS, positions and biases give. Raises as `explain`.
    Sources: the idea, second-order attribution: BiLRP (Eberle et al., 2020) and Moeller et al. (TMLR 2025).

    >>> found = nib.word_maps(clip, ["scene.png"], ["a red circle above a blue square"])
    >>> found.plot()
    """
    check_request(clip, method, {"image": options}, batch_size=batch_size)
    options = {"streams": 1, "attention": 0.0} | options if method == "nib_held" else options
    pixels, ids = clip.pixels(images), clip.ids(texts := as_list(captions), truncate)
    check_count(len(pixels), len(ids))
    words = [clip.tokenizer.words(i.tolist())[1:-1] for i in ids]
    found = WordMaps(method, options, clip, pixels, spoken(clip, texts, ids), words)
    step = batch_size or default_batch(clip)
    for first in range(0, len(ids), step):
        pairs = slice(first, first + step)
        parts = [word_parts(clip.text, own) for own in ids[pairs]]
        count = [len(part) for part in parts]
        which = torch.arange(len(count)).repeat_interleave(torch.tensor(count))  # a picture once a word, but read once
        scores, maps = mapped(found, pixels[pairs][which.to(pixels.device)], torch.cat(parts))
        for kept, new in ((found.parts, parts), (found.maps, maps.split(count)), (found.scores, scores.split(count))):
            kept.extend(x.cpu() for x in new)
    return found


def mapped(found: WordMaps, x: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of patches (n, gh, gw) and of pixels (n, H, W) of pictures x (n, 3, H, W) for parts (n, E)."""
    tower = found.clip.image
    reading = tower.read(x.to(tower.device))
    sizes = parts.norm(dim=-1, keepdim=True)
    target = parts + (sizes == 0)  # what the model never learnt gives nothing, in any direction, rather than NaN
    scores = METHODS[found.method](tower, reading, target.to(tower.device), **found.options)
    raw = image_maps(tower, reading, scores)[0] * sizes[..., None].to(scores)  # a cosine knows it not
    return F.adaptive_avg_pool2d(raw, tower.grid), upsampled(raw, x.shape[-2:])


def word_parts(tower: Tower, ids: Tensor) -> Tensor:
    """What each word of a caption, ids (T,), gives to its unit feature, (T - 2, E)."""
    reading, words = tower.read(ids[None]), torch.arange(1, len(ids) - 1)
    net, rows = Held(tower, reading.stream(0), reading.at), tower.parts["vocabulary"][ids]  # (T, D)
    moves = net.h.new_zeros(len(words), *rows.shape)
    moves[words - 1, words] = rows[words].to(moves)
    return net.push(moves, torch.zeros_like(words))
