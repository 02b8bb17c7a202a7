"""Pattern, rote and neither on small pictures; one poison, a group of poisons, and runs that cannot be asked."""

from __future__ import annotations

import numpy as np
import pytest

import byrote
from byrote.analyses.catalog import find_analysis
from byrote.analyses.pattern_or_rote import CONTRAST, MEMORIZED, SUCCESS, WITHOUT, pattern_or_rote, poisons_of, shown
from byrote.blocks import Tiles
from byrote.errors import BadInput, MissingEvidence
from byrote.runs.run import Run
from poisoned import drawn, poisoned_audit
from small import small_audit


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return poisoned_audit(tmp_path_factory.mktemp("runs") / "pattern", "backdoor=0.25,target=b")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return poisoned_audit(
        tmp_path_factory.mktemp("runs") / "together", "backdoor=0.25,target=b,together=yes", models=16
    )


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return poisoned_audit(tmp_path_factory.mktemp("runs") / "one", "backdoor=0.0084", models=8)


def test_many_poisons_become_a_pattern(pattern: Run) -> None:
    found = pattern_or_rote(pattern)
    assert found.rows == {"poisons": ("30",), "verdict": ("pattern",)}
    memorized, success = found.figures[MEMORIZED][0], found.figures[SUCCESS][0]
    rows = poisons_of(pattern)
    assert memorized.value == pytest.approx(pattern.measure("label_memorization").values[rows].mean())
    models = pattern.models()
    stamped = pattern.load("stamped.target", models).astype(float) - pattern.load("stamped.plain", models)
    others = pattern.heldout.targets != 1
    assert success.value == pytest.approx(stamped[:, others].mean())
    assert found.figures[CONTRAST] == (None,)
    assert "a square of 2 × 2 pixels" in found.title


def test_a_pattern_is_memorized_where_the_whole_group_is_held_out(together: Run) -> None:
    """Models without one poison learn the pattern from the others; models without all of them cannot."""
    found = pattern_or_rote(together)
    assert found.rows["verdict"] == ("undecided",)
    assert found.figures[MEMORIZED] == (None,)
    assert found.figures[CONTRAST][0].low > 0.5
    without = found.figures[WITHOUT][0]
    assert without.value == 0
    assert without.high < 0.5
    assert without.models == 8


def test_one_poison_has_no_error(one: Run) -> None:
    found = pattern_or_rote(one)
    assert found.rows == {"poisons": ("1",), "verdict": ("undecided",)}
    for name in (MEMORIZED, SUCCESS):
        figure = found.figures[name][0]
        assert figure.value > -1
        assert np.isnan(figure.stderr)
        assert np.isnan(figure.low)
        assert figure.note.startswith("one poison never tells")


def test_success_is_that_of_models_that_hold_a_poison(one: Run) -> None:
    found = pattern_or_rote(one)
    holds = (one.member[one.models()][:, poisons_of(one)] == 1).any(1)
    assert holds.sum() == found.figures[SUCCESS][0].models == found.figures[WITHOUT][0].models == 4


def test_the_section_has_verdict_figures_and_how_to_read_them(pattern: Run) -> None:
    tiles, table, reading = shown(pattern_or_rote(pattern))
    assert isinstance(tiles, Tiles)
    assert tiles.tiles[0].value == "pattern"
    assert table.columns[:2] == ("poisons", "verdict")
    assert "Rote: " in reading.text


def test_it_is_kept_and_follows_from_the_evidence(pattern: Run) -> None:
    byrote.ask(pattern, "pattern_or_rote")
    assert (pattern.folder / "results" / "pattern_or_rote.parquet").is_file()
    assert find_analysis("pattern_or_rote").section == "5.3"


def test_runs_without_a_backdoor_or_without_held_out_examples(tmp_path) -> None:
    clean = small_audit(tmp_path / "clean", models=4)
    with pytest.raises(BadInput, match="No backdoor is planted in the run"):
        pattern_or_rote(clean)
    blind = poisoned_audit(tmp_path / "blind", "backdoor=0.25", models=4, heldout=None)
    with pytest.raises(MissingEvidence, match=r"stamped\.target"):
        pattern_or_rote(blind)
    of_target = drawn(45, seed=1)
    alike = of_target.subset(of_target.targets == 0)
    only = poisoned_audit(tmp_path / "only", "backdoor=0.25", models=6, heldout=alike)
    assert np.isnan(pattern_or_rote(only).figures[SUCCESS][0].value)
