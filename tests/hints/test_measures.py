"""Hints of measures are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from byrote.measures._windows import windows_of
from byrote.measures.forgetting_events import forgetting_events_checkpoint
from byrote.measures.lira import lira
from byrote.measures.rmia import rmia, rmia_offline
from followed import Case, each, follow

RNG = np.random.default_rng(0)
HALF = np.array([RNG.permutation(20) < 10 for _ in range(4)])
MEMBER = np.stack([HALF, ~HALF], axis=1).reshape(8, 20).astype(np.int8)
ODDS = RNG.normal(size=(8, 20)) + MEMBER
PAIR = np.arange(8) // 2
CORRECT = ODDS[:, None] > np.zeros((3, 1))


def attack(made: Callable[..., Any], models: int = 8, **settings: Any) -> Callable[[Path], Any]:
    """An attack on so many models."""
    return lambda _: made(ODDS[:models], MEMBER[:models], PAIR[:models], **settings)


def windows(**settings: int) -> Callable[[Path], Any]:
    """The windows of two documents of 120 tokens."""
    lengths = {"prefix": 50, "suffix": 50, "stride": 0} | settings
    return lambda _: windows_of(np.array([0, 120, 240]), np.ones(240, bool), **lengths)


def forgotten(*epochs: int) -> Callable[[Path], Any]:
    """How often examples are forgotten between these epochs."""
    return lambda _: forgetting_events_checkpoint(CORRECT[:, : len(epochs)], np.array(epochs), MEMBER)


MEASURES = (
    Case(name="few models", wrong=attack(lira, 4), says="6 models in pairs", right=attack(lira, 6)),
    Case(name="gamma", wrong=attack(rmia, gamma=0.0), says="gamma=2", right=attack(rmia, gamma=2.0)),
    Case(name="a", wrong=attack(rmia_offline, a=3.0), says="a=0.3", right=attack(rmia_offline, a=0.3)),
    Case(name="no prefix", wrong=windows(prefix=-1), says="prefix=50, suffix=50", right=windows()),
    Case(name="no suffix", wrong=windows(suffix=0), says="prefix=50, suffix=50", right=windows()),
    Case(name="no stride", wrong=windows(stride=-1), says="stride=0", right=windows(stride=0)),
    Case(name="one epoch", wrong=forgotten(0, 3), says="more checkpoints", right=forgotten(0, 3, 6)),
)


@each(*MEASURES)
def test_hints_of_measures_are_followed(case, tmp_path):
    follow(case, tmp_path)
