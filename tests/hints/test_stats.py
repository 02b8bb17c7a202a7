"""Hints of statistics are followed: each mends the case that brought it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.measures.lira import lira
from byrote.stats import log_linear as fits
from byrote.stats.attack_figures import attack_figures, null_auc
from byrote.stats.checkpoints import epoch_weights
from byrote.stats.jackknife import difference, jackknife
from byrote.stats.multiple import CORRECTIONS, corrected
from byrote.stats.privacy_bounds import many_runs_epsilon, one_run_epsilon
from byrote.stats.ranking import auroc, precision_recall_at
from followed import Case, each, follow

SCORE = np.linspace(0, 1, 60)
COINS = np.arange(60) % 2 == 0
PAIR = np.repeat(np.arange(4), 2)
RNG = np.random.default_rng(0)
MEMBER = np.stack([[half, 1 - half] for half in (RNG.permutation(20) % 2 for _ in range(4))]).reshape(8, 20)
MEMBER = MEMBER.astype(np.int8)
ODDS = RNG.normal(size=(8, 20)) + MEMBER


def attack(kept: np.ndarray, given: np.ndarray) -> np.ndarray:
    """LiRA on the models that are kept."""
    return lira(ODDS[: len(kept)][kept], MEMBER[: len(kept)][kept], PAIR[: len(kept)][kept]).values


def shuffled(kept: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The same, of members that it is given."""
    return lira(ODDS[kept], MEMBER[given], PAIR[kept]).values


def bound(**settings: Any) -> Callable[[Path], Any]:
    """A bound on ε from one run."""
    how: dict[str, Any] = {"delta": 1e-5, "rng": np.random.default_rng(0)} | settings
    scores, coins = how.pop("scores", COINS + SCORE / 9), how.pop("coins", COINS)
    return lambda _: one_run_epsilon(scores, coins, **how)


def null(**settings: Any) -> Callable[[Path], Any]:
    """The AUC of an attack that knows nothing."""
    return lambda _: null_auc(shuffled, MEMBER, PAIR, rng=np.random.default_rng(0), **settings)


def runs(count: int) -> Callable[[Path], Any]:
    """A bound on ε from so many runs, half of them with the canary."""
    joined = np.arange(count) % 2 == 0
    return lambda _: many_runs_epsilon(joined + 0.0, joined, threshold=0.5, delta=1e-5)


def figures(models: int) -> Callable[[Path], Any]:
    """The figures of an attack on so many models."""
    return lambda _: attack_figures(attack, MEMBER[:models], PAIR[:models])


