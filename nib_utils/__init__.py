"""Why does CLIP think this picture matches this sentence? Information-bottleneck explanations of any ViT CLIP."""
from .cc_download import download_cc
from .clip import Clip, load_clip, wrap
from .data import load_pairs, manifest, pick_captions
from .evaluation import evaluate
from .explain import Explanation, explain
from .localization import localize, mass, phrase_pairs, pointing
from .masks import crop_masks
from .methods import CONTROLS, METHODS, PUBLISHED, method
from .metrics import confidence
from .results import Results
from .retrieval import retrieval

__all__ = ["CONTROLS", "METHODS", "PUBLISHED", "Clip", "Explanation", "Results", "confidence", "crop_masks",
           "download_cc", "evaluate", "explain", "load_clip", "load_pairs", "localize", "manifest", "mass", "method",
           "phrase_pairs", "pick_captions", "pointing", "retrieval", "wrap"]
