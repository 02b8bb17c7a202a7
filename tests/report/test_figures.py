import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from byrote.report.figures import distribution, fitted
from byrote.results import Curve, PerExample


def scores(values: np.ndarray, members: int) -> PerExample:
    error = np.where(np.isnan(values), np.nan, 0.1)
    return PerExample(
        values=values,
        stderr=error,
        low=values - error,
        high=values + error,
        counts={side: np.full(len(values), members) for side in ("members", "nonmembers")},
        reasons=("", "unknown"),
        reason_code=np.isnan(values).astype(np.int64),
        models=2 * members,
    )


def bars(table: tuple[tuple[str, ...], ...], column: int = 1) -> list[int]:
    return [int(row[column].replace(",", "")) for row in table]


@pytest.mark.parametrize("members", [2, 3, 8, 32, 500])
def test_every_defined_example_stands_in_one_bar(members: int) -> None:
    values = np.r_[np.arange(-members, members + 1) / members, np.nan]
    figure = distribution(scores(values, members), {"clean": np.ones(len(values), bool)})
    ElementTree.fromstring(figure.svg)
    assert sum(bars(figure.rows)) == 2 * members + 1


@pytest.mark.parametrize("members", [8, 32])
def test_evenly_spread_scores_give_even_bars(members: int) -> None:
    values = np.arange(-members, members + 1) / members
    heights = bars(distribution(scores(values, members), {"clean": np.ones(len(values), bool)}).rows)
    assert len(set(heights[1:-1])) == 1


def test_planted_examples_have_a_panel_of_their_own() -> None:
    values = np.r_[np.zeros(2_000), np.ones(10)]
    planted = values == 1
    figure = distribution(scores(values, 32), {"clean": ~planted, "label_noise": planted})
    assert figure.columns == ("label memorization", "no planted control", "planted label noise")
    assert (bars(figure.rows), bars(figure.rows, 2)) == ([2_000, 0], [0, 10])
    assert "examples (log)" in figure.svg
    assert "planted label noise (10 examples)" in figure.svg


def test_all_undefined_is_an_empty_figure() -> None:
    figure = distribution(scores(np.full(4, np.nan), 2), {"clean": np.ones(4, bool)})
    ElementTree.fromstring(figure.svg)
    assert figure.rows == ()


def test_an_undefined_line_is_left_out() -> None:
    values = np.array([[np.nan, np.nan], [0.5, 1.0]])
    curve = Curve(
        axis="epoch",
        at=np.array([0.0, 3.0]),
        groups=("planted label noise", "clean"),
        values=values,
        stderr=values * 0.1,
        low=values,
        high=values,
        counts=np.array([0, 4]),
        models=8,
    )
    figure = fitted(curve)
    assert figure.columns == ("epoch", "no planted label noise")
    assert figure.rows == (("0", "0.500 ± 0.050"), ("3", "1.000 ± 0.100"))
