"""Calls of the API with odd values in the place of one argument."""
import random
from functools import cache

import numpy as np
import pandas as pd
import tiny
import torch

import nib_utils as nib
from nib_utils.common.checks import check_share, check_whole

ODD = {"None": None, "-1": -1, "0": 0, "2.5": 2.5, "nan": float("nan"), "inf": float("inf"), "True": True, "empty": "",
       "word": "maybe", "bytes": b"maybe", "list": [], "dict": {}, "set": {"a", "b"}, "object": object(), "huge": 10**30,
       "complex": 1j, "array": np.zeros((2, 2)), "tensor": torch.zeros(2), "frame": pd.DataFrame({"a": [1]}),
       "function": len, "type": int, "surrogate": "\ud800", "nested": [[["a"]]], "-inf": -float("inf")}


@cache
def clip():
    return nib.wrap(tiny.openai(layers=2))


@cache
def ex():
    return nib.explain(clip(), tiny.pixels(2), tiny.captions((5, 6)))


@cache
def pairs() -> pd.DataFrame:
    return nib.load_pairs("shapes", n=2, objects=2)


@cache
def changes() -> pd.DataFrame:
    return nib.counterfactuals("shapes", 1, objects=2)


@cache
def rows() -> pd.DataFrame:
    return pd.DataFrame({"method": list("aabb"), "pair": [0, 1, 0, 1], "drop": [1.0, 2.0, 3.0, 5.0]})


def explain(**changed):
    return nib.explain(**dict(clip=clip(), images=tiny.pixels(1), texts=["a dog"], progress=False) | changed)


def localize(**changed):
    phrases = nib.phrase_pairs(pairs()).head(1)
    options = {k: changed.pop(k) for k in list(changed) if k in ("broken", "method")}
    odd = {k: pd.Series([v], phrases.index, object) for k, v in changed.items()}  # not as text, which pandas checks
    return nib.localize(clip(), phrases.assign(**odd), **dict(method="nib") | options)


