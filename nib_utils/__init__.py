"""Why does CLIP think this picture matches this sentence? Information-bottleneck explanations of any ViT CLIP."""
from .cc_download import download_cc
from .clip import Clip, load_clip, wrap
from .completeness import completeness, narrowing
from .curves import curve_points, curves
from .data import load_pairs, manifest, pick_captions
from .defects import DEFECTS, defects
from .evaluation import evaluate
from .explain import Explanation, explain
from .localization import average_precision, box_masks, iou, localize, mass, phrase_pairs, pointing
from .masks import crop_masks
from .methods import CONTROLS, METHODS, PUBLISHED, method
from .metrics import confidence
from .results import Results
from .retrieval import retrieval
from .roar import roar
from .sanity import prompt_sensitivity, randomisation, randomised, seed_variance
from .statistics import bold, compare, interval, ranks, summary
from .words import word_accuracy

__all__ = ["CONTROLS", "DEFECTS", "METHODS", "PUBLISHED", "Clip", "Explanation", "Results", "average_precision",
           "bold", "box_masks", "compare", "completeness", "confidence", "crop_masks", "curve_points", "curves",
           "defects", "download_cc", "evaluate", "explain", "interval", "iou", "load_clip", "load_pairs", "localize",
           "manifest", "mass", "method", "narrowing", "phrase_pairs", "pick_captions", "pointing",
           "prompt_sensitivity", "randomisation", "randomised", "ranks", "retrieval", "roar", "seed_variance",
           "summary", "word_accuracy", "wrap"]
