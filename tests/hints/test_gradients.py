"""Hints of gradients by example are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from byrote.measures.el2n import el2n_mean
from byrote.measures.variance_of_gradients import variance_of_gradients
from byrote.probes.registry import made
from engine.toys import bound
from followed import Case, each, follow

ONE = np.ones((2, 4), np.int8)
TARGETS = torch.tensor([0, 1])


def probe(text: str) -> Callable[[Path], Any]:
    """A probe with settings."""
    return lambda _: made(text)


def side(number: int) -> Callable[[Path], Any]:
    """EL2N of one side."""
    return lambda _: el2n_mean(np.ones((2, 2, 4)), np.array([0, 1]), ONE, side=number)


def window(name: str) -> Callable[[Path], Any]:
    """The variance of gradients of a window."""
    return lambda _: variance_of_gradients(np.ones((2, 3, 4)), np.zeros(4, np.int64), ONE, window=name, side=1)


def normed(*, running: bool) -> Callable[[], nn.Module]:
    """A network with batch normalisation."""
    norm = nn.BatchNorm1d(6, track_running_stats=running)
    return lambda: nn.Sequential(nn.Linear(6, 6), norm, nn.Linear(6, 3))


def steep(*, running: bool) -> Callable[[Path], Any]:
    """The check of a probe of input gradients."""
    network = normed(running=running)
    return lambda _: made("input_gradients").check(bound("mlp"), network(), torch.randn(2, 6), TARGETS)


def layered(network: Callable[[], nn.Module]) -> Callable[[Path], Any]:
    """The check of a probe of the first layer."""
    return lambda _: made("first_layer").check(bound("mlp"), network(), torch.randn(2, 6), TARGETS)


GRADIENTS = (
    Case(name="a third side", wrong=side(2), says="leave it out", right=side(1)),
    Case(name="no window", wrong=window("whole"), says='window="late", side=1', right=window("late")),
    Case(
        name="the gradient of something else",
        wrong=probe("variance_of_gradients,of=entropy"),
        says="variance_of_gradients,of=loss",
        right=probe("variance_of_gradients,of=loss"),
    ),
    Case(
        name="settings of curvature",
        wrong=probe("input_curvature,draws=0"),
        says="input_curvature,form=difference,step=0.001,draws=10",
        right=probe("input_curvature,form=difference,step=0.001,draws=10"),
    ),
    Case(
        name="settings of cosines",
        wrong=probe("class_cosine,checkpoints=1"),
        says="class_cosine,checkpoints=8,models=few",
        right=probe("class_cosine,checkpoints=8,models=few"),
    ),
    Case(
        name="settings of shares",
        wrong=probe("gradient_shares,models=two"),
        says="gradient_shares,checkpoints=8,models=few",
        right=probe("gradient_shares,checkpoints=8,models=few"),
    ),
    Case(
        name="radii",
        wrong=probe("critical_samples,radii=0"),
        says="critical_samples,radii=0.02;0.05;0.1,steps=10",
        right=probe("critical_samples,radii=0.02;0.05;0.1,steps=10"),
    ),
    Case(
        name="no rotation",
        wrong=probe("first_layer,rotations=0"),
        says="first_layer,rotations=20",
        right=probe("first_layer,rotations=20"),
    ),
    Case(
        name="no layer",
        wrong=layered(nn.Flatten),
        says="begin the network with nn.Linear",
        right=layered(normed(running=True)),
    ),
    Case(
        name="batch statistics",
        wrong=steep(running=False),
        says="track_running_stats=True",
        right=steep(running=True),
    ),
)


@each(*GRADIENTS)
def test_hints_of_gradients_are_followed(case, tmp_path):
    follow(case, tmp_path)
