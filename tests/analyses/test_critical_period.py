"""Critical period: parts of equal length in both arms, and shuffled labels that do harm if nothing follows."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses.critical_period import critical_period, parts
from byrote.analyses.lab import Lab
from byrote.errors import BadInput
from small import RECIPE, blobs, small_audit

LAB = Lab(workers=1, progress=False)


def test_parts_have_the_same_epochs_with_and_without_other_labels() -> None:
    labels = np.arange(12) % 3
    with_window, without = parts(12, 3, 5, 2, 4, labels), parts(12, 3, 5, 2, 4, None)
    assert [one.epochs for one in with_window.phases] == [one.epochs for one in without.phases] == [5, 2, 4]
    assert [one.labels is None for one in with_window.phases] == [True, False, True]
    assert all(one.labels is None for one in without.phases)
    assert [one.epochs for one in parts(12, 3, 0, 2, 4, labels).phases] == [2, 4]
    assert with_window.member.all()


@pytest.mark.slow
def test_a_window_just_before_the_end_does_harm(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, optimizer=byrote.SGD(lr=0.05, momentum=0.0))
    run = small_audit(tmp_path / "run", dataset=blobs(), recipe=recipe, models=4, full=0, checkpoints=2)
    table = critical_period(LAB, run, onsets="6", window=8, after=1, models=3)
    assert table.rows["window begins after"] == ("6 epochs",)
    loss, without, harm = (table.figures[name][0] for name in ("held-out loss", "without the window", "harm"))
    assert harm.value == pytest.approx(loss.value - without.value)
    assert harm.low > 0
    with pytest.raises(BadInput, match="takes numbers of epochs. Got onsets 'early'".replace(".", r"\.")) as told:
        critical_period(LAB, run, onsets="early", models=3)
    assert "onsets=0;10;30" in told.value.hint
    with pytest.raises(BadInput, match="is judged by held-out loss") as told:
        critical_period(LAB, dataclasses.replace(run, heldout=None), models=3)
    assert "--heldout 0.2" in told.value.hint
