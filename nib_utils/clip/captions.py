"""Sentences and ids that people hand in, made into ids with SOS and EOS, or one clear sentence."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..common.packages import OPENAI, need

SOS, EOS = "[SOS]", "[EOS]"


@dataclass(frozen=True)
class Tokenizer:
    """`encode`: a sentence -> ids with SOS and EOS; `word`: an id -> what it says; `sos`, `eos`: their ids."""

    encode: Callable[[str], list[int]]
    word: Callable[[int], str]
    sos: int
    eos: int

    def words(self, ids: Sequence[int]) -> list[str]:
        names = {self.sos: SOS, self.eos: EOS}
        return [names.get(int(i)) or self.word(int(i)) for i in ids]


@lru_cache
def clip_bpe() -> Tokenizer:
    """CLIP's own byte-pair encoding, which every model of the family shares."""
    bpe = need("clip.simple_tokenizer", OPENAI).SimpleTokenizer()
    sos, eos = bpe.encoder["<|startoftext|>"], bpe.encoder["<|endoftext|>"]
    return Tokenizer(lambda text: [sos, *bpe.encode(text), eos], lambda i: bpe.decode([i]).strip(), sos, eos)


def read_ids(texts, tokenizer: Tokenizer, context: int, vocabulary: int, truncate: bool = False) -> list[Tensor]:
    """Sentences, or id arrays with SOS and EOS -> one checked int64 tensor (T,) per caption."""
    texts = as_list(texts)
    if not texts:
        raise ValueError("no captions were given; pass at least one.")
    return [read_caption(text, i, tokenizer, context, vocabulary, truncate) for i, text in enumerate(texts)]


def as_list(texts) -> list:
    """One sentence or one array of ids as a list of it; several as a list."""
    if not isinstance(texts, Iterable):
        raise TypeError(f"captions are {texts!r}; pass a list of strings or of 1-D arrays of token ids.")
    numbers = isinstance(texts, Tensor) or (isinstance(texts, np.ndarray) and texts.dtype.kind in "iuf")
    return [texts] if isinstance(texts, str) or (numbers and texts.ndim == 1) else list(texts)


def read_caption(text, i: int, tokenizer: Tokenizer, context: int, vocabulary: int, truncate: bool) -> Tensor:
    if isinstance(text, str):
        if not text.strip():
            raise ValueError(f"caption {i} is empty; give it at least one word.")
        ids = tokenizer.encode(text)
        if tokenizer.eos in ids[:-1]:
            raise ValueError(f"caption {i} spells the mark that ends one, {tokenizer.word(tokenizer.eos)}; remove it.")
    elif isinstance(text, (np.ndarray, Tensor, list, tuple)):
        text = text.detach().cpu() if isinstance(text, Tensor) else text
        ids = check_ids(np.asarray(text), i, tokenizer, vocabulary)
    else:
        raise TypeError(f"caption {i} is a {type(text).__name__}; pass a string or a 1-D array of token ids.")
    if len(ids) <= 2:
        raise ValueError(f"caption {i} has no tokens between SOS and EOS; give it at least one word.")
    if len(ids) > context:
        if not truncate:
            raise ValueError(f"caption {i} has {len(ids)} tokens with SOS and EOS, but the model reads at most "
                             f"{context}; shorten it or pass truncate=True.")
        ids = [*ids[: context - 1], tokenizer.eos]
    return torch.tensor([int(v) for v in ids])


def check_ids(ids: np.ndarray, i: int, tokenizer: Tokenizer, vocabulary: int) -> list[int]:
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
