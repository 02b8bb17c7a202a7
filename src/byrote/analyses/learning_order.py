"""Learning order: do different models learn the same examples first?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.data.controls import LABEL_NOISE
from byrote.errors import BadInput
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.jackknife import from_replicates, units
from byrote.stats.shared_models import between_all

#: Fewer examples that two models share have no order.
FEWEST: Final = 10


@analysis(
    asks="Do different models learn the same examples first?",
    needs=("trajectory.correct", "design.member"),
    section="4.1",
)
def learning_order(run: Run, *, role: str = "reference") -> Table:
    """Rank correlation between models of when an example is right for good, by group of examples.

    Examples that a model never gets right for good come last and are tied. Where many are, the correlation says who is
    never fitted, and not who is learned first; so the share of them, and of ties, stand beside. `role` chooses the
    models.

    Formula:
        e_ki the first checkpoint from which model k is right on i to the end; Spearman's correlation of e_k and e_l
        over the members of both, the mean over pairs of models that are no mates
    Undefined:
        where two models share fewer than 10 members of a group, or all of them are learned at once. Below 6 pairs, or
        models without a mate, the error of the correlation is too large where models do not differ.

    Source: Arpit et al. 2017, arXiv:1706.05394; Hacohen et al. 2020, arXiv:1905.10854.

    Raises:
        BadInput: fewer than 2 pairs of models, or 2 models without a mate.
    """
    models = run.models(role)
    pair = run.load("design.pair", models)
    if int(units(pair).max(initial=-1)) < 1:
        raise BadInput(
            "Orders are compared between models of different pairs, and the run has fewer than 2 such models.",
            hint="audit with --models 8 into another folder.",
        )
    learned = learned_at(run.load("trajectory.correct", models))
    last = len(run.load("trajectory.epochs", models))
    member = run.load("design.member", models) == 1
    noisy = run.controls.mask(run.ids, LABEL_NOISE)
    groups = {"all": np.ones(len(run.ids), bool)}
    if noisy.any():
        groups |= {"planted label noise": noisy, "clean": ~noisy}
    found = [_of_group(learned, member & group, pair, last) for group in groups.values()]
    titles = ("rank correlation", "never learned", "tied")
    return Table(
        title="Order of learning",
        rows={"group": tuple(groups)},
        figures=dict(zip(titles, map(tuple, zip(*found, strict=True)), strict=True)),
        notes=("A correlation where many are never learned is mostly about which ones those are.",),
    )


def learned_at(correct: Bool[np.ndarray, "model checkpoint example"]) -> Int[np.ndarray, "model example"]:
    """The checkpoint from which an example stays right; the number of checkpoints where there is none.

    Example:
        >>> learned_at(np.array([[[1, 0, 1], [0, 0, 1], [1, 0, 1]]], bool))
        array([[2, 3, 0]])
    """
    count = correct.shape[1]
    wrong = ~correct
    return np.asarray(np.where(wrong.any(1), count - wrong[:, ::-1].argmax(1), 0).astype(np.int64))


def _of_group(
    learned: Int[np.ndarray, "model example"], chosen: Bool[np.ndarray, "model example"], pair: np.ndarray, last: int
) -> tuple[Scalar, Scalar, Scalar]:
    """Correlation, share that is never learned, and share of pairs of examples that are tied."""
    unit = units(pair)
    count = len(learned)
    likeness, compared = np.full((count, count), np.nan), np.ones(count, bool)
    for one in range(count):
        for other in range(one + 1, count):
            both = chosen[one] & chosen[other]
            if unit[one] != unit[other] and both.sum() >= FEWEST:
                value = _spearman(learned[one, both], learned[other, both])
                likeness[one, other] = likeness[other, one] = value
                compared[[one, other]] &= np.isfinite(value)
    known = compared.all() and np.isfinite(likeness).any(1).all()
    never = np.array([_share(learned[k, chosen[k]] == last) for k in range(count)])
    tied = np.array([_ties(learned[k, chosen[k]]) for k in range(count)])
    reason = f"two models share fewer than {FEWEST} members of it, or all are learned at once"
    examples = int(chosen.any(0).sum())
    correlation = between_all(likeness, pair) if known else _none(reason, count, examples)
    return correlation, _mean(never, unit, examples), _mean(tied, unit, examples)


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation of average ranks; nan where a side does not vary."""
    a, b = (rankdata(each) - (len(each) + 1) / 2 for each in (one, other))
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b / norm) if norm > 0 else float("nan")


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def _ties(values: np.ndarray) -> float:
    """The share of pairs of examples that are learned at the same checkpoint."""
    count = np.bincount(values, minlength=1) if len(values) else np.zeros(1)
    return float((count * (count - 1)).sum() / (len(values) * (len(values) - 1))) if len(values) > 1 else float("nan")


def _mean(values: Float[np.ndarray, " model"], unit: np.ndarray, examples: int) -> Scalar:
    """The mean over units, with the error of leaving one out."""
    of_unit = np.array([values[unit == one].mean() for one in range(int(unit.max()) + 1)])
    if np.isnan(of_unit).any():
        return _none("a model is trained on none or one of them", len(values), examples)
    left = (of_unit.sum() - of_unit) / (len(of_unit) - 1)
    replicates = left if len(left) >= 3 else np.empty(0)
    return from_replicates(float(of_unit.mean()), replicates, models=len(values), examples=examples, bounds=(0.0, 1.0))


def _none(reason: str, models: int, examples: int) -> Scalar:
    nan = float("nan")
    return Scalar(value=nan, stderr=nan, low=nan, high=nan, models=models, examples=examples, reason=reason)


@section(of="learning_order", title="Order of learning", order=76)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="A high correlation: other seeds and other data learn the same examples first, so that the order is the "
        "data's. Compare groups only at similar shares of ties.",
        tone="reading",
    )
