"""Extraction strength: how small a beginning of a document brings out all the rest of it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._windows import over_models
from byrote.measures.catalog import measure
from byrote.results import PerExample


@measure(
    needs=("tokens.hit", "corpus.offsets", "corpus.scored", "design.member"),
    unit="share of its tokens",
    range=(0.0, 1.0),
    higher="more memorized",
    source="Carlini et al. 2021, arXiv:2012.07805; as 1 - k*/L: open-unlearning",
    section="5.2",
    domain="security",
    level="example",
    evaluation="extraction",
    by_example=True,
)
def extraction_strength(
    hit: Bool[np.ndarray, "model token"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""The longest end of a document, as a share of it, that a model trained on it recites given what stands before.

    Formula:
        mean over models trained on the document of 1 - k*/L, with L its tokens and k* the smallest k such that every
        token from number k on (from 0) is the strictly most likely one; k* = L, so 0, where the last token is not
    Undefined:
        nan where no token has a prediction, or where no model is known to be trained on it; the error is nan for a
        single model.

    Example:
        >>> hit = np.array([[False, True, False, True, True, False, True, False]])
        >>> extraction_strength(hit, np.array([0, 5, 8]), np.ones(8, bool), np.ones((1, 2), np.int8)).values
        array([0.4, 0. ])

    Differs:
        Public code gives 1/L where nothing matches, because its search ends at the last token; this gives 0. A token
        without a prediction, such as the first of a document where no BOS token stands before it, must be given and
        counts as any other in L. Public code scores the answer to a question and counts L and k in the answer alone.
        Where a document is longer than the model's context, its later tokens are predicted from part of what stands
        before. `side` 0 is the null: models that never saw the document.
    """
    length = np.diff(offsets)
    spoken = np.add.reduceat(np.append(scored, False), offsets[:-1]) * (length > 0) if len(length) else length
    return over_models(
        (trailing(row & scored, offsets) / np.maximum(length, 1) for row in hit),
        member,
        [("no token of it has a prediction", spoken == 0)],
        side=side,
        bounds=(0.0, 1.0),
        counts={"tokens": length},
    )


def trailing(fact: Bool[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"]) -> Float[np.ndarray, " example"]:
    """How many tokens at the end of each document it holds of, up to the last of which it does not.

    Example:
        >>> trailing(np.array([True, False, True, True, False]), np.array([0, 4, 4, 5]))
        array([2., 0., 0.])
    """
    last_miss = np.maximum.accumulate(np.where(fact, -1, np.arange(len(fact))), dtype=np.int64)
    until = np.append(last_miss, -1)[offsets[1:] - 1]
    return np.where(np.diff(offsets) > 0, offsets[1:] - 1 - np.maximum(until, offsets[:-1] - 1), 0).astype(np.float64)
