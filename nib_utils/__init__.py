"""Why does CLIP think this picture matches this sentence? Information-bottleneck explanations of any ViT CLIP."""
import lazy_loader

# A room is imported when a name of it is first asked for: the command line answers without torch.
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "batch.results": ["Results"],
    "clip.clip": ["Clip", "wrap"],
    "data.captions": ["pick_captions"],
    "data.cc_download": ["download_cc"],
    "data.pairs": ["load_pairs", "manifest"],
    "loading.load": ["load_clip"],
    "maps.explain": ["explain"],
    "maps.explanation": ["Explanation", "explanation"],
    "measures.ceilings": ["grid_ceiling"],
    "measures.confidence": ["confidence"],
    "measures.curves": ["curve_points", "curves"],
    "measures.evaluate": ["evaluate", "measured"],
    "measures.localization": ["average_precision", "iou", "localize", "mass", "phrase_pairs", "pointing"],
    "measures.masks": ["box_masks", "crop_masks", "grid_truth"],
    "measures.reference": ["agreement", "reference"],
    "measures.words": ["word_accuracy"],
    "methods": ["CONTROLS", "METHODS", "PUBLISHED", "REFERENCE"],
    "methods.register": ["method"],
    "studies.accuracy": ["retrieval"],
    "studies.completeness": ["completeness", "narrowing"],
    "studies.defects": ["DEFECTS", "defects"],
    "studies.roar": ["roar"],
    "studies.sanity": ["prompt_sensitivity", "randomisation", "randomised", "seed_variance"],
    "tables.paired_tests": ["compare", "duel"],
    "tables.ranks": ["bold", "ranks"],
    "tables.statistics": ["interval", "summary"],
})
