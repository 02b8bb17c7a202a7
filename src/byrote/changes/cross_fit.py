"""Label memorization of the most memorized examples where one half of the pairs chooses them and the other measures.

Examples that a run finds most memorized owe part of their scores to chance, so that they score lower in any second
run. Models that had no say in the choice are free of that, in both runs alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.results import Scalar
from byrote.runs.run import JACKKNIFE_PARTS, Run
from byrote.stats.jackknife import from_replicates, parts
from byrote.stats.rates import Rates, rates

#: With fewer parts a half has no pair left when one is left out.
FEWEST_PARTS = 4

Parts = Bool[np.ndarray, " part"]


@dataclass(frozen=True, kw_only=True)
class CrossFit:
    """Mean label memorization, before and after, of the chosen examples and of the rest without the planted.

    `shared` is the share of the chosen examples that all pairs together choose as well.
    """

    chosen: tuple[Scalar, Scalar]
    rest: tuple[Scalar, Scalar]
    shared: float


def ensemble_rates(run: Run) -> Rates:
    """Right answers of a run's ensemble, by the parts that a jackknife leaves out."""
    models = run.models()
    answers = (run.load("outputs.correct", [int(model)])[0] for model in models)
    member, pair, stratum = (run.load(f"design.{name}", models) for name in ("member", "pair", "stratum"))
    return rates(answers, member, parts(pair, groups=JACKKNIFE_PARTS), stratum)


def cross_fit(
    before: Rates,
    after: Rates,
    *,
    rows_before: Int[np.ndarray, " common"],
    rows_after: Int[np.ndarray, " common"],
    count: int,
    planted: Bool[np.ndarray, " common"],
    models: int,
) -> CrossFit | None:
    """The `count` most memorized examples of the first run, and the rest, measured in both runs of the same pairs.

    Halves of the pairs take turns: one chooses by its models in the first run, the other measures by its models in
    both; the figures are means over the two turns. None where there are too few pairs.
    """
    total = len(before.right)
    if total < FEWEST_PARTS:
        return None

    def figures(kept: Parts) -> Float[np.ndarray, "group=2 when=2"]:
        turns = []
        for choosing, measuring in _turns(kept):
            chosen = np.isin(rows_before, _top(before, choosing, count))
            was = before.of(measuring).difference[0][rows_before]
            now = after.of(measuring).difference[0][rows_after]
            turns.append([[_mean(was, group), _mean(now, group)] for group in (chosen, ~chosen & ~planted)])
        return np.asarray(np.mean(turns, axis=0))

    everyone = np.ones(total, bool)
    top = _top(before, everyone, count)
    values = figures(everyone)
    replicates = np.stack([figures(np.arange(total) != part) for part in range(total)])
    sizes = (count, int((~planted & ~np.isin(rows_before, top)).sum()))

    def scalar(group: int, when: int) -> Scalar:
        return from_replicates(
            float(values[group, when]),
            replicates[:, group, when],
            models=models,
            examples=sizes[group],
            bounds=(-1.0, 1.0),
        )

    return CrossFit(
        chosen=(scalar(0, 0), scalar(0, 1)),
        rest=(scalar(1, 0), scalar(1, 1)),
        shared=float(np.mean([np.isin(_top(before, half, count), top).mean() for half, _ in _turns(everyone)])),
    )


def _turns(kept: Parts) -> Iterator[tuple[Parts, Parts]]:
    """Who chooses and who measures, of the parts kept."""
    even = np.arange(len(kept)) % 2 == 0
    yield kept & even, kept & ~even
    yield kept & ~even, kept & even


def _top(found: Rates, choosing: Parts, count: int) -> Int[np.ndarray, " chosen"]:
    scores = found.of(choosing).difference[0]
    return np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:count]


def _mean(values: np.ndarray, chosen: np.ndarray) -> float:
    there = values[chosen & ~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")
