"""On-average stability: what replacing a few training examples does to the loss on them, and on all others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.catalog import procedure
from byrote.analyses.continued import of_classes, over_seeds
from byrote.analyses.lab import Lab
from byrote.data.dataset import Dataset
from byrote.designs.design import one_phase
from byrote.errors import BadInput
from byrote.recipes.algorithm import TrainingRecipe
from byrote.results import Scalar, Table
from byrote.runs.run import Run

#: Fewer draws of replaced examples have no error.
FEWEST: Final = 3


@procedure(
    asks="What does replacing a few training examples do to the loss on them, and on all others?",
    needs=("outputs.loss",),
    section="4.1",
)
def on_average_stability(
    lab: Lab, run: Run, *, models: int = 3, draws: int = 4, replaced: int = 6, aside: float = 0.2, seed: int = 0
) -> Table:
    """On-average stability: the change of an example's loss where it is replaced, which is the generalization gap.

    A share of the examples is set aside. Twins of the same seeds and orders are trained on the rest, one of them with
    a few examples replaced by others that were set aside. The largest change over all examples and trainings, uniform
    stability, cannot be estimated.

    Formula:
        own: mean of loss(twin, z_i) - loss(model, z_i) over replaced i; its expectation is the gap, mean loss on
        examples set aside less that on those trained on; others: mean of |loss(twin, z) - loss(model, z)| over z set
        aside and in neither, and the largest of them
    Undefined:
        never; the error is over draws of the replaced examples (at least 3), of the gap over models.

    Args:
        lab: where to train.
        run: whose data and recipe.
        models: twins of each draw, with seeds of their own; 3 to 8.
        draws: of the examples that are replaced.
        replaced: how many of them.
        aside: the share of examples that are set aside.
        seed: fixes what is drawn, weights and orders.

    Source: Shalev-Shwartz et al. 2010, JMLR 11, 2635-2670; Bousquet & Elisseeff 2002, JMLR 2, 499-526.

    Raises:
        BadInput: data or recipe are not at hand, or draws or examples are too few.
    """
    dataset, recipe = of_classes(run, "on_average_stability", models)
    rng = np.random.default_rng([seed, 15])
    shown, away = _set_aside(len(dataset), aside, draws, replaced, rng)
    member = np.zeros((models, len(dataset)), np.uint8)
    member[:, shown] = 1
    folder = run.folder.with_name(
        f"{run.folder.name}-on-average-stability-{models}-{draws}-{replaced}-{aside:g}-{seed}"
    )
    out, into = (rng.permutation(rows)[: draws * replaced].reshape(draws, replaced) for rows in (shown, away))
    losses = [
        _losses(lab, _exchanged(dataset, *pair), recipe, member, seed, folder / str(number), pair)
        for number, pair in enumerate([(out[:0].ravel(), into[:0].ravel()), *zip(out, into, strict=True)])
    ]
    return _table(losses[0], losses[1:], out, into, shown, away)


def _set_aside(
    examples: int, aside: float, draws: int, replaced: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " shown"], Int[np.ndarray, " away"]]:
    """Rows that are trained on, and those set aside.

    Raises:
        BadInput: these are too few, or the draws.
    """
    order = rng.permutation(examples)
    away = np.sort(order[: round(aside * examples)])
    shown = np.sort(order[len(away) :])
    if draws < FEWEST or replaced < 1 or draws * replaced > min(len(away) - 1, len(shown) - 1):
        raise BadInput(
            f"on_average_stability takes at least {FEWEST} draws, and draws times replaced examples set aside. Got "
            f"{draws} of {replaced}, and {len(away)} are set aside.",
            hint="--set draws=4 --set replaced=2 --set aside=0.2, of more examples where that is not enough.",
        )
    return shown, away


def _table(
    base: Float[np.ndarray, "model example"],
    twins: Sequence[Float[np.ndarray, "model example"]],
    out: Int[np.ndarray, "draw replaced"],
    into: Int[np.ndarray, "draw replaced"],
    shown: Int[np.ndarray, " shown"],
    away: Int[np.ndarray, " away"],
) -> Table:
    """What became of the losses, by draw of what was replaced."""
    gap = base[:, away].mean(1) - base[:, shown].mean(1)
    own = np.array([(twin - base)[:, rows].mean() for twin, rows in zip(twins, out, strict=True)])
    changes = [np.abs(twin - base)[:, np.setdiff1d(away, rows)] for twin, rows in zip(twins, into, strict=True)]
    top = float("inf")
    figures: dict[str, Scalar] = {
        "own loss, replaced less kept": over_seeds(own, (-top, top), examples=out.size),
        "generalization gap of the loss": over_seeds(gap, (-top, top), examples=base.shape[1]),
        "change of others' loss": over_seeds(np.array([each.mean() for each in changes]), (0.0, top)),
        "largest of them": over_seeds(np.array([each.max() for each in changes]), (0.0, top)),
    }
    return Table(
        title="On-average stability",
        rows={"figure": tuple(figures)},
        figures={"nat": tuple(figures.values())},
        across="unit",
        notes=("The first two rows have the same expected value; the first rests on few examples.",),
    )


def _exchanged(dataset: Dataset, out: Int[np.ndarray, " replaced"], into: Int[np.ndarray, " replaced"]) -> Dataset:
    """The dataset with the places of these examples exchanged, so that twins show all others in the same order."""
    if not len(out):
        return dataset
    place = np.arange(len(dataset))
    place[out], place[into] = into, out
    return dataset.subset(place).replace(name=f"{dataset.name} with examples exchanged")


def _losses(
    lab: Lab,
    dataset: Dataset,
    recipe: TrainingRecipe,
    member: np.ndarray,
    seed: int,
    folder: Path,
    exchanged: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Loss by model and example, in the order of the examples before they were exchanged."""
    one = lab.audit(
        dataset,
        recipe,
        design=one_phase("on_average_stability", member),
        out=folder,
        seed=seed,
        checkpoints=2,
    )
    losses = one.load("outputs.loss", one.models()).astype(np.float64)
    place = np.arange(len(dataset))
    out, into = exchanged
    place[out], place[into] = into, out
    return np.asarray(losses[:, place])
