"""The verdict by hand, at its limits, and where nothing varies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from byrote.results import Scalar
from byrote.stats.crossed_mean import crossed_mean
from byrote.stats.jackknife import difference
from byrote.stats.poisoning import pattern_or_rote, with_floor


def between(low: float, high: float) -> Scalar:
    return Scalar(value=(low + high) / 2, stderr=(high - low) / 4, low=low, high=high, models=8, examples=9)


@pytest.mark.parametrize(
    ("memorization", "success", "verdict"),
    [
        ((0.51, 0.9), (0.1, 0.6), "rote"),
        ((0.51, 0.9), (0.51, 0.6), "partly"),
        ((0.49, 0.9), (-0.1, 0.1), "undecided"),
        ((0.0, 0.24), (0.51, 0.9), "pattern"),
        ((0.0, 0.26), (0.51, 0.9), "undecided"),
        ((0.01, 0.26), (0.51, 0.9), "partly"),
        ((0.0, 0.24), (0.49, 0.9), "undecided"),
        ((-0.1, 0.24), (-0.1, 0.24), "neither"),
        ((-0.1, 0.26), (-0.1, 0.24), "undecided"),
        ((0.1, 0.6), (0.1, 0.6), "partly"),
        ((np.nan, np.nan), (0.6, 0.9), "undecided"),
        ((0.6, 0.9), (np.nan, np.nan), "undecided"),
    ],
)
def test_the_limits(memorization, success, verdict) -> None:
    assert pattern_or_rote(between(*memorization), between(*success)) == verdict


def verdicts(memorization: float, success: float) -> list[str]:
    """Of 200 ensembles of 12 pairs, 30 poisons and 60 stamped examples, with these rates."""
    rng = np.random.default_rng(5)

    def figure(rate: float, examples: int) -> Scalar:
        chance = rate + rng.normal(0, 0.05, (12, 1)) + rng.normal(0, 0.05, examples)
        values = (rng.random((12, examples)) < chance).astype(np.float64)
        return crossed_mean(values, np.arange(12), np.arange(examples), bounds=(-1.0, 1.0))

    return [pattern_or_rote(figure(memorization, 30), figure(success, 60)) for _ in range(200)]


@pytest.mark.slow
def test_at_its_limit_a_verdict_is_given_by_chance_only_and_beyond_it_is_found() -> None:
    assert verdicts(0.1, 0.5).count("pattern") <= 16
    assert verdicts(0.5, 0.1).count("rote") <= 16
    assert verdicts(0.1, 0.8).count("pattern") >= 190
    assert verdicts(0.9, 0.1).count("rote") >= 190


def test_where_no_pair_of_models_moves_it_the_error_is_that_of_so_many_tries() -> None:
    """Agresti and Caffo: rates 13/14 and 1/14 of 12 tries each, 1.96 sqrt(2 * 13 / 14^3) around their difference."""
    fixed = dataclasses.replace(between(0.0, 0.0), value=1.0, stderr=np.nan, low=np.nan, high=np.nan)
    found = with_floor(fixed, 1.0, 0.0, 12)
    assert found.low == pytest.approx(12 / 14 - 1.959964 * np.sqrt(2 * 13 / 14**3))
    assert found.high == 1.0
    assert np.isnan(with_floor(fixed, 1.0, 0.0, 2).low)
    before, after = (with_floor(dataclasses.replace(fixed, value=value), value, 0.0, 12) for value in (1.0, 0.0))
    changed = difference(after, before, paired=False, bounds=(-1.0, 1.0))
    assert changed.stderr == pytest.approx(np.sqrt(2 * 2 * 13 / 14**3))
    known = between(0.2, 0.4)
    assert with_floor(known, 1.0, 0.0, 12) is known
