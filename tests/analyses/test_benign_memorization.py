"""Benign memorization: what the verdict says, and where there is none."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses import benign_memorization as module
from byrote.analyses.benign_memorization import AFTER, BEFORE, DIFFERENCE, benign_memorization
from byrote.errors import MissingEvidence
from byrote.report.verify import verify
from byrote.results import Scalar
from probes.layered import RECIPE_OF, clouds, layered
from small import small_audit

LAYERS = ["inputs", "1", "3"]


def figure(value: float, low: float = float("nan"), high: float = float("nan")) -> Scalar:
    return Scalar(value=value, stderr=(high - low) / 4, low=low, high=high, models=6, examples=0)


def verdict(fit: float, start: float, gain: Scalar) -> str:
    """The sentence about a network whose last hidden layer is `1`."""
    return module._verdict(
        {
            AFTER: (figure(fit), figure(0.6), figure(0.7), figure(0.6)),
            BEFORE: (None, figure(0.6), figure(start), figure(0.5)),
            DIFFERENCE: (None, figure(0.0), gain, figure(0.1)),
        },
        LAYERS,
    )


@pytest.mark.parametrize(
    ("fit", "start", "gain", "says"),
    [
        (1.0, 0.6, figure(0.1, 0.05, 0.15), "Benign: training raises neighbours on layer 1."),
        (1.0, 0.6, figure(-0.1, -0.15, -0.05), "Malign: training lowers neighbours on layer 1"),
        (1.0, 0.6, figure(0.02, -0.05, 0.09), "Malign: training is not shown to raise neighbours on layer 1"),
        (0.54, 0.6, figure(0.1, 0.05, 0.15), "Not memorized: models fit 54.0% of their training labels"),
        (1.0, 0.97, figure(0.01, 0.005, 0.015), "No verdict: before training neighbours on layer 1 tell 97.0%"),
        (1.0, 0.6, figure(0.1), "No verdict: the error of the gain takes 3 pairs"),
    ],
)
def test_what_the_verdict_says(fit, start, gain, says):
    assert verdict(fit, start, gain).startswith(says)


def test_without_a_hidden_layer_there_is_no_verdict():
    assert module._verdict({}, ["inputs", "1"]) == "No verdict: the network has no hidden layer."


def test_figures_of_a_run_by_hand():
    run = layered()
    found = benign_memorization(run)
    what = list(found.rows["what"])
    assert what == [
        "fit of training labels",
        *(f"neighbours on {n}" for n in ("inputs", "layer 1", "layer 3", "layer 5")),
    ]
    member, correct = run.design.member[:4] == 1, run.load("outputs.correct", range(4))
    fit = np.mean([correct[k, member[k]].mean() for k in range(4)])
    assert found.figures[AFTER][0].value == pytest.approx(fit)
    votes = run.load("layer_probes.heldout_neighbours", range(4))
    right = (votes == np.array(run.heldout.targets)).mean(3)
    assert found.figures[BEFORE][3].value == pytest.approx(right[:, 0, 2].mean())
    assert found.figures[DIFFERENCE][3].value == pytest.approx((right[:, -1, 2] - right[:, 0, 2]).mean())
    assert found.figures[DIFFERENCE][1].value == 0, "inputs do not learn"
    assert found.notes[0].startswith("Not memorized") or found.notes[0].startswith("No verdict")


def test_it_is_kept_and_verified_and_missing_evidence_says_how_to_record_it(tmp_path: Path):
    byrote.ask(layered(), "benign_memorization")
    assert verify(layered()) == []
    plain = small_audit(tmp_path / "plain", recipe=dataclasses.replace(RECIPE_OF, epochs=1), models=4)
    with pytest.raises(MissingEvidence) as told:
        benign_memorization(plain)
    assert "--probe layer_probes" in told.value.hint


@pytest.mark.slow
def test_labels_at_random_that_are_fitted_without_augmentation_are_malign(tmp_path: Path):
    """Ten dimensions, labels at random, fitted to the last: hidden layers get worse at telling held-out examples."""
    recipe = dataclasses.replace(
        RECIPE_OF, network=byrote.MLP(hidden=(128, 64)), epochs=120, optimizer=byrote.SGD(lr=0.02, momentum=0.9)
    )
    data = clouds(120, seed=0, noise=0.66)
    run = small_audit(
        tmp_path / "run",
        dataset=data,
        heldout=clouds(300, seed=1, noise=0.0),
        recipe=recipe,
        probes=("layer_probes",),
        checkpoints=2,
    )
    found = benign_memorization(run)
    assert found.figures[AFTER][0].value >= 0.99
    assert found.figures[DIFFERENCE][3].value < 0
    assert found.notes[0].startswith("Malign")
