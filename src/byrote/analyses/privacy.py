"""Privacy audits, in one training run or in many: canaries join by coins, and guessing them proves an ε."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from byrote.analyses.catalog import analysis, different, keep, not_following, procedure, table_files
from byrote.analyses.lab import Lab, data_of
from byrote.blocks import Block, Words, notes_of, section
from byrote.changes.change import Context
from byrote.changes.data._planting import untouched
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.controls import LABEL_NOISE, Controls
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.designs.coins import coins
from byrote.designs.design import Design, one_phase
from byrote.engine.audit import audit
from byrote.engine.progress import Progress
from byrote.errors import BadInput
from byrote.measures._by_group import by_group
from byrote.recipes.algorithm import TrainingRecipe
from byrote.recipes.private import Private
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.privacy_bounds import (
    EpsilonBound,
    GaussianBound,
    ceiling,
    many_runs_epsilon,
    one_run_epsilon,
    one_run_gaussian,
)

#: Where a run's folder keeps who joined, and what was guessed by: `results/epsilon.parquet`.
TABLE = "epsilon"
#: Figures of the bound: with every guess right, and the largest that this number of canaries can show.
CEILING: Final = "had all been right"
LIMIT: Final = "so many canaries at most"
#: The method "fixed" guesses this share of the canaries on either side unless told otherwise: with a
#: hundred or more, fair coins hardly ever put so few on one side that a guess must be wrong.
SHARE = 1 / 3
#: In many runs the guess is "in" where the model gives the canary's label more than half of the probability.
THRESHOLD = 0.0


@dataclass(frozen=True, kw_only=True)
class PrivacyAudit:
    """What one training run proves about its privacy.

    `epsilon` is a lower bound at `delta`; `ceiling` is what the same guesses would have shown had all been right, and
    `limit` the most that so many canaries can ever show. `gaussian` is a sharper claim for mechanisms whose privacy is
    that of a Gaussian one, as DP-SGD's nearly is. `members` of the `canaries` joined, `measured` of them count (half
    in a split), and `correct` of so many `guesses` were right. `method` says how the number of guesses was chosen,
    `notes` what the figures do not say.
    """

    epsilon: float
    delta: float
    confidence: float
    ceiling: float
    limit: float
    canaries: int
    members: int
    measured: int
    guesses: int
    correct: int
    method: str
    gaussian: GaussianBound
    run: Run
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"PrivacyAudit(ε ≥ {self.epsilon:.3g} at δ = {self.delta:g} with {self.confidence:.0%} confidence; "
            f"{self.correct} of {self.guesses} guesses right, all right would show {self.ceiling:.3g})"
        )


@dataclass(frozen=True, kw_only=True)
class ManyRunsAudit:
    """What many trainings prove about the privacy of one recipe: the bound, and the run of all models."""

    bound: EpsilonBound
    run: Run


def audit_privacy(
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    canaries: int = 500,
    delta: float = 1e-5,
    confidence: float = 0.95,
    method: str = "fixed",
    k: int | None = None,
    mislabel: bool = True,
    references: int = 0,
    heldout: Dataset | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    progress: Progress | bool = True,
) -> PrivacyAudit:
    """Train once with canaries that join by a fair coin each, and bound from below the ε that the recipe can have.

    A canary's score is its final log-odds, higher = more likely a member. The same call goes on with a run that was
    stopped, and gives the same audit.

    Args:
        dataset: what to train on.
        recipe: how to train.
        canaries: how many examples may or may not join, or whole groups where the dataset has them; the
            bound's ceiling grows with their logarithm.
        delta: the δ at which ε is bounded.
        confidence: one minus the chance that the bound exceeds the truth.
        method: "fixed", "split" or "bonferroni": how the number of guesses is chosen, as in `one_run_epsilon`.
        k: for "fixed", guess so many canaries "in" and as many "out"; a third of them each unless given.
        mislabel: give the canaries a wrong label, which a network can only learn by rote; otherwise they stay as
            they are, and the bound says less.
        references: this many models that train without any canary; their mean log-odds are taken off the scores,
            so that examples which are hard for every model do not look like non-members. It helps canaries that
            keep their labels; mislabelled ones are told apart better without.
        heldout: examples that no model trains on, for accuracy.
        out: the run folder; `runs/<dataset's name>+privacy` unless given.
        seed: fixes canaries, coins, the order of ties, initial weights, orders and noise.
        workers: training processes.
        device: "cpu" or "cuda".
        progress: False for silence.

    Raises:
        BadInput: too few canaries to show anything, too few examples for so many, or a method and a k that do not go
            together; what `byrote.audit` raises.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(60, random_state=0), name="small")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=2)
        >>> found = byrote.audit_privacy(data, recipe, canaries=50, k=10, workers=1, progress=False)
        >>> found.epsilon >= 0, found.guesses
        (True, 20)
    """
    refuse_other_tasks(dataset.task, dataset.name, "A privacy audit in one training run")
    size = _size(canaries, method, k)
    _check(canaries, delta, confidence, method, size)
    dataset, rows = with_canaries(dataset, canaries, mislabel=mislabel, seed=seed)
    run = audit(
        dataset,
        _at_delta(recipe, delta),
        heldout=heldout,
        design=privacy_design(len(dataset), rows, references=references, seed=seed, groups=dataset.groups),
        out=_folder(dataset, out),
        seed=seed,
        workers=workers,
        device=device,
        checkpoints=2,
        progress=progress,
    )
    scores, joined = canary_scores(run, rows)
    keep(run, TABLE, canary_table(run, rows))
    bound, gaussian = (
        measure(
            scores,
            joined,
            delta=delta,
            confidence=confidence,
            method=method,
            k_plus=size,
            k_minus=size,
            rng=np.random.default_rng([seed, 6]),
        )
        for measure in (one_run_epsilon, one_run_gaussian)
    )
    assert isinstance(gaussian, GaussianBound)
    return PrivacyAudit(
        epsilon=bound.epsilon,
        delta=delta,
        confidence=confidence,
        ceiling=bound.ceiling,
        limit=ceiling(canaries, delta=delta, confidence=confidence),
        canaries=canaries,
        members=int(joined.sum()),
        measured=bound.canaries,
        guesses=bound.guesses,
        correct=bound.correct,
        method=method,
        gaussian=gaussian,
        run=run,
        notes=(*_notes(bound, references, groups=dataset.groups is not None), *beside_claim(bound, run)),
    )


def audit_privacy_in_many_runs(
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    models: int = 64,
    delta: float = 1e-5,
    confidence: float = 0.95,
    heldout: Dataset | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    progress: Progress | bool = True,
) -> ManyRunsAudit:
    """Train many times with one mislabelled canary that joins by a fair coin, and bound ε from below.

    The classical audit (`many_runs_epsilon`): it leans on nothing but that the runs are independent, and costs a
    training for each guess. The guess is "in" where a model gives the canary's label, a wrong one, more than half of
    the probability; that threshold is fixed before any model trains. Where the dataset has groups, the canary is a
    whole group and the mean over its examples is judged.

    Raises:
        BadInput: as `audit_privacy`; so few models that no ε could be shown, which is said before anything trains.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(60, random_state=0), name="small")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=2)
        >>> settings = {"out": "runs/many", "workers": 1, "progress": False}
        >>> found = byrote.audit_privacy_in_many_runs(data, recipe, models=24, **settings)
        >>> found.bound.guesses, found.bound.epsilon >= 0
        (24, True)
    """
    refuse_other_tasks(dataset.task, dataset.name, "A privacy audit in many training runs")
    dataset, rows = with_canaries(dataset, 1, mislabel=True, seed=seed)
    design = privacy_design(len(dataset), rows, models=models, seed=seed, groups=dataset.groups)
    # a rehearsal in which every guess is right: refuse now what the bound would refuse after
    coin = design.member[:, rows[0]] == 1
    many_runs_epsilon(coin.astype(np.float64), coin, threshold=0.5, delta=delta, confidence=confidence)
    run = audit(
        dataset,
        _at_delta(recipe, delta),
        heldout=heldout,
        design=design,
        out=_folder(dataset, out),
        seed=seed,
        workers=workers,
        device=device,
        checkpoints=2,
        progress=progress,
    )
    targets = run.models("target")
    _refuse_undefined(run, rows)
    keep(run, TABLE, canary_table(run, rows))
    joined = run.design.member[targets, rows[0]] == 1
    scores = run.load("outputs.log_odds", targets)[:, rows].astype(np.float64).mean(1)
    bound = many_runs_epsilon(scores, joined, threshold=THRESHOLD, delta=delta, confidence=confidence)
    return ManyRunsAudit(bound=bound, run=run)


def as_table(found: PrivacyAudit) -> Table:
    """The bound, what the same guesses could have shown, and what so many canaries ever can."""
    nan = float("nan")

    def plain(value: float, low: float = nan) -> Scalar:
        return Scalar(value=value, stderr=nan, low=low, high=nan, models=1, examples=found.measured)

    return Table(
        title=f"A lower bound on epsilon at delta {found.delta:g}, with {found.confidence:.0%} confidence",
        rows={
            **_at(found.delta, found.confidence),
            "canaries": (f"{found.canaries}",),
            "guesses": (f"{found.correct} of {found.guesses} guesses about {found.canaries} canaries were right",),
        },
        figures={
            "epsilon": (plain(found.epsilon, found.epsilon),),
            CEILING: (plain(found.ceiling),),
            LIMIT: (plain(found.limit),),
            "Gaussian epsilon": (plain(found.gaussian.epsilon, found.gaussian.epsilon),),
            "Gaussian mu": (plain(found.gaussian.mu, found.gaussian.mu),),
        },
        notes=found.notes,
    )


def table_of_many(found: ManyRunsAudit) -> Table:
    """The bound, and the largest that this number of runs could show."""
    bound, nan = found.bound, float("nan")
    shared: dict[str, Any] = {"stderr": nan, "high": nan, "models": bound.guesses, "examples": 1}
    right = f"in {bound.correct} of {bound.guesses} runs it was guessed right whether the canary had joined"
    return Table(
        title=f"A lower bound on epsilon at delta {bound.delta:g}, with {bound.confidence:.0%} confidence",
        rows={**_at(bound.delta, bound.confidence), "guesses": (right,)},
        figures={
            "epsilon": (Scalar(value=bound.epsilon, low=bound.epsilon, **shared),),
            CEILING: (Scalar(value=bound.ceiling, low=nan, **shared),),
        },
        notes=("This is a lower bound: a small value does not prove privacy.", *beside_claim(bound, found.run)),
    )


def _at_delta(recipe: TrainingRecipe, delta: float) -> TrainingRecipe:
    """A private recipe claims its epsilon at the delta at which it is bounded from below."""
    return replace(recipe, delta=delta) if isinstance(recipe, Private) else recipe


def beside_claim(bound: EpsilonBound, run: Run) -> tuple[str, ...]:
    """What the bound says of the epsilon that a private training claims; nothing where none is claimed."""
    privacy = run.manifest.privacy or {}
    claimed, group, copies = privacy.get("epsilon"), privacy.get("group", 1), privacy.get("copies", 1)
    if claimed is None:
        return ()
    if group * copies > 1:
        return (
            f"The training claims an epsilon of {claimed:.3g} at this delta for one example that is shown once an "
            f"epoch. The bound is for a whole canary, which counts as up to {group * copies} such examples. The two do "
            f"not compare: for a whole canary the claim allows an epsilon up to {group * copies} times as large, at a "
            "larger delta.",
        )
    if bound.epsilon <= claimed:
        return (
            f"The training claims an epsilon of {claimed:.3g} at this delta. The bound does not contradict it, and "
            "confirms nothing: these canaries are far from the worst case.",
        )
    return (
        f"The training claims an epsilon of {claimed:.3g} at this delta, and the bound is above it. Either the "
        f"claim is wrong, or this is one of the {1 - bound.confidence:.0%} of audits that err.",
    )


def _at(delta: float, confidence: float) -> dict[str, tuple[str]]:
    return {"delta": (f"{delta:g}",), "confidence": (f"{confidence:.0%}",)}


@section(of="privacy", title="A bound on privacy", order=66)
def shown(table: Table) -> Iterable[Block]:
    """The bound, the largest that these guesses could show, and what the bound does not mean."""
    words = {name: one[0] for name, one in table.rows.items()}
    of = {name: column[0].value for name, column in table.figures.items() if column[0] is not None}
    yield Words(
        text=f"Epsilon is at least {of['epsilon']:.2f} at delta {words['delta']}, with {words['confidence']} "
        f"confidence: {words['guesses']}."
    )
    if LIMIT not in of:
        yield Words(text=f"If all guesses were right, the bound would be {of[CEILING]:.2f}.")
    else:
        most = f"the most that {words['canaries']} canaries can show is {of[LIMIT]:.2f}"
        yield Words(text=f"If all these guesses were right, the bound would be {of[CEILING]:.2f}; {most}.")
        yield Words(text=f"Its Gaussian bound is {of['Gaussian epsilon']:.2f}, of μ at least {of['Gaussian mu']:.2f}.")
    yield from notes_of(table)


@procedure(
    asks="Which privacy can this training not have?",
    needs=("outputs.log_odds",),
    section="5.4",
    table=as_table,
)
def privacy(
    lab: Lab, run: Run, *, canaries: int = 500, delta: float = 1e-5, seed: int = 0, out: str | Path | None = None
) -> PrivacyAudit:
    """The audit of `audit_privacy` on the data and recipe of a run, trained in this lab."""
    dataset, recipe = data_of(run, "audit SOURCE --epsilon")
    folder = run.folder.with_name(f"{run.folder.name}-epsilon") if out is None else out
    asked = {"heldout": run.heldout, "out": folder, "seed": seed, **lab.settings}
    return audit_privacy(dataset, recipe, canaries=canaries, delta=delta, **asked)


def with_canaries(dataset: Dataset, canaries: int, *, mislabel: bool, seed: int) -> tuple[Dataset, np.ndarray]:
    """The dataset with its canaries, mislabelled if asked, and their rows; examples that are controls are none.

    Raises:
        BadInput: there are not so many examples.
    """
    rng, free = np.random.default_rng([seed, 4]), untouched(dataset)
    if dataset.groups is not None:
        return _with_groups(dataset, canaries, mislabel, rng)
    if not 0 < canaries < len(free):
        raise BadInput(
            f"The number of canaries must lie between 1 and {len(free) - 1}, for {dataset.name!r} has "
            f"{len(free)} examples{_without_controls(len(dataset) - len(free))}. Got {canaries}.",
            hint=f"--epsilon-canaries {max(1, len(free) // 2)}.",
        )
    if not mislabel:
        return dataset, np.sort(rng.choice(free, canaries, replace=False))
    planted = SymmetricLabelNoise(canaries / len(dataset)).apply(dataset, Context(dataset=dataset, rng=rng))
    return planted, np.flatnonzero(planted.targets != dataset.targets)


def _with_groups(
    dataset: Dataset, canaries: int, mislabel: bool, rng: np.random.Generator
) -> tuple[Dataset, np.ndarray]:
    """As `with_canaries`, of whole groups: a canary is a person or document."""
    assert dataset.groups is not None
    planted = np.setdiff1d(np.arange(len(dataset)), untouched(dataset))
    names = np.setdiff1d(dataset.groups, dataset.groups[planted])
    if not 0 < canaries < len(names):
        raise BadInput(
            f"The number of canaries must lie between 1 and {len(names) - 1}, for {dataset.name!r} has {len(names)} "
            f"groups{_without_controls(len(planted))}, each of which is one canary. Got {canaries}.",
            hint="--epsilon-canaries NUMBER, or leave out the groups.",
        )
    rows = np.flatnonzero(np.isin(dataset.groups, rng.choice(names, canaries, replace=False)))
    if not mislabel:
        return dataset, rows
    targets = dataset.targets.copy()
    targets[rows] = (targets[rows] + rng.integers(1, dataset.classes, len(rows))) % dataset.classes
    known = Controls(
        example=dataset.ids[rows],
        kind=np.full(len(rows), LABEL_NOISE),
        original=np.array([dataset.class_names[label] for label in dataset.targets[rows]]),
    )
    return dataset.replace(targets=targets, controls=dataset.controls.merged(known)), rows


def _without_controls(planted: int) -> str:
    return f" beside {planted} planted controls" if planted else ""


def judged(run: Run, kept: pa.Table) -> str:
    """What of a table of canaries does not follow from the run."""
    rows = np.flatnonzero(np.isin(run.ids, kept["example"].to_pylist()))
    return not_following(different(kept, next(iter(table_files(TABLE, canary_table(run, rows)).values()))))


@analysis(
    asks="Which canaries joined, and by what score are they guessed?",
    needs=("outputs.log_odds", "design.member"),
    section="5.4",
    name="epsilon",
    check=judged,
)
def canary_table(run: Run, rows: np.ndarray | None = None) -> Table:
    """A row for each target and example of a canary: whether it joined, and the score that is guessed by.

    The score is the log-odds, less their mean over the references where there are any; of a group the mean over it.
    """
    if rows is None:
        rows = np.flatnonzero(np.isin(run.ids, run.kept_table(f"{TABLE}.parquet", "example")["example"].to_pylist()))
    targets = run.models("target")
    scores = run.load("outputs.log_odds", targets)[:, rows].astype(np.float64)
    if len(run.design.models_of("reference")):
        scores = scores - run.load("outputs.log_odds", run.models("reference"))[:, rows].mean(0)
    names: dict[str, np.ndarray] = {}
    if run.groups is not None:
        group = np.unique(run.groups[rows], return_inverse=True)[1]
        scores = by_group(scores, group, "mean")[:, group]
        names = {"group": np.tile(run.groups[rows].astype(object), len(targets))}
    return Table(
        title="Canaries, and the score that they are guessed by",
        arrays={
            "model": np.repeat(targets, len(rows)),
            "example": np.tile(run.ids[rows].astype(object), len(targets)),
            **names,
            "joined": (run.design.member[targets][:, rows] == 1).ravel(),
            "score": scores.ravel(),
        },
    )


def privacy_design(
    examples: int,
    rows: np.ndarray,
    *,
    models: int = 1,
    references: int = 0,
    seed: int,
    groups: np.ndarray | None = None,
) -> Design:
    """Targets that each canary joins by a fair coin, and references without any canary."""
    design = coins(examples, models, canaries=rows, rng=np.random.default_rng([seed, 5]), groups=groups)
    if not references:
        return design
    member = np.ones((references, examples), np.uint8)
    member[:, rows] = 0
    return design.joined(one_phase("without_canaries", member))


def canary_scores(run: Run, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The target's log-odds of the canaries, less the references' mean where there are any; and who joined.

    A group's score is the mean over its examples.

    Raises:
        BadInput: an answer on a canary is not finite.
    """
    target = run.models("target")
    _refuse_undefined(run, rows)
    scores = run.load("outputs.log_odds", target)[0, rows].astype(np.float64)
    if len(run.design.models_of("reference")):
        scores = scores - run.load("outputs.log_odds", run.models("reference"))[:, rows].mean(0)
    joined = run.design.member[target[0], rows] == 1
    if run.groups is None:
        return scores, joined
    first, group = np.unique(run.groups[rows], return_index=True, return_inverse=True)[1:]
    return by_group(scores[None], group, "mean")[0], joined[first]


