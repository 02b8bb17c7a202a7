"""PGD and TRADES as changes of a recipe, and what they do to a network that leans on small numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import byrote
from byrote.changes.change import Context
from byrote.changes.recipe.adversarial_training import AdversarialTraining, TradesTraining
from byrote.changes.registry import parse_change
from byrote.errors import BadInput
from byrote.recipes.schedules import Constant
from small import RECIPE, blobs, small_audit

CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))


def test_the_command_line_names_them():
    assert parse_change("pgd=0.2") == AdversarialTraining(radius=0.2)
    assert parse_change("trades=0.2,beta=1,steps=3") == TradesTraining(radius=0.2, beta=1.0, steps=3)


def test_they_change_one_slot():
    assert AdversarialTraining(0.3, steps=7).apply(RECIPE, CONTEXT) == replace(
        RECIPE, input_perturbation=byrote.ProjectedGradient(radius=0.3, steps=7)
    )
    assert TradesTraining(0.3, beta=2.0).apply(RECIPE, CONTEXT) == replace(
        RECIPE, objective=byrote.Trades(beta=2.0, radius=0.3)
    )


@pytest.mark.parametrize(
    "slots", [{"objective": byrote.CrossEntropy(0.1)}, {"input_perturbation": byrote.ProjectedGradient()}]
)
def test_trades_does_not_take_the_place_of_another_change_unasked(slots):
    with pytest.raises(BadInput, match="takes the place of plain cross-entropy"):
        TradesTraining().apply(replace(RECIPE, **slots), CONTEXT)


@pytest.mark.parametrize(("kind", "wrong"), [(AdversarialTraining, -0.1), (TradesTraining, -0.1)])
def test_a_radius_below_zero_is_refused(kind, wrong):
    with pytest.raises(BadInput, match="radius"):
        kind(wrong)


def frail(examples=90, *, seed=0):
    """Two classes by one feature that is far apart, and by 200 that hardly differ and each say the class."""
    rng = np.random.default_rng(seed)
    targets = np.arange(examples) % 2
    sign = 2.0 * targets - 1
    weak = 0.1 * sign + rng.normal(0, 0.05, (200, examples))
    inputs = np.column_stack([sign + 0.3 * rng.normal(size=examples), *weak])
    return byrote.from_arrays(inputs.astype(np.float32), targets, name="frail", class_names=("a", "b"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pgd=0.2", "trades=0.2"])
def test_attacked_models_turn_to_what_no_attack_can_reach(name, tmp_path):
    """Plain models are wrong about attacked examples, all of them; with either change they are right about most."""
    recipe = replace(RECIPE, network=byrote.MLP(hidden=(8,)), epochs=15, schedule=Constant())
    run = small_audit(
        tmp_path / "plain",
        dataset=frail(),
        heldout=frail(60, seed=1),
        recipe=recipe,
        probes=("adversarial,radius=0.2,steps=10,restarts=1",),
    )
    child = byrote.change(run, parse_change(name), out=tmp_path / "child", workers=1, progress=False)
    plain, robust = (one.heldout_accuracy(answers="adversarial.heldout_correct").value for one in (run, child))
    assert plain < 0.05
    assert robust > 0.75
