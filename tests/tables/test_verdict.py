"""The verdict: who leads, by the ranks of the tables, in sentences."""
import pandas as pd

from nib_utils.tables.verdict import verdict


def test_who_leads_is_who_has_the_first_rank_and_is_no_control():
    rows = {"rise": (0.9, "1-2"), "gradcam": (0.8, "1-2"), "nib": (0.5, "3"), "m2ib": (0.4, "4"), "random": (0.95, "(1)")}
    table = pd.DataFrame(rows, index=["precision", "precision_rank"]).T.rename_axis("method")
    overview = pd.concat({"mini-shapes": table, "other": table.assign(precision_rank=None)}, names=["run"])
    assert verdict(overview) == ["mini-shapes: on exact masks, by average precision, rise 0.90 and gradcam 0.80 lead "
                                 "4 methods; nib 0.50 (rank 3) and m2ib 0.40 (rank 4)."]


def test_one_leader_and_no_papers():
    table = pd.DataFrame({"text_gain": [0.3, 0.1], "text_gain_rank": ["1", "2"]}, index=["a", "b"]).rename_axis("method")
    assert verdict(pd.concat({"x": table}, names=["run"])) == ["x: on words, by relevance gain, a 0.30 leads 2 methods."]
