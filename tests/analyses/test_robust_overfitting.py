"""What early stopping would have kept, chosen and judged on examples apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attacked_inputs import strength
from byrote.analyses.robust_overfitting import (
    HELD,
    LOST,
    MEMBERS,
    STOPPED,
    halves,
    robust_overfitting,
    shown,
    stopped_early,
)
from byrote.blocks import Words
from byrote.errors import BadInput
from byrote.evidence.manifest import Manifest
from byrote.runs.run import Run
from made_once import opened
from small import blobs, small_audit

EPOCHS = np.array([0, 2, 4, 6], np.int64)


def written(run: Run, held: np.ndarray, right: np.ndarray) -> Run:
    """The run with these answers under attack, `[model, checkpoint, …]`."""
    for model in run.models().tolist():
        columns = {"correct": right[model], "heldout_correct": held[model], "epochs": EPOCHS}
        columns |= {name: np.asarray(value) for name, value in strength(0.2).items()}
        run.evidence.write("adversarial_trajectory", model, run.last_phase, columns, {})
    manifest = Manifest.read(run.folder)
    replace(manifest, evidence=(*manifest.evidence, "adversarial_trajectory")).write(run.folder)
    return Run.open(run.folder)


def test_a_checkpoint_is_judged_on_the_examples_that_did_not_choose_it():
    rng = np.random.default_rng(0)
    right, chooses = rng.random((5, 7, 31)) < 0.5, rng.random(31) < 0.4
    slow = []
    for one in right:
        both = []
        for half in (chooses, ~chooses):
            best = max(range(7), key=lambda at: (one[at, half].mean(), -at))
            both.append((one[best, ~half].sum(), (~half).sum()))
        slow.append(sum(hits for hits, _ in both) / sum(count for _, count in both))
    np.testing.assert_allclose(stopped_early(right, chooses), slow)


def test_noise_alone_gains_nothing_by_stopping_early():
    """The best of 20 checkpoints on the examples that judge it would be .14 better than the last."""
    rng = np.random.default_rng(1)
    right = rng.random((200, 20, 60)) < 0.5
    gained = stopped_early(right, halves(np.arange(60), 0)) - right[:, -1].mean(1)
    assert abs(gained.mean()) < 4 * gained.std() / np.sqrt(200)
    assert (right.mean(2).max(1) - right[:, -1].mean(1)).mean() > 0.08


def test_halves_keep_groups_whole():
    cluster = np.repeat(np.arange(9), 5)
    first = halves(cluster, 3)
    assert {tuple(first[cluster == one]) for one in range(9)} <= {(True,) * 5, (False,) * 5}
    assert first.sum() == 25


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    found = small_audit(tmp_path_factory.mktemp("runs") / "run", heldout=blobs(60, seed=1), full=0)
    rng = np.random.default_rng(2)
    share = np.array([0.3, 0.8, 0.6, 0.5])[:, None]
    return written(
        found, rng.random((6, 4, 60)) < share, rng.random((6, 4, 60)) < np.array([0.3, 0.7, 0.8, 0.9])[:, None]
    )


def test_the_table_has_each_epoch_and_what_was_lost(run):
    table = robust_overfitting(run)
    rows = dict(zip(table.rows["checkpoint"], table.figures[HELD], strict=True))
    held = run.load("adversarial_trajectory.heldout_correct", run.models())
    for place, epoch in enumerate(EPOCHS):
        assert rows[f"epoch {epoch}"].value == pytest.approx(held[:, place].mean())
    assert rows[LOST].value == pytest.approx(rows[STOPPED].value - rows["epoch 6"].value)
    assert rows[LOST].low > 0
    right, member = run.load("adversarial_trajectory.correct", run.models()), run.design.member == 1
    inside = np.mean([one[-1][mine].mean() for one, mine in zip(right, member, strict=True)])
    assert dict(zip(table.rows["checkpoint"], table.figures[MEMBERS], strict=True))["epoch 6"].value == pytest.approx(
        inside
    )
    assert "at most 0.2 within" in table.notes[0]
    assert any(isinstance(block, Words) and "overfit robustly" in block.text for block in shown(table))


def test_few_held_out_examples_are_refused(tmp_path):
    few = opened("classes", tmp_path)
    made = written(few, np.zeros((8, 4, 30), bool), np.zeros((8, 4, 60), bool))
    with pytest.raises(BadInput, match="30 held-out examples") as refusal:
        robust_overfitting(made)
    assert "40 examples or more" in refusal.value.hint
