"""Mixtures of examples against slow loops, their shares against the Beta distribution, and what is seen of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import beta

from byrote.engine.one import One
from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.batch import Batch
from byrote.recipes.checks import check_slots
from byrote.recipes.mixing import _SALT, LEVELS, CutMix, Mixup, larger_share, mixed, partners
from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization
from byrote.recipes.private import ClipByExample, Poisson
from engine.toys import RECIPES, bound, data

RNG = np.random.default_rng(0)
MODELS, ROWS = 2, 9
IDS = torch.tensor(np.array([RNG.choice(40, ROWS, replace=False) for _ in range(MODELS)]))
STREAM = noise.Stream(torch.tensor([5, 2**32 - 1]), 3, IDS)


def batch(shape=(4,), targets=None, **settings) -> Batch:
    inputs = torch.tensor(RNG.normal(size=(MODELS, ROWS, *shape)))
    targets = torch.tensor(RNG.integers(0, 3, (MODELS, ROWS))) if targets is None else targets
    return Batch(inputs=inputs, targets=targets, ids=IDS, noise=STREAM, classes=3, **settings)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_a_share_is_the_larger_of_two_of_a_beta_distribution(alpha):
    share = larger_share(alpha, (torch.arange(LEVELS) + 0.5) / LEVELS).double().numpy()
    for edge in (0.55, 0.7, 0.9, 0.99):
        below = 2 * (beta(alpha, alpha).cdf(edge) - 0.5)  # P(max(l, 1 - l) <= edge)
        assert abs((share <= edge).mean() - below) <= 1 / LEVELS
    assert (np.diff(share) >= 0).all()


@pytest.mark.parametrize("counting", [None, torch.tensor([[True] * ROWS, [True] * 4 + [False] + [True] * 3 + [False]])])
def test_partners_go_round_all_rows_that_count(counting):
    found = partners(STREAM.keys, counting)
    for row, those in enumerate(found.tolist()):
        count = [True] * ROWS if counting is None else counting[row].tolist()
        place, seen = 0, set()
        while place not in seen:
            seen.add(place)
            place = those[place]
        assert (place, len(seen)) == (0, sum(count))
        assert all(those[place] == place for place in range(ROWS) if not count[place])


def test_partners_are_of_the_example_wherever_it_stands():
    order = torch.tensor(RNG.permutation(ROWS))
    moved = partners(STREAM.keys[:, order], None)
    at_first = partners(STREAM.keys, None)
    assert torch.equal(order[moved], at_first[:, order])


@pytest.mark.parametrize("kind", ["classes", "distributions", "numbers"])
def test_mixup_against_a_slow_loop(kind):
    targets = {
        "classes": torch.tensor(RNG.integers(0, 3, (MODELS, ROWS))),
        "distributions": torch.tensor(RNG.dirichlet(np.ones(3), (MODELS, ROWS))),
        "numbers": torch.tensor(RNG.normal(size=(MODELS, ROWS))),
    }[kind]
    given = batch(targets=targets)
    found = mixed(Mixup(0.7), given)
    whole = torch.eye(3).double()[targets] if kind == "classes" else targets
    share = larger_share(0.7, noise.uniform(STREAM.keys, 1, salt=_SALT)[..., 0]).double()
    partner = partners(STREAM.keys, None)
    assert share.min() < 0.9
    for m, b in np.ndindex(MODELS, ROWS):
        s, j = share[m, b], partner[m, b]
        torch.testing.assert_close(found.inputs[m, b], s * given.inputs[m, b] + (1 - s) * given.inputs[m, j])
        torch.testing.assert_close(found.targets[m, b], s * whole[m, b] + (1 - s) * whole[m, j])


def test_with_alpha_towards_0_nothing_is_mixed():
    given = batch()
    found = mixed(Mixup(1e-6), given)
    assert torch.equal(found.inputs, given.inputs)
    assert torch.equal(found.targets, torch.eye(3).double()[given.targets])


def test_cutmix_pastes_a_rectangle_and_counts_its_pixels():
    own, others = torch.zeros(600, 2, 6, 5), torch.ones(600, 2, 6, 5)
    uniform = torch.tensor(RNG.random((600, 3)), dtype=torch.float32)
    found, share = CutMix().apply(own, others, uniform)
    torch.testing.assert_close(share, 1 - found[:, 0].mean((1, 2)))
    assert torch.equal(found[:, 0], found[:, 1])
    for picture in found[:, 0]:
        rows, columns = picture.any(1), picture.any(0)
        assert torch.equal(picture.bool(), rows[:, None] & columns)
        assert all(((side.diff().abs().sum()) <= 2) for side in (rows.int(), columns.int())), "in one piece"
    assert share.max() == 1
    assert 0.3 < share.min() < 0.6


def test_what_is_seen_of_a_step_is_not_mixed():
    one = One(bound("mixed up"), 3)
    inputs, targets = data(RECIPES["mixed up"][0]).tensors(torch.device("cpu"))
    ids = torch.arange(10)[None]
    one.begin(2)
    before = one.predict(inputs)[:, :10]
    seen = one.step(Batch(inputs=inputs[ids], targets=targets[ids], ids=ids))
    torch.testing.assert_close(seen.logits, before)
    p = before[0].softmax(-1).gather(1, targets[:10, None])[:, 0]
    torch.testing.assert_close(seen.loss[0], (1 - p**0.7) / 0.7)


def test_a_step_learns_the_mixtures():
    """The step of a recipe that mixes is that of one that does not, on the mixtures."""
    algorithm = bound("mixed up")
    plain = replace(algorithm.recipe, mixing=None).bind(algorithm.shape, algorithm.device)
    inputs, targets = data(RECIPES["mixed up"][0]).tensors(torch.device("cpu"))
    ids = torch.arange(10)[None]
    given = Batch(inputs=inputs[ids], targets=targets[ids], ids=ids)
    stream = noise.Stream(torch.tensor([3]), 0, ids)
    mixture = mixed(Mixup(0.5), replace(given, noise=stream, classes=3))
    after = []
    for learner, shown in ((One(algorithm, 3), given), (One(plain, 3), replace(mixture, noise=None))):
        learner.begin(2)
        learner.step(shown)
        after.append(learner.predict(inputs))
    torch.testing.assert_close(*after)


@pytest.mark.parametrize("kind", [Mixup, CutMix])
@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_no_such_distribution(kind, alpha):
    with pytest.raises(BadInput, match=rf"^The 'alpha' argument of {kind.__name__} must be above 0"):
        kind(alpha)


@pytest.mark.parametrize("slots", [{"batches": Poisson(rate=0.5)}, {"example_gradients": ClipByExample()}])
def test_examples_that_are_treated_one_by_one_are_not_mixed(slots):
    with pytest.raises(BadInput, match=r"^The recipe mixes the examples of a batch, by Mixup"):
        replace(RECIPES["mixed up"][1], **slots)


def test_an_objective_does_not_remember_mixtures():
    with pytest.raises(BadInput, match="remembers each example, and Mixup"):
        check_slots(replace(RECIPES["mixed up"][1], objective=EarlyLearningRegularization()))
