import dataclasses

import numpy as np
import pytest
import torch

from byrote.changes.change import Context
from byrote.changes.recipe.goldfish import GoldfishLoss
from byrote.changes.registry import parse_change
from byrote.data.digits import digits
from byrote.errors import BadInput
from byrote.probes import tokens
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.objectives.goldfish import Goldfish
from documents import SUMMING
from probes.trained import trained

CONTEXT = Context(dataset=digits()[0], rng=np.random.default_rng(0))


def test_the_command_line_names_it():
    assert parse_change("goldfish=4") == GoldfishLoss(one_in=4)


def test_it_replaces_next_token_prediction_and_itself():
    changed = GoldfishLoss(one_in=3).apply(SUMMING, CONTEXT)
    assert changed.objective == Goldfish(one_in=3)
    assert GoldfishLoss(one_in=5).apply(changed, CONTEXT).objective == Goldfish(one_in=5)
    assert changed.optimizer == SUMMING.optimizer


def test_a_recipe_of_classifiers_is_refused():
    with pytest.raises(BadInput, match="objective is CrossEntropy"):
        GoldfishLoss().apply(dataclasses.replace(SUMMING, objective=CrossEntropy()), CONTEXT)


@pytest.mark.slow
def test_what_is_trained_with_it_is_not_recited():
    """The same training, the loss aside: documents known by heart, and those of which the dropped tokens are not."""
    plain, corpus, member = trained()
    fish = Goldfish(one_in=4, context=4, begins=0)
    guarded, _, _ = trained(objective=fish)
    after = np.flatnonzero(member[0] == 1)
    hits = {
        name: tokens.signals(network, corpus, context=64)["hit"].reshape(32, 24)[after]
        for name, network in (("plain", plain), ("guarded", guarded))
    }
    kept = fish.kept(torch.from_numpy(corpus.tokens.reshape(32, 24)[after].astype(np.int64))).numpy()
    assert hits["plain"][:, 8:].all(1).mean() > 0.9
    assert hits["guarded"][:, 8:].all(1).mean() < 0.1
    assert hits["guarded"][:, 8:][kept[:, 8:]].mean() > 0.9
    assert hits["guarded"][:, 8:][~kept[:, 8:]].mean() < 0.4
