from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from attacked_texts import writing
from byrote.analyses.untargeted_extraction import MATES, MORE, OWN, untargeted_extraction
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from made_once import opened


def test_what_the_mate_finds_as_well_is_taken_off(tmp_path: Path) -> None:
    """Models in even places have 1 2 3 and 7 8 9, the others 4 5 6 and the copy of 1 2 3; these write zeros."""
    run = writing(tmp_path, [[0, 7, 8, 9], [1, 2, 3, 0], [0, 0, 8, 9], [4, 4, 4, 4]], mates=0)
    table = untargeted_extraction(run, width=3)
    figures = {name: column[0].value for name, column in table.figures.items() if column[0] is not None}
    assert figures[OWN] == pytest.approx(2 / 4 / 2)
    assert figures[MATES] == pytest.approx(1 / 4 / 2)  # the copy of 1 2 3
    assert figures[MORE] == pytest.approx(1 / 4 / 2)
    assert "hold runs of 1.0 documents of its own, and of 0.5 of its mate's" in table.notes[0]
    assert [*table.rows["ranked by"]] == ["none", "likelihood", "likeliest stretch"]


def test_a_copy_of_another_text_is_not_judged_twice(tmp_path: Path) -> None:
    run = writing(tmp_path, [[7, 8, 9, 0], [7, 8, 9, 0], [0, 5, 0, 5]])
    table = byrote.ask(run, "untargeted_extraction", width=3)
    by_row = [one.examples for one in table.figures[OWN] if one is not None]
    assert by_row[0] == 3
    assert by_row[1] == 2


def test_runs_that_are_never_found_have_an_error_all_the_same(tmp_path: Path) -> None:
    (found, *_) = untargeted_extraction(writing(tmp_path, [[0, 0, 0, 0]] * 9), width=3).figures[OWN]
    assert found is not None
    assert found.value == 0
    assert 0 < found.high < 0.5


def test_what_cannot_be_told_is_refused(tmp_path: Path) -> None:
    run = writing(tmp_path / "a", [[0, 7, 8, 9]])
    with pytest.raises(BadInput, match=r"must be in \[1, 4\]"):
        untargeted_extraction(run, width=5)
    with pytest.raises(TooFewModels, match="what a model's mate was trained on"):
        untargeted_extraction(writing(tmp_path / "b", [[0, 7, 8, 9]], np.full(6, -1)))
    with pytest.raises(MissingEvidence, match="write no texts"):
        untargeted_extraction(opened("classes", tmp_path / "c"))
