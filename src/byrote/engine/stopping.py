"""When an audit stops by itself: the looks that are planned beforehand, and the error or time that ends it.

The error is the 90th percentile over examples of the Agresti-Caffo errors of label memorization, so that one example
in ten may be less certain. Looks are few and fixed before anything trains. Errors that fall to zero by chance would
end an audit far too early; those of Agresti and Caffo cannot. By name those of `label_memorization[margin]` are taken
instead, which cannot either: they contain the error of its form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from byrote.errors import BadInput, meant
from byrote.evidence.kind import REGRESSION
from byrote.stats.contrasts import weights
from byrote.stats.intervals import agresti_caffo
from byrote.stats.normal_rates import normal_rates, spreads

#: Share of the examples whose error is at most the one that is looked at.
PERCENTILE = 0.9
FIRST_LOOK = 16
#: Where only a budget ends an audit, so many models suffice for this error at worst.
FINEST_ERROR = 0.05
Counts = tuple[
    Int[np.ndarray, " example"], Int[np.ndarray, " example"], Int[np.ndarray, " example"], Int[np.ndarray, " example"]
]
#: What estimates label memorization unless another way is named, and that other way.
COUNTS, MARGINS = "label_memorization", "label_memorization[margin]"
#: Of each side, non-members first: how many margins, their means and variances, and how many are above 0.
Margins = tuple[
    Int[np.ndarray, "side example"],
    Float[np.ndarray, "side example"],
    Float[np.ndarray, "side example"],
    Int[np.ndarray, "side example"],
]
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What ends an audit: after the models of any look, an error of at most `stderr`, or no time left in `budget`.

    `looks` are numbers of models, the last of them the most that are trained; `budget` is in seconds. `estimate` is
    the measure whose errors count.
    """

    looks: tuple[int, ...]
    stderr: float | None = None
    budget: float | None = None
    estimate: str = COUNTS

    @classmethod
    def of(
        cls, *, stderr: float | None, budget: float | int | str | None, models: int | None, estimate: str = COUNTS
    ) -> Goal | None:
        """The goal with its looks; None where neither an error nor a time is given.

        At most `models` are trained; unless given, as many as the error takes where it is hardest to reach.

        Raises:
            BadInput: one of them cannot be.
        """
        if stderr is None and budget is None:
            return None
        if stderr is not None and not 0 < stderr < 0.5:
            raise BadInput(f"The goal for the standard error must lie in (0, .5). Got {stderr:g}.", hint="--stderr .05")
        seconds = None if budget is None else duration(budget)
        most = models_for(FINEST_ERROR if stderr is None else stderr) if models is None else models
        if most < 4 or most % 2:
            raise BadInput(
                f"The most models to train must be an even number of at least 4. Got {most}.", hint="--models 64"
            )
        return cls(looks=looks(most), stderr=stderr, budget=seconds, estimate=estimate)

    def describe(self) -> dict[str, Any]:
        """The goal in plain words, for manifests."""
        by = {} if self.estimate == COUNTS else {"estimate": self.estimate}
        return {"stderr": self.stderr, "budget": self.budget, "looks": list(self.looks), **by}

    def verdict(self, models: int, error: float, spent: float, ahead: float) -> str:
        """Why to stop after so many models; empty where the audit goes on.

        `spent` are the seconds behind, `ahead` those until the next look's end. An error of nan is an unknown one.
        """
        if self.stderr is not None and error <= self.stderr:
            return "the standard error asked for is reached"
        if models >= self.looks[-1]:
            return "no more models were to be trained"
        if self.budget is not None and spent + ahead > self.budget:
            return "the budget is too short for the next stopping point"
        return ""


def said(estimate: str) -> str:
    """A measure in a sentence.

    Example:
        >>> said("label_memorization"), said("label_memorization[margin]")
        ('label memorization', 'label_memorization[margin]')
    """
    return "label memorization" if estimate == COUNTS else estimate


def refuse_estimate(estimate: str, task: str) -> None:
    """Refuse a measure that estimates no label memorization, or none of this task.

    Raises:
        BadInput: it does not.
    """
    if estimate not in (COUNTS, MARGINS):
        raise BadInput(
            f"Label memorization is not estimated by {estimate!r}.",
            hint=f"{meant(estimate, (COUNTS, MARGINS))}--estimate '{MARGINS}', or leave it out.",
        )
    if estimate == MARGINS and task == REGRESSION:
        raise BadInput(f"{MARGINS} is about classes, and a regression has no margins.", hint="leave out --estimate.")


def looks(most: int) -> tuple[int, ...]:
    """Numbers of models after which to look: 16, 32, 48, 64, 96, 128, 192 and so on, `most` being the last.

    None falls between 16 and 32: with 12 models a side the intervals cover less than with 8 or 16. None falls
    within a fifth of the last one, where it could hardly save anything.

    Example:
        >>> looks(64), looks(100), looks(6)
        ((16, 32, 48, 64), (16, 32, 48, 64, 100), (6,))
    """
    chosen, at = [FIRST_LOOK], 2 * FIRST_LOOK
    while chosen[-1] < most:
        chosen += [at, at + at // 2]
        at *= 2
    return (*(look for look in chosen if 5 * look <= 4 * most), most)


def duration(text: float | int | str) -> float:
    """Seconds, from a number of them or from words like 90s, 10m and 1.5h.

    Example:
        >>> duration("90s"), duration("10m"), duration("1.5h"), duration(5)
        (90.0, 600.0, 5400.0, 5.0)

    Raises:
        BadInput: it is neither, or no time at all.
    """
    if isinstance(text, str):
        found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smh])", text.strip())
        seconds = float(found[1]) * _SECONDS[found[2]] if found else float("nan")
    else:
        seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise BadInput(f"The budget must be a length of time. Got {text!r}.", hint="--budget 90s, 10m or 1.5h")
    return seconds


