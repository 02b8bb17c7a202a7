"""A trained model as the target: reference models beside it, an attack on it, and whether the two are alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import torch
from jaxtyping import Bool, Float, Int8
from safetensors import SafetensorError
from safetensors.torch import load_file
from scipy.stats import binomtest, t

from byrote.analyses.catalog import analysis, keep, procedure
from byrote.analyses.lab import Lab, data_of
from byrote.analyses.membership import attack_named
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.designs.design import NO_PAIR, ROLES, UNKNOWN_COUNT, Design, Phase
from byrote.engine.audit import audit
from byrote.engine.block import clean_pass
from byrote.engine.job import Labelled
from byrote.engine.progress import Progress
from byrote.errors import CHECK_THE_PATH, BadInput, TooFewModels
from byrote.evidence.manifest import ModelEntry
from byrote.evidence.shards import write_shard
from byrote.evidence.tables import DESIGN
from byrote.probes.outputs import OutputsProbe
from byrote.recipes.algorithm import Algorithm, Shape, State, TrainingRecipe
from byrote.results import PerExample, PerModelExample, Scalar, Table
from byrote.runs.folder import with_digests
from byrote.runs.run import Run
from byrote.stats.attack_figures import LEAST_FALSE_POSITIVES, RATES, roc

#: Files of attacks on a target.
TARGETED = re.compile(r"target-(?P<key>.+)\.parquet")
#: Chance that one of the checks of likeness gives a false alarm.
FALSE_ALARM = 0.01
_GO_WHERE = "--weights takes a .safetensors file, and --members a CSV whose first line is example,member."


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


def read_members(path: str | Path, dataset: Dataset) -> Int8[np.ndarray, " example"]:
    """Membership by example from a CSV with the columns `example` and `member`; -1 where it names none.

    Raises:
        BadInput: the file, a column, an id or a value is not as it should be, or an id stands there twice.
    """
    path = Path(path)
    _refuse_unreadable(path, "members", text=True)
    try:
        text = pa.csv.ConvertOptions(column_types={"example": pa.string(), "member": pa.string()})
        table = pa.csv.read_csv(path, convert_options=text)
        named = {name: table[name].to_pylist() for name in ("example", "member") if name in table.column_names}
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise BadInput(
            f"The file {str(path)!r} cannot be read as CSV: {str(error).splitlines()[0]}.",
            hint="its first line is example,member, and each other an id and 1 or 0.",
        ) from None
    if not {"example", "member"} <= set(table.column_names):
        raise BadInput(
            f"The file {str(path)!r} has the columns {', '.join(table.column_names)}.",
            hint="it needs 'example' (the ids of the dataset) and 'member' (1 or 0).",
        )
    ids, values = (np.array(named[name], np.str_) for name in ("example", "member"))
    names, count = np.unique(ids, return_counts=True)
    if (count > 1).any():
        raise BadInput(
            f"The id {str(names[count > 1][0])!r} stands in {str(path)!r} {count[count > 1][0]} times.",
            hint="name every example once; the order of the rows does not matter.",
        )
    unknown = np.setdiff1d(ids, dataset.ids)
    if len(unknown):
        raise BadInput(
            f"{len(unknown)} ids of {str(path)!r} are not in the dataset {dataset.name!r}, as {str(unknown[0])!r}.",
            hint=f"ids look like {str(dataset.ids[0])!r}.",
        )
    wrong = np.flatnonzero(~np.isin(values, ("0", "1")))
    if len(wrong):
        raise BadInput(
            f"Membership must be 1 or 0. Got {str(values[wrong[0]])!r} in row {wrong[0] + 2} of {str(path)!r}.",
            hint="leave out the examples of which you do not know it.",
        )
    member = np.full(len(dataset), -1, np.int8)
    member[dataset.index_of(ids)] = values.astype(np.int8)
    return member


def _refuse_unreadable(path: Path, what: str, *, text: bool) -> None:
    """Refuse a path that leads nowhere, and what holds text in place of weights, or other things in place of text."""
    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r} of {what}.", hint=CHECK_THE_PATH)
    with path.open("rb") as file:
        start = file.read(1024)
    if text and b"\0" in start:
        raise BadInput(f"The file {str(path)!r} is no table of members: it holds no text.", hint=_GO_WHERE)
    if not text and path.suffix.lower() in (".csv", ".tsv", ".txt"):
        raise BadInput(f"The file {str(path)!r} is a table and holds no weights.", hint=_GO_WHERE)


def load_weights(algorithm: Algorithm, path: str | Path) -> State:
    """A state of the algorithm whose network has these weights.

    Raises:
        BadInput: the file is no safetensors file, or its tensors are not those of the network.
    """
    path = Path(path)
    _refuse_unreadable(path, "weights", text=False)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise BadInput(
            f"The weights {str(path)!r} cannot be read as safetensors: {str(error).partition(chr(10))[0]}",
            hint="safetensors.torch.save_file(network.state_dict(), 'weights.safetensors') writes them; "
            "pickled files are never opened.",
        ) from None
    state = algorithm.init(0)
    network = algorithm.network(state)
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    problems = [f"{name!r} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name!r} is not the network's" for name in sorted(found.keys() - expected.keys())]
    problems += [
        f"{name!r} has shape {found[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BadInput(
            f"The weights {str(path)!r} are not those of the recipe's network: {'; '.join(problems[:3])}{more}.",
            hint="the recipe's network must be the one that the target was trained with.",
        )
    network.load_state_dict(tensors)
    return state


def with_target(run: Run, algorithm: Algorithm, state: State, member: Int8[np.ndarray, " example"], digest: str) -> Run:
    """The run with a trained model in the role of the target, its answers recorded beside those of the references.

    Raises:
        BadInput: the run has another target already, or no data at hand.
    """
    if run.dataset is None:
        raise BadInput(f"The run {str(run.folder)!r} was opened without its data.", hint="run.attach(dataset, recipe).")
    design = _with_row(run.design, member)
    there = run.models("target")
    if len(there):
        recorded = run.evidence.header("outputs", int(there[-1]), run.last_phase)["weights"]
        if recorded != digest or not np.array_equal(run.design.member[there[-1]], member):
            raise BadInput(
                f"The run {str(run.folder)!r} is about another target, or other members.",
                hint="give another folder with --out, or remove this one.",
            )
        return run
    model = run.design.models
    for kind, data in (("outputs", run.dataset), ("heldout", run.heldout)):
        if data is None:
            continue
        inputs, targets = Labelled(inputs=data.inputs, targets=data.targets).tensors(torch.device("cpu"))
        probe = OutputsProbe(1, len(data), data.classes, at=0, kind=kind)
        clean_pass(_Answers(algorithm, state), inputs, targets, [probe], checkpoint=0)
        columns = {name: array[0] for name, array in probe.columns().items()}
        if not np.isfinite(columns["log_odds"]).all():
            raise BadInput("The target's answers are not finite.", hint="are these the weights of a finished training?")
        run.evidence.write(kind, model, run.last_phase, columns, {"diverged": "false", "weights": digest})
    write_shard(run.folder / DESIGN, design.tensors(), {"kind": "design"})
    entry = ModelEntry(index=model, origin="observed", role="target", pair=NO_PAIR, seed=None)
    manifest = with_digests(run.folder, run.manifest)
    replace(manifest, design=design.describe(), models=(*run.manifest.models, entry)).write(run.folder)
    return Run.open(run.folder).attach(run.dataset, run.recipe, run.heldout) if run.recipe else Run.open(run.folder)


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


class _Answers:
    """One trained network, asked like a block of models."""

    def __init__(self, algorithm: Algorithm, state: State) -> None:
        self.algorithm = algorithm
        self.state = state

    def predict(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.algorithm.predict(self.state, inputs)[None]

    def states(self) -> list[State]:
        return [self.state]


def _with_row(design: Design, member: np.ndarray) -> Design:
    row = np.where(member < 0, UNKNOWN_COUNT, member).astype(np.uint8)[None]
    return Design(
        name=f"{design.name}+target",
        phases=tuple(
            Phase(name=p.name, count=np.concatenate([p.count, row]), epochs=p.epochs, labels=p.labels)
            for p in design.phases
        ),
        pair=np.append(design.pair, NO_PAIR),
        role=np.append(design.role, np.int8(ROLES.index("target"))),
        parameters=design.parameters,
        known=False,
    )


def _refuse_one_sided(member: np.ndarray) -> None:
    for side, words in ((1, "member"), (0, "non-member")):
        if not (member == side).any():
            raise BadInput(
                f"No example is known to be a {words} of the target, so that nothing can be told of an attack on it.",
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
