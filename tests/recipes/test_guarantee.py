"""What DP-SGD guarantees, against closed forms and the figures of other accountants, and what it says of itself."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.recipes.guarantee import epsilon_of, guarantee, multiplier_of, promised
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.private import GaussianNoise, Private, private
from byrote.recipes.recipe import Recipe

PLAIN = Recipe(network=MLP(hidden=(7,)), epochs=2)
PRIVATE = private(PLAIN, members=20, rate=0.25, clip=0.4, multiplier=0.5)
accounted = pytest.mark.skipif(importlib.util.find_spec("opacus") is None, reason="the accountant is opacus', an extra")


@pytest.mark.parametrize(
    ("slots", "lacks"),
    [
        (PLAIN, "draw its batches by coins and clip gradients by example and add noise"),
        (replace(PRIVATE, gradient_transform=GaussianNoise(0.0)), "does not add noise"),
        (replace(PRIVATE, example_gradients=None), "does not clip gradients by example"),
        (replace(PRIVATE, batches=None), "does not draw its batches by coins"),
    ],
)
def test_half_of_it_promises_nothing(slots: Recipe, lacks):
    with pytest.raises(BadInput, match=lacks):
        guarantee(slots, delta=1e-5)


def test_no_epsilon_without_an_accountant(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opacus", None)
    with pytest.raises(BadInput, match="No epsilon is given") as refusal:
        guarantee(PRIVATE, delta=1e-5)
    assert "byrote[privacy]" in refusal.value.hint


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(importlib.util.find_spec("opacus") is None, reason="the accountant is opacus', an extra")
@pytest.mark.parametrize("multiplier", [0.8, 2.0])
def test_epsilon_of_one_step_that_shows_all_is_that_of_the_gaussian_mechanism(multiplier):
    """Balle and Wang 2018, theorem 8: delta(e) = Phi(1/2s - e s) - exp(e) Phi(-1/2s - e s)."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    def delta(e):
        s = multiplier
        return norm.cdf(1 / (2 * s) - e * s) - np.exp(e) * norm.cdf(-1 / (2 * s) - e * s)

    slots = private(replace(PLAIN, epochs=1), members=20, rate=1.0, clip=3.0, multiplier=multiplier)
    found = guarantee(slots, delta=1e-5)
    assert found.epsilon == pytest.approx(brentq(lambda e: delta(e) - 1e-5, 0, 50), abs=0.02)
    assert (found.steps, found.rate, found.multiplier) == (1, 1.0, pytest.approx(multiplier))
    assert "opacus" in str(found)
    assert "outside" in str(found)


@accounted
@pytest.mark.parametrize("epsilon", [8.0, 2.0])
def test_the_noise_for_an_epsilon_is_that_of_two_other_accountants(epsilon):
    """400 steps of rate 0.16 at delta 1e-5: noise of 2.09 and 6.52, by Google's PLD, too (7.98 and 1.99)."""
    found = multiplier_of(epsilon, rate=0.16, steps=400, delta=1e-5)
    assert found == pytest.approx({8.0: 2.087, 2.0: 6.523}[epsilon], rel=0.01)
    assert 0.99 * epsilon <= epsilon_of(found, 0.16, 400, 1e-5) <= epsilon


ONE = {"epochs": 2, "examples": 40, "models": 1, "copies": 1, "group": 1}


@accounted
def test_what_is_promised_is_said_with_all_that_it_does_not_cover():
    recipe = Private(PLAIN, clip=0.4, noise=2.0, rate=0.25)
    found = promised(recipe, **{**ONE, "models": 6, "copies": 2, "group": 5})
    assert found.epsilon == epsilon_of(2.0, 0.25, 8, 1 / 400)
    assert (found.delta, found.steps, found.rate, found.multiplier, found.clip) == (1 / 400, 8, 0.25, 2.0, 0.4)
    first, ensemble, copies, group, rest = found.words()
    assert f"({found.epsilon:.3g}, 0.0025)-differentially private for adding or removing one example" in first
    assert "8 Poisson steps of rate 0.25 with noise of 2 times the clipping norm 0.4; PRV accountant of opacus" in first
    assert f"up to 6 models here, and their weights together are ({6 * found.epsilon:.3g}, 0.015)" in ensemble
    assert "outside of any guarantee" in ensemble
    assert "shown 2 times an epoch" in copies
    assert "up to 5 here" in group
    assert "taken as public" in rest
    assert "not cryptographic" in rest
    assert all(len(one) <= 600 for one in found.words()), "pages cut longer notes"
    assert found.facts()["says"] == [*found.words()]
    alone = promised(replace(recipe, delta=1e-6), **ONE)
    assert alone.delta == 1e-6
    assert len(alone.words()) == 3
    assert "up to" not in str(alone)


@pytest.mark.parametrize(
    ("arm", "changed", "words"),
    [
        ("clip", False, "no noise is added"),
        ("noise", False, "gradients are not clipped"),
        ("both", True, "were changed after their private training"),
    ],
)
def test_arms_and_models_that_were_changed_have_no_guarantee(arm, changed, words):
    found = promised(Private(PLAIN, arm=arm), **ONE, changed=changed)
    assert found.epsilon is None
    (said,) = found.words()
    assert said.startswith("No privacy is guaranteed")
    assert words in said


def test_a_training_without_an_accountant_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opacus", None)
    (said,) = promised(Private(PLAIN), **ONE).words()
    assert "opacus is not installed" in said
    assert "byrote[privacy]" in said


@pytest.mark.parametrize("epsilon", [0.001, 101.0, float("inf")])
def test_an_epsilon_that_no_accountant_tells_is_refused(epsilon):
    with pytest.raises(BadInput, match=r"from 0\.1 to 100\."):
        multiplier_of(epsilon, rate=0.5, steps=2, delta=1e-5)


@accounted
@pytest.mark.parametrize("noise", [0.05, 0.12, 0.02])
def test_noise_that_hides_nothing_is_refused_with_an_amount_that_hides(noise):
    """At 0.05 the accountant's epsilon is infinite after 12 s, and at 0.12 and 0.02 it needs minutes and more."""
    given = {**ONE, "epochs": 50}
    with pytest.raises(BadInput, match=f"Noise of {noise} times the clipping norm hides no example") as refusal:
        promised(Private(PLAIN, noise=noise, rate=0.05), **given)
    enough = float(refusal.value.hint.partition("noise=")[2].partition(" ")[0])
    assert 5.0 < promised(Private(PLAIN, noise=enough, rate=0.05), **given).epsilon < 8.0


@accounted
def test_little_noise_is_searched_no_further_than_the_accountant_goes():
    found = multiplier_of(100.0, rate=1e-4, steps=1, delta=1e-3)
    assert found == 0.1
    assert epsilon_of(found, 1e-4, 1, 1e-3) < 99
