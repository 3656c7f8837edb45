"""A live model of any of the libraries as a Clip."""
from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ...clip.captions import Tokenizer, clip_bpe
from ...clip.clip import Clip
from ...clip.pictures import Preprocess
from . import open_clip, openai, transformers

LIBRARIES = {"clip": openai, "open_clip": open_clip, "transformers": transformers}


def library_of(model: Any) -> str:
    """The package that the class of a model, or a base of it, comes from."""
    modules = [base.__module__.split(".")[0] for base in type(model).__mro__]
    return next((name for name in LIBRARIES if name in modules), "")


def wrap(model: nn.Module, *, preprocess: Preprocess | None = None, tokenizer: Tokenizer | None = None,
         name: str | None = None) -> Clip:
    """A live model of `clip`, `open_clip` or `transformers` as a Clip; the model is left exactly as it came.

    `preprocess` and `tokenizer` replace CLIP's own. Raises TypeError for a model that is none of
    theirs and ValueError for one without a residual stream of tokens (a ResNet CLIP).

    >>> clip = nib.wrap(open_clip.create_model("ViT-B-32-quickgelu"))
    >>> nib.explain(clip, ["cat.jpg"], ["a cat"]).plot()
    """
    if isinstance(model, Clip):
        return model
    library = library_of(model)
    if not library or not (hasattr(model, "visual") or library == "transformers"):
        raise TypeError(f"cannot wrap a {type(model).__module__}.{type(model).__name__}; "
                        "pass a CLIP of the packages clip, open_clip or transformers.")
    image, text = LIBRARIES[library].towers(model, lambda p: None if p is None else p.detach())
    image.scale = text.scale = float(model.logit_scale.detach().float().exp())
    preprocess = preprocess or Preprocess(*LIBRARIES[library].pixel_format(model))
    vocabulary, positions = text.parts["vocabulary"], text.parts["positions"]
    tokenizer = tokenizer or clip_bpe()
    if tokenizer.eos >= len(vocabulary) or int(text.at(torch.tensor([[tokenizer.sos, tokenizer.eos]]))) != 1:
        raise ValueError(f"this {type(model).__name__} of {len(vocabulary)} tokens does not end captions with id "
                         f"{tokenizer.eos}, as CLIP's tokenizer does; pass its own to wrap(model, tokenizer=...).")
    return Clip(image, text, model.logit_scale.detach(), preprocess, tokenizer,
                context=len(positions), vocabulary=len(vocabulary), name=name or type(model).__name__, model=model)