def percentile_error(stderr: Float[np.ndarray, " example"]) -> float:
    """The error that 9 of 10 examples do not exceed; nan where none is known."""
    known = stderr[~np.isnan(stderr)]
    return float(np.quantile(known, PERCENTILE, method="inverted_cdf")) if len(known) else float("nan")


def worst_error(models: int, estimate: str = COUNTS) -> float:
    """The error of an example that half of its members and half of its non-members get right.

    By counts no error is larger; by margins it is so where these are normal.

    Example:
        >>> round(worst_error(64), 3), round(worst_error(16, "label_memorization[margin]"), 3)
        (0.121, 0.213)
    """
    if estimate == COUNTS:
        return float(np.sqrt(0.5 / (models // 2 + 2)))
    side = np.full((2, 1), models // 2)
    return _error_by_margins(side, np.zeros((2, 1)), np.ones((2, 1)), side // 2, one_mode=True)


def models_for(stderr: float) -> int:
    """How many models, an even number, have an error of at most `stderr` at worst.

    Example:
        >>> models_for(0.05), worst_error(396) <= 0.05 < worst_error(394)
        (396, True)
    """
    return max(4, 2 * int(np.ceil(0.5 / stderr**2 - 2 - 1e-9)))


def expected_error(counts: Counts, models: int, *, rng: np.random.Generator) -> float:
    """The percentile error that so many models are expected to leave, from what a few models got right.

    `counts` are right answers and trials of each example as a member, then as a non-member.

    Formula:
        rates are drawn for each example and side from Beta(a + right, b + wrong), a and b being those of the
        beta-binomial distribution with the observed mean and variance of the counts over the examples; then
        counts of models / 2 trials a side are drawn with these rates, and their errors taken.
    """
    right_in, trials_in, right_out, trials_out = counts
    trials = np.full(len(right_in), models // 2)
    drawn = [
        rng.binomial(trials, _rates(right, tried, rng))
        for right, tried in ((right_in, trials_in), (right_out, trials_out))
    ]
    return percentile_error(agresti_caffo(drawn[0], trials, drawn[1], trials).stderr)


def expected_error_by_margins(margins: Margins, models: int, *, rng: np.random.Generator) -> float:
    """The same of `label_memorization[margin]`, from the margins of a few models.

    Formula:
        means are drawn for each example and side from N(m + b (mean - m), b s^2 / n), m being their mean over the
        examples, s^2 the variance as the measure takes it, and b the share of their variance that s^2 / n does not
        explain; then models / 2 normal margins a side, and the errors taken. Of margins with two modes it is too small.
    """
    count, mean, variance, _ = margins
    spread = np.stack([spreads(*of) for of in zip(count, variance, strict=True)])
    noise = spread**2 / count
    scatter = np.maximum(np.nanvar(mean, axis=1, keepdims=True), 1e-12)
    known = np.clip(1 - np.nanmean(noise, axis=1, keepdims=True) / scatter, 0.01, 0.99)
    middle = np.nanmean(mean, axis=1, keepdims=True)
    true = middle + known * (mean - middle) + rng.normal(size=mean.shape) * np.sqrt(known * noise)
    away, squares, above = np.zeros((3, *mean.shape))
    for _ in range(models // 2):
        one = spread * rng.normal(size=mean.shape)
        away += one
        squares += one**2
        above += true + one > 0
    side = np.full(mean.shape, models // 2)
    return _error_by_margins(side, true + away / side, (squares - away**2 / side) / (side - 1), above)


def _error_by_margins(
    count: np.ndarray, mean: np.ndarray, variance: np.ndarray, above: np.ndarray, *, one_mode: bool | None = None
) -> float:
    found = normal_rates(count[None], mean[None], variance[None], above[None], one_mode=one_mode)
    return percentile_error(found.contrast(weights(count[None]))[1].stderr)


def _rates(right: np.ndarray, trials: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rates drawn from what is believed of each after its counts; the examples together are the prior."""
    mean = (right.sum() + 1.0) / (trials.sum() + 2.0)
    spread = mean * (1 - mean)
    size = max(float(trials.mean()), 1 + 1e-9)
    variance = float(np.mean((right / np.maximum(trials, 1) - mean) ** 2))
    # a variance of spread / size is that of equal rates; of spread, that of rates that are 0 or 1
    alike = np.clip((variance * size / spread - 1) / (size - 1), 0.01, 0.99)
    strength = 1 / alike - 1
    drawn: np.ndarray = rng.beta(mean * strength + right, (1 - mean) * strength + trials - right)
    return drawn
