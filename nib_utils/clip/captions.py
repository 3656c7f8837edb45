"""Sentences and ids that people hand in, made into ids with SOS and EOS, or one clear sentence."""
from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..common.checks import in_order
from ..common.packages import part_of_clip

SOS, EOS = "[SOS]", "[EOS]"


@dataclass(frozen=True)
class Tokenizer:
    """`encode`: a sentence -> ids with SOS and EOS; `word`: an id -> what it says; `sos`, `eos`: their ids.

    `decode`: several ids -> what they say, with spaces between words; without it each id is taken for a word.
    """

    encode: Callable[[str], list[int]]
    word: Callable[[int], str]
    sos: int
    eos: int
    decode: Callable[[list[int]], str] | None = None

    def words(self, ids: Sequence[int]) -> list[str]:
        names = {self.sos: SOS, self.eos: EOS}
        return [names.get(int(i)) or self.word(int(i)) for i in ids]

    def spans(self, ids: Sequence[int]) -> list[tuple[str, slice]]:
        """The words that a caption's pieces make up, each with its place in the ids; SOS and EOS are none.

        A word ends before a space, unless an accent follows, and after each letter of a script without spaces
        (Chinese, Japanese).
        """
        ids, found, first = [int(i) for i in ids], [], 1
        decode = self.decode or (lambda run: " ".join(map(self.word, run)))
        for end in range(2, len(ids)):
            said = decode(ids[first:end]).strip()
            after = decode(ids[first : end + 1]).strip()[len(said) :]
            apart = after.startswith(" ") and unicodedata.category(after[1])[0] != "M"
            alone = unicodedata.east_asian_width(said[-1:] or " ") == "W" and not "가" <= said[-1] <= "힣"  # Korean has
            if end == len(ids) - 1 or apart or alone:
                found.append((said.replace(" ", ""), slice(first, end)))
                first = end
        return found


@lru_cache
def clip_bpe() -> Tokenizer:
    """CLIP's own byte-pair encoding, which every model of the family shares."""
    bpe = part_of_clip("simple_tokenizer").SimpleTokenizer()
    sos, eos = bpe.encoder["<|startoftext|>"], bpe.encoder["<|endoftext|>"]
    return Tokenizer(lambda text: [sos, *bpe.encode(text), eos], lambda i: bpe.decode([i]).strip(), sos, eos,
                     bpe.decode)


def read_ids(texts, tokenizer: Tokenizer, context: int, vocabulary: int, truncate: bool = False) -> list[Tensor]:
    """Sentences, or id arrays with SOS and EOS -> one checked int64 tensor (T,) per caption."""
    texts = as_list(texts)
    if not texts:
        raise ValueError("no captions were given; pass at least one.")
    return [read_caption(text, i, tokenizer, context, vocabulary, truncate) for i, text in enumerate(texts)]


def as_list(texts) -> list:
    """One sentence or one array of ids as a list of it; several as a list."""
    numbers = isinstance(texts, Tensor) or (isinstance(texts, np.ndarray) and texts.dtype.kind in "iuf")
    if isinstance(texts, str) or (numbers and texts.ndim == 1):
        return [texts]
    if numbers and texts.ndim == 2:
        return list(texts)
    return in_order("captions", texts, "strings or of 1-D arrays of token ids")


def read_caption(text, i: int, tokenizer: Tokenizer, context: int, vocabulary: int, truncate: bool) -> Tensor:
    if isinstance(text, str):
        if not text.strip():
            raise ValueError(f"caption {i} is empty; give it at least one word.")
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise ValueError(f"caption {i} holds half a character, as text read in a wrong encoding does; read its "
                             "file as UTF-8.")
        ids = tokenizer.encode(text)
        if tokenizer.eos in ids[:-1]:
            raise ValueError(f"caption {i} spells the mark that ends one, {tokenizer.word(tokenizer.eos)}; remove it.")
    elif isinstance(text, (np.ndarray, Tensor, list, tuple)):
        ids = check_ids(text, i, tokenizer, vocabulary)
    else:
        raise TypeError(f"caption {i} is a {type(text).__name__}; pass a string or a 1-D array of token ids.")
    if len(ids) <= 2:
        raise ValueError(f"caption {i} has no tokens between SOS and EOS; give it at least one word.")
    if len(ids) > context:
        if not truncate:
            raise ValueError(f"caption {i} has {len(ids)} tokens with SOS and EOS, but the model reads at most "
                             f"{context}; shorten it or pass truncate=True (in a shell --truncate).")
        ids = [*ids[: context - 1], tokenizer.eos]
    return torch.tensor([int(v) for v in ids])


def check_ids(given: np.ndarray | Tensor | Sequence, i: int, tokenizer: Tokenizer, vocabulary: int) -> list[int]:
    try:
        ids = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    except (TypeError, ValueError):  # lists of lists, bfloat16
        raise ValueError(f"caption {i}: ids must be a 1-D array of integers, which cannot be made of what was "
                         f"given, a {type(given).__name__}.") from None
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"caption {i}: ids must be a 1-D array of integers, got shape {ids.shape} of {ids.dtype}.")
    if len(ids) and (ids.min() < 0 or ids.max() >= vocabulary):
        raise ValueError(f"caption {i}: ids must lie in 0..{vocabulary - 1}; got {ids.min()}..{ids.max()}.")
    ends = np.flatnonzero(ids == tokenizer.eos)
    if not len(ids) or ids[0] != tokenizer.sos or not len(ends):
        raise ValueError(f"caption {i}: ids must begin with SOS ({tokenizer.sos}) and contain EOS ({tokenizer.eos}).")
    return ids[: ends[0] + 1].tolist()  # what stands after EOS is padding


def pad(ids: Sequence[Tensor]) -> Tensor:
    """Captions (T_b,) -> (B, T), filled with 0 after EOS, which a causal tower never looks at."""
    return torch.nn.utils.rnn.pad_sequence(list(ids), batch_first=True)


def warn_unlearnt(ids: Sequence[Tensor], rows: Tensor, tokenizer: Tokenizer, name: str, told: set) -> None:
    """Name the words that a model has no embedding of (mini has zeros for what it never saw), each once.

    rows: the vocabulary (V, D); told: what was said before, to which the new words are added.
    """
    used = torch.cat(list(ids)).to(rows.device)
    unknown = [i for i in dict.fromkeys(used[~rows[used].any(-1)].tolist()) if i not in told]
    if unknown:
        told.update(unknown)
        words = [repr(word) for word in tokenizer.words(unknown) if "\ufffd" not in word]  # no pieces of letters
        named = f" ({', '.join(words[:5])}{', ...' if len(words) > 5 else ''})" if words else ""
        warnings.warn(f"{name} has never learnt some of these words{named}, so what it says of them means nothing.",
                      stacklevel=4)