MASKS = torch.ones(2, 64, 64, dtype=torch.bool)
CALLS = {  # what takes an odd value as its one argument: the call, and the odd values that it may rightly take
    "explain images": (lambda v: explain(images=v), ""),
    "explain image": (lambda v: explain(images=[v]), ""),
    "explain texts": (lambda v: explain(texts=v), "word"),
    "explain text": (lambda v: explain(texts=[v]), "word"),
    "explain method": (lambda v: explain(method=v), ""),
    "explain only": (lambda v: explain(only=v), "None"),
    "explain text_target": (lambda v: explain(text_target=v), ""),
    "explain batch_size": (lambda v: explain(batch_size=v), "None huge"),
    "explain image_options": (lambda v: explain(image_options=v), "None dict"),
    "explain text_options": (lambda v: explain(text_options=v), "None dict"),
    "nib steps": (lambda v: explain(steps=v), "huge"),
    "nib layer": (lambda v: explain(layer=v), "None 0"),
    "nib branch": (lambda v: explain(branch=v), ""),
    "m2ib beta": (lambda v: explain(method="m2ib", steps=1, copies=1, beta=v), "0 2.5 huge"),
    "m2ib learning_rate": (lambda v: explain(method="m2ib", steps=1, copies=1, learning_rate=v), "2.5 huge"),
    "m2ib seed": (lambda v: explain(method="m2ib", steps=1, copies=1, seed=v), "-1 0"),
    "rise masks": (lambda v: explain(method="rise", masks=v, only="text"), "None huge"),
    "rise given": (lambda v: explain(method="rise", given=v, only="text"), "None"),
    "random seed": (lambda v: explain(method="random", seed=v), "-1 0"),
    "unknown option": (lambda v: explain(nothing=v), ""),
    "clip": (lambda v: explain(clip=v), ""),
    "wrap": (nib.wrap, ""),
    "load_clip": (nib.load_clip, ""),
    "load_clip dtype": (lambda v: nib.load_clip("mini", dtype=v), ""),
    "load_clip device": (lambda v: nib.load_clip("mini", device=v), "None"),
    "explanation image maps": (lambda v: nib.explanation(clip(), tiny.pixels(1), ["a dog"], v, [torch.ones(4)]), ""),
    "explanation image map": (lambda v: nib.explanation(clip(), tiny.pixels(1), ["a dog"], [v], [torch.ones(4)]), "array"),
    "explanation text maps": (lambda v: nib.explanation(clip(), tiny.pixels(1), ["a dog"], torch.ones(1, 64, 64), v),
                              "list empty dict"),
    "explanation text map": (lambda v: nib.explanation(clip(), tiny.pixels(1), ["a dog"], torch.ones(1, 64, 64), [v]), ""),
    "confidence ex": (lambda v: nib.confidence(clip(), v), ""),
    "confidence protocol": (lambda v: nib.confidence(clip(), ex(), v), ""),
    "curves ex": (lambda v: nib.curves(clip(), v), ""),
    "curves fill": (lambda v: nib.curves(clip(), ex(), fill=v), ""),
    "curves points": (lambda v: nib.curves(clip(), ex(), points=v), "huge"),
    "evaluate pairs": (lambda v: nib.evaluate(clip(), v, "nib"), ""),
    "evaluate method": (lambda v: nib.evaluate(clip(), pairs(), v), ""),
    "evaluate chunk": (lambda v: nib.evaluate(clip(), pairs(), "nib", chunk=v), "huge"),
    "evaluate seed": (lambda v: nib.evaluate(clip(), pairs(), "random", seed=v), "-1 0"),
    "localize mask": (lambda v: localize(mask=v), ""),
    "localize phrase": (lambda v: localize(phrase=v), "word"),
    "localize image": (lambda v: localize(image=v), ""),
    "localize method": (lambda v: localize(method=v), ""),
    "localize broken": (lambda v: localize(broken=v), ""),
    "phrase_pairs": (nib.phrase_pairs, ""),
    "pointing maps": (lambda v: nib.pointing(v, MASKS), ""),
    "iou keep": (lambda v: nib.iou(torch.rand(2, 64, 64), MASKS, keep=v), "-1 0 2.5 huge"),
    "iou masks": (lambda v: nib.iou(torch.rand(2, 64, 64), v), ""),
    "box_masks": (lambda v: nib.box_masks(v, 8, 8), "list"),
    "crop_masks": (lambda v: nib.crop_masks(v, clip().preprocess), ""),
    "load_pairs name": (nib.load_pairs, ""),
    "load_pairs root": (lambda v: nib.load_pairs("csv", v), ""),
    "load_pairs n": (lambda v: nib.load_pairs("shapes", n=v), "None huge"),
    "load_pairs seed": (lambda v: nib.load_pairs("shapes", n=1, seed=v), "0 huge"),
    "load_pairs order": (lambda v: nib.load_pairs("shapes", n=1, order=v), ""),
    "load_pairs objects": (lambda v: nib.load_pairs("shapes", n=1, objects=v), "None"),
    "load_pairs held_out": (lambda v: nib.load_pairs("shapes", n=1, held_out=v), "True"),
    "pick_captions rule": (lambda v: nib.pick_captions(clip(), pairs().assign(captions=[["a"]] * 2), v), ""),
    "interval values": (nib.interval, "tensor"),
    "interval level": (lambda v: nib.interval([1.0, 2.0], level=v), ""),
    "interval draws": (lambda v: nib.interval([1.0, 2.0], draws=v), "huge"),
    "summary rows": (lambda v: nib.summary(v, "drop"), ""),
    "summary metrics": (lambda v: nib.summary(rows(), v), ""),
    "compare metric": (lambda v: nib.compare(rows(), v), ""),
    "compare reference": (lambda v: nib.compare(rows(), "drop", reference=v), "None"),
    "compare controls": (lambda v: nib.compare(rows(), "drop", controls=v), "list dict set tensor frame"),
    "duel a": (lambda v: nib.duel(rows(), {"drop": "lower"}, v, "b"), ""),
    "duel better": (lambda v: nib.duel(rows(), v, "a", "b"), ""),
    "ranks better": (lambda v: nib.ranks(rows(), "drop", better=v), ""),
    "bold": (nib.bold, ""),
    "counterfactuals name": (lambda v: nib.counterfactuals(v, 1), ""),
    "counterfactuals n": (lambda v: nib.counterfactuals("shapes", v), "huge"),
    "counterfactuals values": (lambda v: nib.counterfactuals("shapes", 1, values=v), "huge"),
    "falls pairs": (lambda v: nib.falls(clip(), v, changes()), ""),
    "falls changes": (lambda v: nib.falls(clip(), pairs(), v), ""),
    "word_truth ex": (lambda v: nib.word_truth(v, changes()), ""),
    "word_truth changes": (lambda v: nib.word_truth(ex(), v), ""),
    "object_truth changes": (lambda v: nib.object_truth(ex(), v), ""),
    "concordance": (nib.concordance, ""),
    "word_objects": (nib.word_objects, ""),
    "evaluate measures": (lambda v: nib.evaluate(clip(), pairs(), "nib", measures=v), ""),
    "measured pairs": (lambda v: nib.measured(clip(), ex(), v), ""),
    "measured ex": (lambda v: nib.measured(clip(), v, pairs()), ""),
    "measured measures": (lambda v: nib.measured(clip(), ex(), pairs(), v), ""),
    "reference pairs": (lambda v: nib.reference(clip(), v), ""),
    "reference game": (lambda v: nib.reference(clip(), pairs(), v), ""),
    "reference folder": (lambda v: nib.reference(clip(), pairs(), "captions", v), ""),
    "truths pairs": (lambda v: nib.truths(clip(), v), ""),
    "truths game": (lambda v: nib.truths(clip(), pairs(), v), ""),
    "agreement ex": (lambda v: nib.agreement(v, ex()), ""),
    "agreement shapley": (lambda v: nib.agreement(ex(), v), ""),
    "grid_truth masks": (lambda v: nib.grid_truth(v, (2, 2)), ""),
    "grid_truth grid": (lambda v: nib.grid_truth(MASKS, v), ""),
    "grid_ceiling masks": (lambda v: nib.grid_ceiling(MASKS, v), ""),
    "curves words": (lambda v: nib.curves(clip(), ex(), words=v), ""),
    "check_whole": (lambda v: check_whole("n", v, 1), "huge"),
    "check_share": (lambda v: check_share("share", v), "0"),
}


def calls(rng: random.Random) -> dict:
    """Of each call, a handful of the odd values that it must refuse."""
    found = {}
    for name, (call, taken) in CALLS.items():
        refused = [odd for odd in ODD if odd not in taken.split()]
        for odd in rng.sample(refused, 6):
            found[f"{name}: {odd}"] = lambda folder, call=call, odd=odd: call(ODD[odd])
    return found
