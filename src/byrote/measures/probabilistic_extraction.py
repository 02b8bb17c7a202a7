"""Probabilistic extraction: how often one must ask until a model, drawing its answers, goes on word for word."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int32

from byrote.errors import BadInput
from byrote.measures._repetitions import copies_of, pooled_curve
from byrote.measures._windows import PREFIX, SUFFIX, Windows, over_models, too_short, windows_of
from byrote.measures.catalog import measure
from byrote.results import Curve, PerExample

_SOURCE = "Hayes et al. 2024, arXiv:2410.19482"
_READ = ("corpus.offsets", "corpus.scored", "design.member")
#: Queries of the curve: one to a million.
QUERIES: Final = tuple(10.0**power for power in range(7))

LogProbability = Float[np.ndarray, "model token"]
Offsets = Int[np.ndarray, " boundary"]
Tokens = Bool[np.ndarray, " token"]
Member = Int8[np.ndarray, "model example"]


@measure(
    needs=("tokens.log_probability", *_READ),
    unit="probability",
    range=(0.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="5.2",
    domain="security",
    level="example",
    evaluation="extraction",
    by_example=True,
)
def probabilistic_extraction(
    log_probability: LogProbability,
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    queries: float = 100.0,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    side: int = 1,
) -> PerExample:
    r"""The chance that some of so many answers, drawn from the model as it is, go on with a document's own text.

    Formula:
        mean over models trained on the document of 1 - (1 - p_z)^queries, p_z = product over the suffix of p(token),
        given all true tokens before it, at temperature 1 and with every token of the vocabulary allowed
    Undefined:
        nan where prefix and suffix do not fit into the document, or no model is known to be trained on it; the error
        is nan for a single model, and no more than a guide where the models differ by orders of magnitude.

    Example:
        >>> log_p = np.log(np.array([[1.0, 0.5, 0.5, 0.4]]))
        >>> member, scored = np.ones((1, 1), np.int8), np.array([False, True, True, True])
        >>> probabilistic_extraction(
        ...     log_p, np.array([0, 4]), scored, member, queries=10.0, prefix=1, suffix=3).values.round(3)
        array([0.651])

    Differs:
        In log space throughout, so that a suffix of probability e^-500 keeps its number. The record of tokens knows
        this distribution exactly, and no other: other temperatures need `probabilistic_extraction[decoding]` with its
        own pass, and `probabilistic_extraction[top_k]` bounds a cut from below. `side` 0 is the null.
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    return _chance(windows, log_probability, member, queries, prefix, side)


