"""Hints of data frames and of results in a notebook are followed: each mends the case that brought it."""

from __future__ import annotations

import numpy as np
import pandas as pd

import byrote
from byrote.results import Table
from followed import Case, each, follow, without

Y = np.linspace(0.0, 1.0, 40)
MIXED = pd.DataFrame({"x": [1, "a", 2.5, "b"] * 10, "y": Y, "kind": ["a", "b"] * 20})
ARRAYS = Table(title="scores", arrays={"example": np.arange(3), "score": np.array([0.1, 0.2, 0.4])})

CASES = (
    Case(
        name="a column of several types",
        wrong=lambda _: byrote.from_pandas(MIXED, target="kind"),
        says="frame.astype({'column': str})",
        right=lambda _: byrote.from_pandas(MIXED.astype({"x": str}), target="kind"),
    ),
    Case(
        name="no data frame",
        wrong=lambda _: byrote.from_pandas({"y": Y, "kind": ["a", "b"] * 20}, target="kind"),
        says="pandas.DataFrame(…)",
        right=lambda _: byrote.from_pandas(pd.DataFrame({"y": Y, "kind": ["a", "b"] * 20}), target="kind"),
    ),
    Case(
        name="no pandas",
        wrong=without("pandas", lambda _: ARRAYS.to_pandas()),
        says="byrote[pandas]",
        right=lambda _: ARRAYS.to_pandas(),
    ),
    Case(
        name="a drawing of a table without figures",
        wrong=lambda _: ARRAYS.plot(),
        says="table.to_pandas().plot(…)",
        right=lambda _: ARRAYS.to_pandas().plot(x="example", y="score"),
    ),
)


@each(*CASES)
def test_hints_in_a_notebook_are_followed(case, tmp_path):
    follow(case, tmp_path)
