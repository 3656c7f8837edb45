"""`nib.explorer`: the panel, from models, pictures and captions as one has them."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...clip.clip import Clip
from ...clip.pixels import listed
from ...common.checks import check_whole
from ...common.packages import need
from ...maps.options import find
from ..batch.results import Results


def explorer(models: str | Clip | Sequence[str | Clip] = "mini", images=None, captions: str | Sequence[str] = (),
             method: str = "nib_held", *, scene: int = 0, options: dict | None = None,
             results: str | Path | Results = "results-lab"):
    """A panel of widgets, for a notebook or Voila, in which a picture is explained under what one types.

    models: one or several, names for `load_clip` or Clips; mini is offered beside them. images: paths or PIL images to
    choose from, beside the drawn scenes, of which `scene` is the first shown, and uploads. captions: one sentence, or
    two to be seen side by side; a drawn scene has its own. method, options: what it begins with. results: the folder
    under which `save` writes what a notebook in batch would, or the Results of one. Raises ImportError without
    ipywidgets, and what `load_clip` and `explain` raise; once it is there, it says what is wrong itself.

    >>> nib.explorer("ViT-B/32", ["dog.jpg"], "a dog on a beach")
    """
    need("ipywidgets", "'ipywidgets>=7.7'")
    from .panel import Panel
    from .pictures import opened
    from .session import Session

    find(method)
    check_whole("scene", scene, 0)
    sentences = [captions] if isinstance(captions, str) else list(captions or ())
    if len(sentences) > 2:
        raise ValueError(f"{len(sentences)} captions were given; the explorer shows one, or two side by side.")
    session = Session([*([models] if isinstance(models, str | Clip) else models), "mini"])
    pictures = [opened(image, i) for i, image in enumerate([] if images is None else listed(images))]
    if not isinstance(results, Results):
        source = pictures[0].source if pictures else {"pair": scene}
        results = Results(results, "explorer", {"model": next(iter(session.given)), **source, "method": method,
                                                "captions": sentences or None, "options": options})
    return Panel(session, pictures, sentences, method, scene, options or {}, results)
