"""`explain`: one picture under its captions, as a figure and as words with their shares."""
from __future__ import annotations

import argparse
import ast
import json
import os
import re
import sys
import warnings
from pathlib import Path

from ..common.files import check_writable, write_whole
from ..common.sentences import lacks
from .batch.request import check_image, check_methods, check_model, method_options
from .batch.results import installed
from .patience import LONG, one_look, patient, wait

FORMATS = (".png", ".pdf", ".svg")
SCENE = re.compile(r"(shapes|shapes-hard):(\d+)")


def explain_picture(given: argparse.Namespace) -> None:
    """`explain`, from arguments to the figure; what makes no sense is refused, most of it before torch is imported."""
    options = options_of(given)
    check_model(given.model)
    scene = None if os.path.exists(given.picture) else SCENE.fullmatch(given.picture)
    check_pair(given.picture, given.captions, scene is not None)
    file = Path(given.out or f"{Path(given.picture.replace(':', '-')).stem}-{given.method}.png")
    check_figure(file, given.picture)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ex = explained(given, scene, options)
    report = told(ex, given, options, file)
    figure = ex.plot(beside=given.beside, outline=given.outline)
    write_whole(file, lambda part: figure.savefig(part, dpi=160))
    for note in dict.fromkeys(str(w.message) for w in said if w.category is UserWarning):
        print(f"nib_utils: note: {note}", file=sys.stderr)
    print(json.dumps(report) if given.json else in_words(report))


def add_options(one: argparse.ArgumentParser) -> None:
    """The flags that say which model and method explain; `options_of` reads them."""
    one.add_argument("--model", default="mini", help="mini (the default), ViT-B/32, a .pt or .safetensors file, "
                                                     "hf:NAME, open_clip:ARCH@TAG")
    one.add_argument("--method", default="nib", help="nib (the default), or another of nib.METHODS")
    one.add_argument("--truncate", action="store_true", help="cut captions that are too long, not refuse them")
    one.add_argument("--layer", type=int, help="the block that the method stands at, counted from 0")
    one.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                     help="any other option of the method, a number or a word")


def options_of(given: argparse.Namespace) -> dict:
    """The method's options by name; refused are those that it does not have."""
    check_methods([given.method])
    known = method_options(given.method)
    options = {name: literal(value) for name, value in given.parameter}
    if given.layer is not None and options.setdefault("layer", given.layer) != given.layer:
        raise ValueError(f"the layer is {given.layer} by --layer and {options['layer']} by -p; give it once.")
    for name in options:
        if name not in known:
            raise ValueError(lacks(given.method, "option", name, known))
    if not isinstance(layer := options.get("layer", 0), int) or layer < 0:
        raise ValueError(f"layer is {layer!r}; it takes the number of a block, counted from 0.")
    return patient(known, options)


def literal(value: str):
    """A number, None or a truth value as Python writes them; anything else is a word."""
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def check_pair(picture: str, captions: list[str], drawn: bool) -> None:
    """Refuse a picture that is none, and captions that are missing or empty."""
    if not drawn:
        if ":" in picture and not os.path.exists(picture):
            raise FileNotFoundError(f"there is no picture at '{picture}'; a scene of a drawn world is called by its "
                                    "number, as shapes:3 or shapes-hard:3.")
        check_image(picture, "the picture")
        if not captions:
            raise ValueError(f"'{picture}' has no caption of its own; say what it is to be compared with, as in: "
                             f"explain {picture} \"a cat\" \"a dog\".")
    if not all(caption.strip() for caption in captions):
        raise ValueError("a caption is empty; give it at least one word.")


def check_figure(file: Path, picture: str) -> None:
    """Refuse a name that no figure can be written to, or that is the picture's own."""
    if file.suffix.lower() not in FORMATS:
        raise ValueError(f"the figure is to be '{file}'; its name must end in {', '.join(FORMATS)}.")
    if os.path.isdir(file) or not os.path.isdir(file.parent):
        what = "is a folder" if os.path.isdir(file) else "lies in a folder that is not there"
        raise ValueError(f"the figure is to be '{file}', which {what}; name a file with -o.")
    if os.path.exists(file) and os.path.exists(picture) and file.samefile(picture):
        raise ValueError(f"the figure would overwrite the picture '{picture}'; name another file with -o.")
    check_writable(file.parent, "the folder of the figure")


def explained(given: argparse.Namespace, scene: re.Match | None, options: dict):
    """The Explanation of the picture under each caption."""
    from ..loading.load import load_clip
    from ..maps.explain import explain
    from ..maps.options import check_options, find

    check_options(given.method, find(given.method), options)
    picture, captions = given.picture, given.captions
    if scene:
        from ..data.pairs import load_pairs

        row = load_pairs(scene[1], n=1, start=int(scene[2])).iloc[0]
        picture, captions = row.image, captions or [row.caption]
    clip = load_clip(given.model)
    for caption in captions:
        if (length := len(clip.tokenizer.encode(caption))) > clip.context and given.truncate:
            print(f"nib_utils: note: a caption of {length} tokens is cut to the {clip.context} that the model reads.",
                  file=sys.stderr)
    if (seconds := len(captions) * wait(given.method, options, one_look(clip))) > LONG:
        masks = f" for {options['masks']} masks" if "masks" in options else ""
        print(f"nib_utils: {given.method} takes about {seconds:.0f} seconds{masks} ...", file=sys.stderr, flush=True)
    return explain(clip, [picture] * len(captions), captions, given.method, progress=False, truncate=given.truncate,
                   **options)


def told(ex, given: argparse.Namespace, options: dict, file: Path) -> dict:
    """What there is to say, as JSON holds it: similarities, words with raw scores and shares, the image's scores.

    Beside the options that were given stand the defaults of those that were not.
    """
    pairs = [{"caption": caption, "similarity": ex.similarity[i].item(),
              "words": [word._asdict() for word in ex.words(i)], "image": ex.image_scores[i].tolist()}
             for i, caption in enumerate(ex.captions)]
    defaults = {name: value for name, value in method_options(given.method).items() if name not in options}
    return {"picture": given.picture, "model": given.model, "method": given.method, "options": options,
            "defaults": defaults, "version": installed("nib-utils"), "figure": str(file), "pairs": pairs}


def in_words(report: dict) -> str:
    """The same as lines to read: the words with their shares of the strongest, as the figure shows them."""
    from ..data.shards import printable

    lines = []
    for pair in report["pairs"]:
        texts = [printable(word["text"]) for word in pair["words"]]
        widest = max(map(len, texts))
        lines += [f"{printable(pair['caption'], 1000)}: similarity {pair['similarity']:.3f}"]
        lines += [f"  {text:{widest}}  {word['share']:+z.2f}{'' if word['known'] else '  ? never learnt'}"
                  for text, word in zip(texts, pair["words"])]
    return "\n".join([*lines, report["figure"]])
