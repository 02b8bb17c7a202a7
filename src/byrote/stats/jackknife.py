"""Errors of pooled figures: leave out a pair of models at a time and look how the figure moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import stdtrit

from byrote.errors import BadInput, TooFewModels
from byrote.results import Scalar
from byrote.stats.intervals import UPPER, Bounds
from byrote.stats.over_examples import Source, of_examples, together

UNBOUNDED: Bounds = (-np.inf, np.inf)


def units(pair: Int[np.ndarray, " model"]) -> Int[np.ndarray, " model"]:
    """The independent unit that each model belongs to, from 0: its pair, or itself where the pair is -1.

    Example:
        >>> units(np.array([7, -1, 7, -1]))
        array([0, 1, 0, 2])
    """
    first_free = pair.max(initial=-1) + 1
    names = np.where(pair < 0, first_free + np.arange(len(pair)), pair)
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def spread(replicates: Float[np.ndarray, "left_out *rest"]) -> Float[np.ndarray, "*rest"]:
    """Jackknife standard error of delete-one replicates; NaN (unknown) where they do not differ at all.

    Formula:
        sqrt((G - 1) / G * sum_g (theta_g - mean)^2)
    """
    count = len(replicates)
    mean = replicates.mean(0)
    squares = ((replicates - mean) ** 2).sum(0)
    stderr = np.sqrt((count - 1) / count * squares)
    unknown = np.sqrt(squares) <= 1e-12 * np.abs(mean)
    return np.asarray(np.where(unknown, np.nan, stderr))


def own_parts(shared: Float[np.ndarray, " model"]) -> Float[np.ndarray, " model"]:
    """What each model contributes to a mean over all pairs of models: the jackknife's pseudo-values.

    `shared[k]` is the mean over the pairs that include model k. The mean of the contributions is the mean of `shared`;
    their spread gives its jackknife error.

    Formula:
        n U - (n - 1) U_k, U the mean of shared, U_k = (n U - 2 shared[k]) / (n - 2) that of the pairs without k
    Undefined:
        nan with fewer than 3 models.

    Source: Arvesen 1969, Ann. Math. Statist. 40(6), 2076-2100.

    Example:
        >>> own_parts(np.array([0.5, 0.6, 0.7]))
        array([0.2, 0.6, 1. ])
    """
    count = len(shared)
    if count < 3:
        return np.full(count, np.nan)
    whole = count * shared.mean()
    return np.asarray(whole - (count - 1) / (count - 2) * (whole - 2 * shared))


def jackknife(
    statistic: Callable[[Bool[np.ndarray, " model"]], float],
    pair: Int[np.ndarray, " model"],
    *,
    groups: int = 40,
    examples: int = 0,
    bounds: Bounds = UNBOUNDED,
) -> Scalar:
    """A figure pooled over examples, with the error that comes from the models.

    `statistic` gets the mask of the models kept. A pair is left out as a whole, a model of pair -1 alone;
    more than `groups` units are dealt out to `groups` parts, and a part is left out at a time. The interval is
    cut at the `bounds` of the figure; `examples` is passed on.

    Undefined:
        the value where the statistic of all models is nan; the error where that of a part is, or where all
        agree.

    Example:
        >>> x = np.array([1.0, 2.0, 3.0, 6.0])
        >>> jackknife(lambda kept: float(x[kept].mean()), np.full(4, -1))
        Scalar(3 ± 1.1, 95 % [-0.4374, 6.437])

    Raises:
        TooFewModels: fewer than 3 units.
    """
    if groups < 3:
        raise BadInput(
            f"The 'groups' argument of jackknife must be an integer in [3, inf). Got {groups}.",
            hint="leave it out, or give at least 3 parts to leave out one by one.",
        )
    part = parts(pair, groups=groups)
    count = int(part.max(initial=-1)) + 1
    if count < 3:
        raise TooFewModels(
            f"A jackknife needs at least 3 pairs, or 3 models that are not in pairs. Got {count}.",
            hint="train at least 6 models in pairs.",
        )
    value = float(statistic(np.ones(len(pair), bool)))
    if np.isnan(value):
        return _undefined("the statistic is undefined with all models", len(pair), examples)
    replicates = np.array([statistic(part != g) for g in range(count)], dtype=np.float64)
    return from_replicates(value, replicates, models=len(pair), examples=examples, bounds=bounds)


def parts(pair: Int[np.ndarray, " model"], *, groups: int = 40) -> Int[np.ndarray, " model"]:
    """The part that each model is left out with, from 0: its unit, or, of more than `groups`, one of `groups` deals."""
    return units(pair) % groups


def from_replicates(
    value: float,
    replicates: Float[np.ndarray, " left_out"],
    *,
    models: int,
    examples: int,
    bounds: Bounds = UNBOUNDED,
) -> Scalar:
    """The figure of all models with the error that its delete-one replicates give.

    The interval is cut at the `bounds` of the figure: an AUROC reaches no further than 0 to 1.

    Undefined:
        the value where it is nan; the error where a replicate is, or with fewer than 3, or where all agree.
    """
    if np.isnan(value):
        return _undefined("the statistic is undefined with all models", models, examples)
    count = len(replicates)
    stderr = float(spread(replicates)) if count >= 3 else float("nan")
    reach = float(stdtrit(count - 1, UPPER)) * stderr if count >= 3 else float("nan")
    low, high = _within(bounds, value, reach)
    return Scalar(
        value=value,
        stderr=stderr,
        low=low,
        high=high,
        models=models,
        examples=examples,
        note="" if np.isfinite(stderr) else _why_unknown(count),
        replicates=replicates,
    )


def _within(bounds: Bounds, value: float, reach: float) -> tuple[float, float]:
    return tuple(np.clip([value - reach, value + reach], *bounds).tolist())


def _why_unknown(count: int) -> str:
    if count < 3:
        return "the error is unknown: it takes at least 3 pairs, or 3 models without a mate"
    return "the error is unknown: leaving models out changes nothing or is undefined"


def difference(
    after: Scalar,
    before: Scalar,
    *,
    paired: bool,
    same_examples: bool = True,
    bounds: Bounds = UNBOUNDED,
    comparisons: int = 1,
) -> Scalar:
    """After minus before. `paired` says that both come from the same units, left out in the same order.

    Of figures whose error is about models and examples, `same_examples` says that both are about the same ones.
    `bounds` are those of either figure, so that the difference lies within plus and minus their distance. The
    intervals of that many `comparisons` hold all at once at 95 % (Bonferroni).

    Formula:
        paired: the jackknife of the differences of replicates; otherwise sqrt(a^2 + b^2);
        with examples, as `over_examples`, of the difference of influences, or, of other examples, of either;
        the interval reaches t(1 - .025 / comparisons) standard errors
    Undefined:
        nan where either figure is, with its reason.

    Raises:
        BadInput: paired, but the numbers of replicates differ.
    """
    models, examples = min(after.models, before.models), min(after.examples, before.examples)
    reasons = [
        f"{when}: {figure.reason or 'no value'}"
        for when, figure in (("after", after), ("before", before))
        if np.isnan(figure.value)
    ]
    if reasons:
        return _undefined("; ".join(reasons), models, examples)
    replicates = np.empty(0)
    if paired:
        if len(after.replicates) != len(before.replicates) or len(after.replicates) < 3:
            raise BadInput(
                "A paired difference must have the same 3 or more replicates on both sides. "
                f"Got {len(after.replicates)} and {len(before.replicates)}.",
                hint="difference(after, before, paired=False) takes the two as independent.",
            )
        replicates = after.replicates - before.replicates
    if after.influence.size and before.influence.size:
        stderr, degrees = _over_both(after, before, paired=paired, same_examples=same_examples)
    elif paired:
        stderr, degrees = float(spread(replicates)), len(replicates) - 1.0
    else:
        stderr, degrees = float(np.hypot(after.stderr, before.stderr)), _satterthwaite(after, before)
    value = after.value - before.value
    reach = float(stdtrit(degrees, 1.0 - (1.0 - UPPER) / comparisons)) * stderr
    low, high = _within((bounds[0] - bounds[1], bounds[1] - bounds[0]), value, reach)
    return Scalar(
        value=value,
        stderr=stderr,
        low=low,
        high=high,
        models=models,
        examples=examples,
        replicates=replicates,
        varies_over=after.varies_over,
    )


def _over_both(after: Scalar, before: Scalar, *, paired: bool, same_examples: bool) -> tuple[float, float]:
    """Standard error and degrees of freedom of a difference whose error is about models and examples."""
    figures = (after, before)
    models = (
        [_of_models(after.replicates - before.replicates)] if paired else [_of_models(f.replicates) for f in figures]
    )
    influences = [figure.influence for figure in figures]
    if same_examples and after.influence.shape[1] == before.influence.shape[1]:
        if paired:
            influences = [after.influence - before.influence]
        else:
            of_both = [of_examples(influence).both for influence in influences]
            rows = of_examples(after.influence.sum(0, keepdims=True) - before.influence.sum(0, keepdims=True))
            return together(models, [rows.source], sum(of_both))
    examples = [of_examples(influence) for influence in influences]
    return together(models, [each.source for each in examples], sum(each.both for each in examples))


def _of_models(replicates: np.ndarray) -> Source:
    """What models do to a figure: nothing where leaving them out changes nothing; unknown below 3 parts."""
    stderr = float(np.nan_to_num(spread(replicates))) if len(replicates) >= 3 else float("nan")
    return Source(stderr**2, len(replicates) - 1.0)


def _satterthwaite(after: Scalar, before: Scalar) -> float:
    total = after.stderr**2 + before.stderr**2
    if not total > 0:
        return np.inf
    shares = [
        (figure.stderr**2 / total) ** 2 / (len(figure.replicates) - 1)
        for figure in (after, before)
        if len(figure.replicates) > 1
    ]
    return 1.0 / sum(shares) if sum(shares) > 0 else np.inf


def _undefined(reason: str, models: int, examples: int) -> Scalar:
    nan = float("nan")
    return Scalar(value=nan, stderr=nan, low=nan, high=nan, models=models, examples=examples, reason=reason)
