"""Dissociation: are there units that hold what a network memorized, and others that hold what it learned in general?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.analyses.catalog import analysis
from byrote.analyses.where_groups import group_figure
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import MissingEvidence
from byrote.measures._localization import FEWEST, LEVEL, localized, over_units
from byrote.probes.dissociation import SHARES
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.jackknife import units

ARMS = ("memory", "pattern", "random")
#: What is subtracted from what, in words.
CONTRASTS = {
    "memory less random": ("memory", "random"),
    "pattern less random": ("pattern", "random"),
    "memory less pattern": ("memory", "pattern"),
}
MATCHED = "group less others, at like margin"


@dataclass(frozen=True, eq=False)
class Contrasts:
    """How much more of the group than of others of like margin is lost, by contrast and share of the units.

    `each[model, cell]`; a cell stands out from chance where it is beyond ±`band`.
    """

    cells: list[tuple[str, int]]
    each: Float[np.ndarray, "model cell"]
    band: float
    unit: Int[np.ndarray, " model"]


@analysis(
    asks="Are there units that hold what was memorized, and others that hold what was learned in general?",
    needs=("dissociation",),
    section="4.5",
)
def dissociation(run: Run) -> Table:
    """What a group and the other members lose with memory units, pattern units and random ones.

    The units were chosen on one half of the examples, and the other half is judged, both ways.

    Formula:
        lost = share of the final correct predictions of members that are wrong without these units; at like margin:
        the others weighted by fifths of the group's margins; chance = what the largest of the contrasts exceeds in
        5 % of groups drawn among examples of like margin. A single dissociation: memory less random is above chance.
        A double one: pattern less random is below -chance, too.
    Undefined:
        in a model with fewer than 20 final correct predictions of the group or of the others, or none of like margin;
        errors of a single model.

    Source: Maini et al. 2023, arXiv:2307.09542, silence units of single examples.
    Differs:
        Units of a group are chosen on other examples than those that are judged, and random units and like margins
        stand beside them.

    Raises:
        MissingEvidence: the run was not probed.
    """
    models = run.models_with("dissociation")
    if not models:
        raise MissingEvidence(
            f"The units of the run {str(run.folder)!r} were not silenced.",
            hint="audit into another folder with --keep-weights-at last, then byrote probe RUN dissociation.",
        )
    names = [f"{arm}_{share}" for share in SHARES for arm in ARMS]
    lost = {name: run.load(f"dissociation.{name}", models).astype(np.float64) for name in names}
    right, group = (run.load(f"dissociation.{name}", models) for name in ("right", "group"))
    others = (run.load("design.member", models) == 1) & ~group
    pair = run.load("design.pair", models)
    found = contrasts(lost, right, run.load("dissociation.confidence", models), group, others, pair)
    rows = [(arm, share) for share in SHARES for arm in (*ARMS, *CONTRASTS)]
    values = {row: _lost(lost, row) for row in rows}
    mine, theirs = group & right, others & right
    figures: dict[str, list[Scalar | None]] = {
        "lost of the group": [group_figure(values[row], mine, pair, -1.0) for row in rows],
        "lost of the others": [group_figure(values[row], theirs, pair, -1.0) for row in rows],
        MATCHED: [_cell(found, row, int(mine.any(0).sum())) for row in rows],
    }
    return Table(
        title="Memory units and pattern units",
        rows={"units": tuple(arm for arm, _ in rows), "share": tuple(f"{share} %" for _, share in rows)},
        figures={name: tuple(column) for name, column in figures.items()},
        notes=(*_verdict(found), *_by_layer(run, models)),
    )


def contrasts(
    lost: Mapping[str, Float[np.ndarray, "model example"]],
    right: Bool[np.ndarray, "model example"],
    confidence: Float[np.ndarray, "model example"],
    group: Bool[np.ndarray, "model example"],
    others: Bool[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> Contrasts:
    """The contrasts between kinds of units, of a group and others of like margin, and what chance gives."""
    cells = [(name, share) for share in SHARES for name in CONTRASTS]
    values = np.stack([_lost(lost, cell) for cell in cells], 1)
    found = localized(values * right[:, None], right.astype(np.int64), confidence, group, others, pair)
    return Contrasts(cells, found.each, found.band, units(pair))


def _lost(lost: Mapping[str, np.ndarray], row: tuple[str, int]) -> np.ndarray:
    name, share = row
    if name in CONTRASTS:
        first, second = CONTRASTS[name]
        return np.asarray(lost[f"{first}_{share}"] - lost[f"{second}_{share}"])
    return lost[f"{name}_{share}"]


def _cell(found: Contrasts, row: tuple[str, int], examples: int) -> Scalar | None:
    if row not in found.cells:
        return None
    value, stderr, reach = (float(part[0]) for part in over_units(found.each[:, [found.cells.index(row)]], found.unit))
    return Scalar(
        value=value,
        stderr=stderr,
        low=max(-2.0, value - reach),
        high=min(2.0, value + reach),
        models=int(np.isfinite(found.each).all(1).sum()),
        examples=examples,
        reason=f"fewer than {FEWEST} examples in every model, or none of like margin" if np.isnan(value) else "",
    )


def verdict(found: Contrasts) -> str:
    """`none`, `single` or `double` dissociation, or `unknown`: at any share of the units.

    Example:
        >>> cells = [(name, 1) for name in CONTRASTS]
        >>> verdict(Contrasts(cells, np.array([[0.4, 0.1, 0.3]]), 0.2, np.array([0])))
        'single'
    """
    value = dict(zip(found.cells, over_units(found.each, found.unit)[0].tolist(), strict=True))
    if np.isnan(list(value.values())).all():
        return "unknown"
    shares = [share for share in SHARES if value.get(("memory less random", share), 0.0) > found.band]
    if any(value[("pattern less random", share)] < -found.band for share in shares):
        return "double"
    return "single" if shares else "none"


def _verdict(found: Contrasts) -> tuple[str, ...]:
    sentences = {
        "none": "No dissociation: memory units found on one half hurt the group on the other half no more than random "
        "units hurt examples of like margin.",
        "single": "A single dissociation: memory units found on one half hurt the group on the other half, but pattern "
        "units do not hurt the others more than the group.",
        "double": "A double dissociation: memory units hurt the group on the other half, and pattern units the others.",
        "unknown": "No verdict, as no model has enough examples of like margin.",
    }[verdict(found)]
    chance = f"A contrast at like margin stands out where it is beyond ±{found.band:.2g}, which no contrast is in "
    return (sentences, f"{chance}{LEVEL:.0%} of groups drawn among examples of like margin.")


def _by_layer(run: Run, models: list[int]) -> tuple[str, ...]:
    chosen, every = (run.load(f"dissociation.{name}", models).sum(0) for name in ("memory_units", "units"))
    layers = run.load("dissociation.layer", models).tolist()
    shares = ", ".join(
        f"{layer} {mine:.0%} (of all units {all_:.0%})"
        for layer, mine, all_ in zip(layers, chosen / chosen.sum(), every / every.sum(), strict=True)
    )
    return (f"The {SHARES[-1]} % of memory units by layer: {shares}.",)


@section(of="dissociation", title="Units that hold what was memorized", order=73)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="Memory units that hurt the group on examples they were not chosen on are the group's, and not of single "
        "examples. Only a double dissociation says that memorized and general knowledge lie in different units: "
        "examples near the decision boundary fall to almost any silenced unit.",
        tone="reading",
    )
