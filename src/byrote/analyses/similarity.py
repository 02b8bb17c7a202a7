"""How alike layers are: those of different models, and those of a model to its own end, by three indices at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from scipy.special import fdtri, stdtrit

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import UPPER, Bounds
from byrote.stats.jackknife import from_replicates, jackknife, units

#: Debiased CKA may be slightly below 0.
BOUNDS: Bounds = (-1.0, 1.0)
_INDICES = {"cka": "CKA", "svcca": "SVCCA", "pwcca": "PWCCA"}
#: A layer that nearly is its own end before training has no way to go.
NO_WAY = 1e-3
#: With so many pairs of models or more, what only two of them have in common can be estimated.
FEWEST_PAIRS = 6
#: Pairs of models count as different if the spread of their likeness is above this quantile of chance.
DIFFER = 2 / 3


@analysis(
    asks="How alike are the layers of different models, and when are they what they are at the end?",
    needs=("similarity.cka", "similarity.svcca", "similarity.pwcca"),
    section="4.5",
)
def similarity(run: Run, *, role: str = "reference") -> Table:
    """Debiased CKA, SVCCA and PWCCA by layer and epoch: between models of different pairs, and to the own end.

    The indices answer differently, so that a claim about layers should hold by all three. Models that memorize are
    less alike in deep layers than others, and yet no less alike than untrained ones: epoch 0 is the baseline.
    `role` chooses the models, of those whose weights were kept.

    Formula:
        "CKA", "SVCCA", "PWCCA": the mean over pairs of models that are no mates, on held-out inputs; "to the end" the
        mean over models of the index with the same layer of the same model at the last checkpoint; "way" of CKA and
        SVCCA (s_t - s_0) / (1 - s_0), s_t the index to the end at epoch t
    Undefined:
        where a layer does not vary; "way" without a checkpoint at epoch 0, or where s_0 is 1; the error below 4 pairs.

    Source: Kornblith et al. 2019, arXiv:1905.00414; Raghu et al. 2017, arXiv:1706.05806; Morcos et al. 2018,
    arXiv:1806.05759.
    Differs:
        Of n inputs at most n / 20 directions enter canonical correlations; see `stats.similarity`. PWCCA between
        models is the mean of both ways; to the end it is weighted by the earlier features, and the other way round in
        the last column.

    Raises:
        MissingEvidence: the run was not read by the probe.
    """
    every = [int(model) for model in run.models(role)]
    models = [model for model in every if run.evidence.has("similarity", model, run.last_phase)] or every
    epochs, layers = run.load("similarity.epochs", models), run.load("similarity.layer", models)
    pair = run.load("design.pair", models)
    loaded = {
        name: run.load(f"similarity.{name}", models).astype(np.float64)
        for name in ("cka", "svcca", "pwcca", "cka_to_end", "svcca_to_end", "pwcca_to_end", "pwcca_from_end")
    }
    untrained = epochs[0] == 0 and len(run.design.phases) == 1
    cells = [(at, place) for place in range(len(layers)) for at in range(len(epochs))]
    figures: dict[str, tuple[Scalar | None, ...]] = {}
    for name, title in _INDICES.items():
        figures[title] = tuple(between(loaded[name][:, at, place], pair) for at, place in cells)
    for name, title in _INDICES.items():
        ends = loaded[f"{name}_to_end"]
        figures[f"{title} to the end"] = tuple(_mean(ends[:, at, place], pair) for at, place in cells)
    for name in ("cka", "svcca"):
        way = _way(loaded[f"{name}_to_end"]) if untrained else None
        figures[f"way by {_INDICES[name]}"] = tuple(
            None if way is None else _mean(way[:, at, place], pair) for at, place in cells
        )
    figures["PWCCA from the end"] = tuple(_mean(loaded["pwcca_from_end"][:, at, place], pair) for at, place in cells)
    return Table(
        title="Likeness of layers",
        rows={
            "layer": tuple(str(layers[place]) for _, place in cells),
            "epoch": tuple(str(epochs[at]) for at, _ in cells),
        },
        figures=figures,
        notes=_notes(untrained),
    )


def _notes(untrained: bool) -> tuple[str, ...]:
    if untrained:
        return ("Epoch 0 is the untrained network: compare with it before you read a likeness as learned.",)
    return ("There is no untrained network to compare with: audit with --keep-weights-at checkpoints or 0,last.",)


def between(likeness: Float[np.ndarray, " model"], pair: Int[np.ndarray, " model"]) -> Scalar:
    """The mean over models of their mean likeness with the models of other pairs, and its error.

    Two models share a likeness, so that leaving out a pair of models takes all of its likenesses away.

    Formula:
        U the mean of s_p, the mean likeness of the models of pair p with all others; without pair p it is
        (P U - 2 s_p) / (P - 2), of P pairs; the error is the jackknife's
    Undefined:
        nan where a likeness is; the error with fewer than 4 pairs, of which 3 are left.

    Example:
        >>> between(np.array([0.5, 0.6, 0.7, 0.6]), np.full(4, -1)).value
        0.6
    """
    unit = units(pair)
    count = int(unit.max(initial=-1)) + 1
    of_unit = np.array([likeness[unit == one].mean() for one in range(count)])
    value = float(of_unit.mean()) if count else float("nan")
    left = (count * value - 2 * of_unit) / (count - 2) if count > 3 else np.empty(0)
    return from_replicates(value, np.asarray(left), models=len(likeness), examples=0, bounds=BOUNDS)


def between_all(likeness: Float[np.ndarray, "model model"], pair: Int[np.ndarray, " model"]) -> Scalar:
    """`between` with every likeness at hand, so that what two models alone have in common counts once in the error.

    The jackknife counts it twice: where models do not differ from each other, its error is too large.

    Formula:
        of P pairs, J the variance of `between`, S the mean square of s_pq - a_p - a_q, a by least squares, whose
        degrees of freedom are f = P (P - 3) / 2: the variance is J - 2 S / ((P - 1) (P - 2)), of Satterthwaite's
        degrees of freedom; or 2 S / (P (P - 1)), of f, unless J is above what 2 of 3 such J are if pairs do not differ
    Undefined:
        as `between`; the error is that of `between` below 6 pairs, or where two pairs have no likeness.

    Example:
        >>> own = np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.3])
        >>> between_all(own[:, None] + own, np.full(6, -1))
        Scalar(0.4 ± 0.073, 95 % [0.2123, 0.5877])
    """
    alike = _by_unit(likeness, units(pair))
    count, off = len(alike), ~np.eye(len(alike), dtype=bool)
    found = between(_of_each(likeness, units(pair)), pair)
    if count < FEWEST_PAIRS or np.isnan(alike[off]).any():
        return found
    mean = alike[off].mean()
    own = (count - 1) / (count - 2) * (np.where(off, alike - mean, 0.0).sum(1) / (count - 1))
    free = count * (count - 3) / 2
    alone = float(np.square((alike - mean - own[:, None] - own)[off]).sum() / 2 / free)
    least, twice = 2 * alone / (count * (count - 1)), 2 * alone / ((count - 1) * (count - 2))
    variance, degrees = least, free
    if found.stderr**2 > (twice + least) * fdtri(count - 1, free, DIFFER):
        variance = found.stderr**2 - twice
        degrees = variance**2 / (found.stderr**4 / (count - 1) + twice**2 / free)
    if not variance > 1e-24 * mean**2:
        return found
    reach = float(stdtrit(degrees, UPPER)) * variance**0.5
    low, high = np.clip([found.value - reach, found.value + reach], *BOUNDS).tolist()
    return replace(found, stderr=float(variance**0.5), low=low, high=high, note="")


def _of_each(likeness: Float[np.ndarray, "model model"], unit: Int[np.ndarray, " model"]) -> np.ndarray:
    """Each model's mean likeness with those of other pairs that it has one with."""
    known = (unit[:, None] != unit) & ~np.isnan(likeness)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, likeness, 0.0).sum(1) / known.sum(1))


