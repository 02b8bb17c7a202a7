from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.report.studies_page import figures, name_of, studies_page, title, would_decide, write_studies_page
from byrote.stats.verdicts import judge
from byrote.studies.catalog import digest, find_study, studies
from byrote.studies.results import Found, keep, standings

DATA = {"name": "<b>mine</b>", "examples": 120, "fingerprint": "sha256:0", "recipe": {}}


def found(claim: str, units: list[float], **changes: object) -> Found:
    """A result on data of one's own."""
    study = find_study(claim)
    fixed = study.fixed(DATA)
    one = Found(
        claim=claim,
        digest=digest(fixed),
        fixed=fixed,
        source="mine.py",
        verdict=judge(np.array(units), study.margin),
        null=5,
        planted=199,
        cpu_seconds=12.5,
        byrote="0.1.0",
    )
    return replace(one, **changes)  # type: ignore[arg-type]


HOLDS = found("O8", [3.0, 3.1, 3.2, 2.9])
OPEN = found("O17", [0.2, 0.9, 0.4, 0.8])


def test_words_of_a_verdict() -> None:
    assert figures(HOLDS.verdict) == ("3.05", "2.84 to 3.26")
    assert would_decide(HOLDS.verdict) == ""
    assert would_decide(OPEN.verdict) == f"Nobody can tell: the interval holds the margin. {_needed()}"
    two = judge(np.array([-1.0, -2.0]), 0.0)
    assert figures(two) == ("−1.5", "–")
    assert would_decide(two).endswith("It would take about 3 units as these.")
    assert name_of(HOLDS) == "O8 on mine.py"


def _needed() -> str:
    assert OPEN.verdict.needed is not None
    assert OPEN.verdict.needed > 4
    return f"It would take about {OPEN.verdict.needed} units as these."


def test_the_page_counts_what_is_of_today_only_and_escapes_data() -> None:
    older = found("O6", [3.0, 3.1, 3.2], digest="0" * 64)
    all_three = standings([older, HOLDS, OPEN])
    assert title(all_three) == "Of 2 claims: holds 1, fails 0, cannot tell 1"
    page = studies_page(all_three)
    assert page.count("of another version") == 2
    assert HOLDS.digest in page
    assert "<b>mine" not in page
    assert "5 of 200" in page
    assert "199 of 200" in page


def test_without_results_every_study_is_not_run() -> None:
    page = studies_page(())
    assert "No study has a result yet" in page
    assert page.count("not run") == len(studies())


def test_alone_clear_and_among_all_open() -> None:
    edge = found("O8", [2.0, 1.2, 2.6, 1.4, 2.3])
    assert (edge.verdict.outcome, 0.02 < edge.verdict.p < 0.05) == ("holds", True)
    assert [one.among_all for one in standings([edge])] == ["holds"]
    assert [one.among_all for one in standings([edge, OPEN])] == ["cannot tell", "cannot tell"]


@pytest.mark.parametrize("own", [True, False])
def test_it_is_written_over_its_own_only(own: bool, tmp_path: Path) -> None:
    keep(HOLDS, tmp_path)
    path = tmp_path / "studies" / "studies.html"
    if own:
        assert write_studies_page(tmp_path) == write_studies_page(tmp_path) == path
    else:
        path.write_text("mine")
        with pytest.raises(BadInput, match="there already"):
            write_studies_page(tmp_path)
