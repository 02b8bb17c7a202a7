"""Forgetting events: how often an example is lost again after it was learned."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, Int8

from byrote.errors import MissingEvidence
from byrote.measures._members import Seen, average_without, member_average
from byrote.measures.catalog import measure
from byrote.results import PerExample

_SOURCE = "Toneva et al. 2019, arXiv:1812.05159; survey Definition 8"


def _lost_or_never(
    forgetting_count: np.ndarray, first_learned: np.ndarray, presentations: np.ndarray, member: np.ndarray
) -> Seen:
    rows = (
        np.where(first > 0, count, shown).astype(np.float64)
        for count, first, shown in zip(forgetting_count, first_learned, presentations, strict=True)
    )
    return Seen(rows, (member == 1) & (presentations > 0))


def _lost_at_checkpoints(correct: np.ndarray, epochs: np.ndarray, member: np.ndarray) -> Seen:
    trained = epochs > 0
    rows = (
        np.where(model[trained].any(0), _lost(model[trained]), int(trained.sum())).astype(np.float64)
        for model in correct
    )
    return Seen(rows, member == 1)


@measure(
    needs=(
        "presentation.forgetting_count",
        "presentation.first_learned",
        "presentation.presentations",
        "design.member",
    ),
    unit="events",
    range=(0.0, np.inf),
    higher="more often forgotten, more memorized",
    source=_SOURCE,
    section="6.1.1",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
    without=average_without(_lost_or_never),
)
def forgetting_events(
    forgetting_count: Int[np.ndarray, "model example"],
    first_learned: Int[np.ndarray, "model example"],
    presentations: Int[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Times an example is wrong at a presentation right after being correct; never learned is the far end.

    Formula:
        mean over members k of forgetting_count[k, i] where first_learned[k, i] > 0, else presentations[k, i];
        a model that was never shown the example does not count
    Undefined:
        nan where no model was trained on the example and shown it; the error alone is nan below 2 or where
        all of them agree.

    Example:
        >>> forgotten, first = np.array([[3], [0]]), np.array([[2], [0]])
        >>> shown = np.full((2, 1), 10)
        >>> forgetting_events(forgotten, first, shown, np.ones((2, 1), np.int8)).values
        array([6.5])

    Differs:
        Definition 8 is silent on examples that are never learned; they stand at the number of presentations,
        as in the authors' code, and the count `never_learned` says in how many models. Models are averaged,
        not summed. The interval is Student's over members and knows of such models only where there was one: if
        one model in twenty never learns an example of otherwise half an event in 60 presentations, it holds .2 with
        4 members, .55 with 16 and .8 with 32. On digits it holds .94, and .7 for the 3 % of the examples that some
        model never learned.
    """
    rows, seen = _lost_or_never(forgetting_count, first_learned, presentations, member)
    never = np.count_nonzero(seen & (first_learned == 0), axis=0)
    return member_average(rows, seen, bounds=(0.0, np.inf), counts={"never_learned": never})


@measure(
    needs=("trajectory.correct", "trajectory.epochs", "design.member"),
    variant_of="forgetting_events",
    variant="checkpoint",
    without=average_without(_lost_at_checkpoints),
)
def forgetting_events_checkpoint(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
) -> PerExample:
    r"""Times an example is wrong at a checkpoint right after being correct; never learned is the far end.

    Formula:
        mean over members k of #{c : correct[k, c, i] and not correct[k, c + 1, i]} over the trained
        checkpoints, or their number where correct[k, c, i] holds at none of them
    Undefined:
        nan where no model was trained on the example; the error alone is nan below 2 or where all of them
        agree.

    Example:
        >>> c = np.array([[0, 1, 0, 1], [1, 0, 0, 0]], bool)[:, :, None]
        >>> forgetting_events_checkpoint(c, np.array([0, 1, 2, 3]), np.ones((2, 1), np.int8)).values
        array([2.])

    Differs:
        Checkpoints miss what happens between them, so that this is at most the count over all epochs. The
        initial network (epoch 0) is left out. The interval misses rare models that never learn an example, as
        that of `forgetting_events` does.

    Raises:
        MissingEvidence: fewer than 2 checkpoints of a trained network.
    """
    trained = epochs > 0
    checkpoints = int(trained.sum())
    if checkpoints < 2:
        raise MissingEvidence(
            f"The 'epochs' argument of forgetting_events must hold 2 or more epochs after 0. Got {epochs.tolist()}.",
            hint="record more checkpoints.",
        )
    rows, seen = _lost_at_checkpoints(correct, epochs, member)
    never = np.count_nonzero(seen & ~np.any(correct, axis=1, where=trained[:, None]), axis=0)
    return member_average(rows, seen, bounds=(0.0, np.inf), counts={"never_learned": never})


def _lost(correct: np.ndarray) -> np.ndarray:
    """How often each example is wrong right after being correct."""
    events: np.ndarray = np.count_nonzero(correct[:-1] & ~correct[1:], axis=0)
    return events
