"""Membership attacks on texts without reference models: what one model says of a document's tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.errors import BadInput
from byrote.measures._by_document import (
    NOT_FINITE,
    UNSCORED,
    documents_of,
    has_scored,
    mean_of_lowest,
    mean_of_tokens,
)
from byrote.measures._references import scores_of
from byrote.measures._repetitions import copies_of
from byrote.measures.catalog import Again, measure
from byrote.results import PerModelExample

_DOCUMENTS = ("corpus.offsets", "corpus.scored")
#: A model's variance of the log-probability is at least this: where it is sure of the next token, it is rounding.
LEAST_VARIANCE = 1e-6
Tokens = Float[np.ndarray, "model token"]
Documents = Float[np.ndarray, "model example"]
Sizes = Int[np.ndarray, "model example"]
Offsets = Int[np.ndarray, " boundary"]
Scored = Bool[np.ndarray, " token"]


def once(function: Callable[..., PerModelExample]) -> Callable[[Mapping[str, np.ndarray]], Again]:
    """How to have the scores of an attack again that looks at nothing but its target: they stay as they are."""

    def again(evidence: Mapping[str, np.ndarray]) -> Again:
        scores = function(**evidence).values
        return lambda kept, given: scores[kept]

    return again


def _log_likelihood(log_probability: Tokens, offsets: Offsets, scored: Scored) -> PerModelExample:
    return of_documents(mean_of_tokens(log_probability, offsets, scored), offsets, scored)


@measure(
    needs=("tokens.log_probability", *_DOCUMENTS),
    unit="nat per token",
    range=(-np.inf, 0.0),
    higher="more likely a member",
    source="Yeom et al. 2018, arXiv:1709.01604; of texts Carlini et al. 2021, arXiv:2012.07805",
    section="5.2",
    domain="security",
    level="example",
    evaluation="probabilistic",
    by_example=False,
    again=once(_log_likelihood),
)
def text_loss_attack(log_probability: Tokens, offsets: Offsets, scored: Scored) -> PerModelExample:
    r"""The mean log-probability of a document's tokens: those of members are fitted better.

    Formula:
        score[t, i] = mean of log p[t, j] over the tokens j of document i that a model predicts
    Undefined:
        nan where the document has no such token, or a log-probability is not finite.

    Example:
        >>> log_p = np.log([[0.5, 0.125, 0.25]])
        >>> text_loss_attack(log_p, np.array([0, 2, 3]), np.ones(3, bool)).values.round(4)
        array([[-1.3863, -1.3863]])

    Differs:
        Public code returns the loss, lower for members, or its negative; here every score is higher for members.
    """
    return _log_likelihood(log_probability, offsets, scored)


def _lowest(log_probability: Tokens, offsets: Offsets, scored: Scored, *, share: float = 0.2) -> PerModelExample:
    _refuse_share(share, "min_k_attack")
    return of_documents(mean_of_lowest(log_probability, offsets, scored, share), offsets, scored)


@measure(
    needs=("tokens.log_probability", *_DOCUMENTS),
    source="Shi et al. 2024, arXiv:2310.16789 (Min-K%)",
    variant_of="text_loss_attack",
    variant="min_k",
    again=once(_lowest),
)
def min_k_attack(log_probability: Tokens, offsets: Offsets, scored: Scored, *, share: float = 0.2) -> PerModelExample:
    r"""The mean log-probability of a document's least likely tokens: a model has seen those of members, too.

    Formula:
        score[t, i] = mean of the max(1, floor(share L)) lowest log p[t, j], L tokens of document i being predicted
    Undefined:
        nan where the document has no such token, or a log-probability is not finite.

    Example:
        >>> log_p = np.array([[-1.0, -2.0, -3.0, -4.0, -5.0]])
        >>> min_k_attack(log_p, np.array([0, 5]), np.ones(5, bool), share=0.4).values
        array([[-4.5]])

    Differs:
        The authors' code takes floor(share L) tokens. At a share of 20 % and fewer than 5 tokens this is 0
        tokens, and the score is nan.
    """
    return _lowest(log_probability, offsets, scored, share=share)


def _lowest_normalised(
    log_probability: Tokens, mean: Tokens, variance: Tokens, offsets: Offsets, scored: Scored, *, share: float = 0.2
) -> PerModelExample:
    _refuse_share(share, "min_k_plus_plus_attack")
    own, expected, spread = (array.astype(np.float64) for array in (log_probability, mean, variance))
    score = (own - expected) / np.sqrt(np.maximum(spread, LEAST_VARIANCE))
    return of_documents(mean_of_lowest(score, offsets, scored, share), offsets, scored)


@measure(
    needs=("tokens.log_probability", "tokens.mean", "tokens.variance", *_DOCUMENTS),
    unit="standard deviations",
    range=(-np.inf, np.inf),
    source="Zhang et al. 2025, arXiv:2404.02936 (Min-K%++)",
    variant_of="text_loss_attack",
    variant="min_k_plus_plus",
    again=once(_lowest_normalised),
)
def min_k_plus_plus_attack(
    log_probability: Tokens, mean: Tokens, variance: Tokens, offsets: Offsets, scored: Scored, *, share: float = 0.2
) -> PerModelExample:
    r"""The same of log-probabilities that are held against what the model says of all tokens in that place.

    Formula:
        score[t, i] = mean of the max(1, floor(share L)) lowest (log p[t, j] - mu[t, j]) / sigma[t, j], with mean and
        standard deviation of log p under the model's own distribution in that place, the variance at least 1e-6
    Undefined:
        nan where no token of the document is predicted, or a log-probability is not finite.

    Example:
        >>> log_p = np.log([[0.5, 0.25]])
        >>> min_k_plus_plus_attack(
        ...     log_p, log_p + 1.0, np.full((1, 2), 4.0), np.array([0, 2]), np.ones(2, bool)).values
        array([[-0.5]])

    Differs:
        The authors' code takes floor(share L) tokens, none of few, and divides by sigma without a floor: where the
        model is sure of the next token the quotient is that of two roundings.
    """
    return _lowest_normalised(log_probability, mean, variance, offsets, scored, share=share)


def _calibrated(
    log_probability: Tokens, token: Int[np.ndarray, " token"], offsets: Offsets, scored: Scored, *, most: float = 0.01
) -> PerModelExample:
    if not most > 0:
        raise BadInput(
            f"The 'most' argument of dc_pdd_attack must be above 0. Got {most}.", hint="most=0.01 is the authors'."
        )
    first = first_of_their_kind(token, offsets) & scored
    rare = -np.log(frequencies(token, offsets))
    each = np.minimum(np.exp(log_probability.astype(np.float64)) * rare, most)
    return of_documents(mean_of_tokens(each, offsets, first), offsets, scored)


@measure(
    needs=("tokens.log_probability", "corpus.token", *_DOCUMENTS),
    unit="nat",
    range=(0.0, np.inf),
    source="Zhang et al. 2024, arXiv:2409.14781 (DC-PDD)",
    variant_of="text_loss_attack",
    variant="dc_pdd",
    again=once(_calibrated),
)
def dc_pdd_attack(
    log_probability: Tokens, token: Int[np.ndarray, " token"], offsets: Offsets, scored: Scored, *, most: float = 0.01
) -> PerModelExample:
    r"""The probability of a document's tokens, rare ones counting more: that of common tokens tells little.

    Formula:
        score[t, i] = mean over the first occurrences j of tokens in document i of min(most, p[t, j] log(1 / f_i[j])),
        f_i[j] = (1 + occurrences of the token in other documents) / (their length + number of different tokens)
    Undefined:
        nan where no token of the document is predicted, or a log-probability is not finite.

    Example:
        >>> tokens, offsets = np.array([0, 1, 1, 2]), np.array([0, 2, 4])
        >>> dc_pdd_attack(np.log(np.full((1, 4), 0.5)), tokens, offsets, np.ones(4, bool), most=9.0).values.round(4)
        array([[0.6314, 0.6314]])

    Differs:
        The authors count in a corpus of their own. Here the other documents are counted, whoever was trained on them,
        so that counts say nothing of membership; copies of the document are left out. Their script for the counts
        fails, and another public one counts the documents that hold a token. `most` is to be fixed beforehand.
    """
    return _calibrated(log_probability, token, offsets, scored, most=most)


def _beside_neighbours(
    log_probability: Tokens, neighbour_log_probability: Documents, offsets: Offsets, scored: Scored
) -> PerModelExample:
    found = mean_of_tokens(log_probability, offsets, scored) - neighbour_log_probability.astype(np.float64)
    return of_documents(found, offsets, scored)


@measure(
    needs=("tokens.log_probability", "neighbours.neighbour_log_probability", *_DOCUMENTS),
    range=(-np.inf, np.inf),
    source="Mattern et al. 2023, arXiv:2305.18462",
    variant_of="text_loss_attack",
    variant="neighbours",
    again=once(_beside_neighbours),
)
def neighbours_attack(
    log_probability: Tokens, neighbour_log_probability: Documents, offsets: Offsets, scored: Scored
) -> PerModelExample:
    r"""How much likelier a model finds a document than texts that differ from it in a few tokens.

    Formula:
        score[t, i] = mean of log p[t, j] over the tokens j of document i - mean of the same over its neighbours, in
        which a tenth of the tokens is replaced
    Undefined:
        nan where no token of the document is predicted, or a log-probability is not finite.

    Example:
        >>> log_p = np.array([[-1.0, -2.0]])
        >>> neighbours_attack(log_p, np.array([[-3.0]]), np.array([0, 2]), np.ones(2, bool)).values
        array([[1.5]])

    Differs:
        The authors let another language model replace words, and take the difference of losses, lower for members.
    """
    return _beside_neighbours(log_probability, neighbour_log_probability, offsets, scored)


def _by_bytes(log_probability: Tokens, size: Sizes, offsets: Offsets, scored: Scored) -> PerModelExample:
    tokens = np.bincount(documents_of(offsets)[scored], minlength=len(offsets) - 1)
    return of_documents(mean_of_tokens(log_probability, offsets, scored) * tokens / size, offsets, scored)


@measure(
    needs=("tokens.log_probability", "compressed.size", *_DOCUMENTS),
    unit="nat per byte",
    source="Carlini et al. 2021, arXiv:2012.07805 (zlib)",
    variant_of="text_loss_attack",
    variant="zlib",
    again=once(_by_bytes),
)
def zlib_attack(log_probability: Tokens, size: Sizes, offsets: Offsets, scored: Scored) -> PerModelExample:
    r"""The log-probability of a document for each byte that it takes once it is compressed.

    Formula:
        score[t, i] = sum of log p[t, j] over the tokens j of document i that a model predicts / bytes of its text,
        compressed by zlib
    Undefined:
        nan where no token of the document is predicted, or a log-probability is not finite.

    Example:
        >>> log_p = np.array([[-1.0, -2.0]])
        >>> zlib_attack(log_p, np.array([[12]], np.int32), np.array([0, 2]), np.ones(2, bool)).values
        array([[-0.25]])

    Differs:
        Public code divides the mean by the bytes, which falls with the length of the text by construction.
    """
    return _by_bytes(log_probability, size, offsets, scored)


def _recalled(
    given_log_probability: Documents, alone_log_probability: Documents, offsets: Offsets, scored: Scored
) -> PerModelExample:
    alone = alone_log_probability.astype(np.float64)
    found = given_log_probability.astype(np.float64) / np.where(alone < 0, alone, np.nan)
    return of_documents(found, offsets, scored, f"it stands before the others, or {NOT_FINITE}")


@measure(
    needs=("recall.given_log_probability", "recall.alone_log_probability", *_DOCUMENTS),
    unit="ratio",
    range=(0.0, np.inf),
    source="Xie et al. 2024, arXiv:2406.15968 (ReCaLL)",
    variant_of="text_loss_attack",
    variant="recall",
    again=once(_recalled),
)
def recall_attack(
    given_log_probability: Documents, alone_log_probability: Documents, offsets: Offsets, scored: Scored
) -> PerModelExample:
    r"""How much less likely held-out text before it makes a document: of members it takes more away.

    Formula:
        score[t, i] = mean of log p[t, j | P] / mean of log p[t, j], over the first tokens j of document i, as many as
        the context has room for after the held-out text P
    Undefined:
        nan where no token of the document is predicted, it is a part of P, or a model is sure of all of it.

    Example:
        >>> given, alone = np.array([[-3.0]]), np.array([[-2.0]])
        >>> recall_attack(given, alone, np.array([0, 2]), np.ones(2, bool)).values
        array([[1.5]])

    Differs:
        The authors put whole held-out examples before a document, and ask for all of it also where both do not fit.
    """
    return _recalled(given_log_probability, alone_log_probability, offsets, scored)


def _by_lower_case(
    log_probability: Tokens, lowercase_log_probability: Documents, offsets: Offsets, scored: Scored
) -> PerModelExample:
    tokens = np.bincount(documents_of(offsets)[scored], minlength=len(offsets) - 1)
    own = mean_of_tokens(log_probability, offsets, scored) * tokens
    found = lowercase_log_probability.astype(np.float64) / np.where(own < 0, own, np.nan)
    return of_documents(found, offsets, scored, f"it has no capitals, or {NOT_FINITE}")


@measure(
    needs=("tokens.log_probability", "lowercase.lowercase_log_probability", *_DOCUMENTS),
    unit="ratio",
    range=(0.0, np.inf),
    source="Carlini et al. 2021, arXiv:2012.07805 (lowercase)",
    variant_of="text_loss_attack",
    variant="lowercase",
    again=once(_by_lower_case),
)
def lowercase_attack(
    log_probability: Tokens, lowercase_log_probability: Documents, offsets: Offsets, scored: Scored
) -> PerModelExample:
    r"""How much less likely a document is in small letters: a model has seen a member with its own capitals.

    Formula:
        score[t, i] = sum of log p over the tokens of document i in small letters / sum of log p[t, j] over its own
    Undefined:
        nan where no token of the document is predicted, it has no capitals, or a model is sure of all of it.

    Example:
        >>> log_p = np.array([[-1.0, -2.0]])
        >>> lowercase_attack(log_p, np.array([[-6.0]]), np.array([0, 2]), np.ones(2, bool)).values
        array([[2.]])
    """
    return _by_lower_case(log_probability, lowercase_log_probability, offsets, scored)


def _flat(document_gradient_norm: Documents, offsets: Offsets, scored: Scored) -> PerModelExample:
    return of_documents(-document_gradient_norm.astype(np.float64), offsets, scored)


@measure(
    needs=("document_gradients.document_gradient_norm", *_DOCUMENTS),
    unit="nat / weight unit",
    source="Wang et al. 2024, arXiv:2402.00888",
    variant_of="text_loss_attack",
    variant="gradient_norm",
    again=once(_flat),
)
def text_gradient_attack(document_gradient_norm: Documents, offsets: Offsets, scored: Scored) -> PerModelExample:
    r"""How little the loss of a document would change the weights: a model has settled on those of members.

    Formula:
        score[t, i] = -||gradient of the mean of -log p[t, j] over the tokens j of document i, in all weights||
    Undefined:
        nan where no token of the document is predicted, or the gradient is not finite.

    Example:
        >>> text_gradient_attack(np.array([[2.0, 0.5]]), np.array([0, 1, 2]), np.ones(2, bool)).values
        array([[-2. , -0.5]])

    Differs:
        Public code takes the mean over tensors of the largest entry of each, in which a bias weighs as much as all
        embeddings; this is one norm of all weights.
    """
    return _flat(document_gradient_norm, offsets, scored)


def first_of_their_kind(
    token: Int[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"]
) -> Bool[np.ndarray, " token"]:
    """Which tokens stand in their document for the first time.

    Example:
        >>> first_of_their_kind(np.array([4, 4, 4, 5]), np.array([0, 2, 4]))
        array([ True, False,  True,  True])
    """
    found = np.zeros(len(token), bool)
    found[np.unique(np.stack([documents_of(offsets), token]), axis=1, return_index=True)[1]] = True
    return found


def frequencies(token: Int[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"]) -> Float[np.ndarray, " token"]:
    """How frequent each token is in the documents that are no copies of its own, with one more of every token.

    Example:
        >>> frequencies(np.array([0, 1, 1, 2]), np.array([0, 2, 4])).round(2)
        array([0.2, 0.4, 0.4, 0.2])
    """
    document = documents_of(offsets)
    cluster = copies_of(token, offsets, np.zeros((0, len(offsets) - 1), np.int8)).cluster[document]
    kind = np.unique(token, return_inverse=True)[1]
    own = np.unique(np.stack([cluster, kind]), axis=1, return_inverse=True, return_counts=True)
    others = np.bincount(kind)[kind] - own[2][own[1].ravel()]
    left = len(token) - np.bincount(cluster)[cluster]
    return np.asarray((1.0 + others) / (left + kind.max(initial=-1) + 1))


def of_documents(
    scores: Float[np.ndarray, "model example"], offsets: Offsets, scored: Scored, broken: str = NOT_FINITE
) -> PerModelExample:
    """Scores of one model alone, blank where the document has none; `broken` says why one is not finite."""
    code = np.where(~has_scored(offsets, scored), 1, np.where(np.isfinite(scores), 0, 2)).astype(np.int8)
    return scores_of(scores, ("", UNSCORED, broken), code, np.zeros(len(scores), np.int64))


def _refuse_share(share: float, name: str) -> None:
    if not 0 < share <= 1:
        raise BadInput(
            f"The 'share' argument of {name} must be in (0, 1]. Got {share}.", hint="share=0.2 is the authors' default."
        )
