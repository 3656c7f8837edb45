"""One method, one file, one function: `method(tower, tokens, target, **options) -> (B, T)` scores."""
from .m2ib import m2ib
from .nib import nib

METHODS = {"nib": nib, "m2ib": m2ib}
