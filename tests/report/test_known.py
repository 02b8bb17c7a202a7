from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.analyses import votes as module
from byrote.report.known import known
from byrote.runs.run import Run
from report.made import NOISY, make_run


def test_what_models_without_an_example_say_is_counted_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")
    whole = known(run)
    monkeypatch.setattr(module, "BLOCK_CELLS", 21)
    again = known(Run.open(run.folder))
    assert whole.majority_vote is not None
    assert again.majority_vote is not None
    votes = run.votes(np.arange(40))
    for said in (whole.majority_vote, again.majority_vote):
        np.testing.assert_array_equal(said.label, votes.argmax(1))
        np.testing.assert_allclose(said.share, votes.max(1) / votes.sum(1))
    assert whole.planted.tolist() == ["label_noise"] * NOISY + [""] * (40 - NOISY)
    assert list(whole.scores) == ["membership_risk"]


def test_what_was_not_recorded_is_not_known(tmp_path: Path) -> None:
    found = known(make_run(tmp_path / "run", predictions=False, controls=False, models=2))
    assert found.majority_vote is None
    assert not found.scores
    assert set(found.planted.tolist()) == {""}
