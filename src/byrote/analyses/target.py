"""A trained model as the target: reference models beside it, an attack on it, and whether the two are alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import torch
from jaxtyping import Bool, Float, Int8
from scipy.stats import binomtest, t

from byrote.analyses.catalog import analysis, keep, procedure
from byrote.analyses.lab import Lab, data_of
from byrote.analyses.membership import attack_named
from byrote.blocks import Block, TableBlock, Words, section
from byrote.data.dataset import Dataset
from byrote.data.members import read_members
from byrote.data.task import refuse_other_tasks
from byrote.engine.audit import audit
from byrote.engine.given_model import load_weights, with_target
from byrote.engine.progress import Progress
from byrote.errors import BadInput, TooFewModels
from byrote.recipes.algorithm import Shape, TrainingRecipe
from byrote.results import PerExample, PerModelExample, Scalar, Table
from byrote.runs.run import Run
from byrote.stats.attack_figures import RATES
from byrote.stats.roc import LEAST_FALSE_POSITIVES, roc

#: Files of attacks on a target.
TARGETED = re.compile(r"target-(?P<key>.+)\.parquet")
#: Membership in words.
MEMBERSHIP: Final = {1: "yes", 0: "no", -1: "unknown"}
#: Chance that one of the checks of likeness gives a false alarm.
FALSE_ALARM = 0.01


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """One trait of the target beside the same of the reference models; alike unless chance would rarely do it."""

    trait: str
    target: float
    lowest: float
    highest: float
    alike: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetAttack:
    """What an attack tells of one trained model.

    `score[example]` is the attack's, `false_positive_rate[example]` the share of non-members that reference models
    score at least as high: the risk that an attacker takes who calls the example a member. `risk` is how surely
    members of the example are told among the reference models. `figures` have intervals over examples, for this one
    target; thresholds come from the reference models. `warnings` say where these do not behave like the target.
    """

    run: Run
    attack: str
    references: int
    score: Float[np.ndarray, " example"]
    false_positive_rate: Float[np.ndarray, " example"]
    member: Int8[np.ndarray, " example"]
    risk: PerExample
    figures: Mapping[str, Scalar]
    likeness: tuple[Likeness, ...]
    warnings: tuple[str, ...]

    def table(self) -> pa.Table:
        """Columns `example, member, score, false_positive_rate, risk, risk_low, risk_high`."""
        return pa.table(dict(as_table(self).arrays))


def as_table(found: TargetAttack) -> Table:
    """A row for the target, and what is known of each example."""
    return Table(
        title=f"{found.attack} on the target with {found.references} reference models",
        rows={"attack": (found.attack,)},
        figures={name: (figure,) for name, figure in found.figures.items()},
        arrays={
            "example": found.run.ids,
            "member": found.member,
            "score": found.score,
            "false_positive_rate": found.false_positive_rate,
            "risk": found.risk.values,
            "risk_low": found.risk.low,
            "risk_high": found.risk.high,
        },
        notes=found.warnings,
    )


def as_files(found: TargetAttack) -> dict[str, pa.Table]:
    """`target-<attack>.parquet`: what is known of each example."""
    return {f"target-{found.attack}.parquet": found.table()}


def named(file: str) -> dict[str, Any] | None:
    """The attack that a file is named after."""
    match = TARGETED.fullmatch(file)
    return None if match is None else {"attack": match["key"]}


def audit_target(
    dataset: Dataset,
    recipe: TrainingRecipe,
    weights: str | Path,
    members: str | Path | Int8[np.ndarray, " example"],
    *,
    heldout: Dataset | None = None,
    attack: str = "lira",
    models: int = 64,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    progress: Progress | bool = True,
    source: dict[str, Any] | None = None,
) -> TargetAttack:
    """Train reference models beside a trained model and attack it with their help.

    Args:
        dataset: examples whose membership shall be told; the references train on halves of it.
        recipe: how the target was trained, as far as known; its network must take the weights.
        weights: the target's, a `.safetensors` file of the network's state.
        members: a CSV with the columns `example` and `member` (1, 0), or membership by example with -1 = unknown.
            Examples that the file does not name are unknown, and are scored without counting in any figure.
        heldout: examples that no model trains on.
        attack: `lira`, `rmia`, their offline forms (which an attacker without models trained on the example has),
            or another attack of the catalog.
        models: reference models.
        out: the run folder; `runs/<dataset's name>-target` unless given. The same call resumes.
        seed: of the references.
        workers: training processes, as in `byrote.audit`.
        device: "cpu" or "cuda", as in `byrote.audit`.
        progress: False for silence.
        source: how the command line finds dataset and recipe again.

    Raises:
        BadInput: weights or members that cannot be used; all-members or all-non-members.
        RunMismatch: the folder holds another audit.
        TooFewModels: the attack needs more references.

    Example:
        >>> from safetensors.torch import save_file
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(60, random_state=0), name="small")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=2)
        >>> save_file(recipe.network.build((20,), 2).state_dict(), "mine.safetensors")  # the weights of your model
        >>> members = np.arange(60, dtype=np.int8) % 2
        >>> found = byrote.audit_target(data, recipe, "mine.safetensors", members, models=8, workers=1, progress=False)
        >>> found.references, found.score.shape
        (8, (60,))
    """
    refuse_other_tasks(dataset.task, dataset.name, "An attack on given weights")
    member = members if isinstance(members, np.ndarray) else read_members(members, dataset)
    _refuse_one_sided(member)
    attack_named(attack)
    shape = Shape(inputs=dataset.inputs.shape[1:], classes=dataset.classes, examples=len(dataset))
    algorithm = recipe.bind(shape, torch.device("cpu"))
    state = load_weights(algorithm, weights)
    run = audit(
        dataset,
        recipe,
        heldout=heldout,
        models=models,
        full=0,
        out=Path("runs") / f"{dataset.name}-target" if out is None else out,
        seed=seed,
        workers=workers,
        device=device,
        progress=progress,
        source=source,
    )
    digest = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    return attack_target(with_target(run, algorithm, state, member, digest), attack)


@section(of="references", title="An attack on the target", order=51)
@section(of="target", title="An attack on the target", order=51)
def shown(table: Table, *, top: int = 10) -> Iterable[Block]:
    """Warnings, the figures, and the examples with the highest membership scores."""
    for warning in table.notes:
        yield Words(text=f"Warning: {warning}")
    figures = tuple((name.replace("_", " "), column[0]) for name, column in table.figures.items())
    yield TableBlock(title=table.title, columns=("figure", "value"), rows=figures)
    yield Words(text="The chance level of the AUC is .5. Errors are over the examples, for this one target.")
    columns = [table.arrays[name] for name in ("example", "member", "score", "false_positive_rate", "risk")]
    order = np.lexsort((columns[3], np.isnan(columns[2])))[:top]
    yield TableBlock(
        title="",
        columns=("example", "member", "score", "false-positive rate", "risk"),
        rows=tuple(
            (str(example), MEMBERSHIP[int(member)], *map(float, numbers))
            for example, member, *numbers in zip(*(column[order] for column in columns), strict=True)
        ),
    )
    yield Words(
        text="The false-positive rate is the share of non-members of the reference models that score at least as high. "
        "Risk describes the example, whether or not the target was trained on it: the probability that a reference "
        "model trained on it is more confident in it than one that was not."
    )


@procedure(
    asks="Which examples was this trained model trained on?",
    needs=("lira", "membership_risk"),
    section="5.1",
    name="references",
    table=lambda found: as_table(found),
)
def train_references(
    lab: Lab,
    run: Run,
    *,
    weights: Path,
    members: Path,
    attack: str = "lira",
    models: int = 64,
    seed: int = 0,
    out: str | Path | None = None,
) -> TargetAttack:
    """The audit of `audit_target` with the data and recipe of a run, its reference models trained in this lab."""
    dataset, recipe = data_of(run, "audit SOURCE --weights")
    folder = run.folder.with_name(f"{run.folder.name}-target") if out is None else out
    asked = {"attack": attack, "models": models, "seed": seed, **lab.settings}
    return audit_target(dataset, recipe, weights, members, heldout=run.heldout, out=folder, **asked)


@analysis(
    asks="Which examples was the target trained on?",
    needs=("lira", "membership_risk"),
    section="5.1",
    name="target",
    table=as_table,
    contents=as_files,
    variant=named,
)
def attack_target(run: Run, attack: str = "lira") -> TargetAttack:
    """Attack the target of a run that has one, with all its reference models.

    Raises:
        TooFewModels: the run has no target, or too few references.

    Example:
        >>> run = byrote.Run.open("runs/small-target")  # as the example of audit_target made it
        >>> byrote.attack_target(run, "rmia").attack
        'rmia'
    """
    targets, references = run.models("target"), run.models()
    if not len(targets):
        raise TooFewModels(
            "The run has no target.",
            hint="byrote.audit_target makes one, or `byrote audit SOURCE --weights weights.safetensors --members "
            "members.csv`.",
        )
    models = np.append(references, targets[-1])
    found = run.measured_on(attack, models)
    assert isinstance(found, PerModelExample)
    member = run.member[targets[-1]]
    score, others = found.values[-1], found.values[:-1][run.member[references] == 0]
    others = np.sort(others[~np.isnan(others)])
    above = len(others) - np.searchsorted(others, score, side="left")
    rate = np.where(np.isnan(score), np.nan, (above + 1) / (len(others) + 1))
    risk = run.measured_on("membership_risk", references)
    assert isinstance(risk, PerExample)
    likeness = likenesses(run, references, int(targets[-1]))
    figures = _figures(score, member, others, len(references))
    result = TargetAttack(
        run=run,
        attack=attack,
        references=int(found.references[-1]),
        score=score,
        false_positive_rate=rate,
        member=member,
        risk=risk,
        figures=figures,
        likeness=likeness,
        warnings=(*(_warning(trait) for trait in likeness if not trait.alike), *_off(figures)),
    )
    keep(run, "target", result)
    return result


def likenesses(run: Run, references: np.ndarray, target: int) -> tuple[Likeness, ...]:
    """Accuracy and mean loss of target and references, on members and on non-members."""
    found = []
    for side, words in ((1, "members"), (0, "non-members")):
        for name, trait in (("outputs.correct", "accuracy"), ("outputs.loss", "mean loss")):
            values = np.array([_mean_on(run, name, int(model), side) for model in (*references, target)])
            found.append(_likeness(f"{trait} on {words}", values[-1], values[:-1]))
    return tuple(found)


def _mean_on(run: Run, name: str, model: int, side: int) -> float:
    chosen = run.member[model] == side
    return float(run.load(name, [model])[0][chosen].mean())


def _likeness(trait: str, target: float, references: np.ndarray) -> Likeness:
    """Alike where the target lies in the interval in which a new reference model would, at a level shared by four."""
    count = len(references)
    spread = max(float(references.std(ddof=1)), 0.5 / 100 * abs(float(references.mean())), 1e-6)
    reach = t.ppf(1 - FALSE_ALARM / 8, count - 1) * spread * np.sqrt(1 + 1 / count)
    return Likeness(
        trait=trait,
        target=float(target),
        lowest=float(references.min()),
        highest=float(references.max()),
        alike=bool(abs(target - references.mean()) <= reach),
    )


def _warning(trait: Likeness) -> str:
    return (
        f"The reference models do not behave like the target: its {trait.trait} is {trait.target:.3g}, theirs are "
        f"{trait.lowest:.3g} to {trait.highest:.3g}; scores and false-positive rates rest on that likeness."
    )


def _off(figures: Mapping[str, Scalar]) -> Iterator[str]:
    """Rates of false positives that the target's known non-members have and chance would rarely give."""
    for rate in RATES:
        realised = figures[f"realised_fpr_{rate:g}"]
        if np.isnan(realised.value):
            continue
        count = round(realised.value * realised.examples)
        if binomtest(count, realised.examples, rate).pvalue < FALSE_ALARM / len(RATES):
            yield (
                f"At the threshold for {rate:.1%} false positives {realised.value:.1%} of the target's "
                f"{realised.examples:,} known non-members are taken for members; true-positive rates at that threshold "
                "are those of the rate that was realised."
            )


