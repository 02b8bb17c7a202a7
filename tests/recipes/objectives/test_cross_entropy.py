import numpy as np
import pytest
import torch

from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from engine.toys import RECIPES, bound, data
from recipes.objectives.asked import loss_of


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_against_the_formula(smoothing):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(7, 4)) * 3, rng.integers(0, 4, 7)
    found, memory = loss_of(CrossEntropy(smoothing), torch.tensor(logits), torch.tensor(targets))
    assert memory is None
    for n in range(7):
        log_p = logits[n] - np.log(np.exp(logits[n]).sum())
        expected = -(1 - smoothing) * log_p[targets[n]] - smoothing * log_p.mean()
        np.testing.assert_allclose(found[n].item(), expected)


def test_no_memory():
    assert CrossEntropy().memory(10, 3) is None


@pytest.mark.parametrize("weights", [None, (2.0, 0.5, 1.0, 3.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_of_a_distribution_it_is_the_mean_over_the_classes(smoothing, weights):
    rng = np.random.default_rng(1)
    logits, shares = torch.tensor(rng.normal(size=(7, 4)) * 3), rng.dirichlet(np.ones(4), 7)
    objective = CrossEntropy(smoothing, weights)
    by_class = [loss_of(objective, logits, torch.full((7,), label))[0].numpy() for label in range(4)]
    found, _ = loss_of(objective, logits, torch.tensor(shares))
    np.testing.assert_allclose(found, (shares * np.stack(by_class, 1)).sum(1))


def test_a_distribution_on_one_class_is_that_class_in_every_executor():
    name = "mlp"
    inputs, targets = data(RECIPES[name][0]).tensors(torch.device("cpu"))
    ids = torch.arange(10).expand(2, 10)
    one_hot = torch.nn.functional.one_hot(targets, 3).float()
    for learner in (lambda: Many(bound(name), [4, 5]), lambda: One(bound(name), 4)):
        losses = []
        for given in (targets, one_hot):
            made = learner()
            rows = ids[: len(made.states())]
            made.begin(2)
            losses.append([made.step(Batch(inputs=inputs[rows], targets=given[rows], ids=rows)).loss for _ in "ab"])
        for classes, shares in zip(*losses, strict=True):
            torch.testing.assert_close(classes, shares)