@measure(
    needs=("tokens.log_probability", "tokens.rank", *_READ),
    variant_of="probabilistic_extraction",
    variant="top_k",
)
def probabilistic_extraction_top_k(
    log_probability: LogProbability,
    rank: Int32[np.ndarray, "model token"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    top_k: int = 40,
    queries: float = 100.0,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    side: int = 1,
) -> PerExample:
    r"""The same where only the k likeliest tokens are drawn from: at least this.

    Formula:
        mean over models trained on the document of 1 - (1 - q_z)^queries, q_z = p_z where every token of the suffix
        ranks k or better, else 0
    Undefined:
        as `probabilistic_extraction`

    Example:
        >>> log_p, rank = np.log(np.array([[1.0, 0.5, 0.5]])), np.array([[0, 1, 2]], np.int32)
        >>> member, scored = np.ones((1, 1), np.int8), np.array([False, True, True])
        >>> [probabilistic_extraction_top_k(
        ...     log_p, rank, np.array([0, 3]), scored, member, top_k=k, queries=1.0, prefix=1, suffix=2,
        ... ).values.round(3).item() for k in (1, 2)]
        [0.0, 0.25]

    Differs:
        What is drawn from k tokens has its probability divided by theirs together, at most 1 a token; the record of
        tokens does not hold that sum, so this is a lower bound, exact where it is 0. k = 1 is greedy decoding, whose
        answer is certain: `discoverable_extraction`.
    """
    if top_k < 1:
        raise BadInput(
            f"The 'top_k' argument of probabilistic_extraction must be at least 1. Got {top_k}.",
            hint="40 is common; 1 is greedy decoding.",
        )
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    kept = np.where(rank <= top_k, log_probability, -np.inf)
    return _chance(windows, kept, member, queries, prefix, side)


@measure(
    needs=("decoding.log_probability", *_READ),
    variant_of="probabilistic_extraction",
    variant="decoding",
)
def probabilistic_extraction_decoding(
    log_probability: LogProbability,
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    queries: float = 100.0,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    side: int = 1,
) -> PerExample:
    r"""The same under the temperature and the cut that answers were said to be drawn with, exactly.

    Formula:
        mean over models trained on the document of 1 - (1 - p_z)^queries, p_z = product over the suffix of
        g(token), g = softmax(z / temperature) over the tokens that top-k and top-p leave, 0 for all others
    Undefined:
        as `probabilistic_extraction`

    Example:
        >>> log_g = np.array([[np.nan, np.log(0.5), 0.0]])
        >>> member, scored = np.ones((1, 1), np.int8), np.array([False, True, True])
        >>> probabilistic_extraction_decoding(
        ...     log_g, np.array([0, 3]), scored, member, queries=2.0, prefix=1, suffix=2).values
        array([0.75])
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    return _chance(windows, log_probability, member, queries, prefix, side)


@measure(
    needs=("tokens.log_probability", *_READ),
    unit="log10 queries, negated",
    range=(-np.inf, 0.0),
    higher="fewer queries, more memorized",
    variant_of="probabilistic_extraction",
    variant="queries",
)
def probabilistic_extraction_queries(
    log_probability: LogProbability,
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    side: int = 1,
) -> PerExample:
    r"""How many answers one expects to draw until one goes on with a document's own text: 10 to the minus this.

    Formula:
        mean over models trained on the document of log10 p_z; the expected number of queries is 1/p_z, so this is
        minus the logarithm of its geometric mean
    Undefined:
        nan where prefix and suffix do not fit into the document, or no model is known to be trained on it; the error
        is nan for a single model, and where all agree.

    Example:
        >>> log_p = np.log(np.array([[1.0, 0.1, 0.1, 0.1]]))
        >>> member, scored = np.ones((1, 1), np.int8), np.array([False, True, True, True])
        >>> probabilistic_extraction_queries(log_p, np.array([0, 4]), scored, member, prefix=1, suffix=3).values
        array([-3.])
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    return over_models(
        (windows.mean(windows.total(row)) / np.log(10.0) for row in log_probability),
        member,
        too_short(windows, prefix),
        side=side,
        bounds=(-np.inf, 0.0),
        counts={"windows": windows.count},
    )


@measure(
    needs=("decoding.log_probability", *_READ),
    unit="log10 queries, negated",
    range=(-np.inf, 0.0),
    higher="fewer queries, more memorized",
    variant_of="probabilistic_extraction",
    variant="decoding_queries",
)
def probabilistic_extraction_decoding_queries(
    log_probability: LogProbability,
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    side: int = 1,
) -> PerExample:
    r"""The same as `probabilistic_extraction[queries]` where answers are drawn as the run was told.

    Formula:
        mean over models trained on the document of log10 p_z, p_z as `probabilistic_extraction[decoding]` has it
    Undefined:
        as `probabilistic_extraction[queries]`, and where the cut never lets the suffix be drawn: no number of answers
        brings it out.

    Example:
        >>> log_g = np.log(np.array([[1.0, 0.1, 0.1, 0.1]]))
        >>> member, scored = np.ones((1, 1), np.int8), np.array([False, True, True, True])
        >>> probabilistic_extraction_decoding_queries(
        ...     log_g, np.array([0, 4]), scored, member, prefix=1, suffix=3).values
        array([-3.])
    """
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    totals = np.stack([windows.mean(windows.total(row)) for row in log_probability])
    barred = ((totals == -np.inf) & (member == side)).any(0)
    return over_models(
        totals / np.log(10.0),
        member,
        [*too_short(windows, prefix), ("no answer holds it: a token of it is cut away", barred)],
        side=side,
        bounds=(-np.inf, 0.0),
        counts={"windows": windows.count},
    )


@measure(
    needs=("tokens.log_probability", "corpus.token", *_READ),
    unit="share of documents",
    level="model",
    by_example=False,
    variant_of="probabilistic_extraction",
    variant="curve",
)
def probabilistic_extraction_curve(
    log_probability: LogProbability,
    token: Int32[np.ndarray, " token"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    chance: float = 0.5,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
) -> Curve:
    r"""The share of documents that n queries bring out with at least that chance, for n of one to a million.

    Formula:
        at n: mean of 1[1 - (1 - p_z)^n >= chance] over all (model, document) that the model was trained on ("trained
        on it"), and over those of which it saw no copy ("never saw it")
    Undefined:
        nan where there is no such pair; the error with fewer than 3 different documents.

    Example:
        >>> log_p = np.log(np.array([[1.0, 0.01, 1.0, 1.0]]))
        >>> second, member = np.array([False, True, False, True]), np.array([[1, 1]], np.int8)
        >>> probabilistic_extraction_curve(
        ...     log_p, np.array([1, 2, 3, 4], np.int32), np.array([0, 2, 4]), second, member, prefix=1, suffix=1
        ... ).values[0]
        array([0.5, 0.5, 1. , 1. , 1. , 1. , 1. ])
    """
    return _curve(log_probability, token, offsets, scored, member, chance, prefix, suffix)


@measure(
    needs=("decoding.log_probability", "corpus.token", *_READ),
    unit="share of documents",
    level="model",
    by_example=False,
    variant_of="probabilistic_extraction",
    variant="decoding_curve",
)
def probabilistic_extraction_decoding_curve(
    log_probability: LogProbability,
    token: Int32[np.ndarray, " token"],
    offsets: Offsets,
    scored: Tokens,
    member: Member,
    *,
    chance: float = 0.5,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
) -> Curve:
    r"""The same as `probabilistic_extraction[curve]` where answers are drawn as the run was told.

    Formula:
        as `probabilistic_extraction[curve]`, p_z as `probabilistic_extraction[decoding]` has it
    Undefined:
        as `probabilistic_extraction[curve]`

    Example:
        >>> log_g = np.log(np.array([[1.0, 0.01, 1.0, 1.0]]))
        >>> second, member = np.array([False, True, False, True]), np.array([[1, 1]], np.int8)
        >>> probabilistic_extraction_decoding_curve(
        ...     log_g, np.array([1, 2, 3, 4], np.int32), np.array([0, 2, 4]), second, member, prefix=1, suffix=1
        ... ).values[0]
        array([0.5, 0.5, 1. , 1. , 1. , 1. , 1. ])
    """
    return _curve(log_probability, token, offsets, scored, member, chance, prefix, suffix)


def at_least_once(log_p: Float[np.ndarray, "*shape"], queries: float) -> Float[np.ndarray, "*shape"]:
    """1 - (1 - p)^queries from log p, to full precision for the smallest p.

    Example:
        >>> at_least_once(np.log(np.array([0.5, 1e-300, 1.0])), 2.0)
        array([7.5e-001, 2.0e-300, 1.0e+000])
    """
    chance: np.ndarray = -np.expm1(queries * _log_one_minus(log_p))
    return chance


def log10_queries(log_p: Float[np.ndarray, "*shape"], chance: float) -> Float[np.ndarray, "*shape"]:
    """log10 of the fewest queries that bring out with this chance what one query brings out with probability p.

    Formula:
        log10 max(1, ceil(log(1 - chance) / log(1 - p))); without rounding up beyond 10^15, infinite where p = 0

    Example:
        >>> (10 ** log10_queries(np.log(np.array([0.5, 0.01, 1.0])), 0.9)).round()
        array([  4., 230.,   1.])
    """
    wanted = -np.log1p(-chance)
    with np.errstate(divide="ignore"):
        # where p is tiny log(1 - p) is -p, whose logarithm is log p
        rate = np.where(log_p < -35.0, log_p, np.log(-_log_one_minus(log_p)))
    exponent = np.log(wanted) - rate
    small = exponent < 15 * np.log(10.0)
    # what rounding makes of a whole number is not rounded up to the next
    whole = np.maximum(np.ceil(np.exp(np.where(small, exponent, 0.0)) * (1 - 1e-12)), 1.0)
    logarithm: np.ndarray = np.where(small, np.log10(whole), exponent / np.log(10.0))
    return logarithm


def _log_one_minus(log_p: np.ndarray) -> np.ndarray:
    """log(1 - p), after Maechler (2012), so that neither p near 0 nor near 1 loses digits."""
    log_p = np.minimum(np.asarray(log_p, np.float64), 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(log_p > -np.log(2.0), np.log(-np.expm1(log_p)), np.log1p(-np.exp(log_p))))


def _chance(
    windows: Windows, log_probability: np.ndarray, member: np.ndarray, queries: float, prefix: int, side: int
) -> PerExample:
    if not 1 <= queries < np.inf:
        raise BadInput(
            f"The 'queries' argument of probabilistic_extraction must be at least 1 and finite. Got {queries}.",
            hint="queries counts how often a prefix is asked; 1, 100 or 1e6.",
        )
    return over_models(
        (windows.mean(at_least_once(windows.total(row), queries)) for row in log_probability),
        member,
        too_short(windows, prefix),
        side=side,
        bounds=(0.0, 1.0),
        counts={"windows": windows.count},
    )


def _curve(
    log_probability: np.ndarray,
    token: np.ndarray,
    offsets: np.ndarray,
    scored: np.ndarray,
    member: np.ndarray,
    chance: float,
    prefix: int,
    suffix: int,
) -> Curve:
    if not 0 < chance < 1:
        raise BadInput(
            f"The 'chance' argument of probabilistic_extraction must lie between 0 and 1. Got {chance}.",
            hint="chance=0.5 asks how many queries extract it as likely as not.",
        )
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    copies = copies_of(token, offsets, member)
    needed = np.stack([windows.mean(log10_queries(windows.total(row), chance)) for row in log_probability])
    at = np.array(QUERIES)
    outcome = (needed <= np.log10(at)[:, None, None]).astype(np.float64)
    has = (windows.count > 0) & ~np.isnan(needed)
    sides = [has & (member == 1), has & (copies.seen == 0)]
    return pooled_curve(
        "queries",
        at,
        outcome,
        [np.broadcast_to(some, outcome.shape) for some in sides],
        copies.cluster,
        f"documents of {prefix} and then {suffix} tokens or more; a chance of {chance:.0%}",
    )