def _refuse_one_sided(member: np.ndarray) -> None:
    for side, words in ((1, "member"), (0, "non-member")):
        if not (member == side).any():
            raise BadInput(
                f"No example is known to be a {words} of the target, so an attack on it cannot be evaluated.",
                hint="name both: some examples that it was trained on and some that it was not.",
            )


def _figures(score: np.ndarray, member: np.ndarray, others: np.ndarray, models: int) -> dict[str, Scalar]:
    known = (member >= 0) & ~np.isnan(score)
    inside, outside = score[known & (member == 1)], score[known & (member == 0)]
    figures = {"auc": _auc(inside, outside, models)}
    for rate in RATES:
        name, examples = f"tpr_at_fpr_{rate:g}", len(inside)
        if len(others) * rate < LEAST_FALSE_POSITIVES * (1 - 1e-9):
            reason = (
                f"a threshold for {rate:.1%} false positives takes {LEAST_FALSE_POSITIVES / rate:,.0f} scores of "
                f"non-members of the reference models; there are {len(others):,}"
            )
            figures[name] = figures[f"realised_fpr_{rate:g}"] = _refused(reason, models, examples)
            continue
        threshold = np.quantile(others, 1 - rate, method="higher")
        figures[name] = _rate(inside > threshold, models)
        figures[f"realised_fpr_{rate:g}"] = _rate(outside > threshold, models)
    return figures


