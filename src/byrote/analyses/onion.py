"""The privacy onion: whether removing the examples at highest risk puts the next ones at risk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from byrote.analyses.catalog import procedure
from byrote.analyses.lab import Lab, data_of
from byrote.blocks import Block, TableBlock, Words, capital, figure_rows, notes_of, section
from byrote.engine.progress import Progress
from byrote.errors import BadInput, TooFewModels
from byrote.results import PerExample, Scalar, Table
from byrote.runs.run import Run
from byrote.stats.jackknife import difference, from_replicates, parts

RISK = "membership_risk"
#: Share of the examples that is peeled off.
LAYER = 0.05
#: Models of an arm: fewer leave too few on either side of an example.
LEAST_MODELS = 12
#: Formerly safe was an example whose risk was at most the first; at risk it is from the second on.
SAFE, AT_RISK = 0.6, 0.75
#: Pairs are left out of pooled figures in at most this many parts.
GROUPS = 20
#: The folder of the results in a run's folder; the arms, and the name of each in a table.
TABLE = "onion.parquet"
ARMS = {
    "before": "before",
    "plain": "trained anew",
    "random": "random set removed",
    "riskiest": "riskiest removed",
    "over_plain": "excess over anew",
    "over_random": "over random",
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One figure in each arm, and what removing the riskiest adds beyond either control."""

    name: str
    before: Scalar
    plain: Scalar
    random: Scalar
    riskiest: Scalar
    over_plain: Scalar
    over_random: Scalar


@dataclass(frozen=True, kw_only=True, eq=False)
class Onion:
    """What peeling did to the examples that remain; ids of what was removed, and the three new runs by arm."""

    layers: tuple[Layer, ...]
    removed: np.ndarray
    removed_at_random: np.ndarray
    runs: dict[str, Run]
    notes: tuple[str, ...]

    @property
    def shown(self) -> bool:
        """Whether the next layer's risk rose by more than either control, both intervals wholly above 0."""
        first = self.layers[0]
        return first.over_plain.low > 0 and first.over_random.low > 0


def privacy_onion(
    run: Run,
    *,
    share: float = LAYER,
    out: str | Path | None = None,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | bool = True,
) -> Onion:
    """Remove the examples at highest membership risk, train again, and see whether the next ones are at risk now.

    Half of the run's pairs choose the riskiest layer and the one below it; all figures come from other models: the
    other half (before), and as many trained anew on all data (plain), without an equal random set (random), and
    without the riskiest layer. The claim is what the last shows beyond both controls.

    Args:
        run: an ensemble of at least 24 models in pairs, with its data and recipe attached.
        share: how large a layer is.
        out: folder for the three new runs; `<run>-onion` unless given.
        seed: of the new models and of the random set.
        workers: training processes, as in `byrote.audit`.
        progress: False for silence.

    Source: Carlini et al. 2022, arXiv:2206.10469.

    Raises:
        BadInput: the run has no data or recipe at hand, or the share does not fit.
        TooFewModels: fewer than 24 models.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(60, random_state=0), name="small")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=2)
        >>> run = byrote.audit(data, recipe, models=24, keep_weights=True, workers=1, progress=False)
        >>> onion = byrote.privacy_onion(run, share=0.1, workers=1, progress=False)
        >>> len(onion.removed), sorted(onion.runs)
        (6, ['plain', 'random', 'riskiest'])
    """
    return onion(Lab(workers=workers, progress=progress), run, share=share, out=out, seed=seed)


def as_table(found: Onion) -> Table:
    """A row for each figure, a column for each arm."""
    return Table(
        title="Membership risk as a layer is peeled off",
        rows={"figure": tuple(layer.name for layer in found.layers)},
        figures={arm: tuple(getattr(layer, arm) for layer in found.layers) for arm in ARMS},
        across="arm",
        notes=found.notes,
    )


