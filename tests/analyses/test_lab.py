from __future__ import annotations

from pathlib import Path

import pytest

from byrote.analyses.lab import Lab, data_of
from byrote.changes.recipe.weight_decay import WeightDecay
from byrote.errors import BadInput
from byrote.runs.run import Run
from small import RECIPE, blobs, small_audit

LAB = Lab(workers=1, progress=False)


def test_a_lab_audits_changes_and_probes_with_its_own_settings(tmp_path: Path) -> None:
    run = LAB.audit(
        blobs(noise=0.1), RECIPE, models=4, out=tmp_path / "run", checkpoints=3, keep_weights_at="checkpoints"
    )
    assert len(run.models()) == 4
    child = LAB.change(run, WeightDecay(0.01), out=tmp_path / "child")
    assert child.manifest.identity["recipe"]["optimizer"]["weight_decay"] == 0.01
    assert "rewinding" in LAB.probe(run, "rewinding").manifest.evidence


def test_data_that_are_not_at_hand_are_refused_with_the_command_that_has_them(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", models=4)
    assert data_of(run, "onion") == (run.dataset, run.recipe)
    with pytest.raises(BadInput, match="byrote onion"):
        data_of(Run.open(run.folder), "onion")
