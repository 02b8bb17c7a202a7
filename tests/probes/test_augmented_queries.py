from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import byrote
from byrote.analyses.membership import membership_attack
from byrote.errors import BadInput
from byrote.probes.augmented_queries import QUERIES
from byrote.recipes import noise
from small import RECIPE, small_audit

MASK = byrote.FeatureMask(0.3)
MASKED = dataclasses.replace(RECIPE, augmentation=MASK)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "masked"
    return small_audit(folder, recipe=MASKED, models=8, probes=("augmented",), keep_weights=True)


def test_the_first_query_is_the_example_itself(run):
    models = run.models()
    asked = run.load("augmented.log_odds", models)
    assert asked.shape == (8, QUERIES, len(run.ids))
    np.testing.assert_allclose(asked[:, 0], run.load("outputs.log_odds", models), rtol=1e-4, atol=1e-4)


def test_the_others_are_answers_to_the_recipes_own_augmentation(run):
    weights = run.evidence.block("weights", 3, 0)
    network = byrote.MLP(hidden=(16,)).build((2,), 3).eval()
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    inputs, rows = torch.from_numpy(np.array(run.dataset.inputs)), torch.arange(len(run.ids))
    for query in (1, QUERIES - 1):
        keys = noise.keys(torch.zeros(1, dtype=torch.int64), query, rows[None])[0]
        with torch.no_grad():
            logits = network(MASK.apply(inputs, noise.uniform(keys, MASK.draws, salt=0))).numpy()
        label = logits[rows, run.labels]
        others = np.where(np.arange(3) == run.labels[:, None], -np.inf, logits)
        expected = label - np.log(np.exp(others).sum(1))
        np.testing.assert_allclose(run.load("augmented.log_odds", [3])[0, query], expected, rtol=1e-4, atol=1e-4)


def test_every_model_is_asked_the_same(run):
    """A form in which nothing is hidden is the example itself, to each model or to none."""
    asked = run.load("augmented.log_odds", run.models())
    share = (np.abs(asked[:, 1:] - asked[:, :1]) > 1e-4).mean(0)
    assert 0.2 < share.mean() < 0.8
    assert ((share == 0) | (share == 1)).mean() > 0.98


@pytest.mark.slow
def test_lira_takes_them(run):
    assert 0.3 < membership_attack(run, "lira[augmented]", draws=2).figures["auc"].value < 1


def test_a_recipe_without_augmentation_is_refused(tmp_path):
    with pytest.raises(BadInput, match="asks with the recipe's augmentation, and the recipe has none"):
        small_audit(tmp_path / "run", probes=("augmented",))
