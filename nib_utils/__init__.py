"""Why does CLIP think this picture matches this sentence? Information-bottleneck explanations of any ViT CLIP."""
from .clip import Clip, load_clip, wrap
from .completeness import completeness, narrowing
from .data import load_pairs, manifest, pick_captions
from .defects import DEFECTS, defects
from .evaluation import evaluate
from .explain import Explanation, explain
from .localization import localize, mass, phrase_pairs, pointing
from .methods import CONTROLS, METHODS, PUBLISHED, method
from .metrics import confidence
from .results import Results
from .retrieval import retrieval
from .roar import roar
from .sanity import prompt_sensitivity, randomisation, randomised, seed_variance

__all__ = ["CONTROLS", "DEFECTS", "METHODS", "PUBLISHED", "Clip", "Explanation", "Results", "completeness",
           "confidence", "defects", "evaluate", "explain", "load_clip", "load_pairs", "localize", "manifest",
           "mass", "method", "narrowing", "phrase_pairs", "pick_captions", "pointing", "prompt_sensitivity",
           "randomisation", "randomised", "retrieval", "roar", "seed_variance", "wrap"]
