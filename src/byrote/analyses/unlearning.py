"""Whether unlearning worked: unlearned models against models retrained without the examples, and against chance.

All models of the first run held the examples to forget and unlearned them. The gold was trained without them, and so
was a second set, which tells what chance gives; a third was then trained as many steps longer as the unlearning took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, islice
from math import comb
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import mannwhitneyu

from byrote.analyses.catalog import analysis, keep, procedure
from byrote.analyses.lab import Lab, data_of
from byrote.blocks import Block, TableBlock, Tile, Tiles, Words, section
from byrote.changes.change import Change, Context, TrainedModel
from byrote.changes.common import finishing, parent_of
from byrote.changes.forget import FORGET_SHARE, Forget, named, share_of
from byrote.changes.model.training import batches
from byrote.changes.registry import parse_change
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.designs.design import Design, one_phase
from byrote.engine.job import Job, Labelled
from byrote.errors import BadInput, TooFewModels
from byrote.recipes.algorithm import Algorithm, Batch, Seen, State, TrainingRecipe
from byrote.results import PerExample, Scalar, Table, decimal
from byrote.runs.run import Run
from byrote.stats.jackknife import from_replicates
from byrote.stats.multiple import holm

#: A difference is shown where its adjusted p-value is at most this.
LEVEL: Final = 0.05
#: Half of a set fits the Gaussians and the other half is judged, and one model is left out for the error.
LEAST_MODELS: Final = 5
#: From so many models on a spread is that of the example; with fewer all examples share one (LiRA's global variance).
OWN_SPREAD: Final = 32
#: Of more ways than this to deal out the models, so many are drawn.
DEALS: Final = 1_999
ALL: Final = "all to forget"
ARMS: Final = ("unlearned", "retrained", "again", "longer")

Scores = Float[np.ndarray, "model example"]


@analysis(
    asks="Do unlearned models answer as if they had never been trained on the examples?",
    needs=("outputs.log_odds",),
    section="5.6",
    runs=("run", "gold", "again", "longer"),
)
def unlearning(run: Run, gold: Run, again: Run, longer: Run) -> Table:
    """Unlearned models against retrained ones, by group of the examples to forget, and by example where they suffice.

    Formula:
        AUC: of the log-ratio of two Gaussians of the log-odds, fitted on one half of the models and judged on the
        other, both ways round, the mean over examples; .5 where the two sets are alike, more where they differ in
        either direction.
        shift: the mean log-odds of the unlearned minus those of the retrained, in standard deviations of the retrained
        p: of the mean over examples of (A - .5)^2, A the Mann-Whitney AUC of an example, with models dealt out to the
        two sets at random: exact where all deals are tried
    Undefined:
        what so few models cannot tell is said with the number that it takes.

    Source: Hayes et al. 2024, arXiv:2403.01218, algorithm 1 (U-LiRA).
    Differs:
        The null is a second set of retrained models. Groups are tested as wholes by dealing out models, which are the
        independent units; single examples only where so many models can show one after Holm's correction.

    Raises:
        BadInput: the runs are not over the same examples, or do not say what was to be forgotten.
        TooFewModels: a set has fewer than 5 models.
    """
    runs = dict(zip(ARMS, (run, gold, again, longer), strict=True))
    rows = _rows_to_forget(runs)
    sets = {name: _scores(one, rows) for name, one in runs.items()}
    found = judged(sets, run.ids[rows], _groups(run, rows))
    share = len(rows) / len(run.ids)
    fewer = (
        f"Retrained models were trained for as many epochs on {share:.1%} fewer examples, which is as many steps fewer."
    )
    return replace(found, notes=(*found.notes, fewer))


def judged(sets: dict[str, Scores], ids: np.ndarray, groups: dict[str, Bool[np.ndarray, " example"]]) -> Table:
    """The verdicts on the log-odds of four sets of models, `[model, example]` of the examples to forget only.

    Raises:
        TooFewModels: a set has fewer than 5 models.
    """
    count = min(len(values) for values in sets.values())
    if count < LEAST_MODELS:
        raise TooFewModels(
            f"An unlearning is judged by {LEAST_MODELS} models or more of each set. Got {count}.",
            hint=f"train at least {LEAST_MODELS} of each, better 16: --set models=16.",
        )
    sets = {name: values[:count] for name, values in sets.items()}
    pairs = {"": ("unlearned", "retrained"), "null": ("again", "retrained"), "longer": ("unlearned", "longer")}
    found = {
        (group, which): _compared(sets[one][:, mask], sets[other][:, mask])
        for group, mask in groups.items()
        for which, (one, other) in pairs.items()
    }
    adjusted = holm(np.array([found[group, ""]["p"].value for group in groups]))
    needed = models_for(len(groups))
    verdicts = [
        _verdict(found[group, ""]["shift"], float(p), count, needed) for group, p in zip(groups, adjusted, strict=True)
    ]
    by_example, told = _by_example(sets["unlearned"], sets["retrained"], ids)
    return Table(
        title="Unlearned models against models retrained without the examples",
        rows={"examples": tuple(groups), "verdict": tuple(verdicts)},
        figures={
            f"{name}{f', {words}' if words else ''}": tuple(found[group, which][name] for group in groups)
            for which, words in (("", ""), ("null", "null"), ("longer", "longer training"))
            for name in ("AUC", "shift", "p")
            if which != "longer" or name == "shift"
        },
        arrays=by_example,
        notes=(
            f"Each set has {count} models. AUC is .5 where unlearned and retrained models are alike; the null compares "
            "two sets of retrained models.",
            "A shift is in standard deviations of the retrained models: above 0 something is left, below 0 more was "
            "forgotten than retraining forgets. The last column is against retrained models that were trained as many "
            "steps longer as the unlearning took: what is gone there was longer training.",
            f"p-values are those of dealing out whole models, for {len(groups)} groups at once by Holm's correction in "
            "the verdicts. That no difference is shown does not show that there is none; the interval of the shift "
            "says how large it may be.",
            told,
        ),
    )


def models_for(tests: int) -> int:
    """The fewest models of a set with which one of so many tests can be significant: 2 / C(2N, N) <= .05 / tests.

    Example:
        >>> models_for(1), models_for(40)
        (4, 7)
    """
    models = 2
    while 2 * tests > LEVEL * comb(2 * models, models):
        models += 1
    return models


def _verdict(shift: Scalar, p_value: float, models: int, needed: int) -> str:
    if models < needed:
        return f"cannot tell, needs {needed} models of each set"
    if p_value > LEVEL:
        return "no difference shown"
    if shift.value > 0:
        return "not unlearned: something is left"
    return "not unlearned: more is gone than by retraining"


def _compared(one: Scores, other: Scores) -> dict[str, Scalar]:
    count, examples = one.shape
    without = [(np.delete(one, at, 0), np.delete(other, at, 0)) for at in range(count)]
    figures = {
        name: from_replicates(
            of(one, other),
            np.array([of(*pair) for pair in without]),
            models=2 * count,
            examples=examples,
            bounds=bounds,
        )
        for name, of, bounds in (("AUC", ulira, (0.0, 1.0)), ("shift", shift, (-np.inf, np.inf)))
    }
    nan = float("nan")
    p_value = dealt(one, other)
    figures["p"] = Scalar(value=p_value, stderr=nan, low=nan, high=nan, models=2 * count, examples=examples)
    return figures


def ulira(one: Scores, other: Scores) -> float:
    """Mean AUC over examples of the log-ratio of Gaussians that one half of the models fits and the other is judged by.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> round(ulira(rng.normal(3, 1, (40, 5)), rng.normal(0, 1, (40, 5))), 2) > 0.95
        True
    """
    found = []
    for start in (0, 1):
        fit, judge = (slice(start, None, 2), slice(1 - start, None, 2))
        ratio = _ratio(one[fit], other[fit])
        found.append(_auc(ratio(one[judge]), ratio(other[judge])).mean())
    return float(np.mean(found))


def _ratio(one: Scores, other: Scores) -> Callable[[Scores], Scores]:
    """Log-density of a Gaussian fitted to the first, minus that of one fitted to the second."""
    means, spreads = [], []
    for values in (one, other):
        variance = values.var(0, ddof=1)
        variance = variance if len(values) >= OWN_SPREAD // 2 else np.full_like(variance, variance.mean())
        means.append(values.mean(0))
        spreads.append(np.sqrt(np.maximum(variance, 1e-12)))

    def log_density(values: Scores, side: int) -> Scores:
        return np.asarray(-np.log(spreads[side]) - ((values - means[side]) / spreads[side]) ** 2 / 2)

    return lambda values: np.asarray(log_density(values, 0) - log_density(values, 1))


def _auc(one: Scores, other: Scores) -> Float[np.ndarray, " example"]:
    """The chance that a value of the first is above one of the second, ties half, by example."""
    above = (one[:, None] > other[None]).mean((0, 1))
    tied = (one[:, None] == other[None]).mean((0, 1))
    return np.asarray(above + tied / 2)


def shift(one: Scores, other: Scores) -> float:
    """How far the mean of the first is above that of the second, in standard deviations of the second."""
    spread = np.sqrt(other.var(0, ddof=1).mean())
    return float((one.mean(0) - other.mean(0)).mean() / max(float(spread), 1e-12))


def dealt(one: Scores, other: Scores) -> float:
    """The p-value of the two sets being alike, by dealing out their models; two-sided, with the deal at hand counted.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> dealt(rng.normal(3, 1, (5, 8)), rng.normal(0, 1, (5, 8)))
        0.007936507936507936
    """
    ranks = _ranks(np.concatenate([one, other]))
    count = len(one)

    def far(chosen: Bool[np.ndarray, "deal model"]) -> Float[np.ndarray, " deal"]:
        auc = (chosen.astype(np.float64) @ ranks - count * (count + 1) / 2) / (count * len(other))
        return np.asarray(((auc - 0.5) ** 2).mean(1))

    first = np.arange(len(ranks)) < count
    observed = float(far(first[None])[0])
    if comb(len(ranks), count) <= DEALS:
        deals = np.zeros((comb(len(ranks), count), len(ranks)), bool)
        for row, chosen in enumerate(combinations(range(len(ranks)), count)):
            deals[row, list(chosen)] = True
        return float((far(deals) >= observed - 1e-12).mean())
    rng = np.random.default_rng(0)
    deals = np.stack([rng.permutation(first) for _ in range(DEALS)])
    return float((1 + (far(deals) >= observed - 1e-12).sum()) / (1 + DEALS))


def _ranks(values: Scores) -> Scores:
    """Ranks from 1 over the models, of ties the middle."""
    below = (values[:, None] > values[None]).sum(1)
    tied = (values[:, None] == values[None]).sum(1)
    return np.asarray(below + (tied + 1) / 2, np.float64)


def _by_example(one: Scores, other: Scores, ids: np.ndarray) -> tuple[dict[str, np.ndarray], str]:
    """A verdict on each example, where so many models could reach one; else how many it takes."""
    count, examples = one.shape
    p_value = mannwhitneyu(one, other, axis=0, method="exact").pvalue
    adjusted, needed = holm(np.atleast_1d(p_value)), models_for(examples)
    differs = np.where(one.mean(0) > other.mean(0), "something is left", "more is gone than by retraining")
    can_tell = count >= needed
    verdict = np.where(adjusted <= LEVEL, differs, "no difference shown")
    told = (
        f"{int((adjusted <= LEVEL).sum())} of {examples} examples differ by themselves (Mann and Whitney, Holm)."
        if can_tell
        else f"Of single examples nothing can be told: among {examples} it takes {needed} models of each set."
    )
    spread = np.sqrt(np.maximum(other.var(0, ddof=1), 1e-24))
    return {
        "example": ids,
        "auc": _auc(one, other),
        "shift": (one.mean(0) - other.mean(0)) / spread,
        "p": adjusted if can_tell else np.full(examples, np.nan),
        "verdict": verdict if can_tell else np.full(examples, f"cannot tell, needs {needed} models of each set"),
    }, told


def _rows_to_forget(runs: dict[str, Run]) -> Int[np.ndarray, " forgotten"]:
    """Rows of what was to be forgotten; every model of the first run was trained on it, and none of the others."""
    first = runs["unlearned"]
    forget = np.array((first.manifest.parent or {}).get("forget", []), np.str_)
    if not len(forget):
        raise BadInput(
            f"The run {str(first.folder)!r} does not say what was to be forgotten.",
            hint="byrote ask RUN unlearn --set method=gradient-ascent trains the four sets.",
        )
    rows = np.flatnonzero(np.isin(first.ids, forget)).astype(np.int64)
    for name, run in runs.items():
        same = np.array_equal(run.ids, first.ids) and np.array_equal(run.labels, first.labels)
        member = 1 if name == "unlearned" else 0
        if not same or not (run.design.member[run.models()][:, rows] == member).all():
            was = "trained on all of the examples to forget" if member else "trained without the examples to forget"
            raise BadInput(
                f"The run {str(run.folder)!r} is not one of models that were {was}, over the same examples.",
                hint="byrote ask RUN unlearn --set method=gradient-ascent trains the four sets.",
            )
    return rows


def _scores(run: Run, rows: Int[np.ndarray, " forgotten"]) -> Scores:
    return np.asarray(run.load("outputs.log_odds", run.models())[:, rows], np.float64)


def _groups(run: Run, rows: Int[np.ndarray, " forgotten"]) -> dict[str, Bool[np.ndarray, " example"]]:
    """All examples to forget; and, where some were planted, those of each kind and the others."""
    ids = run.ids[rows]
    kinds = {kind.replace("_", " "): run.controls.mask(ids, kind) for kind in run.controls.kinds()}
    kinds = {f"planted {kind}": mask for kind, mask in kinds.items() if mask.any()}
    found = {ALL: np.ones(len(ids), bool)}
    if not kinds:
        return found
    clean = ~np.any(list(kinds.values()), axis=0)
    return found | kinds | ({"without a planted control": clean} if clean.any() else {})


@procedure(
    asks="Does this way of unlearning leave models as if they had never been trained on the examples?",
    needs=("outputs.log_odds",),
    section="5.6",
)
def unlearn(
    lab: Lab,
    run: Run,
    *,
    method: str | Change,
    forget: Forget = FORGET_SHARE,
    models: int = 16,
    seed: int = 1,
    out: str | Path | None = None,
) -> Table:
    """Train four sets of models on the data of a run, unlearn in the first, and judge that by the others.

    Args:
        lab: where to train.
        run: whose data and recipe; its label memorization chooses what to forget where a share is given.
        method: a change of models, or its name and settings, as "gradient-ascent=5,rate=0.1".
        forget: ids, a file of ids, or the share of the examples with the highest label memorization.
        models: of each set.
        seed: of all sets; no two models share one.
        out: folder of the four runs; `<run>-unlearn-<method>` unless given.

    Raises:
        BadInput: the data are not at hand or of other targets than classes, or the change is not of models.
        TooFewModels: fewer than 5 models.
    """
    dataset, recipe = data_of(run, "ask")
    refuse_other_tasks(run.task, run.folder.name, "An audit of unlearning")
    change = method if isinstance(method, Change) else parse_change(method)
    if change.stage != "model":
        raise BadInput(
            f"The change {change.name!r} is one of the {change.stage}, and unlearning is one of trained models.",
            hint="--set method=gradient-ascent=5 or --set method=fine-tune-on-rest=10",
        )
    if models < LEAST_MODELS:
        raise TooFewModels(
            f"An unlearning is judged by {LEAST_MODELS} models or more of each set. Got {models}.",
            hint="--set models=16.",
        )
    rows = _chosen(run, forget)
    folder = Path(out) if out is not None else run.folder.with_name(f"{run.folder.name}-unlearn-{change.name}")
    settings: dict[str, Any] = {"method": change, "rows": rows, "models": models, "folder": folder, "seed": seed}
    runs = dict(_trained(lab, run, dataset, recipe, forget=forget, **settings))
    found = unlearning(*(runs[name] for name in ARMS))
    keep(runs["unlearned"], "unlearning", found, *(runs[name] for name in ARMS[1:]))
    return found


def _chosen(run: Run, forget: Forget) -> Int[np.ndarray, " forgotten"]:
    share = share_of(forget)
    if share is None:
        return named(forget, run.ids, f"the run {str(run.folder)!r}").rows
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    ranked = np.argsort(-np.nan_to_num(result.values, nan=-np.inf), kind="stable")
    return np.sort(ranked[: max(1, round(share * len(ranked)))]).astype(np.int64)


def _trained(
    lab: Lab,
    run: Run,
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    method: Change,
    rows: Int[np.ndarray, " forgotten"],
    models: int,
    folder: Path,
    seed: int,
    forget: Forget,
) -> Iterator[tuple[str, Run]]:
    """The four sets, each a run of its own."""
    everyone = np.ones((models, len(dataset)), np.uint8)
    without = everyone.copy()
    without[:, rows] = 0
    rest = np.setdiff1d(np.arange(len(dataset)), rows)
    context = Context(dataset=dataset, rng=np.random.default_rng([seed, 2]), forget=rows, retain=rest)
    steps = steps_of(method, recipe, context)
    made: tuple[tuple[str, Design, Change | None], ...] = (
        ("unlearned", one_phase("unlearned", everyone), method),
        ("retrained", one_phase("retrained", without), None),
        ("again", one_phase("retrained", without), None),
        ("longer", one_phase("retrained", without), _Longer(steps, getattr(method, "rate", 1.0))),
    )
    for number, (name, design, change) in enumerate(made, start=1):
        parent: dict[str, Any] | None = None
        if change is not None:
            parent = parent_of(run, [method], forget, run.ids[rows])
            parent["change"] |= {"steps": steps, "set": name, "forget": len(rows)}
        yield (
            name,
            lab.audit(
                dataset,
                recipe,
                heldout=run.heldout,
                design=design,
                out=folder / name,
                seed=1_000 * seed + number,
                checkpoints=2,
                finish=None if change is None else finishing([(change, context)], design),
                parent=parent,
            ),
        )


def steps_of(method: Change, recipe: TrainingRecipe, context: Context) -> int:
    """How many steps a change of a model trained on all examples takes, counted on a fresh one."""
    dataset = context.dataset
    assert isinstance(dataset, Dataset)
    job = Job(
        recipe=recipe,
        data=Labelled.of(dataset),
        heldout=None,
        classes=dataset.outputs,
        design=one_phase("counting", np.ones((1, len(dataset)), np.uint8)),
        seeds=(0,),
        checkpoints=(),
        folder=Path(),
        keep_logits=False,
        keep_weights=False,
        device="cpu",
    )
    algorithm = _Counting(job.algorithm())
    fresh = replace(context, rng=np.random.default_rng(0))
    method.apply(TrainedModel(algorithm=algorithm, state=algorithm.init(0)), fresh)
    return algorithm.taken


class _Counting:
    """An algorithm that counts its steps; all else is that of the algorithm."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.taken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.algorithm, name)

    def step(self, state: State, batch: Batch) -> tuple[State, Seen]:
        self.taken += 1
        return self.algorithm.step(state, batch)


