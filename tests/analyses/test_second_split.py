from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.analyses.catalog import find_analysis
from byrote.analyses.lab import Lab
from byrote.analyses.second_split import second_split
from byrote.errors import BadInput
from byrote.results import PerExample
from byrote.runs.run import Run
from small import small_audit

LAB = Lab(workers=1, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("runs") / "run", models=4)


def test_each_half_is_trained_on_in_its_turn(run: Run, tmp_path: Path) -> None:
    made = second_split(LAB, run, models=4, epochs=2, out=tmp_path / "out")
    first, second = (phase.count for phase in made.design.phases)
    np.testing.assert_array_equal(first + second, np.ones((4, 60)))
    assert made.ids.tolist() == run.ids.tolist()
    found = made.measure("second_split_forgetting_time")
    assert isinstance(found, PerExample)
    assert (found.reason_code == 0).any()


def test_odd_models_are_refused_and_the_hint_is_followed(run: Run) -> None:
    with pytest.raises(BadInput, match=r"Got 5\..*models=6"):
        second_split(LAB, run, models=5)


def test_it_is_asked_by_its_name_and_rests_on_more_than_the_run() -> None:
    entry = find_analysis("second_split")
    assert entry.trains
    assert entry.several
    assert list(entry.options()) == ["models", "epochs", "checkpoints", "seed", "out"]
