"""Which methods differ on the same units, by how much, and how equal are those that are not told apart?"""
from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd
import scipy

from ..common.checks import brief, check_choice
from .statistics import finite, intervals, need_measures

EVERY = 14  # units up to which every sign is tried
MANY = 2000  # units beyond which the sum over flips is normal as far as rounding would show
STEPS = 7200  # of 36 each, shared by the units between: 2160 for each of 120, so that time grows as their number


def compare(rows: pd.DataFrame, metric: str, by: str = "method", unit: str = "pair", reference: str | None = None,
            controls: Collection[str] = ()) -> pd.DataFrame:
    """Do two methods differ on the same units? A paired test of every two, corrected for their number.

    rows: exactly one row for each method and unit. reference: a method, to compare the others with it alone.
    controls: names that are no contestants (controls, ceilings; those not in the rows are passed over): each is
    compared in a family of its own, so that it corrects no other's p; two of them are compared only where one is
    the reference, or nothing else is there.
    Returns a row per comparison: a, b, difference (mean of a minus b, in the metric's units), low, high (its 95 %
    bootstrap interval), margin (the least at which two one-sided tests at 5 % call the two equivalent: the farther
    end of the 90 % t-interval, inf for one unit), p, p_holm (Holm's correction within the family) and n, units.

    The test flips signs: its statistic is the difference of means that the table shows, and it needs no shape of
    distribution and copes with the many zeros of a Drop, where a signed-rank test would drop them and speak of
    ranks. No sign is drawn by chance, so p has no seed (`sign_flip`). Raises ValueError for units that are not
    paired, a missing column or a NaN. Sources: Fisher, The Design of Experiments, 1935; Holm, Scandinavian
    Journal of Statistics, 1979; Schuirmann, J. Pharmacokinetics and Biopharmaceutics, 1987; Lakens, 2017.

    >>> nib.compare(rows, "corrected_image_drop", reference="random", controls=nib.CONTROLS)
    """
    table = paired(rows, metric, by, unit)
    if reference is not None:
        check_choice("reference", reference, tuple(table.columns))
    couples, difference, p, p_holm = tests(table, set_apart(table.columns, controls), reference)
    if not couples:
        raise ValueError(f"{by} has the one value {table.columns[0]!r}; pass rows of at least two to compare.")
    low, high = intervals(difference)
    return pd.DataFrame(couples, columns=["a", "b"]).assign(
        difference=difference.mean(0), low=low, high=high, margin=margins(difference), p=p, p_holm=p_holm, n=len(table))


def duel(rows: pd.DataFrame, better: Mapping[str, str], a: str = "nib", b: str = "m2ib", by: str = "method",
         unit: str = "pair") -> pd.DataFrame:
    """The one comparison that was meant from the start, `a` against `b`: a row per metric, each tested alone.

    better: "lower" or "higher" for each metric. Returns columns a, b, difference (a minus b), low, high, margin, p
    (not corrected: one test per question) and n as of `compare`, and better: the name that the metric favours where
    p < 0.05, else "not told apart"; indexed by metric. Raises as `compare`.

    >>> nib.duel(rows, {"corrected_image_drop": "lower"})
    """
    if not isinstance(better, Mapping) or not better:
        raise TypeError(f"better is {brief(better)}; pass what is better of each metric, as {{\"drop\": \"lower\"}}.")
    need_measures(rows, by, unit, *better)
    for name in (a, b):
        check_choice(by, name, tuple(rows[by].unique()))
    found, both = {}, rows[rows[by].isin([a, b])]
    for metric, direction in better.items():
        check_choice(f"better for {metric}", direction, ("lower", "higher"))
        test = compare(both, metric, by, unit, reference=b).drop(columns="p_holm").iloc[0]
        ahead = a if (test.difference < 0) == (direction == "lower") else b
        found[metric] = {**test, "better": ahead if test.p < 0.05 else "not told apart"}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("metric")


def tests(table: pd.DataFrame, apart: list, reference=None) -> tuple[list, np.ndarray, np.ndarray, np.ndarray]:
    """Of a table (units, methods): the couples (a, b), their differences (units, couples), p, and p after Holm.

    apart: columns that come as `a` only, each corrected in a family of its own.
    """
    methods = [name for name in table if name not in apart]
    couples = [*combinations(methods, 2), *product(apart, methods)] if reference is None else \
              [(name, reference) for name in table if name != reference]
    first, second = ([couple[i] for couple in couples] for i in (0, 1))
    difference = table[first].to_numpy() - table[second].to_numpy()
    p = sign_flip(difference)
    family = np.array([apart.index(name) if name in apart else -1 for name in first])
    corrected = pd.Series(p).groupby(family).transform(holm).to_numpy()
    return couples, difference, p, corrected


