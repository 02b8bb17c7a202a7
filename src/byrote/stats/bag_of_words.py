"""Whether a bag of words tells two kinds of documents apart: what an attacker has who looks at no model."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int, Int8
from scipy.sparse import csr_array
from scipy.special import stdtrit
from scipy.stats import rankdata

from byrote.results import Scalar
from byrote.stats.intervals import UPPER
from byrote.stats.jackknife import from_replicates, units
from byrote.stats.over_examples import over_examples
from byrote.stats.ranking import influence_of_auroc

#: Documents are scored by what the other parts of them say; where clusters are few, parts are of at least so many.
FOLDS: Final = 10
LEAST_IN_FOLD: Final = 4
#: Membership is dealt out anew so often.
DRAWS: Final = 20
#: Why a bag of words cannot be judged.
TOO_FEW: Final = "too few documents or persons of either kind can be compared"


def bags(token: Int[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"]) -> csr_array:
    """How often each token stands in each document.

    Example:
        >>> bags(np.array([1, 1, 0]), np.array([0, 2, 3])).toarray().tolist()
        [[0.0, 2.0], [1.0, 0.0]]
    """
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    kind, column = np.unique(token, return_inverse=True)
    return csr_array((np.ones(len(token)), (row, column)), shape=(len(offsets) - 1, len(kind)))


def cross_fitted(
    bag: csr_array, member: Int8[np.ndarray, "draw document"], fold: Int[np.ndarray, " document"]
) -> Float[np.ndarray, "draw document"]:
    """Log-odds that a document is a member, by naive Bayes on the other folds; nan where these are of one kind.

    Formula:
        sum over tokens w of n_iw (log((N_w1 + 1) / (N_1 + V)) - log((N_w0 + 1) / (N_0 + V))), N counts of the others
    """
    found = np.full(member.shape, np.nan)
    kinds = [(member == kind).T.astype(np.float64) for kind in (1, 0)]
    everything = [bag.T @ kind for kind in kinds]
    for one in np.unique(fold):
        own = np.flatnonzero(fold == one)
        others = [whole - bag[own].T @ kind[own] for whole, kind in zip(everything, kinds, strict=True)]
        inside, outside = (np.log(count + 1) - np.log(count.sum(0) + len(count)) for count in others)
        both = np.all([kind[fold != one].any(0) for kind in kinds], axis=0)
        found[:, own] = np.where(both, bag[own] @ (inside - outside), np.nan).T
    return found


def within_folds(
    scores: Float[np.ndarray, "draw document"],
    member: Int8[np.ndarray, "draw document"],
    fold: Int[np.ndarray, " document"],
) -> Float[np.ndarray, " draw"]:
    """AUC of pairs of documents that are of one fold; nan without any.

    Across folds scores do not compare: where a fold has more members, the others have fewer of their tokens.

    Example:
        >>> fold, member = np.array([0, 0, 1, 1]), np.array([[1, 0, 1, 0]], np.int8)
        >>> within_folds(np.array([[1.0, 0.0, 9.0, 8.0]]), member, fold)
        array([1.])
    """
    right, pairs = np.zeros(len(scores)), np.zeros(len(scores))
    for one in np.unique(fold):
        own = np.flatnonzero(fold == one)
        known = (member[:, own] >= 0) & np.isfinite(scores[:, own])
        inside = known & (member[:, own] == 1)
        rank = rankdata(np.where(known, scores[:, own], np.inf), axis=1)
        count = inside.sum(1)
        right += np.where(inside, rank, 0.0).sum(1) - count * (count + 1) / 2
        pairs += count * (known.sum(1) - count)
    return np.asarray(right / np.where(pairs > 0, pairs, np.nan))


def influence_within_folds(
    scores: Float[np.ndarray, " document"], member: Int8[np.ndarray, " document"], fold: Int[np.ndarray, " document"]
) -> Float[np.ndarray, " document"]:
    """How far each document moves that AUC, by the documents of its fold; 0 of those that are not compared."""
    pairs, moved = 0, np.zeros(len(scores))
    for one in np.unique(fold):
        own = np.flatnonzero((fold == one) & (member >= 0) & np.isfinite(scores))
        inside = member[own] == 1
        number = int(inside.sum()) * int((~inside).sum())
        if number:
            moved[own] = number * influence_of_auroc(scores[own], inside)
            pairs += number
    return moved / max(pairs, 1)


def blind_auc(
    bag: csr_array,
    member: Int8[np.ndarray, "model document"],
    pair: Int[np.ndarray, " model"],
    cluster: Int[np.ndarray, " document"],
    *,
    seed: int = 0,
) -> Scalar:
    """AUC of naive Bayes on words for members against others, the mean over models; documents of -1 do not count.

    Of a pair one model is asked: of its mate the same words tell the opposite. The error is about other documents.
    Each fold is judged by what the others taught, so that all share what chance makes of the words: the error is not
    below the scatter of the AUC where membership is dealt out anew, whole clusters at random.

    Undefined:
        nan where too few documents or persons are of either kind to compare some of them within the folds, as told or
        as dealt anew.

    Source: Das, Zhang & Tramer 2024, arXiv:2406.16201.
    Differs:
        Their code fits the words again on the test part, and reports the best of 130 settings on it. This is one
        setting, fixed beforehand: counts of the run's tokens, naive Bayes with one more of every token, 10 folds of
        whole clusters, fewer where clusters are fewer than 40; documents of one fold are compared.
    """
    asked = np.unique(units(pair), return_index=True)[1]
    some = np.flatnonzero((member[asked] >= 0).any(0))
    bag, member, count = bag[some], member[np.ix_(asked, some)], len(some)
    first, cluster = np.unique(cluster[some], return_index=True, return_inverse=True)[1:]
    rng = np.random.default_rng([seed, 6])
    dealt = np.stack([np.arange(count), *(rng.permutation(first)[cluster] for _ in range(DRAWS))])
    folds = min(FOLDS, max(2, len(first) // LEAST_IN_FOLD))
    areas, moved = np.full((len(asked), len(dealt)), np.nan), np.zeros((len(asked), len(first)))
    for row, own in enumerate(member):
        fold, given = rng.permutation(len(first))[cluster] % folds, own[dealt]
        scores = cross_fitted(bag, given, fold)
        areas[row] = within_folds(scores, given, fold)
        moved[row] = np.bincount(cluster, influence_within_folds(scores[0], own, fold) / len(asked), len(first))
    value, null = float(areas[:, 0].mean()), areas[:, 1:].mean(0)
    found = from_replicates(value, np.empty(0), models=len(asked), examples=count, bounds=(0.0, 1.0))
    null = null[np.isfinite(null)]
    if np.isnan(value) or len(null) < DRAWS // 2:
        return replace(found, value=np.nan, reason=TOO_FEW, note="")
    return _no_less_than(null, over_examples(found, moved, bounds=(0.0, 1.0)))


def _no_less_than(null: Float[np.ndarray, " draw"], found: Scalar) -> Scalar:
    """The figure with an error that is not below the scatter of the null."""
    scatter = float(np.std(null, ddof=1))
    if not scatter > 0:
        return found
    reach = float(stdtrit(len(null) - 1, UPPER)) * scatter
    return replace(
        found,
        stderr=float(np.fmax(found.stderr, scatter)),
        low=max(float(np.fmin(found.low, found.value - reach)), 0.0),
        high=min(float(np.fmax(found.high, found.value + reach)), 1.0),
        note="",
    )
