"""Weights in every form that a CLIP is loaded from."""
from stored import arch, files  # noqa: F401
