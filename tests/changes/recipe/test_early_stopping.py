"""Early stopping goes the way of the whole training until it stops, and chooses by what models never saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import byrote
from byrote.changes.change import Context
from byrote.changes.recipe.early_stopping import EarlyStopping, best_checkpoint, chosen
from byrote.errors import BadInput
from byrote.recipes.schedules import Stopped
from byrote.runs.run import Run
from made_once import copied
from small import RECIPE, blobs

CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))


def test_a_recipe_stops_on_its_way():
    stopped = EarlyStopping(2).apply(RECIPE, CONTEXT)
    assert stopped == replace(RECIPE, epochs=2, schedule=Stopped(byrote.Cosine(), 2 / 6))
    assert stopped.schedule.factor(0.5) == byrote.Cosine().factor(1 / 6)


def test_the_models_are_those_of_the_run_before_at_that_checkpoint(tmp_path):
    run = Run.open(copied("classes", tmp_path)).attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))
    child = byrote.change(run, EarlyStopping(3), out=tmp_path / "child", workers=1, progress=False)
    models = run.models()
    there = np.flatnonzero(run.load("trajectory.epochs", models) == 3).item()
    np.testing.assert_allclose(
        child.load("outputs.log_odds", models), run.load("trajectory.log_odds", models)[:, there], rtol=1e-4, atol=1e-4
    )
    assert chosen_or_end(run) == slowly(run)


def chosen_or_end(run):
    try:
        return chosen(run)
    except BadInput:
        return RECIPE.epochs


def slowly(run):
    models = run.models("reference")
    correct, member = run.load("trajectory.correct", models), run.load("design.member", models)
    epochs = run.load("trajectory.epochs", models)
    means = []
    for checkpoint in range(1, len(epochs)):
        by_model = [
            np.mean([correct[m, checkpoint, i] for i in range(correct.shape[2]) if member[m, i] == 0])
            for m in range(len(models))
        ]
        means.append(np.mean(by_model))
    return int(epochs[1 + int(np.argmax(means))])


def test_the_best_checkpoint_is_that_of_non_members():
    right = np.zeros((2, 4, 4), bool)
    outside = np.array([[True, True, False, False], [False, False, True, True]])
    right[:, 0] = True  # before the training, by luck: no place to stop
    right[0, 1, 0] = right[1, 1, 2] = True
    right[:, 2] = outside
    right[:, 3] = ~outside
    assert best_checkpoint(right, outside) == 2
    right[:, 3] = outside
    assert best_checkpoint(right, outside) == 2, "the first of the best"
    right[0, 2] = False
    with pytest.raises(BadInput, match=r"^The models are best at the end .* \(100\.0% right\)"):
        best_checkpoint(right, outside)


def test_stops_that_are_none_are_refused():
    with pytest.raises(BadInput, match=r"^The recipe trains for 6 epochs, and was to stop after 6\."):
        EarlyStopping(6).apply(RECIPE, CONTEXT)
    with pytest.raises(BadInput, match=r"^No run before the change has models"):
        EarlyStopping().apply(RECIPE, CONTEXT)
