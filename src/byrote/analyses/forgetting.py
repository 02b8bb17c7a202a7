"""The verb that measures forgetting: train with canaries, go on without them, and attack as time goes by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int

from byrote.analyses.catalog import procedure
from byrote.analyses.lab import Lab, data_of
from byrote.blocks import Block, TableBlock, Words, section
from byrote.data.dataset import Dataset
from byrote.designs.injections import inject, poison
from byrote.engine.audit import audit
from byrote.engine.progress import Progress
from byrote.errors import BadInput
from byrote.measures.rate_of_forgetting import Attack, Success, forgotten_after, log_odds_attack
from byrote.recipes.algorithm import TrainingRecipe
from byrote.results import Curve, Scalar, Table, decimal
from byrote.runs.run import Run
from byrote.stats.ranking import auroc

#: The name of a column of errors begins with this; the name of the group follows.
ERROR = "error of "


@dataclass(frozen=True, kw_only=True, eq=False)
class Forgetting:
    """How an attack's success falls after the canaries' last use, and when it is at most alpha, by repetitions."""

    run: Run
    alpha: float
    success: Curve
    after: dict[str, Scalar]

    def __repr__(self) -> str:
        return f"Forgetting({self.success.note}, from {self.success.models} models)"


def as_table(found: Forgetting) -> Table:
    """A row for each number of repetitions: when canaries were forgotten; and the attack's success as time goes by."""
    return Table(
        title=f"When canaries are forgotten: an attack's success is at most {found.alpha:g}",
        rows={"repetitions": tuple(found.after)},
        figures={"epochs until forgotten": tuple(found.after.values())},
        arrays={
            "epochs": found.success.at,
            **dict(zip(found.success.groups, found.success.values, strict=True)),
            **{f"{ERROR}{group}": of for group, of in zip(found.success.groups, found.success.stderr, strict=True)},
        },
        notes=(found.success.note,),
    )


@procedure(
    asks="When are examples forgotten that are no longer trained on?",
    needs=("rate_of_forgetting",),
    section="6.1.2",
    table=as_table,
)
def forgetting(
    lab: Lab,
    run: Run,
    *,
    regime: Literal["inject", "poison"] = "inject",
    canaries: int = 200,
    models: int = 16,
    alpha: float = 0.55,
    seed: int = 0,
    out: str | Path | None = None,
) -> Forgetting:
    """The experiment of `measure_forgetting` on the data and recipe of a run, trained in this lab."""
    dataset, recipe = data_of(run, "forgetting")
    if not 4 <= canaries <= len(dataset) // 2:
        raise BadInput(
            f"At least 4 and at most half of the {len(dataset)} examples can be canaries. Got {canaries}.",
            hint=f"--set canaries={max(4, len(dataset) // 4)}",
        )
    rows = np.sort(np.random.default_rng([seed, 7]).choice(len(dataset), canaries, replace=False))
    asked = {"models": models, "alpha": alpha, "seed": seed, **lab.settings}
    folder = run.folder.with_name(f"{run.folder.name}-{regime}") if out is None else out
    return measure_forgetting(dataset, recipe, regime=regime, canaries=rows, out=folder, **asked)


def measure_forgetting(
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    regime: str,
    canaries: Int[np.ndarray, " canary"],
    repetitions: tuple[int, ...] = (1,),
    models: int = 16,
    used: int | None = None,
    after: int | None = None,
    alpha: float = 0.55,
    attack: Attack = log_odds_attack,
    success: Success = auroc,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    checkpoints: int = 20,
    progress: Progress | bool = True,
) -> Forgetting:
    """Train pairs of models on the dataset with half of the canaries each, then on without them, and attack.

    A recipe with a constant learning rate is the plainest to read, since every phase has a schedule of its own.

    Args:
        dataset: what to train on, the canaries included.
        recipe: how to train.
        regime: "inject" shows the canaries in one epoch amid training, "poison" in a prefix of it.
        canaries: rows of the dataset; all others are always trained on.
        repetitions: how often an epoch shows a canary; of several numbers every canary gets one.
        models: how many, an even number.
        used: epochs before the injection, or of the prefix; the recipe's unless given.
        after: epochs without canaries; the recipe's unless given.
        alpha: the success rate at which something counts as forgotten.
        attack: scores from log-odds, members and pairs; the loss attack, or `byrote.measures.lira.lira`.
        success: the attack's success rate from scores and membership.
        out: the run folder; `runs/<dataset's name>-<regime>` unless given.
        seed: fixes canaries' halves, initial weights and orders.
        workers: training processes, as in `byrote.audit`.
        device: "cpu" or "cuda", as in `byrote.audit`.
        checkpoints: at how many k at most the attack is made, dense at the start.
        progress: False for silence.

    Raises:
        BadInput: no such regime, or canaries or numbers that do not fit.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(60, random_state=0), name="small")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=2)
        >>> rows = np.arange(20)
        >>> found = byrote.measure_forgetting(
        ...     data, recipe, regime="inject", canaries=rows, models=6, checkpoints=3, workers=1, progress=False
        ... )
        >>> found.success.at.tolist()  # epochs without the canaries
        [0.0, 1.0, 2.0]
    """
    rng, size = np.random.default_rng([seed, 4]), len(dataset)
    if regime == "inject":
        design = inject(size, models, canaries=canaries, repetitions=repetitions, before=used, after=after, rng=rng)
    elif regime == "poison":
        design = poison(size, models, canaries=canaries, repetitions=repetitions, prefix=used, after=after, rng=rng)
    else:
        raise BadInput(f"There is no regime {regime!r}.", hint="the regimes are inject and poison.")
    run = audit(
        dataset,
        recipe,
        design=design,
        out=Path("runs") / f"{dataset.name}-{regime}" if out is None else out,
        seed=seed,
        workers=workers,
        device=device,
        checkpoints=checkpoints,
        progress=progress,
    )
    curve = run.measure("rate_of_forgetting", alpha=alpha, attack=attack, success=success)
    assert isinstance(curve, Curve)
    after_each = dict(zip(curve.groups, forgotten_after(curve, alpha), strict=True))
    return Forgetting(run=run, alpha=alpha, success=curve, after=after_each)


@section(of="forgetting", title="Forgetting", order=64)
def shown(table: Table) -> Iterable[Block]:
    """The attack's success over time, and when each group of canaries was forgotten."""
    groups = [name for name in table.arrays if f"{ERROR}{name}" in table.arrays]
    at = table.arrays["epochs"].tolist()
    success = [
        [
            f"{value:.3f} ± {error:.3f}"
            for value, error in zip(table.arrays[group], table.arrays[ERROR + group], strict=True)
        ]
        for group in groups
    ]
    yield TableBlock(title="", columns=("epochs since", *groups), rows=tuple(zip(at, *success, strict=True)))
    alpha = table.title.rpartition(" ")[-1]
    for group, after in zip(table.rows["repetitions"], table.figures["epochs until forgotten"], strict=True):
        yield Words(text=f"{group}: {_forgotten(after, alpha)}")


def _forgotten(after: Scalar | None, alpha: str) -> str:
    """When the group was forgotten, or why it was not."""
    if after is None:
        return "not known"
    if after.value == 0:
        return f"not detected even right after the last use, success at most {alpha}"
    return after.reason or f"forgotten after {decimal(after)} epochs, success at most {alpha}"
