"""The page on studies tells what they find on the digits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from byrote.studies.catalog import find_study, studies
from byrote.studies.results import run_study

PAGE = Path(__file__).parents[2] / "docs" / "studies.md"
ROW = re.compile(r"^\| ([OR]\d+): [^|]*\|[^|]*\| ([^|]*) \| ([^|]*) \| (holds|fails|cannot tell) \|", re.MULTILINE)
#: The claims of the page, with effect, margin and verdict.
TOLD = {claim: rest for claim, *rest in ROW.findall(PAGE.read_text("utf-8"))}


def test_the_page_tells_of_studies_that_there_are() -> None:
    assert len(TOLD) == 24
    assert {*TOLD} <= {*studies()}


@pytest.mark.parametrize("claim", TOLD)
def test_the_page_has_the_margins_and_intervals_of_its_verdicts(claim: str) -> None:
    effect, margin, verdict = TOLD[claim]
    value, low, high = (float(number.replace("−", "-")) for number in re.findall(r"−?[\d.]+", effect))
    assert float(margin) == find_study(claim).margin
    assert low <= value <= high
    outcome = "holds" if low > float(margin) else "fails" if high < float(margin) else "cannot tell"
    assert outcome == verdict


@pytest.mark.slow
@pytest.mark.parametrize("claim", TOLD)
def test_the_digits_say_so(claim: str, tmp_path: Path) -> None:
    found = run_study(find_study(claim), tmp_path, workers=1, progress=False)
    assert found.verdict.outcome == TOLD[claim][2]
