"""Why does CLIP think this picture matches this sentence? Information-bottleneck explanations of any ViT CLIP."""
from .batch.results import Results
from .clip.clip import Clip, load_clip, wrap
from .data.captions import pick_captions
from .data.cc_download import download_cc
from .data.pairs import load_pairs, manifest
from .maps.explain import explain
from .maps.explanation import Explanation, explanation
from .measures.confidence import confidence
from .measures.curves import curve_points, curves
from .measures.evaluate import evaluate
from .measures.localization import average_precision, iou, localize, mass, phrase_pairs, pointing
from .measures.masks import box_masks, crop_masks
from .measures.words import word_accuracy
from .methods import CONTROLS, METHODS, PUBLISHED
from .methods.register import method
from .studies.accuracy import retrieval
from .studies.completeness import completeness, narrowing
from .studies.defects import DEFECTS, defects
from .studies.roar import roar
from .studies.sanity import prompt_sensitivity, randomisation, randomised, seed_variance
from .tables.statistics import bold, compare, interval, ranks, summary

__all__ = ["CONTROLS", "DEFECTS", "METHODS", "PUBLISHED", "Clip", "Explanation", "Results", "average_precision",
           "bold", "box_masks", "compare", "completeness", "confidence", "crop_masks", "curve_points", "curves",
           "defects", "download_cc", "evaluate", "explain", "explanation", "interval", "iou", "load_clip", "load_pairs",
           "localize", "manifest", "mass", "method", "narrowing", "phrase_pairs", "pick_captions", "pointing",
           "prompt_sensitivity", "randomisation", "randomised", "ranks", "retrieval", "roar", "seed_variance",
           "summary", "word_accuracy", "wrap"]
