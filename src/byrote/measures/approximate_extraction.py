"""Approximate extraction: how near a model's own continuation of a document comes to what stands there."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Int8, Int32

from byrote.errors import BadInput
from byrote.measures._windows import over_models
from byrote.measures.catalog import measure
from byrote.measures.positional_match import missing
from byrote.results import PerExample

_NEEDS = ("generations.token", "generations.truth", "design.member")
_SOURCE = "Ippolito et al. 2023, arXiv:2210.17546"

Generated = Int32[np.ndarray, "model example position"]
Truth = Int32[np.ndarray, "example position"]
Member = Int8[np.ndarray, "model example"]


@measure(
    needs=_NEEDS,
    unit="similarity",
    range=(0.0, 1.0),
    higher="more memorized",
    source=_SOURCE + "; Levenshtein 1966",
    section="5.2",
    domain="security",
    level="example",
    evaluation="extraction",
    by_example=True,
)
def approximate_extraction(token: Generated, truth: Truth, member: Member, *, side: int = 1) -> PerExample:
    r"""How alike a model's continuation of a document and the document's own are, as 1 - normalised edit distance.

    Formula:
        mean over models trained on the document of 1 - d/L, d the fewest tokens to insert, delete or replace that make
        one continuation the other, L its tokens
    Undefined:
        nan where the document is too short for prefix and suffix, or no model is known to be trained on it; the error
        is nan for a single model.

    Example:
        >>> generated, true = np.array([[[9, 5, 6, 7]]], np.int32), np.array([[5, 6, 7, 8]], np.int32)
        >>> approximate_extraction(generated, true, np.ones((1, 1), np.int8)).values
        array([0.5])

    Differs:
        The source asks for BLEU above .75; edit distance over tokens needs no choice of n-grams. It counts tokens, not
        characters. `side` 0 is the null: models that never saw the document.
    """
    rows = (1.0 - edit_distance(generated, truth) / truth.shape[1] for generated in token)
    return over_models(
        rows, member, missing(truth), side=side, bounds=(0.0, 1.0), counts={"positions": _positions(truth)}
    )


@measure(
    needs=_NEEDS,
    unit="share of models",
    source=_SOURCE,
    variant_of="approximate_extraction",
    variant="within",
)
def approximate_extraction_within(
    token: Generated, truth: Truth, member: Member, *, tolerance: float = 0.1, side: int = 1
) -> PerExample:
    r"""How often a model trained on a document goes on with its own text but for a few tokens in a hundred.

    Formula:
        mean over models trained on the document of 1[d/L <= tolerance], d and L as in `approximate_extraction`
    Undefined:
        nan where the document is too short for prefix and suffix, or no model is known to be trained on it; the error
        is nan for a single model.

    Example:
        >>> generated, true = np.array([[[9, 5, 6, 7]]], np.int32), np.array([[5, 6, 7, 8]], np.int32)
        >>> approximate_extraction_within(generated, true, np.ones((1, 1), np.int8), tolerance=0.5).values
        array([1.])

    Raises:
        BadInput: the tolerance is not in [0, 1).
    """
    if not 0 <= tolerance < 1:
        raise BadInput(
            f"The 'tolerance' argument of approximate_extraction must lie in [0, 1). Got {tolerance}.",
            hint="0.1 lets a tenth of the tokens differ.",
        )
    most = tolerance * truth.shape[1] + 1e-9  # .1 of 30 tokens is 3
    rows = ((edit_distance(generated, truth) <= most).astype(np.float64) for generated in token)
    return over_models(
        rows,
        member,
        missing(truth),
        side=side,
        bounds=(0.0, 1.0),
        rates=True,
        counts={"positions": _positions(truth)},
    )


@measure(
    needs=_NEEDS,
    unit="share of tokens",
    source="Karamolegkou et al. 2023, arXiv:2310.13771",
    variant_of="approximate_extraction",
    variant="longest_common_substring",
)
def approximate_extraction_longest_common_substring(
    token: Generated, truth: Truth, member: Member, *, side: int = 1
) -> PerExample:
    r"""The longest run of tokens that stands in a model's continuation and in the document's own, wherever.

    Formula:
        mean over models trained on the document of (longest common contiguous run) / L
    Undefined:
        nan where the document is too short for prefix and suffix, or no model is known to be trained on it; the error
        is nan for a single model.

    Example:
        >>> generated, true = np.array([[[9, 5, 6, 7]]], np.int32), np.array([[5, 6, 7, 8]], np.int32)
        >>> approximate_extraction_longest_common_substring(generated, true, np.ones((1, 1), np.int8)).values
        array([0.75])

    Differs:
        The source counts words of a longest common *subsequence*, too; this is contiguous, in tokens.
    """
    rows = (longest_common_substring(generated, truth) / truth.shape[1] for generated in token)
    return over_models(
        rows, member, missing(truth), side=side, bounds=(0.0, 1.0), counts={"positions": _positions(truth)}
    )


def edit_distance(
    generated: Int[np.ndarray, "example position"], truth: Int[np.ndarray, "example length"]
) -> Int[np.ndarray, " example"]:
    """Levenshtein distance of each row of one to the same row of the other.

    Example:
        >>> edit_distance(np.array([[1, 2, 3]]), np.array([[2, 3, 4]]))
        array([2])
    """
    columns = np.arange(truth.shape[1] + 1)
    row = np.broadcast_to(columns, (len(truth), len(columns)))
    for index in range(generated.shape[1]):
        differs = generated[:, index, None] != truth
        best = np.minimum(row[:, 1:] + 1, row[:, :-1] + differs)
        best = np.concatenate([np.full((len(truth), 1), index + 1), best], axis=1)
        # an insertion costs one a column: the best of those to the left, each so many dearer
        row = np.minimum.accumulate(best - columns, axis=1) + columns
    distance: np.ndarray = row[:, -1]
    return distance


def longest_common_substring(
    generated: Int[np.ndarray, "example position"], truth: Int[np.ndarray, "example length"]
) -> Int[np.ndarray, " example"]:
    """The length of the longest contiguous run that stands in both rows.

    Example:
        >>> longest_common_substring(np.array([[1, 2, 3]]), np.array([[2, 3, 4]]))
        array([2])
    """
    run = np.zeros((len(truth), truth.shape[1] + 1), np.int64)
    longest = np.zeros(len(truth), np.int64)
    for index in range(generated.shape[1]):
        run[:, 1:] = np.where(generated[:, index, None] == truth, run[:, :-1] + 1, 0)
        longest = np.maximum(longest, run.max(1))
    return longest


def _positions(truth: np.ndarray) -> np.ndarray:
    return np.full(len(truth), truth.shape[1], np.int64)
