"""Made-up measurements: a value for each pair and method."""
import numpy as np
import pandas as pd


def rows_of(**values) -> pd.DataFrame:
    """One row per method and pair, in an order of its own."""
    rows = pd.concat({name: pd.DataFrame({"drop": v}) for name, v in values.items()}, names=["method", "pair"])
    return rows.reset_index().sample(frac=1, random_state=0)


def noisy(mean: float, seed: int, n: int = 60, spread: float = 1.0) -> np.ndarray:
    return mean + spread * np.random.default_rng(seed).standard_normal(n)
