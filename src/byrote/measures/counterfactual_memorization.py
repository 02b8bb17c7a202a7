"""Counterfactual memorization: how much better a document is predicted for having been trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._strata import Stratum
from byrote.measures.catalog import measure
from byrote.measures.exact_memorization import by_document
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import PerExample

_SOURCE = "Zhang et al. 2023, arXiv:2112.12938, Definition 2.1"
_DOCUMENTS = ("corpus.offsets", "corpus.scored", "design.member", "design.pair", "design.stratum")


@measure(
    needs=("tokens.hit", *_DOCUMENTS),
    unit="share of tokens",
    range=(-1.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="2.3",
    domain="generalization",
    level="example",
    evaluation="differential",
    by_example=True,
)
def counterfactual_memorization(
    hit: Bool[np.ndarray, "model token"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""The share of a document's tokens that models trained on it predict, less that of models that were not.

    Formula:
        mem(x) = mean of M(f, x) over models f trained on x - mean over those that were not, with M the share of the
        tokens of x that f predicts; in pairs, the mean of the differences between mates, whose spread is the error
    Undefined:
        nan where no token has a prediction, where every model or none was trained on the document, or with fewer than
        2 pairs or 2 models a side.

    Example:
        >>> hit = np.array([[True, True], [False, True], [True, True], [False, False]])
        >>> member, pair = np.array([[1], [0], [1], [0]], np.int8), np.array([0, 0, 1, 1])
        >>> counterfactual_memorization(hit, np.array([0, 2]), np.ones(2, bool), member, pair).values
        array([0.75])

    Differs:
        The source trains on random quarters and gives no error. It is the difference at the size of the subsets, which
        the note states. Copies of a document, and what is nearly one, must be in the same half, or the models that
        never saw a document have read it all the same; `audit_language` sees to that.
    """
    hits, sizes = by_document(hit, offsets, scored)
    return in_minus_out(
        hits / np.maximum(sizes, 1),
        member,
        pair,
        stratum,
        bounds=(0.0, 1.0),
        what="share of hits",
        undefined=[("no token of it has a prediction", sizes == 0)],
    )


@measure(
    needs=("tokens.log_probability", *_DOCUMENTS),
    unit="nat per token",
    range=(-float("inf"), float("inf")),
    variant_of="counterfactual_memorization",
    variant="log_probability",
)
def counterfactual_memorization_log_probability(
    log_probability: Float[np.ndarray, "model token"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""The mean log-probability of a document's tokens in models trained on it, less that in models that were not.

    Formula:
        as counterfactual_memorization, with M the mean of log p over the tokens of x
    Undefined:
        nan where no token has a prediction or a record is not finite, where every model or none was trained on the
        document, or with fewer than 2 pairs or 2 models a side.

    Example:
        >>> log_p = np.log(np.array([[0.8, 0.8], [0.4, 0.4], [0.6, 0.6], [0.3, 0.3]]))
        >>> member, pair = np.array([[1], [0], [1], [0]], np.int8), np.array([0, 0, 1, 1])
        >>> counterfactual_memorization_log_probability(
        ...     log_p, np.array([0, 2]), np.ones(2, bool), member, pair).values.round(4)
        array([0.6931])

    Differs:
        The source's M is the share of hits. Log-probabilities move before hits do, and vary less from model to model.
    """
    sizes = np.diff(np.concatenate([[0], np.cumsum(scored)])[offsets])
    means = np.empty((len(log_probability), len(sizes)))
    for row, one in zip(means, log_probability, strict=True):
        row[:] = _sums(np.where(scored, one, 0.0).astype(np.float64), offsets) / np.maximum(sizes, 1)
    return in_minus_out(
        means,
        member,
        pair,
        stratum,
        bounds=(-np.inf, 0.0),
        what="log-probability",
        undefined=[("no token of it has a prediction", sizes == 0)],
    )


def _sums(values: Float[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"]) -> Float[np.ndarray, " example"]:
    """Sums over the tokens of each document; one that is not finite spoils its own document only."""
    if not len(values):
        return np.zeros(len(offsets) - 1)
    document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.bincount(document, values, minlength=len(offsets) - 1)


def _of_errors(variant: str, unit: str, need: str) -> dict[str, Any]:
    return {
        "needs": (need, "design.member", "design.pair", "design.stratum"),
        "unit": unit,
        "range": (-float("inf"), float("inf")),
        "higher": "more memorized",
        "source": _SOURCE,
        "section": "2.3",
        "domain": "generalization",
        "level": "example",
        "evaluation": "differential",
        "by_example": True,
        "variant_of": "counterfactual_memorization",
        "variant": variant,
    }


@measure(**_of_errors("squared_error", "unit of the target^2", "outputs.squared_error"))
def counterfactual_memorization_squared_error(
    squared_error: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""The mean squared error on a number of the models that never saw it, less that of those trained on it.

    Formula:
        as counterfactual_memorization, with M(f, x) = -(f(x) - y)^2
    Undefined:
        nan where an error is not finite, where every model or none was trained on the example, or with fewer than 2
        pairs or 2 models a side.

    Example:
        >>> e = np.array([[1.0], [9.0], [1.0], [5.0]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> counterfactual_memorization_squared_error(e, m, np.array([0, 0, 1, 1])).values
        array([6.])

    Differs:
        The source's M is an accuracy. A squared error has no largest value: a few models that miss by far decide the
        mean, and the interval is Student's over few pairs.
    """
    return in_minus_out(-squared_error, member, pair, stratum, bounds=(-np.inf, 0.0), what="squared error")


@measure(**_of_errors("absolute_error", "unit of the target", "outputs.absolute_error"))
def counterfactual_memorization_absolute_error(
    absolute_error: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    stratum: Stratum = None,
) -> PerExample:
    r"""How much farther off a number the models are that never saw it than those trained on it.

    Formula:
        as counterfactual_memorization, with M(f, x) = -|f(x) - y|
    Undefined:
        nan where an error is not finite, where every model or none was trained on the example, or with fewer than 2
        pairs or 2 models a side.

    Example:
        >>> e = np.array([[1.0], [3.0], [0.0], [2.5]])
        >>> m = np.array([[1], [0], [1], [0]], np.int8)
        >>> counterfactual_memorization_absolute_error(e, m, np.array([0, 0, 1, 1])).values
        array([2.25])

    Differs:
        The source's M is an accuracy. In the target's own unit, and less moved by a few models than squares are.
    """
    return in_minus_out(-absolute_error, member, pair, stratum, bounds=(-np.inf, 0.0), what="error")
