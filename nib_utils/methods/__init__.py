"""One method, one file, one function: `method(tower, reading, target, **options)` -> scores (B, T), or (B, H, W)."""
from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from .register import GROUPS, METHODS, About, method

__all__ = ["CONTROLS", "METHODS", "PUBLISHED", "REFERENCE", "About", "discover", "method"]

PUBLISHED = ("nib", "m2ib", "rise", "gradcam", "chefer", "saliency", "fast_ig", "mfaba")


def discover() -> None:
    """Import every file of this folder, so that each enters METHODS; the published ones first, controls last."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    order = {name: i for i, name in enumerate(PUBLISHED)}
    rank = lambda name: (list(GROUPS).index(METHODS[name].about.group), order.get(name, 99), name)
    for name in sorted(METHODS, key=rank):
        METHODS[name] = METHODS.pop(name)


discover()
CONTROLS, REFERENCE = ({name: function for name, function in METHODS.items() if function.about.group == group}
                       for group in ("control", "reference"))