def set_apart(names: Sequence, controls: Collection[str]) -> list:
    """Which of the `names` are controls; none, where nothing else is there to compare them with."""
    listed = isinstance(controls, Collection) and not isinstance(controls, (str, bytes))
    if not listed or not all(isinstance(name, Hashable) for name in controls):
        raise TypeError(f"controls are {brief(controls)}; pass a list of names, or nib.CONTROLS.")
    found = [name for name in names if name in list(controls)]
    return found if len(found) < len(names) else []


def paired(rows: pd.DataFrame, metric: str, by: str, unit: str) -> pd.DataFrame:
    """The metric as a table (units, methods), methods in the order of the rows."""
    need_measures(rows, by, unit, metric)
    twice = rows.duplicated([by, unit])
    if twice.any():
        row = rows[twice].iloc[0]
        raise ValueError(f"{by} {row[by]!r} has several rows of {unit} {row[unit]!r}; average them first.")
    table = rows.pivot(index=unit, columns=by, values=metric)[rows[by].unique()].astype(float)
    counts = rows.groupby(by).size()
    if counts.min() < len(table):
        name = counts.idxmin()
        lacking = next(u for u in table.index if u not in set(rows.loc[rows[by] == name, unit]))
        raise ValueError(f"{by} {name!r} has no row of {unit} {lacking!r}, which others have; compare all on the same.")
    finite(table.to_numpy(), [f"{metric} of {name}" for name in table])
    return table


def margins(difference: np.ndarray) -> np.ndarray:
    """The farther end (M,) of the 90 % t-interval of the means of columns (n, M), in their units."""
    n = len(difference)
    if n == 1:
        return np.full(difference.shape[1], np.inf)
    error = difference.std(0, ddof=1) / n**0.5
    return np.abs(difference.mean(0)) + scipy.stats.t.ppf(0.95, n - 1) * error


def sign_flip(values: np.ndarray) -> np.ndarray:
    """Two-sided p (M,) that columns (n, M) of differences have mean zero, if either sign was as likely.

    Up to 14 rows every flip is tried. Up to 2000 the distribution over all 2^n flips is made by convolution, of
    values rounded to a 2160th of the column's greatest for 120 rows, coarser for more, where errors even out unless a
    few values dwarf the others; multiples of a half, a third or a quarter keep their ties. Beyond, that distribution is
    normal. Source: Pagano and Tritchler, On Obtaining Permutation Distributions in Polynomial Time, JASA 1983.
    """
    n = len(values)
    if n <= EVERY:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)  # (2^n, n)
        observed = np.abs(values.sum(0)) - 1e-9 * np.abs(values).sum(0)  # equal sums may differ in their last digits
        return (np.abs(signs @ values) >= observed).mean(0)
    if n > MANY:
        spread = np.sqrt((values**2).sum(0))
        return 2 * scipy.stats.norm.sf(np.abs(values.sum(0)) / np.where(spread > 0, spread, 1))
    greatest, total = np.abs(values).max(0), np.abs(values).sum(0)
    steps = np.full(values.shape[1], STEPS // n)
    if n > 120:  # finer, and no dearer, where a few are so great that the others would vanish
        steps = np.maximum(steps, (STEPS / 8 * greatest / np.where(total > 0, total, 1)).astype(int))
    steps = 36 * steps
    whole = np.rint(values / np.where(greatest > 0, greatest, 1) * steps).astype(np.int64)
    return np.array([tails(np.abs(column), abs(column.sum())) for column in whole.T])


def tails(sizes: np.ndarray, least: int) -> float:
    """How likely whole numbers `sizes` (n,) >= 0, each with either sign, add up to `least` or beyond, or to -`least`.

    The sum is that of all sizes less twice that of those with a minus, so the upper tail is where these add up to
    at most (sum - least) / 2; both tails are alike.
    """
    chance = np.zeros((sizes.sum() - least) // 2 + 1)  # of each sum of those with a minus
    chance[0], most = 1, 0
    for size in np.sort(sizes[sizes > 0]):
        most += size
        reached = chance[: most + 1]
        reached[size:] += reached[:-size]
        reached *= 0.5
    return min(1.0, 2 * chance.sum())


def holm(p) -> np.ndarray:
    """Holm's adjusted p: the k-th smallest of m times m - k + 1, never below the one before, at most 1.

    >>> holm([0.01, 0.04, 0.03, 0.005])
    array([0.03, 0.06, 0.06, 0.02])
    """
    p = np.asarray(p, float)
    order = p.argsort(kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted[order.argsort(kind="stable")]
