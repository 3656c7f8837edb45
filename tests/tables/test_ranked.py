"""Means with their intervals and ranks."""

import numpy as np
import pandas as pd

from nib_utils.tables.ranked import ranked


def test_many_pairs_tell_methods_apart_and_only_then_is_one_best():
    rng = np.random.default_rng(0)
    values = {"good": rng.normal(1, 1, 60), "same": rng.normal(1, 1, 60), "bad": rng.normal(9, 1, 60)}
    rows = pd.DataFrame([{"method": m, "pair": i, "drop": v} for m, vs in values.items() for i, v in enumerate(vs)])
    table = ranked(rows, {"drop": "lower"})
    assert table.drop_rank.to_dict() == {"good": "1-2", "same": "1-2", "bad": "3"}
    assert table.drop_best.to_dict() == {"good": True, "same": True, "bad": False}
    assert (table.drop_low < table["drop"]).all() and (table["drop"] < table.drop_high).all()
