"""Influence: which training examples help to predict which held-out ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int8

from byrote.errors import BadInput
from byrote.measures.catalog import measure
from byrote.results import PerPair
from byrote.stats.intervals import agresti_caffo


@measure(
    needs=("heldout.correct", "design.member"),
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
    *,
    top: int = 10,
    example_block: int = 8192,
    query_block: int = 1024,
) -> PerPair:
    r"""How much more often a held-out example is predicted by models trained on an example than without it.

    Keeps the `top` largest pairs of each query, whatever their sign. Between examples of equal influence at
    the cut, which one is kept is arbitrary.

    Formula:
        infl[q, i] = mean(correct[k, q] : member[k, i] = 1) - mean(correct[k, q] : member[k, i] = 0)
    Undefined:
        a training example that is in every model of known membership or in none has no pairs.

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
    candidates = np.flatnonzero((member == 1).any(0) & (member == 0).any(0))
    queries = correct.shape[1]
    values = np.empty((queries, 0), np.float32)
    chosen = np.empty((queries, 0), np.int64)
    for start in range(0, len(candidates), example_block):
        block = candidates[start : start + example_block]
        found, position = _strongest(correct, member[:, block], top, query_block)
        values = np.concatenate([values, found], axis=1)
        chosen = np.concatenate([chosen, block[position]], axis=1)
        kept = _largest(values, top)
        values, chosen = np.take_along_axis(values, kept, 1), np.take_along_axis(chosen, kept, 1)
    return _with_errors(correct, member, chosen.reshape(-1), np.repeat(np.arange(queries), chosen.shape[1]))


def _strongest(correct: np.ndarray, member: np.ndarray, top: int, query_block: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and positions of the largest influences on each query within a block of training examples.

    Sums of zeros and ones are exact in float32 up to 2^24 models; only the two divisions round.
    """
    inside, outside = (member == 1).astype(np.float32), (member == 0).astype(np.float32)
    size_in, size_out = inside.sum(0), outside.sum(0)
    all_known = bool((size_in + size_out == len(member)).all())
    values, positions = [], []
    for start in range(0, correct.shape[1], query_block):
        answers = correct[:, start : start + query_block].astype(np.float32)
        sum_in = answers.T @ inside
        sum_out = answers.sum(0)[:, None] - sum_in if all_known else answers.T @ outside
        sum_in /= size_in
        sum_out /= size_out
        sum_in -= sum_out
        kept = _largest(sum_in, top)
        values.append(np.take_along_axis(sum_in, kept, 1))
        positions.append(kept)
    width = min(top, member.shape[1])
    none = np.empty((0, width), np.float32), np.empty((0, width), np.int64)
    return np.concatenate([none[0], *values]), np.concatenate([none[1], *positions])


def _largest(values: np.ndarray, top: int) -> np.ndarray:
    width = values.shape[1]
    if width <= top:
        return np.broadcast_to(np.arange(width), values.shape)
    return np.argpartition(values, width - top, axis=1)[:, width - top :]


def _with_errors(correct: np.ndarray, member: np.ndarray, example: np.ndarray, query: np.ndarray) -> PerPair:
    right = {side: np.zeros(len(example), np.int64) for side in (1, 0)}
    trials = {side: np.zeros(len(example), np.int64) for side in (1, 0)}
    for answers, membership in zip(correct, member, strict=True):
        answered, belongs = answers[query], membership[example]
        for side in (1, 0):
            trials[side] += belongs == side
            right[side] += answered & (belongs == side)
    values = right[1] / trials[1] - right[0] / trials[0]
    interval = agresti_caffo(right[1], trials[1], right[0], trials[0])
    order = np.lexsort((example, -values, query))
    return PerPair(
        example=example[order],
        query=query[order],
        values=values[order],
        stderr=interval.stderr[order],
        low=interval.low[order],
        high=interval.high[order],
        counts={"members": trials[1][order], "nonmembers": trials[0][order]},
        models=len(member),
        note=(
            "the largest of many noisy estimates lean upwards, and each interval stands for its pair alone; "
            "measured at the size of the subsets trained on"
        ),
    )
