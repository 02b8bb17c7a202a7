"""Models with an example and without it, within each stratum of the design."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Int, Int8, Int16

from byrote.stats.contrasts import models_it_takes, too_few

Member = Int8[np.ndarray, "model example"]
#: The stratum of each model and example; None where all models are compared with each other.
Stratum = Int16[np.ndarray, "model example"] | None
SIDES = (0, 1)


def strata_of(stratum: Stratum, member: Member) -> Int[np.ndarray, "model example"]:
    """The strata; 0 everywhere where none are given."""
    return np.broadcast_to(np.zeros(1, np.int16), member.shape) if stratum is None else stratum


def names_of(stratum: Int[np.ndarray, "model example"]) -> list[int]:
    """The numbers of the strata, in ascending order; 0 without a model."""
    if not stratum.size or stratum.min() == stratum.max():
        return [int(stratum.flat[0])] if stratum.size else [0]
    return [int(name) for name in np.unique(stratum)]


def chosen_by_cell(
    member: Member, stratum: Int[np.ndarray, "model example"]
) -> Iterator[tuple[int, list[tuple[tuple[int, int], Bool[np.ndarray, " example"]]]]]:
    """For each model the examples that fall into each cell, a cell being (place of the stratum, side)."""
    names = names_of(stratum)
    for model, (membership, own) in enumerate(zip(member, stratum, strict=True)):
        yield (
            model,
            [
                ((place, side), (membership == side) & (own == name))
                for place, name in enumerate(names)
                for side in SIDES
            ],
        )


def counts_by_cell(
    answers: Iterable[Bool[np.ndarray, " example"]], member: Member, stratum: Int[np.ndarray, "model example"]
) -> tuple[Int[np.ndarray, "stratum side example"], Int[np.ndarray, "stratum side example"]]:
    """How many of an example's models are right, and how many there are, by cell.

    Example:
        >>> member = np.array([[1], [0], [1]], np.int8)
        >>> right, models = counts_by_cell(np.array([[True], [False], [False]]), member, strata_of(None, member))
        >>> right[0, :, 0], models[0, :, 0]
        (array([0, 1]), array([1, 2]))
    """
    right = np.zeros((len(names_of(stratum)), 2, member.shape[1]), np.int64)
    models = np.zeros_like(right)
    for row, (_, cells) in zip(answers, chosen_by_cell(member, stratum), strict=True):
        for cell, chosen in cells:
            models[cell] += chosen
            right[cell] += row & chosen
    return right, models


def one_sided(count: Int[np.ndarray, "stratum side example"]) -> list[tuple[str, Bool[np.ndarray, " example"]]]:
    """The reasons of examples that lack a side: at all, or in a stratum, with the models that it takes."""
    nonmembers, members = count.sum(0)
    reasons = [
        ("its membership is known in no model", (members == 0) & (nonmembers == 0)),
        ("every model was trained on it", nonmembers == 0),
        ("no model was trained on it", members == 0),
    ]
    return [*reasons, *_few_in_a_stratum(count)]


def _few_in_a_stratum(count: Int[np.ndarray, "stratum side example"]) -> list[tuple[str, Bool[np.ndarray, " example"]]]:
    """Reasons by how many models are in each stratum, which the examples of groups of about one size share."""
    lacking = too_few(count)
    models = count.sum(1)
    return [
        (_takes(count[:, :, alike]), lacking & alike)
        for pattern in np.unique(models[:, lacking], axis=1).T
        for alike in [(models == pattern[:, None]).all(0)]
    ]


def _takes(count: Int[np.ndarray, "stratum side example"]) -> str:
    models = models_it_takes(count)
    why = "fewer than 2 models a side within a stratum of the design"
    if models is None:
        return f"{why}: this design hardly ever has the example both in and out there, however many models it trains"
    return f"{why}; it takes about {models} models"


def subset_note(count: Int[np.ndarray, "stratum side example"]) -> str:
    """What a difference between models with and without an example is measured with, and within."""
    nonmembers, members = count.sum((0, 2)).tolist()
    if not members + nonmembers:
        return ""
    if len(count) == 1:
        share = members / (members + nonmembers)
        return f"measured with models trained on {share:.0%} of the examples, not by leaving one example out of all"
    return (
        "compared within strata, between models of one designed training set size that agree in which large groups "
        "they were trained on, and averaged; not measured by leaving one example out of all"
    )
