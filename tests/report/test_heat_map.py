from __future__ import annotations

from pathlib import Path

import pytest

from byrote.analyses.comparison import compare
from byrote.report.heat_map import heat_map
from report.made import make_run


def test_every_score_has_a_row_with_its_figures(tmp_path: Path) -> None:
    found = compare(make_run(tmp_path / "run"))
    figure = heat_map(found)
    assert figure is not None
    assert figure.columns == (
        "score",
        "rank correlation",
        "the same, given loss",
        "recall of top 5%",
        "finds label noise",
    )
    assert [row[0] for row in figure.rows] == [proxy.measure.key for proxy in found.proxies]
    first = found.proxies[0]
    assert float(figure.rows[0][1].partition(" ±")[0]) == pytest.approx(first.rank_correlation.value, abs=0.005)
    assert figure.svg.count("<path") >= len(figure.rows)
