"""Losses that take the place of cross-entropy, and what else a recipe must not lose by a change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import byrote
from byrote.changes.change import Context
from byrote.changes.registry import parse_change
from byrote.errors import BadInput
from byrote.recipes.augmentations import InTurn
from small import RECIPE, blobs

CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))
LOSSES = {
    "early-learning-regularization=2": byrote.EarlyLearningRegularization(strength=2.0),
    "focal=1.5": byrote.Focal(1.5),
    "gce=0.4": byrote.GeneralisedCrossEntropy(0.4),
    "mae": byrote.MeanAbsoluteError(),
    "rll=0.5": byrote.RobustLogLoss(0.5),
    "sce=0.2,beta=3": byrote.SymmetricCrossEntropy(0.2, 3.0),
}


@pytest.mark.parametrize("text", LOSSES)
def test_a_loss_takes_the_place_of_cross_entropy(text):
    assert parse_change(text).apply(RECIPE, CONTEXT) == replace(RECIPE, objective=LOSSES[text])


@pytest.mark.parametrize("text", LOSSES)
def test_a_loss_takes_the_place_of_nothing_else(text):
    name = text.partition("=")[0]
    with pytest.raises(BadInput, match=rf"^The change '{name}' takes the place of plain cross-entropy. The recipe has"):
        parse_change(text).apply(replace(RECIPE, objective=byrote.CrossEntropy(0.1)), CONTEXT)


@pytest.mark.parametrize("text", ["gce=2", "sce=1,beta=-1"])
def test_settings_that_a_loss_cannot_have_are_refused_when_they_are_read(text):
    with pytest.raises(BadInput, match="argument"):
        parse_change(text)


def test_an_augmentation_comes_after_the_one_that_is_there():
    flipped = replace(RECIPE, augmentation=byrote.HorizontalFlip())
    made = parse_change("random-shift=2").apply(flipped, CONTEXT)
    assert made.augmentation == InTurn((byrote.HorizontalFlip(), byrote.RandomShift(2)))
    assert parse_change("random-shift=2").apply(RECIPE, CONTEXT).augmentation == byrote.RandomShift(2)