@dataclass(frozen=True)
class _Longer:
    """More training on what was trained on, of so many steps, at a share of the recipe's learning rate."""

    steps: int
    rate: float = 1.0
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "longer"

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model after so many steps more."""
        if not self.steps:
            return stage
        algorithm, state = stage.algorithm, stage.state
        device = next(algorithm.network(state).parameters()).device
        state = algorithm.begin(state, self.steps, rate=self.rate)
        for batch in islice(self._batches(stage, context, device), self.steps):
            state, _ = algorithm.step(state, batch)
        return TrainedModel(algorithm=algorithm, state=state)

    def _batches(self, stage: TrainedModel, context: Context, device: torch.device) -> Iterator[Batch]:
        while True:
            yield from batches(stage.algorithm, context, context.rng.permutation(context.retain), device)


@section(of="unlearn", title="Unlearning, judged against retraining", order=60)
@section(of="unlearning", title="Unlearning, judged against retraining", order=60)
def shown(table: Table) -> Iterable[Block]:
    """Verdict and shift of all examples, the groups, and how to read them."""
    verdict, moved, area = table.rows["verdict"][0], table.figures["shift"][0], table.figures["AUC"][0]
    yield Tiles(
        tiles=(
            Tile(value=verdict, label="All examples to forget"),
            Tile(value=f"{_plain(moved)} sd", label="Shift against retrained models", note="0 is as if never seen"),
            Tile(value=_plain(area), label="AUC against retrained models", note=".5 is as if never seen"),
        )
    )
    missing = "–"
    yield TableBlock(
        title=table.title,
        columns=(*table.rows, *table.figures),
        rows=tuple(
            (*names, *(missing if one is None else one for one in figures))
            for names, figures in zip(
                zip(*table.rows.values(), strict=True), zip(*table.figures.values(), strict=True), strict=True
            )
        ),
    )
    yield Words(text=" ".join(table.notes), tone="reading")


def _plain(figure: Scalar | None) -> str:
    return "–" if figure is None else decimal(figure)
