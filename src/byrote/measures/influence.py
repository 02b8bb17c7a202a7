"""Influence: which training examples help to predict which held-out ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int8

from byrote.errors import BadInput
from byrote.measures._strata import Stratum, counts_by_cell, names_of, strata_of, subset_note
from byrote.measures.catalog import measure
from byrote.results import PerPair
from byrote.stats.contrasts import contrast_of_rates, too_few


@measure(
    needs=("heldout.correct", "design.member", "design.stratum"),
    unit="probability",
    range=(-1.0, 1.0),
    higher="the held-out example leans more on the memorized training example",
    source="Feldman & Zhang 2020, arXiv:2008.03703, eq. 2",
    section="2.1",
    domain="generalization",
    level="pair",
    evaluation="differential",
    by_example=False,
)
def influence(
    correct: Bool[np.ndarray, "model query"],
    member: Int8[np.ndarray, "model example"],
    stratum: Stratum = None,
    *,
    top: int = 10,
    example_block: int = 8192,
    query_block: int = 1024,
) -> PerPair:
    r"""How much more often a held-out example is predicted by models trained on an example than without it.

    Keeps the `top` largest values of each query, the most positive ones: an example that hurts a query is not among
    them. Between examples of equal influence at the cut, which one is kept is arbitrary.

    Formula:
        infl[q, i] = mean(correct[k, q] : member[k, i] = 1) - mean(correct[k, q] : member[k, i] = 0), within each
        stratum of the models and averaged as in `label_memorization`
    Undefined:
        a training example that is in every model of known membership or in none has no pairs, nor has one with fewer
        than 2 models on a side of one of several strata.

    Example:
        >>> c = np.array([[1], [1], [0], [0]], bool)
        >>> m = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 1], [0, 0, 1]], np.int8)
        >>> found = influence(c, m)
        >>> found.example, found.values
        (array([0, 1]), array([1., 0.]))

    Differs:
        The authors keep the pairs of at least .15 and guard divisions with a small constant.
    """
    for name, size in (("top", top), ("example_block", example_block), ("query_block", query_block)):
        if size < 1:
            raise BadInput(
                f"The {name!r} argument of influence must be an integer in [1, inf). Got {size}.",
                hint="top=10 keeps the strongest ten of each query; leave the block sizes out.",
            )
    numbers = strata_of(stratum, member)
    count = counts_by_cell(np.zeros(member.shape, bool), member, numbers)[1]
    candidates = np.flatnonzero((count.sum(0) > 0).all(0) & ~too_few(count))
    queries = correct.shape[1]
    values = np.empty((queries, 0), np.float32)
    chosen = np.empty((queries, 0), np.int64)
    for start in range(0, len(candidates), example_block):
        block = candidates[start : start + example_block]
        found, position = _strongest(correct, member[:, block], numbers[:, block], top, query_block)
        values = np.concatenate([values, found], axis=1)
        chosen = np.concatenate([chosen, block[position]], axis=1)
        kept = _largest(values, top)
        values, chosen = np.take_along_axis(values, kept, 1), np.take_along_axis(chosen, kept, 1)
    return _with_errors(correct, member, numbers, chosen.reshape(-1), np.repeat(np.arange(queries), chosen.shape[1]))


def _strongest(
    correct: np.ndarray, member: np.ndarray, stratum: np.ndarray, top: int, query_block: int
) -> tuple[np.ndarray, np.ndarray]:
    """Values and positions of the largest influences on each query within a block of training examples."""
    values, positions = [], []
    for start in range(0, correct.shape[1], query_block):
        found = _influences(correct[:, start : start + query_block].astype(np.float32), member, stratum)
        kept = _largest(found, top)
        values.append(np.take_along_axis(found, kept, 1))
        positions.append(kept)
    width = min(top, member.shape[1])
    none = np.empty((0, width), np.float32), np.empty((0, width), np.int64)
    return np.concatenate([none[0], *values]), np.concatenate([none[1], *positions])


def _influences(answers: np.ndarray, member: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """`[query, example]`; sums of zeros and ones are exact in float32 up to 2^24 models, only divisions round."""
    names = names_of(stratum)
    if len(names) == 1:
        return _within(answers, member == 1, member == 0)
    known = (member >= 0).sum(0)
    total = np.zeros((answers.shape[1], member.shape[1]), np.float32)
    for name in names:
        own = stratum == name
        weight = ((member >= 0) & own).sum(0) / known
        found = _within(answers, (member == 1) & own, (member == 0) & own)
        total += np.where(weight > 0, weight.astype(np.float32) * found, 0.0)
    return total


def _within(answers: np.ndarray, chosen_in: np.ndarray, chosen_out: np.ndarray) -> np.ndarray:
    inside, outside = chosen_in.astype(np.float32), chosen_out.astype(np.float32)
    size_in, size_out = inside.sum(0), outside.sum(0)
    everyone = bool((size_in + size_out == len(inside)).all())
    found: np.ndarray = answers.T @ inside
    others = answers.sum(0)[:, None] - found if everyone else answers.T @ outside
    with np.errstate(invalid="ignore"):  # a stratum that an example has no models of
        found /= size_in
        others /= size_out
        found -= others
    return found


def _largest(values: np.ndarray, top: int) -> np.ndarray:
    width = values.shape[1]
    if width <= top:
        return np.broadcast_to(np.arange(width), values.shape)
    return np.argpartition(values, width - top, axis=1)[:, width - top :]


def _with_errors(
    correct: np.ndarray, member: np.ndarray, stratum: np.ndarray, example: np.ndarray, query: np.ndarray
) -> PerPair:
    right, models = counts_by_cell((row[query] for row in correct), member[:, example], stratum[:, example])
    values, interval = contrast_of_rates(right, models)
    nonmembers, members = models.sum(0)
    order = np.lexsort((example, -values, query))
    return PerPair(
        example=example[order],
        query=query[order],
        values=values[order],
        stderr=interval.stderr[order],
        low=interval.low[order],
        high=interval.high[order],
        counts={"members": members[order], "nonmembers": nonmembers[order]},
        models=len(member),
        note=(
            "the largest of many noisy estimates lean upwards, and each interval stands for its pair alone; "
            f"{subset_note(models)}"
        ),
    )
