"""At each checkpoint it finds what the attack of the trained networks finds."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.adversarial import AdversarialProbe
from byrote.probes.adversarial_trajectory import AdversarialTrajectoryProbe
from probes.moments import few, small, watched
from probes.test_adversarial import found
from small import small_audit

FAST = "adversarial_trajectory,radius=0.4,steps=3,checkpoints=3,models=all"


@pytest.mark.parametrize("stacked", [False, True])
def test_each_checkpoint_is_attacked_as_the_end_is(stacked):
    inputs, targets = few(20)
    at = [[small(seed).eval() for seed in seeds] for seeds in ((1, 2), (3, 4), (5, 6))]
    asked = AdversarialTrajectoryProbe(radius=0.3, steps=4, checkpoints=3, models="all")
    read = watched(asked, [lambda made=made: made for made in at], inputs, targets, stacked=stacked, batch=7)
    for place, networks in enumerate(at):
        end = found(AdversarialProbe(0.3, steps=4, restarts=1), networks, inputs, targets)
        for row in range(2):
            np.testing.assert_array_equal(read[row]["correct"][place], end["logit_margin"][row] > 0)
    assert 0.05 < np.mean([one["correct"] for one in read]) < 0.95
    assert [one["heldout_correct"].shape for one in read] == [(3, 0)] * 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = {"models": 4, "full": 0, "checkpoints": 3, "keep_weights_at": "checkpoints"}
    return small_audit(tmp_path_factory.mktemp("runs") / "run", probes=(FAST,), **settings)


def test_an_audit_records_it_of_held_out_examples_too(run):
    assert run.load("adversarial_trajectory.epochs", [0]).tolist() == run.load("trajectory.epochs", [0]).tolist()
    held = run.load("adversarial_trajectory.heldout_correct", range(4))
    assert held.shape == (4, 3, 30)
    assert not (held[:, -1] & ~run.load("heldout.correct", range(4))).any(), "what is wrong as it is, is wrong"
    assert held[:, -1].mean() > held[:, 0].mean()


def test_later_it_finds_the_same(run, tmp_path):
    settings = {"models": 4, "full": 0, "checkpoints": 3, "keep_weights_at": "checkpoints"}
    again = probe(small_audit(tmp_path / "run", **settings), FAST)
    for name in ("correct", "heldout_correct"):
        there, here = (one.load(f"adversarial_trajectory.{name}", range(4)) for one in (run, again))
        assert (there != here).mean() < 0.02, "answers at a tie may turn by rounding"


def test_settings_that_cannot_be():
    with pytest.raises(BadInput, match=r"'adversarial_trajectory' takes a finite radius.*Got"):
        AdversarialTrajectoryProbe(radius=-1.0)
