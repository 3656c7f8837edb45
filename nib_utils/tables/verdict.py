"""The verdict in sentences, made from the tables."""
from __future__ import annotations

import pandas as pd

QUESTIONS = {  # the overview's column: what it asks
    "precision": "on exact masks, by average precision",
    "image_gain": "on patches, by relevance gain",
    "text_gain": "on words, by relevance gain",
    "shapley_image": "in agreement with Shapley values of patches",
    "shapley_text": "in agreement with Shapley values of words",
}
PAPERS = ("nib", "m2ib")


def verdict(overview: pd.DataFrame) -> list[str]:
    """A sentence per run and question: who leads, told apart from no one ahead, and where the papers' methods are.

    overview: a row per run and method, as `overview` makes it. Controls and references, whose ranks stand in
    brackets, lead nothing. A question that a run has no ranks for is left out.

    >>> verdict(overview("results"))[0]
    """
    found = []
    for run, table in overview.groupby(level="run", sort=False):
        table = table.droplevel("run")
        for column, asks in QUESTIONS.items():
            if f"{column}_rank" in table and table[f"{column}_rank"].notna().any():
                found.append(f"{run}: {asks}, {standing(table, column)}.")
    return found


def standing(table: pd.DataFrame, column: str) -> str:
    """Who leads a column, and where the papers' methods are among how many."""
    contest = table[~table[f"{column}_rank"].fillna("(").astype(str).str.startswith("(")]
    ranks = contest[f"{column}_rank"].astype(str)
    first = contest[ranks.str.split("-").str[0] == "1"].sort_values(column, ascending=False)
    said = [f"{method} {value:.2f}" for method, value in first[column].items()]
    others = [f"{method} {contest.at[method, column]:.2f} (rank {ranks[method]})" for method in PAPERS
              if method in contest.index and method not in first.index]
    leads = f"{listed(said)} lead{'s' if len(said) == 1 else ''} {len(contest)} methods"
    return leads + (f"; {listed(others)}" if others else "")


def listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