def _auc(inside: np.ndarray, outside: np.ndarray, models: int) -> Scalar:
    """Area under the curve with DeLong's error (DeLong et al. 1988), over the examples of one target."""
    curve = roc(np.concatenate([inside, outside]), np.repeat(np.array([1, 0], np.int8), [len(inside), len(outside)]))
    if curve is None or min(len(inside), len(outside)) < 2:
        return _refused("an attack needs 2 members and 2 non-members with scores", models, len(inside) + len(outside))
    variance = sum(
        placement.var(ddof=1) / len(placement)
        for placement in (_placement(inside, outside), _placement(outside, inside))
    )
    stderr = float(np.sqrt(variance)) or float("nan")
    return Scalar(
        value=curve.area,
        stderr=stderr,
        low=max(0.0, curve.area - 1.96 * stderr),
        high=min(1.0, curve.area + 1.96 * stderr),
        models=models,
        examples=len(inside) + len(outside),
        note="for this target; examples are the units",
        varies_over="examples",
    )


def _placement(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of the others below each value, ties half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return np.asarray(below / (2 * len(others)))


def _rate(hits: Bool[np.ndarray, " example"], models: int) -> Scalar:
    """A rate with Clopper and Pearson's interval."""
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="exact")
    smoothed = (hits.sum() + 1) / (len(hits) + 2)
    return Scalar(
        value=float(hits.mean()),
        stderr=float(np.sqrt(smoothed * (1 - smoothed) / (len(hits) + 2))),
        low=float(interval.low),
        high=float(interval.high),
        models=models,
        examples=len(hits),
        note="for this target; examples are the units, the threshold is that of the reference models",
        varies_over="examples",
    )


def _refused(reason: str, models: int, examples: int) -> Scalar:
    nan = float("nan")
    return Scalar(
        value=nan,
        stderr=nan,
        low=nan,
        high=nan,
        models=models,
        examples=examples,
        reason=reason,
        varies_over="examples",
    )