def _refuse_undefined(run: Run, rows: np.ndarray) -> None:
    bad = rows[run.undefined[rows]]
    if len(bad):
        raise BadInput(
            f"The models' answers on {len(bad)} of {len(rows)} canaries are not finite numbers, the first of them "
            f"{str(run.ids[bad[0]])!r}.",
            hint="leave these examples out of the data, or clamp what the network computes, and audit again.",
        )


def _folder(dataset: Dataset, out: str | Path | None) -> Path:
    return Path("runs") / f"{dataset.name}+privacy" if out is None else Path(out)


def _size(canaries: int, method: str, k: int | None) -> int | None:
    """How many are guessed on either side; None where the method chooses."""
    if method != "fixed":
        if k is not None:
            raise BadInput(f"The method {method!r} chooses k itself. Got k = {k}.", hint="leave k out.")
        return None
    return round(SHARE * canaries) if k is None else k


def _check(canaries: int, delta: float, confidence: float, method: str, size: int | None) -> None:
    """Refuse before anything trains what the bound would refuse after: a rehearsal in which every guess is right."""
    joined = np.arange(canaries) % 2 == 0
    one_run_epsilon(
        joined.astype(np.float64),
        joined,
        delta=delta,
        confidence=confidence,
        method=method,
        k_plus=size,
        k_minus=size,
        rng=np.random.default_rng(0),
    )


def _notes(bound: EpsilonBound, references: int, *, groups: bool) -> tuple[str, ...]:
    whole = ", which is all examples of a person or document" if groups else ""
    chosen = {
        "fixed": "The number of guesses was fixed before the scores were seen.",
        "split": f"One half of the canaries chose among {bound.candidates} numbers of guesses, the other measured.",
        "bonferroni": f"The largest bound of {bound.candidates}, each at a level divided by {bound.candidates}.",
    }
    notes = [
        f"With {bound.confidence:.0%} confidence this training is not (ε, {bound.delta:g})-differentially private for "
        f"any ε below {bound.epsilon:.3g}; neighbours are data sets with and without one canary{whole}.",
        "This is a lower bound: a small value, even 0, does not prove privacy. Another attack, other canaries or "
        "more of them may show more.",
        chosen[bound.method],
        "The Gaussian bound presumes that the privacy is that of a Gaussian mechanism; of others it bounds no ε.",
    ]
    if references:
        notes.append(f"Scores are log-odds less their mean over {references} models that no canary was shown to.")
    return tuple(notes)
