"""Exact memorization: how many of the next tokens of what it was trained on a language model predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int, Int8

from byrote.errors import BadInput
from byrote.measures._repetitions import SIDES, copies_of
from byrote.measures.catalog import measure
from byrote.results import Curve, Scalar
from byrote.stats.curves import curve_interval
from byrote.stats.intervals import Interval
from byrote.stats.jackknife import from_replicates, units
from byrote.stats.over_examples import over_both

_SOURCE = "Tirumala et al. 2022, arXiv:2205.10770, Definitions 1 and 2"
_DOCUMENTS = ("corpus.token", "corpus.offsets", "corpus.scored", "design.member", "design.pair")
#: Documents or models are left out in at most so many parts.
_PARTS = 20


@measure(
    needs=("tokens.hit", *_DOCUMENTS),
    unit="share of tokens",
    range=(0.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="2.2",
    domain="generalization",
    level="model",
    evaluation="definition",
    by_example=False,
)
def exact_memorization(
    hit: Bool[np.ndarray, "model token"],
    token: Int[np.ndarray, " token"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> Scalar:
    r"""The share of the tokens of its training documents that a model predicts; the same on others in the note.

    Formula:
        M(f) = mean of 1[argmax f(s) = y] over the contexts s and next tokens y of the documents that f was trained
        on, each as often as it stands there; the mean over models
    Undefined:
        nan where no model is known to be trained on any token with a prediction.

    Example:
        >>> hit, offsets = np.array([[True, True, False, False]]), np.array([0, 2, 4])
        >>> tokens, scored, member = np.arange(4), np.ones(4, bool), np.array([[1, 0]], np.int8)
        >>> found = exact_memorization(hit, tokens, offsets, scored, member, np.array([-1]))
        >>> found.value, found.note.split(";")[0]
        (1.0, 'on documents that the models never saw it is 0.0000')

    Differs:
        A tie is no prediction. Much of the value is what any model of the language predicts; so the share on held-out
        documents stands beside it. The error is about other models and other documents, these with all their copies;
        below 3 pairs of models it is about other documents alone.
    """
    hits, sizes = by_document(hit, offsets, scored)
    cluster = copies_of(token, offsets, member).cluster
    inside, outside = (_share(hits, sizes, member == side, cluster, pair) for side in (1, 0))
    other = f"it is {outside.value:.4f}" if np.isfinite(outside.value) else "it is not known: there are none"
    error = "" if not np.isfinite(outside.stderr) else f" ± {outside.stderr:.4f}"
    note = f"on documents that the models never saw {other}{error}"
    return replace(inside, note="; ".join(part for part in (note, inside.note) if part))


@measure(
    needs=("tokens.hit", *_DOCUMENTS),
    higher="better predicted",
    variant_of="exact_memorization",
    variant="heldout",
)
def exact_memorization_heldout(
    hit: Bool[np.ndarray, "model token"],
    token: Int[np.ndarray, " token"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> Scalar:
    r"""The share of the tokens of documents that a model never saw which it predicts: the level to hold M(f) against.

    Formula:
        as exact_memorization, over the documents that f was not trained on
    Undefined:
        nan where no model is known not to have been trained on any token with a prediction.

    Example:
        >>> hit, offsets = np.array([[True, True, False, False]]), np.array([0, 2, 4])
        >>> tokens, scored, member = np.arange(4), np.ones(4, bool), np.array([[1, 0]], np.int8)
        >>> exact_memorization_heldout(hit, tokens, offsets, scored, member, np.array([-1])).value
        0.0
    """
    hits, sizes = by_document(hit, offsets, scored)
    return _share(hits, sizes, member == 0, copies_of(token, offsets, member).cluster, pair)


@measure(
    needs=("document_trajectory.hits", "document_trajectory.epochs", *_DOCUMENTS),
    variant_of="exact_memorization",
    variant="trajectory",
)
def exact_memorization_trajectory(
    hits: Int[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    token: Int[np.ndarray, " token"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> Curve:
    r"""The share of predicted tokens by epochs of training: of the documents trained on, and of those never seen.

    Formula:
        M(f) of exact_memorization, after each recorded number of epochs
    Undefined:
        nan for a side without documents.

    Example:
        >>> hits, offsets = np.array([[[0, 0], [2, 1]]]), np.array([0, 2, 4])
        >>> tokens, scored, member = np.arange(4), np.ones(4, bool), np.array([[1, 0]], np.int8)
        >>> exact_memorization_trajectory(
        ...     hits, np.array([0, 9]), tokens, offsets, scored, member, np.array([-1])).values
        array([[0. , 1. ],
               [0. , 0.5]])
    """
    _, sizes = by_document(np.zeros((0, len(scored)), bool), offsets, scored)
    cluster = copies_of(token, offsets, member).cluster
    lines, errors = [], []
    for side in (1, 0):
        chosen = member == side
        points = [_share(hits[:, at], sizes, chosen, cluster, pair) for at in range(len(epochs))]
        lines.append(np.array([point.value for point in points]))
        errors.append(_errors(points))
    return Curve(
        axis="epoch",
        at=epochs.astype(np.float64),
        groups=SIDES,
        values=np.stack(lines),
        stderr=np.stack([error.stderr for error in errors]),
        low=np.stack([error.low for error in errors]),
        high=np.stack([error.high for error in errors]),
        counts=np.array([int((member == side).any(0).sum()) for side in (1, 0)], np.int64),
        models=len(member),
        note="" if (member == 0).any() else "no document is known not to have been trained on",
    )


@measure(
    needs=(
        "document_trajectory.hits",
        "document_trajectory.epochs",
        "corpus.offsets",
        "corpus.scored",
        "design.member",
    ),
    unit="epochs",
    range=(0.0, float("inf")),
    higher="memorized later",
    variant_of="exact_memorization",
    variant="epochs",
)
def exact_memorization_epochs(
    hits: Int[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    member: Int8[np.ndarray, "model example"],
    *,
    tau: float = 0.9,
) -> Scalar:
    r"""T(N, tau): after how many epochs a model predicts that share of the tokens of its training documents.

    Formula:
        T(N, tau) = the least recorded number of epochs with M(f) >= tau; the mean over models
    Undefined:
        nan where a model never gets there, with the most that it reached; the error is nan below 3 models.

    Example:
        >>> hits, offsets = np.array([[[0], [1], [2]]]), np.array([0, 2])
        >>> scored, member = np.ones(2, bool), np.ones((1, 1), np.int8)
        >>> exact_memorization_epochs(hits, np.array([0, 4, 8]), offsets, scored, member, tau=0.5).value
        4.0

    Differs:
        The source reads after every epoch; here only recorded epochs count, so that the true value lies between the
        checkpoint before and this.

    Raises:
        BadInput: tau is not in (0, 1].
    """
    if not 0 < tau <= 1:
        raise BadInput(
            f"The 'tau' argument of exact_memorization must lie in (0, 1]. Got {tau}.",
            hint="tau=0.9 asks for 90 % of the tokens, 1 for all.",
        )
    _, sizes = by_document(np.zeros((0, len(scored)), bool), offsets, scored)
    chosen = member == 1
    tokens = (chosen * sizes).sum(1)
    reached = (hits * chosen[:, None]).sum(2) / np.where(tokens, tokens, np.nan)[:, None]
    there = reached >= tau
    documents = int(chosen.any(0).sum())
    nan = float("nan")
    if not there.any(1).all():
        most = float(np.nanmin(reached.max(1))) if np.isfinite(reached).any() else nan
        reason = f"a model never predicts {tau:g} of the tokens: the most is {most:.4f}"
        return Scalar(value=nan, stderr=nan, low=nan, high=nan, models=len(member), examples=documents, reason=reason)
    first = epochs[there.argmax(1)].astype(np.float64)
    left = np.array([np.delete(first, model).mean() for model in range(len(first))]) if len(first) > 1 else np.empty(0)
    return from_replicates(float(first.mean()), left, models=len(member), examples=documents, bounds=(0.0, np.inf))


def by_document(
    hit: Bool[np.ndarray, "model token"], offsets: Int[np.ndarray, " boundary"], scored: Bool[np.ndarray, " token"]
) -> tuple[Int[np.ndarray, "model example"], Int[np.ndarray, " example"]]:
    """Hits of every model on every document, and how many tokens with a prediction a document has.

    Example:
        >>> by_document(np.array([[True, True, True]]), np.array([0, 2, 2, 3]), np.array([False, True, True]))
        (array([[1, 0, 1]]), array([1, 0, 1]))
    """
    before = np.concatenate([[0], np.cumsum(scored)])
    sizes = np.diff(before[offsets])
    hits = np.empty((len(hit), len(sizes)), np.int64)
    for row, one in zip(hits, hit, strict=True):
        row[:] = np.diff(np.concatenate([[0], np.cumsum(one & scored)])[offsets])
    return hits, sizes


def _share(
    hits: Int[np.ndarray, "model example"],
    sizes: Int[np.ndarray, " example"],
    chosen: Bool[np.ndarray, "model example"],
    cluster: Int[np.ndarray, " example"],
    pair: Int[np.ndarray, " model"],
) -> Scalar:
    """The share over all, with the error of models and documents, or, of fewer than 3 pairs, of documents."""
    right, tokens = np.where(chosen, hits, 0), np.where(chosen, sizes, 0)
    have, unit = (tokens > 0).any(0), units(pair)
    documents, each = int(chosen.any(0).sum()), _ratio(right.sum(1), tokens.sum(1))
    known = np.isfinite(each)
    if not known.any():
        nothing = from_replicates(float("nan"), np.empty(0), models=len(hits), examples=documents)
        return replace(nothing, reason="no model has such a document with a prediction")
    few = int(unit.max(initial=-1)) < 2
    part = (np.unique(cluster[have], return_inverse=True)[1] if few else unit) % _PARTS
    numbers = range(int(part.max()) + 1)
    if few:
        left = [_mean(right[:, have][:, part != number], tokens[:, have][:, part != number]) for number in numbers]
    else:
        left = [each[some].mean() if some.any() else np.nan for some in (known & (part != one) for one in numbers)]
    found = from_replicates(
        float(each[known].mean()), np.array(left), models=len(hits), examples=documents, bounds=(0.0, 1.0)
    )
    if few:
        return replace(found, varies_over="examples", note="the error comes from leaving out documents")
    moved = (right - np.where(known, each, 0.0)[:, None] * tokens) / np.maximum(tokens.sum(1, keepdims=True), 1)
    number = np.unique(cluster[have], return_inverse=True)[1]
    influence = np.stack([np.bincount(number, moved[part == one][:, have].sum(0)) for one in numbers])
    return over_both(found, influence / known.sum(), bounds=(0.0, 1.0))


def _errors(points: Sequence[Scalar]) -> Interval:
    """Those of the points, and where nothing moves one of them that of a rate."""
    floor = curve_interval(
        np.array([point.value for point in points]), np.stack([point.replicates for point in points], axis=1)
    )
    stderr, low, high = (np.array([getattr(point, name) for point in points]) for name in ("stderr", "low", "high"))
    known = np.isfinite(stderr)
    return Interval(
        np.where(known, stderr, floor.stderr), np.where(known, low, floor.low), np.where(known, high, floor.high)
    )


def _mean(right: np.ndarray, tokens: np.ndarray) -> float:
    each = _ratio(right.sum(1), tokens.sum(1))
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")


def _ratio(right: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    return np.asarray(right / np.where(tokens, tokens, np.nan))
