"""What is saved of a view: the figure of the batch, and its scores as a table."""
from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import torch.nn.functional as F

from ..batch.names import digest, slug
from ..batch.results import Results
from .session import Answer, Asked


def save(store: Results, asked: Asked, answer: Answer) -> str:
    """Write a view's scores (CSV) and figure (PNG) into the store, and say what both are called.

    Raises OSError that names a file which cannot be written.
    """
    name = view_name(asked)
    store.table(name, scores(answer))
    figure = answer.ex.plot()
    store.figure(name, figure)
    plt.close(figure)  # else a notebook would show it, too
    return name


def view_name(asked: Asked) -> str:
    """What the files of a view are called: its picture, method and caption, and a digest that tells it from others."""
    return f"{slug(f'{asked.picture.name}-{asked.method}-{asked.caption}')}-{digest(asked.parameters)}"


def scores(answer: Answer) -> pd.DataFrame:
    """Raw scores of words and patches with their shares of the strongest word or patch, a row each.

    A patch's score is the mean of its pixels', where the method scores those; place: of a word in the caption, of a
    patch "row,column", counted from 1.
    """
    words = pd.DataFrame([{"kind": "word", "place": str(i), "text": word.text, "score": word.score}
                          for i, word in enumerate(answer.words, 1)])
    raw = F.adaptive_avg_pool2d(answer.ex.image_scores, answer.ex.clip.image.grid)[0]
    patches = pd.DataFrame([{"kind": "patch", "place": f"{i},{j}", "text": "", "score": score}
                            for i, row in enumerate(raw.tolist(), 1) for j, score in enumerate(row, 1)])
    found = pd.concat([words, patches], ignore_index=True)
    found["share"] = found.score / found.score.abs().groupby(found.kind).transform("max").replace(0, 1)
    found["similarity"], found["caption"] = answer.similarity, answer.ex.captions[0]
    return found
