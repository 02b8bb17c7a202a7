"""Ensembles whose margins have known distributions, so that the memorization of every example is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, t

from byrote.results import PerExample
from measures.evidence import half_subset_pairs

#: Bounds of the strata of true memorization in which intervals must cover.
STRATA = ((-1.0, 0.05), (0.05, 0.25), (0.25, 0.75), (0.75, 1.01))


class Known:
    """Examples whose margins have known distributions with and without them, and so a known memorization."""

    def __init__(self, tails: int | None, examples: int = 400, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.drawn = norm() if tails is None else t(tails, scale=np.sqrt((tails - 2) / tails))
        easy = rng.random(examples) < 0.5
        mean_out = np.where(easy, rng.normal(5, 2, examples), rng.normal(0, 2.5, examples))
        self.mean = np.stack([mean_out, 1 + rng.gamma(4, 1.5, examples)])
        self.spread = np.exp(rng.normal(0.4, 0.4, (2, examples)))
        rate = self.drawn.cdf(self.mean / self.spread)
        self.truth = rate[1] - rate[0]
        self.rng = rng

    def ensemble(self, models: int) -> tuple[np.ndarray, np.ndarray]:
        """Margins and membership of so many models."""
        member, _ = half_subset_pairs(self.rng, models, len(self.truth))
        noise = self.drawn.rvs(size=member.shape, random_state=self.rng)
        return np.where(
            member == 1, self.mean[1] + self.spread[1] * noise, self.mean[0] + self.spread[0] * noise
        ), member


class TwoModes(Known):
    """Examples whose margins have two modes, one right and one wrong, mixed by a share of each example and side."""

    def __init__(self, right: tuple[float, float], wrong: tuple[float, float], examples: int = 400) -> None:
        self.rng = np.random.default_rng(0)
        self.modes = right, wrong
        outside, gain = self.rng.random((2, examples))
        self.share = np.stack([outside, outside + (1 - outside) * gain])
        rate = self.share * norm.cdf(right[0] / right[1]) + (1 - self.share) * norm.cdf(wrong[0] / wrong[1])
        self.truth = rate[1] - rate[0]

    def ensemble(self, models: int) -> tuple[np.ndarray, np.ndarray]:
        member, _ = half_subset_pairs(self.rng, models, len(self.truth))
        right = self.rng.random(member.shape) < np.where(member == 1, self.share[1], self.share[0])
        drawn = (self.rng.normal(*mode, member.shape) for mode in self.modes)
        return np.where(right, *drawn), member


def covered_by_stratum(known: Known, results: Sequence[PerExample]) -> list[float]:
    """The share of intervals that contain the truth, by stratum of true memorization."""
    covered = np.mean([(one.low <= known.truth) & (known.truth <= one.high) for one in results], axis=0)
    some = [(low <= known.truth) & (known.truth < high) for low, high in STRATA]
    assert min(one.sum() for one in some) > 30
    return [float(covered[one].mean()) for one in some]