def line(**settings: Any) -> Callable[[Path], Any]:
    """A log-linear fit."""
    times = np.tile([1, 2, 4, 8], 6)
    how: dict[str, Any] = {
        "share": np.linspace(0, 1, 24),
        "factors": {"repetitions": times},
        "clusters": [np.arange(24) // 2],
    } | settings
    return lambda _: fits.log_linear(**how)


def kept(pair: np.ndarray, **settings: Any) -> Callable[[Path], Any]:
    """The jackknife of a mean."""
    values = np.arange(len(pair)) + 0.0
    return lambda _: jackknife(lambda chosen: float(values[chosen].mean()), pair, **settings)


STATS = (
    Case(
        name="no method",
        wrong=bound(method="best"),
        says="bonferroni, fixed, split",
        right=bound(method="split"),
    ),
    Case(
        name="fixed without k",
        wrong=bound(method="fixed"),
        says="k_plus=25, k_minus=25",
        right=bound(method="fixed", k_plus=25, k_minus=25),
    ),
    Case(
        name="fixed without k, to choose",
        wrong=bound(method="fixed", candidates=[(5, 5)]),
        says="method='split' or 'bonferroni'",
        right=bound(method="bonferroni", candidates=[(5, 5)]),
    ),
    Case(
        name="split with k",
        wrong=bound(method="split", k_plus=10, k_minus=10),
        says="candidates=[(k_plus, k_minus), …]",
        right=bound(method="split", candidates=[(10, 10)]),
    ),
    Case(
        name="too many guesses",
        wrong=bound(method="fixed", k_plus=50, k_minus=50),
        says="at most 60",
        right=bound(method="fixed", k_plus=30, k_minus=30),
    ),
    Case(
        name="delta",
        wrong=bound(method="split", delta=1.5),
        says="1e-5",
        right=bound(method="split", delta=1e-5),
    ),
    Case(
        name="confidence",
        wrong=bound(method="split", confidence=95.0),
        says="0.95",
        right=bound(method="split", confidence=0.95),
    ),
    Case(
        name="scores that are NaN",
        wrong=bound(method="split", scores=np.where(SCORE > 0.9, np.nan, SCORE)),
        says="leave these canaries out",
        right=bound(method="split", scores=SCORE[SCORE <= 0.9], coins=COINS[SCORE <= 0.9]),
    ),
    Case(
        name="coins that are not fair",
        wrong=bound(method="split", coins=np.ones(60, bool)),
        says="with probability 1/2",
        right=bound(method="split", coins=COINS),
    ),
    Case(
        name="runs without the canary only",
        wrong=lambda _: many_runs_epsilon(SCORE, COINS & False, threshold=0.5, delta=1e-5),
        says="as many runs with the canary as without",
        right=lambda _: many_runs_epsilon(SCORE, COINS, threshold=0.5, delta=1e-5),
    ),
    Case(name="one draw", wrong=null(draws=1), says="20 draws", right=null(draws=20)),
    Case(name="figures of few models", wrong=figures(6), says="at least 8 models in pairs", right=figures(8)),
    Case(
        name="no correction",
        wrong=lambda _: corrected(SCORE, "bonferoni"),
        says="benjamini",
        right=lambda _: [corrected(SCORE, name) for name in CORRECTIONS],
    ),
    Case(
        name="few runs",
        wrong=runs(4),
        says="at least 12 runs",
        right=runs(12),
    ),
    Case(
        name="few guesses",
        wrong=bound(method="split", scores=SCORE[:6], coins=COINS[:6]),
        says="guess at least",
        right=bound(method="split"),
    ),
    Case(
        name="groups of a jackknife",
        wrong=kept(PAIR, groups=2),
        says="at least 3 parts",
        right=kept(PAIR, groups=3),
    ),
    Case(
        name="few models of a jackknife",
        wrong=kept(PAIR[:4]),
        says="6 models in pairs",
        right=kept(PAIR[:6]),
    ),
    Case(
        name="a difference of others",
        wrong=lambda folder: difference(kept(PAIR)(folder), kept(PAIR[:6])(folder), paired=True),
        says="difference(after, before, paired=False)",
        right=lambda folder: difference(kept(PAIR)(folder), kept(PAIR[:6])(folder), paired=False),
    ),
    Case(name="no factor", wrong=line(factors={}), says="factors={'repetitions': …}", right=line()),
    Case(name="no clusters", wrong=line(clusters=[]), says="give one array", right=line(clusters=[np.arange(24)])),
    Case(
        name="repeated 0 times",
        wrong=line(factors={"repetitions": np.tile([0, 2, 4, 8], 6)}),
        says="leave out what was repeated 0 times",
        right=line(
            share=np.linspace(0, 1, 18), factors={"repetitions": np.tile([2, 4, 8], 6)}, clusters=[np.arange(18)]
        ),
    ),
    Case(
        name="undefined shares",
        wrong=line(share=np.where(np.arange(24) == 3, np.nan, 0.5)),
        says="leave undefined examples out",
        right=line(
            share=np.linspace(0, 1, 18), factors={"repetitions": np.tile([2, 4, 8], 6)}, clusters=[np.arange(18)]
        ),
    ),
    Case(
        name="epochs twice",
        wrong=lambda _: epoch_weights(np.array([0, 2, 2])),
        says="each once",
        right=lambda _: epoch_weights(np.array([0, 2])),
    ),
    Case(
        name="more than there are",
        wrong=lambda _: precision_recall_at(SCORE, COINS, 61),
        says="at most the number of scores",
        right=lambda _: precision_recall_at(SCORE, COINS, 60),
    ),
    Case(
        name="a ranking of NaN",
        wrong=lambda _: auroc(np.where(COINS, np.nan, SCORE), SCORE > 0.5),
        says="leave out the examples whose score is undefined",
        right=lambda _: auroc(SCORE[~COINS], (SCORE > 0.5)[~COINS]),
    ),
)


@each(*STATS)
def test_hints_of_statistics_are_followed(case, tmp_path):
    follow(case, tmp_path)


@pytest.mark.parametrize("confidence", [0.5, 0.75, 0.95, 0.99])
@pytest.mark.parametrize("method", ["fixed", "bonferroni"])
def test_as_many_guesses_as_a_hint_asks_for_show_something(tmp_path, confidence, method):
    def guess(number: int) -> None:
        k = {"k_plus": number - number // 2, "k_minus": number // 2}
        if method != "fixed":
            k = {"candidates": [(number, 0), (0, number)]}
        bound(method=method, confidence=confidence, delta=0.0, **k)(tmp_path)

    with pytest.raises(BadInput, match=r"cannot show any ε") as told:
        guess(1)
    guess(int(re.search(r"guess at least (\d+)", told.value.hint)[1]))
