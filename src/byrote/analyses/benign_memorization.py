"""Benign memorization: do models that fit wrong labels still learn features that tell held-out examples apart?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import BadInput
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import from_replicates, jackknife, units

#: Models that fit less of their training examples have not memorized them.
FITTED: Final = 0.99
#: Where untrained features tell so many held-out examples apart, no gain can be seen.
NO_ROOM: Final = 0.95
SHARE: Final[Bounds] = (0.0, 1.0)
GAIN: Final[Bounds] = (-1.0, 1.0)
BEFORE, AFTER, DIFFERENCE = "before training", "after training", "gain"


@analysis(
    asks="Do models that memorize their labels still learn features that tell held-out examples apart?",
    needs=("layer_probes.heldout_neighbours", "outputs.correct"),
    section="2.4",
)
def benign_memorization(run: Run, *, role: str = "reference") -> Table:
    """How well training labels are fitted, and what training does to nearest neighbours on held-out examples, by layer.

    `role` chooses the models.

    Formula:
        fit: mean accuracy on the given labels of members; accuracy of a layer: share of held-out examples whose label
        most of the 5 nearest members have (by angle, true labels of members); gain: after training less before, in the
        same model. Memorized if fit >= .99; benign if the interval of the last hidden layer's gain is above 0, malign
        if it is below or holds 0
    Undefined:
        the verdict where untrained features already tell 95 % apart, or with fewer than 3 pairs of models.

    Source: Anagnostidis et al. 2023, arXiv:2210.14019, Definition 4.
    Differs:
        The definition is about labels drawn at random, and its number of neighbours and metric are not known to us.
        Fit and gain are printed apart, as the verdict alone hides a poor fit; the same neighbours on the inputs stand
        beside, as they cost no training. Fit on augmented views counts views on which the label has more than half of
        the probability.

    Raises:
        BadInput: the run's design has several phases.
        MissingEvidence: the run was not read by the probe.
    """
    every = run.models(role)
    models = np.array([m for m in every if run.evidence.has("layer_probes", int(m), run.last_phase)], np.int64)
    models = models if len(models) else every
    if len(run.design.phases) > 1:
        raise BadInput(
            f"The last phase of the run {str(run.folder)!r} starts from networks that are trained already, and benign "
            "memorization compares with untrained ones.",
            hint="audit with another --design, such as half-subset-pairs, into another folder.",
        )
    pair, layers = run.load("design.pair", models), run.load("layer_probes.layer", models).tolist()
    votes = run.load("layer_probes.heldout_neighbours", models)[:, [0, -1]]
    right = (votes == run.load("layer_probes.heldout_label", models)).mean(3)
    rows = ["fit of training labels"]
    found: list[list[Scalar | None]] = [[None], [_fit(run, models, pair)], [None]]
    augmented = _augmented(run, models, pair)
    if augmented is not None:
        rows.append("fit on augmented views")
        for column, value in zip(found, (None, augmented, None), strict=True):
            column.append(value)
    for place, layer in enumerate(layers):
        rows.append("neighbours on inputs" if layer == "inputs" else f"neighbours on layer {layer}")
        values = right[:, 0, place], right[:, 1, place], right[:, 1, place] - right[:, 0, place]
        for column, each, bounds in zip(found, values, (SHARE, SHARE, GAIN), strict=True):
            column.append(_mean(each, pair, bounds))
    figures = dict(zip((BEFORE, AFTER, DIFFERENCE), map(tuple, found), strict=True))
    return Table(
        title="Benign memorization",
        rows={"what": tuple(rows)},
        figures=figures,
        notes=(_verdict(figures, layers), _wrong(run)),
    )


def _fit(run: Run, models: np.ndarray, pair: np.ndarray) -> Scalar:
    correct, member = run.load("outputs.correct", models), run.load("design.member", models) == 1
    return _mean((correct & member).sum(1) / np.maximum(member.sum(1), 1), pair, SHARE)


def _augmented(run: Run, models: np.ndarray, pair: np.ndarray) -> Scalar | None:
    """The same on augmented views; None where they were not recorded."""
    if not all(run.evidence.has("augmented", int(model), run.last_phase) for model in models):
        return None
    sure, member = run.load("augmented.log_odds", models) > 0, run.load("design.member", models) == 1
    return _mean(np.array([views[:, mine].mean() for views, mine in zip(sure, member, strict=True)]), pair, SHARE)


def _mean(values: np.ndarray, pair: np.ndarray, bounds: Bounds) -> Scalar:
    if int(units(pair).max(initial=-1)) < 2:
        return from_replicates(float(values.mean()), np.empty(0), models=len(values), examples=0, bounds=bounds)
    return jackknife(lambda kept: float(values[kept].mean()), pair, bounds=bounds)


def _verdict(figures: dict[str, tuple[Scalar | None, ...]], layers: list[str]) -> str:
    """The sentence about the last hidden layer."""
    if len(layers) < 3:
        return "No verdict: the network has no hidden layer."
    fit, start, gain = figures[AFTER][0], figures[BEFORE][-2], figures[DIFFERENCE][-2]
    assert fit is not None
    assert start is not None
    assert gain is not None
    if fit.value < FITTED:
        return f"Not memorized: models fit {fit.value:.1%} of their training labels, and Definition 4 asks for all."
    if start.value >= NO_ROOM:
        return (
            f"No verdict: before training neighbours on layer {layers[-2]} tell {start.value:.1%} of the held-out "
            "examples apart, so that a gain has no room. Choose data on which neighbours do worse."
        )
    if np.isnan(gain.low):
        return "No verdict: the error of the gain takes 3 pairs of models, or 3 models without a mate, that differ."
    if gain.low > 0:
        return f"Benign: training raises neighbours on layer {layers[-2]}."
    what = "lowers" if gain.high < 0 else "is not shown to raise"
    return (
        f"Malign: training {what} neighbours on layer {layers[-2]} (its interval is {gain.low:.3f} to {gain.high:.3f})."
    )


def _wrong(run: Run) -> str:
    share = run.controls.mask(run.ids, "label_noise").mean()
    return f"Wrong labels were planted on {share:.1%} of the examples; the definition is about labels drawn at random."


@section(of="benign_memorization", title="Benign memorization", order=74)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="A gain says that training made the features of a layer better although labels were wrong. What "
        "neighbours on inputs reach already needs no training.",
        tone="reading",
    )