@procedure(
    asks="Does removing the examples at highest risk put the next ones at risk?",
    needs=(RISK,),
    section="5.1",
    name="onion",
    table=as_table,
)
def onion(lab: Lab, run: Run, *, share: float = LAYER, seed: int = 1, out: str | Path | None = None) -> Onion:
    """The onion of `privacy_onion`, trained in this lab."""
    whole, recipe = data_of(run, "onion")
    if not 0 < share <= 0.25:
        raise BadInput(
            f"The 'share' argument of privacy_onion must lie in (0, .25]. Got {share}.",
            hint="share=0.05 removes the twentieth at highest risk.",
        )
    choosing, measuring = _halves(run)
    chosen_by = _risk(run, choosing)
    order = np.argsort(-np.nan_to_num(chosen_by, nan=-1.0), kind="stable")
    count = max(1, round(share * len(order)))
    riskiest = np.sort(order[:count])
    chance = np.random.default_rng([seed, 6]).choice(order[count:], size=count, replace=False)
    folder = Path(out) if out is not None else run.folder.with_name(f"{run.folder.name}-onion")
    runs: dict[str, Run] = {}
    arms = {"before": _arm(run, measuring)}
    for number, (name, removed) in enumerate(
        (("plain", np.empty(0, np.int64)), ("random", np.sort(chance)), ("riskiest", riskiest))
    ):
        dataset = whole.subset(np.setdiff1d(np.arange(len(order)), removed))
        child = lab.audit(
            dataset,
            recipe,
            models=len(measuring),
            full=0,
            out=folder / name,
            seed=seed * 1_000 + number + 1,
            checkpoints=2,
        )
        runs[name] = child
        arms[name] = _arm(child, child.models())
    left = np.setdiff1d(order, np.concatenate([riskiest, chance]))
    following = order[count:][~np.isin(order[count:], chance)][:count]
    safe = left[chosen_by[left] <= SAFE]
    figures: tuple[tuple[str, Int[np.ndarray, " row"], Callable[[np.ndarray], float]], ...] = (
        ("mean membership risk of the layer below", following, _mean),
        ("mean membership risk of all that remain", left, _mean),
        ("share of the formerly safe that are at risk", safe, lambda risk: _mean(_known(risk) >= AT_RISK)),
    )
    return Onion(
        layers=tuple(_layer(name, run.ids[rows], arms, of) for name, rows, of in figures),
        removed=run.ids[riskiest],
        removed_at_random=run.ids[np.sort(chance)],
        runs=runs,
        notes=(
            f"{count} examples are a layer. {len(choosing)} models chose it and the layer below; every figure comes "
            f"from {len(measuring)} others, over the same examples in each arm.",
            "One random set stands for all; the intervals are about models, not about sets.",
            f"Safe means a risk of at most {SAFE} with the models that chose, at risk one of at least {AT_RISK}; with "
            "few models some pass by chance, in every arm alike.",
        ),
    )


def _halves(run: Run) -> tuple[np.ndarray, np.ndarray]:
    models = run.models()
    pair = run.design.pair[models]
    names = np.unique(pair)
    if len(models) < 2 * LEAST_MODELS or (pair < 0).any():
        raise TooFewModels(
            f"An onion takes at least {2 * LEAST_MODELS} models in pairs, half to choose the layer and half to "
            f"measure. Got {len(models)}.",
            hint="audit with --models 64 --out ANOTHER_FOLDER.",
        )
    first = np.isin(pair, names[: len(names) // 2])
    return models[first], models[~first]


def _risk(run: Run, models: np.ndarray) -> np.ndarray:
    result = run.measured_on(RISK, models)
    assert isinstance(result, PerExample)
    return result.values


class _Arm(NamedTuple):
    """Risks `[example]` by these ids, and with each part of the pairs left out `[part, example]`."""

    ids: np.ndarray
    risk: np.ndarray
    left_out: np.ndarray
    models: int


def _arm(run: Run, models: np.ndarray) -> _Arm:
    part = parts(run.design.pair[models], groups=GROUPS)
    left_out = [_risk(run, models[part != number]) for number in range(int(part.max()) + 1)]
    return _Arm(run.ids, _risk(run, models), np.array(left_out), len(models))


def _layer(name: str, ids: np.ndarray, arms: dict[str, _Arm], of: Callable[[np.ndarray], float]) -> Layer:
    found: dict[str, Scalar] = {}
    for name_of_arm, arm in arms.items():
        where = np.isin(arm.ids, ids)
        found[name_of_arm] = from_replicates(
            of(arm.risk[where]),
            np.array([of(row[where]) for row in arm.left_out]),
            models=arm.models,
            examples=int(where.sum()),
            bounds=(0.0, 1.0),
        )
    return Layer(
        name=name,
        **found,
        over_plain=difference(found["riskiest"], found["plain"], paired=False),
        over_random=difference(found["riskiest"], found["random"], paired=False),
    )


def _known(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[~np.isnan(values)])


def _mean(values: np.ndarray) -> float:
    known = _known(values.astype(np.float64))
    return float(known.mean()) if len(known) else float("nan")


@section(of="onion", title="The privacy onion", order=62)
def shown(table: Table) -> Iterable[Block]:
    """Every figure in each arm, and whether the layer below is at risk once the riskiest is gone."""
    for name, *figures in figure_rows(table, *ARMS):
        yield TableBlock(title=capital(str(name)), columns=tuple(ARMS.values()), rows=(tuple(figures),))
    above = [table.figures[arm][0] for arm in ("over_plain", "over_random")]
    risen = all(one is not None and one.low > 0 for one in above)
    verdict = "is more at risk than with either control" if risen else "is not shown to be more at risk"
    yield Words(text=f"Without the riskiest layer the one below {verdict}.")
    yield from notes_of(table)
