"""How alike layers are: those of different models, and those of a model to its own end, by three indices at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import from_replicates, jackknife, units
from byrote.stats.shared_models import between

#: Debiased CKA may be slightly below 0.
BOUNDS: Bounds = (-1.0, 1.0)
_INDICES = {"cka": "CKA", "svcca": "SVCCA", "pwcca": "PWCCA"}
#: A layer that nearly is its own end before training has no way to go.
NO_WAY = 1e-3


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
        Below 6 pairs, or models without a mate, the error between models is too large where models do not differ.

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
    scatter = {name: run.load(f"similarity.{name}_scatter", models).astype(np.float64) for name in _INDICES}
    untrained = epochs[0] == 0 and len(run.design.phases) == 1
    cells = [(at, place) for place in range(len(layers)) for at in range(len(epochs))]
    figures: dict[str, tuple[Scalar | None, ...]] = {}
    for name, title in _INDICES.items():
        figures[title] = tuple(
            between(loaded[name][:, at, place], pair, scatter=scatter[name][:, at, place]) for at, place in cells
        )
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
