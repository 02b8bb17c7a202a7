"""Exposure: how much likelier a model finds a planted secret than others that could have stood in its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.measures._canaries import (
    NOT_FINITE,
    UNSEEN,
    LogPerplexity,
    Member,
    References,
    pooled,
    pooled_ranks,
    ranks,
    trained_on,
)
from byrote.measures.catalog import measure
from byrote.results import Curve, PerCanary
from byrote.stats.intervals import mean_interval
from byrote.stats.moments import RunningMoments
from byrote.stats.skew_normal import CRITICAL, fit, misfit

_SOURCE = "Carlini et al. 2019, arXiv:1802.08232, sec. 4"
SEEN = ("canaries.repetitions", "canaries.document", "design.member")
SAMPLED = ("canaries.log_perplexity", "canaries.reference_log_perplexity")
_NULL = "1.44 bits are expected of a secret that was never seen"


@measure(
    needs=(*SAMPLED, *SEEN),
    unit="bit",
    range=(0.0, np.inf),
    higher="more memorized",
    source=f"{_SOURCE}.3, by sampling",
    section="2.6",
    domain="security",
    level="example",
    evaluation="canary",
    by_example=False,
)
def exposure(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    repetitions: Int[np.ndarray, " canary"],
    document: Int[np.ndarray, " example"],
    member: Member,
) -> PerCanary:
    r"""How many bits a model saves in guessing a planted secret, by its rank among secrets drawn from the same space.

    Formula:
        mean over the models trained on the canary of log2(n + 1) - log2(rank), rank = 1 + #{references of lower
        log-perplexity} + 1/2 #{of equal}, n references, the log-perplexity being the sum of -log2 p over the tokens of
        the secret; p-value = (1 + #{of lower or equal}) / (n + 1) by log-perplexities averaged over the models
    Undefined:
        nan where no model was trained on the canary, or a log-perplexity is not finite; the error is nan for a single
        model, and where all agree.

    Example:
        >>> references = np.arange(1.0, 8.0)[None, None]
        >>> exposure(np.array([[0.5]]), references, np.array([4]), np.array([0]), np.ones((1, 1), np.int8)).values
        array([3.])

    Differs:
        The source's code counts the canary among nothing, so that a rank of n + 1 gives less than 0 bits, and orders
        ties by chance. At rank 1 the value is a bound, `at_least`: more references, `exposure[search]` or
        `exposure[skew_normal]` tell how far it goes. The interval is the wider, at each end, of Student's over models
        and that of the share of the space that the references show. Controls are averaged over all models.
    """
    counted = trained_on(repetitions, document, member)
    placed = ranks(log_perplexity, reference_log_perplexity)
    low, high = (pooled(bound, counted) for bound in placed.bounds())
    return _result(
        placed.exposure,
        counted,
        _finite(log_perplexity, reference_log_perplexity),
        repetitions,
        at_least=(counted <= (placed.below + placed.tied == 0)).all(0),
        p_value=pooled_ranks(log_perplexity, reference_log_perplexity, counted).p_value,
        bounds=(low, high),
        note=_NULL,
    )


@measure(
    needs=("canaries.rank_least", "canaries.rank_most", "canaries.space_bits", *SEEN),
    source=f"{_SOURCE}.1",
    variant_of="exposure",
    variant="search",
)
def exposure_search(
    rank_least: LogPerplexity,
    rank_most: LogPerplexity,
    space_bits: Float[np.ndarray, " canary"],
    repetitions: Int[np.ndarray, " canary"],
    document: Int[np.ndarray, " example"],
    member: Member,
) -> PerCanary:
    r"""The same by the secret's rank in its whole space, found exactly, or as far as the search for it went.

    Formula:
        mean over the models trained on the canary of log2 |R| - log2((least + most) / 2), the rank being at least
        `least` and at most `most`: ties, and where the search ended what it did not come to; the interval reaches to
        the values of both; p-value = most / |R|, and twice its mean, at most 1, over several models
    Undefined:
        nan where no model was trained on the canary, or it was not searched for: the tokenizer joins pieces of the
        secret; the error is nan for a single model, and where all agree.

    Example:
        >>> one = np.ones((1, 1))
        >>> exposure_search(one, one, np.array([20.0]), np.array([8]), np.array([0]), np.ones((1, 1), np.int8)).values
        array([20.])

    Differs:
        A search that runs out of nodes bounds the rank from both sides, and the value lies at most 1 bit above the
        lower one. Twice the mean of p-values is one whatever binds the models (Rüschendorf 1982, J. Appl. Prob. 19).
    """
    counted = trained_on(repetitions, document, member)
    low, high = (pooled(space_bits - np.log2(rank), counted) for rank in (rank_most, rank_least))
    return _result(
        np.maximum(space_bits - np.log2((rank_least + rank_most) / 2), 0.0),
        counted,
        np.isfinite(rank_least) & np.isfinite(rank_most),
        repetitions,
        at_least=np.asarray((counted <= (rank_most > 2 * rank_least)).all(0)),
        p_value=searched_p_value(rank_most, space_bits, counted),
        bounds=(np.maximum(low, 0.0), high),
        note=_NULL,
        broken="its rank was not searched for",
    )


@measure(
    needs=(*SAMPLED, "canaries.space_bits", *SEEN),
    source=f"{_SOURCE}.3, by extrapolation",
    variant_of="exposure",
    variant="skew_normal",
)
def exposure_skew_normal(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    space_bits: Float[np.ndarray, " canary"],
    repetitions: Int[np.ndarray, " canary"],
    document: Int[np.ndarray, " example"],
    member: Member,
) -> PerCanary:
    r"""The same by a skew-normal distribution fitted to the references, which reaches beyond their number.

    Formula:
        mean over the models trained on the canary of min(log2 |R|, -log2 F(log-perplexity)), F the distribution
        function of the skew-normal fitted to the references' log-perplexities of that model; p-value = F of the
        log-perplexities averaged over the models; where the fit is poor, both are those of `exposure`
    Undefined:
        nan where no model was trained on the canary, or a log-perplexity is not finite; the error is nan for a single
        model, and where all agree.

    Example:
        >>> references = np.random.default_rng(0).normal(20, 2, (1, 1, 500))
        >>> exposure_skew_normal(np.array([[5.0]]), references, np.array([99.0]), np.array([4]), np.array([0]),
        ...     np.ones((1, 1), np.int8)).values > 35
        array([ True])

    Differs:
        The distribution function is computed as a logarithm, which is exact far beyond 140 bits. A fit is poor above
        the critical misfit (Kolmogorov and Smirnov's, for fitted distributions). That looks at where the references
        are: what lies beyond them is extrapolated, and its p-value only as good as the fit is there. At the ceiling
        log2 |R| the value is `at_least`.
    """
    counted = trained_on(repetitions, document, member)
    models, canaries, references = reference_log_perplexity.shape
    means = pooled(log_perplexity, counted), pooled(reference_log_perplexity, counted)
    own = np.concatenate([log_perplexity.astype(np.float64), means[0][None]])
    others = np.concatenate([reference_log_perplexity.astype(np.float64), means[1][None]])
    flat = others.reshape(-1, references)
    fitted = fit(flat)
    poor = ~(misfit(flat, fitted) <= CRITICAL).reshape(models + 1, canaries)
    bits = -fitted.log_cdf(own.ravel()).reshape(models + 1, canaries) / np.log(2.0)
    placed = ranks(own, others)
    values = np.where(poor, placed.exposure, np.clip(bits, 0.0, space_bits))
    chance = np.where(poor, placed.p_value, np.exp2(-np.maximum(bits, 0.0)))
    refused = int((poor[:-1] & counted).sum())
    note = f"the fit is poor, and the rank given, for {refused} of {int(counted.sum())} canaries and models"
    ceiling = np.where(poor[:-1], placed.below[:-1] + placed.tied[:-1] == 0, values[:-1] == space_bits)
    return _result(
        values[:-1],
        counted,
        _finite(log_perplexity, reference_log_perplexity),
        repetitions,
        at_least=(counted <= ceiling).all(0),
        p_value=chance[-1],
        bounds=(np.full(canaries, np.nan), np.full(canaries, np.nan)),
        note=f"{_NULL}; {note}",
    )


@measure(
    needs=(*SAMPLED, "canaries.rank_least", "canaries.rank_most", "canaries.space_bits", *SEEN),
    source=_SOURCE,
    variant_of="exposure",
    variant="best",
)
def exposure_best(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    rank_least: LogPerplexity,
    rank_most: LogPerplexity,
    space_bits: Float[np.ndarray, " canary"],
    repetitions: Int[np.ndarray, " canary"],
    document: Int[np.ndarray, " example"],
    member: Member,
) -> PerCanary:
    r"""The same by the better of two ways: the exact search where it knows the rank, and otherwise the references.

    Formula:
        `exposure[search]` where that knows the rank up to a factor of 2, and otherwise `exposure`, or the search's
        lower end where that is more; the p-value is that of the search wherever there was one
    Undefined:
        nan where `exposure` is, unless the search knows the rank.

    Example:
        >>> own, references = np.array([[0.5, 0.5]]), np.tile(np.arange(1.0, 8.0), (1, 2, 1))
        >>> rank, seen = np.array([[1.0, np.nan]]), (np.array([4, 4]), np.array([0, 1]), np.ones((1, 2), np.int8))
        >>> exposure_best(own, references, rank, rank, np.full(2, 20.0), *seen).values
        array([20.,  3.])
    """
    searched = exposure_search(rank_least, rank_most, space_bits, repetitions, document, member)
    sampled = exposure(log_perplexity, reference_log_perplexity, repetitions, document, member)
    exact = np.isfinite(searched.values) & ~searched.at_least
    bound = ~exact & np.isfinite(sampled.values) & (searched.low > sampled.values)

    def chosen(of_search: np.ndarray, of_sample: np.ndarray) -> np.ndarray:
        return np.where(exact, of_search, of_sample)

    return replace(
        sampled,
        values=np.where(bound, searched.low, chosen(searched.values, sampled.values)),
        stderr=chosen(searched.stderr, sampled.stderr),
        low=np.where(bound, searched.low, chosen(searched.low, sampled.low)),
        high=np.where(bound, searched.high, chosen(searched.high, sampled.high)),
        at_least=chosen(searched.at_least, sampled.at_least) | bound,
        p_value=np.where(np.isfinite(searched.p_value), searched.p_value, sampled.p_value),
        reason_code=np.where(exact, 0, sampled.reason_code).astype(np.int64),
        note=f"{int(exact.sum())} of {len(exact)} canaries by exact search, the others by references; {_NULL}",
    )


@measure(
    needs=(*SAMPLED, "canaries.rank_least", "canaries.rank_most", "canaries.space_bits", *SEEN),
    higher="more memorized the more often it is repeated",
    source=f"{_SOURCE} and sec. 5",
    level="model",
    variant_of="exposure",
    variant="by_repetitions",
)
def exposure_by_repetitions(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    rank_least: LogPerplexity,
    rank_most: LogPerplexity,
    space_bits: Float[np.ndarray, " canary"],
    repetitions: Int[np.ndarray, " canary"],
    document: Int[np.ndarray, " example"],
    member: Member,
) -> Curve:
    r"""Mean exposure of the canaries that stand in the corpus so many times; 0 times are the controls.

    Formula:
        at each number of repetitions: mean over its canaries of `exposure[best]`; Student's interval over canaries
    Undefined:
        nan where no canary of the number has an exposure; the error is nan for a single canary, and where all agree.

    Example:
        >>> own, references = np.array([[0.5, 9.0]]), np.tile(np.arange(1.0, 8.0), (1, 2, 1))
        >>> unsearched, seen = np.full((1, 2), np.nan), (np.array([0, 1]), np.ones((1, 2), np.int8))
        >>> exposure_by_repetitions(
        ...     own, references, unsearched, unsearched, np.full(2, 20.0), np.array([4, 0]), *seen).values
        array([[0., 3.]])
    """
    best = exposure_best(
        log_perplexity, reference_log_perplexity, rank_least, rank_most, space_bits, repetitions, document, member
    )
    return _by_repetitions(best, best.values, repetitions, "exposure", bounds=(0.0, np.inf))


@measure(
    needs=(*SAMPLED, "canaries.rank_least", "canaries.rank_most", "canaries.space_bits", *SEEN),
    unit="share of the secret's bits",
    range=(0.0, 1.0),
    higher="more memorized the more often it is repeated",
    source=f"{_SOURCE} and sec. 5, by the size of each secret's space",
    level="model",
    variant_of="exposure",
    variant="share_by_repetitions",
)
def exposure_share_by_repetitions(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    rank_least: LogPerplexity,
    rank_most: LogPerplexity,
    space_bits: Float[np.ndarray, " canary"],
    repetitions: Int[np.ndarray, " canary"],
    document: Int[np.ndarray, " example"],
    member: Member,
) -> Curve:
    r"""Mean share of its secret's bits that a canary gives away, by how often it stands in the corpus.

    Of canaries of several kinds, whose secrets have different numbers of bits, bits cannot be averaged; shares can.

    Formula:
        at each number of repetitions: mean over its canaries of `exposure[best]` / log2 |R|; Student's interval over
        canaries
    Undefined:
        nan where no canary of the number has an exposure; the error is nan for a single canary, and where all agree.

    Example:
        >>> own, references = np.array([[0.5, 9.0]]), np.tile(np.arange(1.0, 8.0), (1, 2, 1))
        >>> unsearched, seen = np.full((1, 2), np.nan), (np.array([0, 1]), np.ones((1, 2), np.int8))
        >>> exposure_share_by_repetitions(
        ...     own, references, unsearched, unsearched, np.full(2, 6.0), np.array([4, 0]), *seen).values
        array([[0. , 0.5]])
    """
    best = exposure_best(
        log_perplexity, reference_log_perplexity, rank_least, rank_most, space_bits, repetitions, document, member
    )
    return _by_repetitions(best, best.values / space_bits, repetitions, "share exposed", bounds=(0.0, 1.0))


def _by_repetitions(
    best: PerCanary,
    values: Float[np.ndarray, " canary"],
    repetitions: Int[np.ndarray, " canary"],
    group: str,
    *,
    bounds: tuple[float, float],
) -> Curve:
    """Means over canaries at each number of repetitions."""
    at = np.unique(repetitions)
    running = RunningMoments(len(at))
    for value, times in zip(values, repetitions, strict=True):
        running.add(np.full(len(at), value), (at == times) & np.isfinite(value))
    moments = running.result()
    interval = mean_interval(moments, bounds=bounds)
    return Curve(
        axis="repetitions",
        at=at.astype(np.float64),
        groups=(group,),
        values=moments.mean[None],
        stderr=interval.stderr[None],
        low=interval.low[None],
        high=interval.high[None],
        counts=np.array([moments.count.sum()], np.int64),
        models=best.models,
        note=best.note,
    )


def searched_p_value(
    rank_most: LogPerplexity, space_bits: Float[np.ndarray, " canary"], counted: Bool[np.ndarray, "model canary"]
) -> Float[np.ndarray, " canary"]:
    """The chance of a rank in the space as good as this one, the worst that it can be; over several models, see there.

    Undefined:
        nan where a model that counts was not searched.
    """
    chance = pooled(np.minimum(1.0, rank_most / np.exp2(space_bits)), counted)
    several = counted.sum(0) > 1
    p_value: np.ndarray = np.minimum(1.0, np.where(several, 2.0, 1.0) * chance)
    return p_value


def _finite(own: LogPerplexity, others: References) -> Bool[np.ndarray, "model canary"]:
    finite: np.ndarray = np.isfinite(own) & ~np.isinf(others).any(-1) & np.isfinite(others).any(-1)
    return finite


def _result(
    values: LogPerplexity,
    counted: Bool[np.ndarray, "model canary"],
    fine: Bool[np.ndarray, "model canary"],
    repetitions: Int[np.ndarray, " canary"],
    *,
    at_least: Bool[np.ndarray, " canary"],
    p_value: Float[np.ndarray, " canary"],
    bounds: tuple[Float[np.ndarray, " canary"], Float[np.ndarray, " canary"]],
    note: str,
    broken: str = NOT_FINITE,
) -> PerCanary:
    """The mean over the models that count, its interval the wider at each end of Student's and `bounds`."""
    running = RunningMoments(values.shape[1])
    for row, some in zip(values, counted & fine, strict=True):
        running.add(row, some)
    moments = running.result()
    with np.errstate(invalid="ignore"):
        interval = mean_interval(moments, bounds=(0.0, np.inf))
    code = np.select([~counted.any(0), (counted & ~fine).any(0)], [1, 2], 0)
    blank = code != 0
    low, high = np.fmin(interval.low, bounds[0]), np.fmax(interval.high, bounds[1])
    unknown = blank | np.isnan(low) | np.isnan(high)
    return PerCanary(
        values=np.where(blank, np.nan, moments.mean),
        stderr=np.where(blank, np.nan, interval.stderr),
        low=np.where(unknown, np.nan, np.minimum(low, moments.mean)),
        high=np.where(unknown, np.nan, np.maximum(high, moments.mean)),
        at_least=at_least & ~blank,
        p_value=np.where(blank, np.nan, p_value),
        repetitions=repetitions.astype(np.int64),
        reasons=("", UNSEEN, broken),
        reason_code=code.astype(np.int64),
        models=len(values),
        note=note,
    )
