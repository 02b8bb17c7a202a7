"""Random labels and inputs: what is drawn is what it says, and wide networks fit it."""

import dataclasses

import numpy as np
import pytest

import byrote
from byrote.analyses import random_labels as module
from byrote.analyses.lab import Lab
from byrote.analyses.random_labels import random_label_fit, randomization
from byrote.errors import BadInput
from probes.layered import clouds
from small import RECIPE, small_audit

LAB = Lab(workers=1, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> byrote.Run:
    wide = dataclasses.replace(
        RECIPE, network=byrote.MLP(hidden=(64,)), epochs=40, optimizer=byrote.SGD(lr=0.05, momentum=0.9)
    )
    out, data = tmp_path_factory.mktemp("wide") / "run", clouds(60, seed=0)
    return small_audit(out, dataset=data, heldout=None, recipe=wide, models=4, full=0, checkpoints=2)


def test_a_wide_network_fits_labels_of_a_coin_and_says_at_least(run: byrote.Run) -> None:
    table = random_label_fit(LAB, run, draws=3, examples=30)
    (fit,) = table.figures["fit"]
    assert 0.9 < fit.value <= 1.0
    assert table.notes[0].startswith("With ")
    assert "is an index of fit only" in table.notes[0]


def test_what_is_made_random_is_what_it_says() -> None:
    data = module._plain(clouds(90, seed=0), 60, 0)
    assert len(data) == 60
    assert not len(data.controls)
    arms = module._arms(0.2)
    made = {name: arm(data, np.random.default_rng(1)) for name, arm in arms.items()}
    assert (made["20% wrong labels"].targets != data.targets).sum() == 12
    assert sorted(made["random labels"].targets) == sorted(data.targets)
    order = np.random.default_rng(module._ORDER).permutation(10)
    np.testing.assert_array_equal(made["one order of inputs"].inputs, data.inputs[:, order])
    np.testing.assert_array_equal(np.sort(made["an order each"].inputs, axis=1), np.sort(data.inputs, axis=1))
    assert list(arms)[module._ONE_ORDER] == "one order of inputs"
    held = module._like(data, module._ONE_ORDER, 0)
    np.testing.assert_array_equal(held.inputs, made["one order of inputs"].inputs)
    assert made["Gaussian inputs"].inputs.mean() == pytest.approx(data.inputs.mean(), abs=0.2)


def test_wrong_labels_that_were_planted_are_put_right() -> None:
    noisy, clean = clouds(90, seed=0), clouds(90, seed=0, noise=0.0)
    assert (noisy.targets != clean.targets).any()
    np.testing.assert_array_equal(module._plain(noisy, 90, 0).targets, clean.targets)


@pytest.mark.slow
def test_random_labels_take_longer_than_true_ones(run: byrote.Run) -> None:
    table = randomization(LAB, run, models=3, examples=60, checkpoints=41)
    epochs = dict(zip(table.rows["data"], (one.value for one in table.figures["epochs to 99 %"]), strict=True))
    assert epochs["true labels"] < epochs["random labels"]


def test_settings_are_refused(run: byrote.Run) -> None:
    with pytest.raises(BadInput, match="Got 2 of 3") as told:
        random_label_fit(LAB, run, draws=2)
    assert "draws=8" in told.value.hint
    with pytest.raises(BadInput, match=r"must be in \(0, 1\)\. Got 1") as told:
        randomization(LAB, run, noise=1.0)
    assert "noise=0.2" in told.value.hint
