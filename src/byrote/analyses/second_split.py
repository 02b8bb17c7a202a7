"""The second split: train on one half of the data, go on with the other, and see what of the first is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from byrote.analyses.catalog import procedure
from byrote.analyses.lab import Lab, data_of
from byrote.designs.two_splits import two_splits
from byrote.errors import BadInput
from byrote.runs.run import Run


@procedure(
    asks="Which examples are forgotten once they are no longer trained on?",
    needs=("second_split_forgetting_time", "first_split_learning_time"),
    section="6.1.1",
)
def second_split(
    lab: Lab,
    run: Run,
    *,
    models: int = 8,
    epochs: int | None = None,
    checkpoints: int = 20,
    seed: int = 1,
    out: str | Path | None = None,
) -> Run:
    """Train pairs of models on halves of a run's data, each half in its turn, with the run's recipe.

    The run that comes back is one of two phases, for `second_split_forgetting_time` and for
    `byrote triage --forgetting`.

    Args:
        lab: where to train.
        run: whose data, recipe and held-out examples.
        models: an even number of at least 4.
        epochs: of the second phase; the recipe's unless given.
        checkpoints: clean passes over the data in each phase, at most.
        seed: fixes halves, initial weights and orders.
        out: the new run's folder; `<run>-second-split` unless given.

    Source: Maini et al. 2022, arXiv:2210.15031.

    Raises:
        BadInput: the data are not at hand, or the models are odd or fewer than 4.
    """
    dataset, recipe = data_of(run, "ask")
    if models < 4 or models % 2:
        raise BadInput(
            f"Two splits take an even number of models of at least 4. Got {models}.",
            hint=f"--set models={max(4, models + models % 2)}",
        )
    design = two_splits(
        len(dataset), models, epochs=epochs, rng=np.random.default_rng([seed, 1]), groups=dataset.groups
    )
    folder = Path(out) if out is not None else run.folder.with_name(f"{run.folder.name}-second-split")
    return lab.audit(
        dataset, recipe, heldout=run.heldout, design=design, out=folder, seed=seed, checkpoints=checkpoints
    )
