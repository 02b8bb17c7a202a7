"""Membership attacks on texts with reference models: what a model says of a document beside what others say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._by_document import NOT_FINITE, UNSCORED, has_scored, mean_of_tokens
from byrote.measures._references import References, reference_counts, refuse_few, refuse_leaks, scores_of
from byrote.measures._strata import Stratum
from byrote.measures.catalog import Again, measure
from byrote.measures.lira import again, lira
from byrote.measures.rmia import rmia
from byrote.results import PerModelExample

_NEEDS = (
    "tokens.log_probability",
    "corpus.offsets",
    "corpus.scored",
    "design.member",
    "design.pair",
    "design.stratum",
)
_REASONS = ("", "no reference model was trained on it", "every reference model was trained on it", UNSCORED, NOT_FINITE)
#: A document that a model is surer of counts as this likely a token: its odds are not infinite.
SUREST = -1e-9
Tokens = Float[np.ndarray, "model token"]
Offsets = Int[np.ndarray, " boundary"]
Scored = Bool[np.ndarray, " token"]
Member = Int8[np.ndarray, "model example"]
Pair = Int[np.ndarray, " model"]


@measure(
    needs=_NEEDS,
    unit="nat per token",
    range=(-np.inf, np.inf),
    higher="more likely a member",
    source="Carlini et al. 2021, arXiv:2012.07805 (comparison with another model); Mireshghallah et al. 2022, "
    "arXiv:2203.03929",
    section="5.2",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=False,
)
def reference_attack(
    log_probability: Tokens, offsets: Offsets, scored: Scored, member: Member, pair: Pair, stratum: Stratum = None
) -> PerModelExample:
    r"""How much likelier a model finds a document's tokens than other models do, with the document and without it.

    Formula:
        s[t, i] = mean of log p[t, j] over the tokens j of document i that a model predicts;
        score[t, i] = s[t, i] - (mean_in s[., i] + mean_out s[., i]) / 2, means over the reference models: every model
        but the target t and its mate
    Undefined:
        nan where no token of the document is predicted, no reference model was trained on it, or every one was.

    Example:
        >>> m = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0]], np.int8)
        >>> reference_attack(m - 5.0, np.arange(3), np.ones(2, bool), m, np.repeat([0, 1, 2], 2)).values[0]
        array([0.5, 0.5])

    Differs:
        The sources compare with one model that was trained on other data. In complete pairs every document has as many
        references with it as without it, so that their mean moves all of its scores alike, and has less variance than
        the mean of either side: it is LiRA with one gap and one variance for all documents.
    """
    refuse_few(pair, "The attack with references")
    refuse_leaks(member, pair, stratum)
    values = mean_of_tokens(log_probability, offsets, scored)
    references, scores, code = References(values, member, pair, stratum), np.empty(values.shape), np.zeros(values.shape)
    bare = ~has_scored(offsets, scored)
    for targets in references.targets_alike():
        inside, outside = (references.without(targets[:, 0], side) for side in (1, 0))
        wrong = (bare[None], ~references.finite[None], inside.count == 0, outside.count == 0)
        found = np.select(np.broadcast_arrays(*wrong), (3, 4, 1, 2), 0)
        for mates in targets.T:
            scores[mates], code[mates] = values[mates] - (inside.mean + outside.mean) / 2, found
    return scores_of(scores, _REASONS, code.astype(np.int8), reference_counts(pair))


def _lira_again(evidence: Mapping[str, np.ndarray]) -> Again | None:
    values = mean_of_tokens(evidence["log_probability"], evidence["offsets"], evidence["scored"])
    return again(values, evidence["member"], evidence["pair"], evidence["stratum"])


@measure(
    needs=_NEEDS,
    source="Mireshghallah et al. 2022, arXiv:2203.03929; Carlini et al. 2022, arXiv:2112.03570, sec. V",
    variant_of="lira",
    variant="text",
    again=_lira_again,
)
def lira_text(
    log_probability: Tokens, offsets: Offsets, scored: Scored, member: Member, pair: Pair, stratum: Stratum = None
) -> PerModelExample:
    r"""How much likelier a model's answer to a document is among models that trained on it than among the others.

    Formula:
        as `lira`, with x[t, i] the mean of log p[t, j] over the tokens j of document i that a model predicts
    Undefined:
        nan where no token of the document is predicted, no reference model was trained on it, or every one was.

    Example:
        >>> m = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1]], np.int8)
        >>> x = m - 5.0 + np.tile([0.0, 0.1, -0.1, 0.2], 4).reshape(8, 2)
        >>> lira_text(x, np.arange(3), np.ones(2, bool), m, np.repeat([0, 1, 2, 3], 2)).values[0] > 0
        array([ True,  True])

    Differs:
        The source of LiRA takes log-odds of a label. A text has one answer a token; their mean is nearly normal over
        models, and does not grow with the length.
    """
    values = mean_of_tokens(log_probability, offsets, scored)
    return _reworded(lira(values, member, pair, stratum), offsets, scored)


@measure(needs=_NEEDS, variant_of="rmia", variant="text")
def rmia_text(
    log_probability: Tokens,
    offsets: Offsets,
    scored: Scored,
    member: Member,
    pair: Pair,
    stratum: Stratum = None,
    *,
    gamma: float = 1.0,
) -> PerModelExample:
    r"""Share of the target's non-members beside which a document is relatively likelier under the target.

    Formula:
        as `rmia`, with p[t, i] = exp(mean of log p[t, j] over the tokens j of document i that a model predicts)
    Undefined:
        nan where no token of the document is predicted, no reference model was trained on it, every one was, or the
        target has no other non-member.

    Example:
        >>> m = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]], np.int8)
        >>> rmia_text(m - 5.0, np.arange(4), np.ones(3, bool), m, np.repeat([0, 1, 2], 2)).values[1]
        array([0., 0., 1.])

    Differs:
        As `rmia`. The probability of a whole text would let long texts rule; this is that of a token, by the geometric
        mean.
    """
    values = np.minimum(mean_of_tokens(log_probability, offsets, scored), SUREST)
    odds = values - np.log(-np.expm1(values))
    return _reworded(rmia(odds, member, pair, stratum, gamma=gamma), offsets, scored)


def _reworded(found: PerModelExample, offsets: Offsets, scored: Scored) -> PerModelExample:
    """Scores of an attack on log-odds as those of one on texts: what is not finite has another reason."""
    broken = found.reasons.index("a model's log-odds are not finite")
    code = np.where((found.reason_code == broken) & ~has_scored(offsets, scored), len(found.reasons), found.reason_code)
    reasons = (*found.reasons[:broken], NOT_FINITE, *found.reasons[broken + 1 :], UNSCORED)
    return replace(found, reasons=reasons, reason_code=code.astype(np.int8))
