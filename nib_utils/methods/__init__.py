"""One method, one file, one function: `method(tower, tokens, target, **options) -> (B, T)` scores."""
from .controls import all_ones, centre, random
from .m2ib import m2ib
from .nib import nib

CONTROLS = {"all_ones": all_ones, "random": random, "centre": centre}
METHODS = {"nib": nib, "m2ib": m2ib} | CONTROLS
