from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import byrote
from byrote.analyses.frontier import _told, frontier
from byrote.blocks import Figure, TableBlock, Words
from byrote.cli.app import app
from byrote.errors import BadInput
from byrote.report.frontier import shown
from small import small_audit

PAIR = np.repeat(np.arange(8), 2)
MEMBER = np.random.default_rng(0).random((8, 60)) < 0.5
MEMBER = np.stack([MEMBER, ~MEMBER], 1).reshape(16, 60).astype(np.int8)


def imported(place, outside, within=1.0, seed=1):
    """Models that are right on so large a share of what they were trained on, and of the rest."""
    rng = np.random.default_rng(seed)
    drawn = rng.random((16, 60))
    correct = np.where(MEMBER == 1, drawn < within, drawn < outside)
    return byrote.import_arrays(
        place, labels=np.arange(60) % 3, member=MEMBER, evidence={"outputs.correct": correct}, pair=PAIR
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """As it was; better in both; and less memorized, but only as it is less often right on what it trained on."""
    place = tmp_path_factory.mktemp("frontier")
    return [imported(place / name, *rates) for name, *rates in (("before", 0.5), ("better", 0.9), ("dull", 0.5, 0.6))]


def test_a_run_is_dominated_where_another_is_better_in_both_beyond_chance(runs):
    table = frontier(*runs)
    assert table.rows["run"] == ("before", "better", "dull")
    verdicts = dict(zip(table.rows["run"], table.rows["verdict"], strict=True))
    assert verdicts["better"] == "not dominated"
    assert verdicts["before"] == "dominated by better"
    assert list(table.figures) == ["label memorization of all examples", "accuracy on non-members"]
    memorized, right = table.figures.values()
    assert memorized[0].value == pytest.approx(0.5, abs=0.08)
    assert memorized[1].value == pytest.approx(0.1, abs=0.08)
    assert right[1].value == pytest.approx(0.9, abs=0.05)
    again = frontier(runs[1], runs[0], runs[2])
    assert dict(zip(again.rows["run"], again.rows["verdict"], strict=True))["before"] == "dominated by better"


def test_a_run_that_differs_by_chance_alone_is_not_dominated(runs, tmp_path):
    alike = imported(tmp_path / "alike", 0.5, seed=2)
    assert set(frontier(runs[0], alike).rows["verdict"]) == {"not dominated"}


def test_two_settings_of_a_change_have_two_names():
    made = {"name": "weight-decay", "stage": "recipe", "slot": "WeightDecay", "amount": 0.01}
    assert _told(made) == "weight-decay=0.01"
    assert _told({"name": "mixed", "stage": "recipe", "slot": "Mixed", "course": "linear"}) == "mixed"


@pytest.mark.slow
def test_examples_that_were_chosen_by_a_run_s_own_scores_give_no_verdict(tmp_path):
    run = small_audit(tmp_path / "run", models=12)
    child = byrote.change(run, byrote.parse_change("remove-most-memorized=0.2"), workers=1, progress=False)
    table = frontier(run, child)
    assert table.rows["verdict"] == ("no verdict", "no verdict")
    assert table.rows["change"] == ("–", "remove-most-memorized=0.2")
    assert "chose which examples are left" in " ".join(table.notes)
    assert len(frontier(child, run).rows["run"]) == 2


def test_every_run_is_a_point_with_its_name(runs):
    figure, table, words = shown(frontier(*runs))
    assert (type(figure), type(table), type(words)) == (Figure, TableBlock, Words)
    assert [row[0] for row in figure.rows] == ["before", "better", "dull"]
    assert "dominated by better" in figure.title
    assert "<svg" in figure.svg


def test_one_run_is_no_frontier_and_the_command_says_so(runs):
    with pytest.raises(BadInput, match=r"at least 2 runs, each once\. Got 1"):
        frontier(runs[0])
    with pytest.raises(BadInput, match=r"at least 2 runs, each once\. Got 2"):
        frontier(runs[0], runs[0])
    told = CliRunner().invoke(app, ["frontier", *(str(one.folder) for one in runs)])
    assert told.exit_code == 0, told.output
    assert "dominated by better" in " ".join(told.output.split())