def _by_unit(likeness: Float[np.ndarray, "model model"], unit: Int[np.ndarray, " model"]) -> np.ndarray:
    """The mean likeness of the models of two pairs; nan where they have none."""
    member = np.eye(int(unit.max(initial=-1)) + 1)[:, unit]
    known = ~np.isnan(likeness)
    with np.errstate(invalid="ignore"):
        return np.asarray((member @ np.where(known, likeness, 0.0) @ member.T) / (member @ known @ member.T))


def _mean(values: np.ndarray, pair: np.ndarray) -> Scalar:
    if int(units(pair).max(initial=-1)) < 2:
        return from_replicates(float(values.mean()), np.empty(0), models=len(values), examples=0, bounds=BOUNDS)
    return jackknife(lambda kept: float(values[kept].mean()), pair, bounds=BOUNDS)


def _way(to_end: Float[np.ndarray, "model checkpoint layer"]) -> Float[np.ndarray, "model checkpoint layer"]:
    """How much of the way from the untrained network to the end is behind, as the index sees it."""
    left = 1.0 - to_end[:, :1]
    return np.asarray((to_end - to_end[:, :1]) / np.where(left > NO_WAY, left, np.nan))


@section(of="similarity", title="How alike layers are", order=72)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="No index is right alone. CKA follows the directions of largest variance, SVCCA and PWCCA count small "
        "ones as much. A claim about layers holds if all three agree and the untrained network does not show the same.",
        tone="reading",
    )
