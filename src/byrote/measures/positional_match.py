"""Positional match: how much of a document's continuation a model, let run by itself, gets right token by token."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Int8, Int32

from byrote.measures._windows import over_models
from byrote.measures.catalog import measure
from byrote.results import PerExample


@measure(
    needs=("generations.token", "generations.truth", "design.member"),
    unit="share of tokens",
    range=(0.0, 1.0),
    higher="more memorized",
    source="Biderman et al. 2023, arXiv:2304.11158, the memorization score",
    section="5.2",
    domain="security",
    level="example",
    evaluation="extraction",
    by_example=True,
)
def positional_match(
    token: Int32[np.ndarray, "model example position"],
    truth: Int32[np.ndarray, "example position"],
    member: Int8[np.ndarray, "model example"],
    *,
    side: int = 1,
) -> PerExample:
    r"""How many tokens of a document's continuation a model trained on it puts in their places, running by itself.

    Formula:
        mean over models trained on the document, and over positions, of 1[generated = true]; greedy decoding that
        goes on from its own tokens
    Undefined:
        nan where the document is too short for prefix and suffix, or no model is known to be trained on it; the error
        is nan for a single model.

    Example:
        >>> generated, true = np.array([[[5, 6, 6, 8]]], np.int32), np.array([[5, 6, 7, 8]], np.int32)
        >>> positional_match(generated, true, np.ones((1, 1), np.int8)).values
        array([0.75])

    Differs:
        The source takes 32 tokens as given and 32 as asked for; here both are those that were generated with. It is
        not the share of hits of a reading (teacher forcing), which is told the true token after each mistake. `side` 0
        is the null: models that never saw the document.
    """
    return over_models(
        ((generated == truth).mean(1) for generated in token),
        member,
        missing(truth),
        side=side,
        bounds=(0.0, 1.0),
        counts={"positions": np.full(len(truth), truth.shape[1], np.int64)},
    )


def missing(truth: Int[np.ndarray, "example position"]) -> list[tuple[str, np.ndarray]]:
    """The reason of documents whose continuation was not asked for."""
    return [("it is shorter than prefix and suffix", np.asarray((truth < 0).any(1)))]
