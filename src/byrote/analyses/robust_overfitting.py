"""Robust overfitting: accuracy under attack that was there earlier in the training and is gone at its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.analyses.catalog import analysis
from byrote.analyses.robustness import strength_in
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import BadInput
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import from_replicates, jackknife, units

SHARE: Final[Bounds] = (0.0, 1.0)
LOSS: Final[Bounds] = (-1.0, 1.0)
#: Halves of fewer held-out examples choose no checkpoint.
FEWEST: Final = 20
STOPPED, LOST = "stopped early", "stopped early minus last"
MEMBERS, HELD = "members under attack", "held-out data under attack"


@analysis(
    asks="Is accuracy under attack lost late in the training?",
    needs=("adversarial_trajectory.heldout_correct", "adversarial_trajectory.correct"),
    section="5.4",
)
def robust_overfitting(run: Run, *, role: str = "reference", seed: int = 0) -> Table:
    """Accuracy under attack by epoch, on members and on held-out data, and what early stopping would have kept.

    Each model is stopped where one half of the held-out data is best under attack, and is judged on the other half, and
    the other way round: a checkpoint chosen and judged on the same examples looks better than it is.

    Formula:
        by epoch: the share of examples whose label is predicted at every point that the attack looks at, the mean over
        models; stopped early: the mean over both halves of the accuracy of the half that did not choose; lost: that
        minus the accuracy at the last checkpoint
    Undefined:
        errors below 3 pairs of models.

    Args:
        run: an audit with held-out data and `--probe adversarial_trajectory,radius=0.1`.
        role: which models, of those that the probe looked at.
        seed: divides the held-out data into halves, groups whole.

    Source: Rice et al. 2020, arXiv:2002.11569.
    Differs:
        The authors choose the best checkpoint on the test data, or on one validation set.

    Raises:
        BadInput: there are too few held-out examples.
        MissingEvidence: the run was not read by the probe.
    """
    every = [int(model) for model in run.models(role)]
    models = [m for m in every if run.evidence.has("adversarial_trajectory", m, run.last_phase)] or every
    held = np.asarray(run.load("adversarial_trajectory.heldout_correct", models), bool)
    correct, member = run.load("adversarial_trajectory.correct", models), run.load("design.member", models) == 1
    epochs = run.load("adversarial_trajectory.epochs", models)
    chooses = halves(run.heldout_clusters, seed)
    if min(chooses.sum(), (~chooses).sum()) < FEWEST:
        raise BadInput(
            f"Half of the held-out data chooses when to stop, and half judges. The run {str(run.folder)!r} has "
            f"{held.shape[2]} held-out examples.",
            hint=f"hold out {2 * FEWEST} examples or more, of several groups where there are groups.",
        )
    pair, queries = run.load("design.pair", models), held.shape[2]
    inside = np.stack([right[:, mine].mean(1) for right, mine in zip(correct, member, strict=True)])
    stopped = stopped_early(held, chooses)
    by_epoch = [_mean(column, pair, SHARE, queries) for column in held.mean(2).T]
    return Table(
        title="Accuracy under attack in the course of the training",
        rows={"checkpoint": (*(f"epoch {epoch}" for epoch in epochs.tolist()), STOPPED, LOST)},
        figures={
            MEMBERS: (*(_mean(column, pair, SHARE, len(run.ids)) for column in inside.T), None, None),
            HELD: (
                *by_epoch,
                _mean(stopped, pair, SHARE, queries),
                _mean(stopped - held[:, -1].mean(1), pair, LOSS, queries),
            ),
        },
        notes=(
            f"{strength_in(run, 'adversarial_trajectory', models[0])}.",
            "± is about other models on these examples. Stopped early: half of the held-out data chooses the "
            "checkpoint of each model, the other half judges it, and then the halves change places.",
        ),
    )


def halves(cluster: Int[np.ndarray, " query"], seed: int) -> Bool[np.ndarray, " query"]:
    """Which held-out examples are of the first half: about half of the groups, or of the examples, at random."""
    names, number = np.unique(cluster, return_inverse=True)
    order = np.random.default_rng([seed, 14]).permutation(len(names))
    return np.asarray(order[number] < len(names) / 2)


def stopped_early(
    right: Bool[np.ndarray, "model checkpoint query"], chooses: Bool[np.ndarray, " query"]
) -> Float[np.ndarray, " model"]:
    """Accuracy of each model at the checkpoint that the other half of the examples chose: the first of its best ones.

    Example:
        >>> right = np.array([[[True, False], [False, False], [True, True]]])
        >>> stopped_early(right, np.array([True, False]))
        array([0.5])
    """
    found = []
    for half in (chooses, ~chooses):
        best = right[:, :, half].mean(2).argmax(1)
        found.append(right[np.arange(len(right)), best][:, ~half].mean(1))
    weights = np.array([(~chooses).sum(), chooses.sum()])
    return np.asarray(np.average(found, axis=0, weights=weights))


def _mean(values: np.ndarray, pair: np.ndarray, bounds: Bounds, examples: int) -> Scalar:
    if int(units(pair).max(initial=-1)) < 2:
        return from_replicates(float(values.mean()), np.empty(0), models=len(values), examples=examples, bounds=bounds)
    return jackknife(lambda kept: float(values[kept].mean()), pair, examples=examples, bounds=bounds)


@section(of="robust_overfitting", title="Robust overfitting", order=53)
def shown(table: Table) -> Iterable[Block]:
    """The table, and whether something was lost."""
    yield from plain_blocks(table)
    lost = dict(zip(table.rows["checkpoint"], table.figures[HELD], strict=True))[LOST]
    assert lost is not None, "every table has that figure"
    if lost.low > 0:
        text = "Accuracy under attack was higher earlier in the training: the models overfit robustly. Stop earlier."
    else:
        text = "The end of the training is not shown to lose accuracy under attack."
    yield Words(text=text, tone="reading")
