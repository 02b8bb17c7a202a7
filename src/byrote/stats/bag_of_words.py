"""Whether a bag of words tells two kinds of documents apart: what an attacker has who looks at no model."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from scipy.sparse import csr_array
from sklearn.naive_bayes import MultinomialNB

from byrote.results import Scalar
from byrote.stats.jackknife import from_replicates, parts, units
from byrote.stats.over_examples import over_both, over_examples
from byrote.stats.ranking import auroc, influence_of_auroc

#: Documents are scored by what the other parts of them say.
FOLDS: Final = 10


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
    bag: csr_array, positive: Bool[np.ndarray, " document"], fold: Int[np.ndarray, " document"]
) -> Float[np.ndarray, " document"]:
    """Log-odds that a document is positive, by naive Bayes on the other folds; nan where these are of one kind.

    Formula:
        sum over tokens w of n_iw (log((N_w1 + 1) / (N_1 + V)) - log((N_w0 + 1) / (N_0 + V))), N counts of the others
    """
    found = np.full(len(positive), np.nan)
    for one in np.unique(fold):
        others, own = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
        if len(np.unique(positive[others])) == 2:
            fitted = MultinomialNB(fit_prior=False).fit(bag[others], positive[others])
            found[own] = bag[own] @ (fitted.feature_log_prob_[1] - fitted.feature_log_prob_[0])
    return found


def within_folds(
    scores: Float[np.ndarray, " document"], positive: Bool[np.ndarray, " document"], fold: Int[np.ndarray, " document"]
) -> tuple[float, Float[np.ndarray, " document"]]:
    """AUC of pairs of documents that are of one fold, and how far each document moves it.

    Across folds scores do not compare: where a fold has more positives, the others have fewer of their tokens.

    Example:
        >>> fold, positive = np.array([0, 0, 1, 1]), np.array([True, False, True, False])
        >>> within_folds(np.array([1.0, 0.0, 9.0, 8.0]), positive, fold)[0]
        1.0
    """
    known, size = np.isfinite(scores), int(fold.max(initial=-1)) + 1
    count = [np.bincount(fold[kind & known], minlength=size) for kind in (~positive, positive)]
    pairs, areas, moved = count[0] * count[1], np.zeros(size), np.zeros(len(scores))
    for one in np.flatnonzero(pairs):
        own = np.flatnonzero((fold == one) & known)
        areas[one] = auroc(scores[own], positive[own])
        moved[own] = pairs[one] * influence_of_auroc(scores[own], positive[own])
    if not pairs.any():
        return float("nan"), moved
    area = float(pairs @ areas / pairs.sum())
    # a fold of few documents is not its own middle
    apart = pairs * (areas - area) / np.maximum(np.array(count), 1)
    moved += np.where(known, apart[positive.astype(np.int64), fold], 0.0)
    return area, moved / pairs.sum()


def blind_auc(
    bag: csr_array,
    member: Int8[np.ndarray, "model document"],
    pair: Int[np.ndarray, " model"],
    cluster: Int[np.ndarray, " document"],
    *,
    seed: int = 0,
) -> Scalar:
    """AUC of naive Bayes on words for members against others, the mean over models; documents of -1 do not count.

    Of a pair one model is asked: of its mate the same words tell the opposite. The error is about other models and
    other documents, or, of too few models, about documents.

    Undefined:
        nan without two documents of either kind.

    Source: Das, Zhang & Tramer 2024, arXiv:2406.16201.
    Differs:
        Their code fits the words again on the test part, and reports the best of 130 settings on it. This is one
        setting, fixed beforehand: counts of the run's tokens, naive Bayes with one more of every token, 10 folds of
        whole clusters; documents of one fold are compared.
    """
    asked = np.unique(units(pair), return_index=True)[1]
    areas, moved = np.full(len(asked), np.nan), np.zeros((len(asked), int(cluster.max(initial=-1)) + 1))
    for row, model in enumerate(asked.tolist()):
        some = np.flatnonzero(member[model] >= 0)
        inside = member[model][some] == 1
        fold = _folds(cluster[some], np.random.default_rng([seed, 6, row]))
        areas[row], influence = within_folds(cross_fitted(bag[some], inside, fold), inside, fold)
        moved[row] = np.bincount(cluster[some], influence / len(asked), moved.shape[1])
    value, count = float(areas.mean()), int((member >= 0).any(0).sum())
    part = parts(pair[asked], groups=len(asked)) if len(asked) > 2 else np.zeros(len(asked), np.int64)
    replicates = np.array([areas[part != one].mean() for one in np.unique(part)]) if len(asked) > 2 else np.empty(0)
    found = from_replicates(value, replicates, models=len(asked), examples=count, bounds=(0.0, 1.0))
    if np.isnan(value):
        return found
    finish = over_both if len(replicates) else over_examples
    return finish(found, moved, bounds=(0.0, 1.0))


def _folds(cluster: Int[np.ndarray, " document"], rng: np.random.Generator) -> Int[np.ndarray, " document"]:
    """The fold of each document: clusters whole, at random."""
    names, number = np.unique(cluster, return_inverse=True)
    return np.asarray(rng.permutation(len(names))[number] % FOLDS)
