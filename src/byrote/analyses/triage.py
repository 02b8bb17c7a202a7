"""Triage: what a strongly memorized example probably is, learned from examples whose trouble was planted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int, Shaped
from scipy.special import log_softmax, ndtri

from byrote.analyses.catalog import analysis, different, not_following
from byrote.blocks import Block, TableBlock, Words, notes_of, section
from byrote.data.controls import AMBIGUOUS, CONFLICTING_DUPLICATE, LABEL_NOISE, RARE_SUBPOPULATION
from byrote.data.copies import coarse
from byrote.data.task import refuse_other_tasks
from byrote.errors import BadInput, MissingEvidence
from byrote.results import PerExample, Table
from byrote.runs.run import Run
from byrote.stats.intervals import adjusted_rate

#: What a strongly memorized example may be, each a kind of planted control.
KINDS = (LABEL_NOISE, CONFLICTING_DUPLICATE, RARE_SUBPOPULATION, AMBIGUOUS)
#: An example is strongly memorized from this label memorization on (Feldman & Zhang 2020).
STRONGLY = 0.25
#: Fewer strongly memorized controls of a kind teach nothing about it.
LEAST_CONTROLS = 10
#: Controls are judged by what was learned without them, in so many folds.
FOLDS = 5
#: Scores of single examples, by measure, that serve as signals.
MEASURES = ("cumulative_sample_loss", "area_under_margin", "forgetting_events", "learning_events[entropy]")
#: Neighbours whose labels count.
NEIGHBOURS = 10
#: Distances are computed for blocks of so many examples.
BLOCK = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class Triage:
    """Probabilities by kind of the strongly memorized examples, and how well planted ones were told apart.

    `confusion[k, l]` counts planted examples of kind k that were taken for kind l by what was learned without them;
    `log_loss` is their mean -log probability of the true kind, `confidence` the mean probability of the kind named,
    which calibrated probabilities have equal to the accuracy. Kinds count alike beforehand, however many there are.
    """

    kinds: tuple[str, ...]
    ids: Shaped[np.ndarray, " memorized"]
    memorization: Float[np.ndarray, " memorized"]
    planted: Shaped[np.ndarray, " memorized"]
    probability: Float[np.ndarray, "memorized kind"]
    confusion: Int[np.ndarray, "kind kind"]
    log_loss: float
    confidence: float
    signals: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Mean over the kinds of the share of planted examples that were told right."""
        return float(np.mean(np.diag(self.confusion) / self.confusion.sum(1)))

    @property
    def accuracy_stderr(self) -> float:
        """Standard error of `accuracy`: planted examples of a kind as independent trials, one of each outcome added.

        A copy and its original are told alike, so that with conflicting duplicates it is somewhat larger.
        """
        return _balanced_stderr(self.confusion)

    @property
    def alike(self) -> tuple[tuple[str, str], ...]:
        """Pairs of kinds between which planted examples were not distinguished better than chance (one-sided 95 %)."""
        pairs = combinations(range(len(self.kinds)), 2)
        return tuple((self.kinds[a], self.kinds[b]) for a, b in pairs if not _told_apart(self.confusion, a, b))

    def kind(self) -> Shaped[np.ndarray, " memorized"]:
        """The likeliest kind of each."""
        return np.asarray(np.array(self.kinds)[self.probability.argmax(1)])

    def table(self) -> pa.Table:
        """Columns `example, label_memorization, planted, kind` and the probability of each kind."""
        return pa.table(dict(as_table(self).arrays))

    @classmethod
    def of(cls, table: Table) -> Triage:
        """What a table of triage says, `signals` apart."""
        columns = dict(table.arrays)
        ids, memorization, planted, _ = (
            columns.pop(name) for name in ("example", "label_memorization", "planted", "kind")
        )
        kinds, probability = tuple(columns), np.stack(list(columns.values()), axis=1)
        known = np.isin(planted, kinds)
        confusion, log_loss, confidence = _judgement(probability[known], planted[known], kinds)
        return cls(
            kinds=kinds,
            ids=ids,
            memorization=memorization,
            planted=planted,
            probability=probability,
            confusion=confusion,
            log_loss=log_loss,
            confidence=confidence,
            signals=(),
            notes=table.notes,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """What is known of each example: one column a signal, finite everywhere."""

    names: tuple[str, ...]
    values: Float[np.ndarray, "example signal"]

    def without(self, *names: str) -> Signals:
        """All but these."""
        kept = [column for column, name in enumerate(self.names) if name not in names]
        return Signals(names=tuple(self.names[column] for column in kept), values=self.values[:, kept])


def as_table(found: Triage) -> Table:
    """A row for each strongly memorized example: what it was taken for, and the probability of each kind."""
    named = dict(zip(found.kinds, found.probability.T, strict=True))
    facts = {"example": found.ids, "label_memorization": found.memorization, "planted": found.planted}
    return Table(
        title="What the strongly memorized examples probably are",
        arrays={**facts, "kind": found.kind(), **named},
        notes=found.notes,
    )


def judged(run: Run, kept: pa.Table) -> str:
    """What of a table of triage is not that of the run; it may have learned the kinds from others."""
    lacking = {"example", "label_memorization", "planted", "kind"} - set(kept.column_names)
    rows = {name: row for row, name in enumerate(run.ids.tolist())}
    ids = [] if lacking else kept["example"].to_pylist()
    if lacking or not set(ids) <= rows.keys():
        return "it is no table of triage" if lacking else "it is about other examples"
    result = run.measured_on("label_memorization", run.models())
    assert isinstance(result, PerExample)
    again = pa.table({"label_memorization": result.values[[rows[name] for name in ids]]})
    return not_following(different(kept.select(["label_memorization"]), again))


@analysis(
    asks="What are the strongly memorized examples: mislabelled, copied under another label, rare or ambiguous?",
    needs=("label_memorization", "outputs.logits"),
    section="6.1",
    runs=("run", "*teachers"),
    name="triage",
    table=as_table,
    check=judged,
)
def _triage_of(run: Run, *teachers: Run) -> Triage:
    """Triage as another run, or the run itself, teaches it."""
    return triage(run, taught_by=next(iter(teachers), None))


def triage(
    run: Run,
    *,
    taught_by: Run | None = None,
    forgetting: tuple[Run, ...] = (),
    only: Callable[[Signals], Signals] = lambda every: every,
) -> Triage:
    """Tell for each strongly memorized example what it probably is: mislabelled, a duplicate under another label, of
    a rare subpopulation, or ambiguous.

    A multinomial logistic regression learns the kinds from the strongly memorized controls that were planted in
    `taught_by` (this run unless given), all kinds weighing the same. Planted examples of the run itself are judged by
    what was learned without them and their copies.

    Args:
        run: the run to judge, with its dataset attached where distances between inputs shall count.
        taught_by: another run, over the same data with other plantings.
        forgetting: runs of the two-split design over the same examples, first that of `run`, then that of
            `taught_by`; when an example is forgotten becomes a signal.
        only: takes signals away, to see what the others can do.

    Raises:
        BadInput: fewer than two kinds were planted and memorized; the hint says what to plant.
        MissingEvidence: the run kept no logits.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(80, random_state=0), name="plain")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(64,)), epochs=10, batch_size=10)
        >>> run = byrote.audit(data, recipe, models=4, full=0, workers=1, progress=False)
        >>> plant = [byrote.parse_change("label-noise=0.3"), byrote.parse_change("conflicting-duplicates=0.3")]
        >>> planted = byrote.change(run, plant, workers=1, progress=False)
        >>> byrote.triage(planted).kinds
        ('label_noise', 'conflicting_duplicate')
    """
    refuse_other_tasks(run.task, run.folder.name, "Triage")
    teacher = taught_by or run
    learned = only(signals(teacher, forgetting[-1] if forgetting else None))
    planted = _planted_kinds(teacher)
    memorized = _strongly(teacher)
    kinds = tuple(kind for kind in KINDS if np.count_nonzero(memorized & (planted == kind)) >= LEAST_CONTROLS)
    if len(kinds) < 2:
        there = planted[memorized]
        raise BadInput(
            f"Triage learns to tell two kinds of planted controls or more apart, and in this run {len(kinds)} of "
            f"{len(KINDS)} kinds have the {LEAST_CONTROLS} strongly memorized examples that it takes"
            + (f" ({_by_kind(there)})." if (there != "").any() else "."),
            hint=_more_controls(planted, teacher.manifest.origin),
        )
    taught = memorized & np.isin(planted, kinds)
    features, answers = learned.values[taught], planted[taught]
    groups = _copies(teacher)[taught]
    if taught_by is None:
        judged_values, judged_told = learned.values, planted
        judged = memorized
        cross = _cross_fitted(features, answers, groups, kinds)
    else:
        judged_values, judged_told = (
            only(signals(run, forgetting[0] if forgetting else None)).values,
            _planted_kinds(run),
        )
        judged = _strongly(run)
        cross = None
    probability = _classifier(features, answers, kinds)(judged_values[judged])
    if cross is not None:
        probability[taught[judged]] = cross
    truth = judged_told[judged]
    known = np.isin(truth, kinds)
    confusion, log_loss, confidence = _judgement(probability[known], truth[known], kinds)
    memorization = run.measure("label_memorization")
    assert isinstance(memorization, PerExample)
    return Triage(
        kinds=kinds,
        ids=run.ids[judged],
        memorization=memorization.values[judged],
        planted=truth,
        probability=probability,
        confusion=confusion,
        log_loss=log_loss,
        confidence=confidence,
        signals=learned.names,
        notes=_notes(kinds, truth, taught_by is not None, run.dataset is not None),
    )


def _balanced_stderr(confusion: Int[np.ndarray, "kind kind"]) -> float:
    trials = confusion.sum(1)
    rate = adjusted_rate(np.diag(confusion), trials)
    return float(np.sqrt((rate * (1 - rate) / (trials + 2)).sum()) / len(confusion))


def _told_apart(confusion: Int[np.ndarray, "kind kind"], one: int, other: int) -> bool:
    """Whether examples of two kinds that were taken for one of the two were taken for their own more often."""
    both = confusion[np.ix_([one, other], [one, other])]
    trials = both.sum(1)
    if not trials.all():
        return bool((np.diag(confusion)[[one, other]] > 0).all())
    accuracy = float(np.mean(np.diag(both) / trials))
    return accuracy - float(ndtri(0.95)) * _balanced_stderr(both) > 0.5


def signals(run: Run, forgetting: Run | None = None) -> Signals:
    """Everything that triage goes by, of all examples.

    Raises:
        MissingEvidence: the run kept no logits.
    """
    columns = _answers(run)
    for key in MEASURES:
        try:
            result = run.measure(key)
        except MissingEvidence:
            continue
        assert isinstance(result, PerExample)
        columns[key] = np.sign(result.values) * np.log1p(np.abs(result.values))
    if run.dataset is not None:
        columns |= _distances(run.dataset.inputs, run.labels)
    if forgetting is not None:
        for key in ("first_split_learning_time", "second_split_forgetting_time"):
            result = forgetting.measure(key)
            assert isinstance(result, PerExample)
            columns[key] = result.values
    return Signals(names=tuple(columns), values=np.stack([_filled(column) for column in columns.values()], axis=1))


def _answers(run: Run) -> dict[str, np.ndarray]:
    """What models that were not trained on an example say of it, and how much surer those are that were."""
    models = run.models()
    examples, classes = len(run.ids), len(run.class_names)
    total, total_p = np.zeros((examples, classes)), np.zeros((examples, classes))
    entropy, squares, inside, outside = (np.zeros(examples) for _ in range(4))
    for model in models:
        log_p = log_softmax(run.load("outputs.logits", [int(model)])[0].astype(np.float64), axis=-1)
        log_odds = run.load("outputs.log_odds", [int(model)])[0].astype(np.float64)
        out, p = run.member[model] == 0, np.exp(log_p)
        total[out] += log_p[out]
        total_p[out] += p[out]
        entropy[out] -= (p * log_p).sum(-1)[out]
        squares[out] += log_odds[out] ** 2
        inside[~out] += log_odds[~out]
        outside[out] += log_odds[out]
    member = run.member[models]
    count = np.maximum((member == 0).sum(0), 1)
    mean, mean_p = total / count[:, None], total_p / count[:, None]
    is_label = np.arange(classes) == run.labels[:, None]
    ordered = np.sort(mean, axis=1)
    of_mean = -(mean_p * np.log(np.maximum(mean_p, 1e-300))).sum(1)
    middle = outside / count
    return {
        "own_log_probability": mean[is_label],
        "largest_other_log_probability": np.where(is_label, -np.inf, mean).max(1),
        "own_probability": mean_p[is_label],
        "largest_probability": mean_p.max(1),
        "lead_of_the_first_class": ordered[:, -1] - ordered[:, -2],
        "entropy_of_the_mean": of_mean,
        "mean_entropy": entropy / count,
        "disagreement": of_mean - entropy / count,
        "spread_of_log_odds": np.sqrt(np.maximum(squares / count - middle**2, 0)),
        "log_odds_of_members": inside / np.maximum((member == 1).sum(0), 1),
    }


def _distances(inputs: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Distances to neighbours of the same and of another label, as logarithms and against those a little farther off.

    A copy lies much nearer than the tenth neighbour does. Images are compared in about eight by eight cells, so that a
    copy that moved by a pixel of many stays near.
    """
    flat = np.asarray(coarse(inputs), np.float32).reshape(len(inputs), -1)
    flat = (flat - flat.mean(0)) / np.maximum(flat.std(), 1e-12)
    squares = (flat**2).sum(1)
    near = min(NEIGHBOURS, len(flat) - 1)
    same, other, tenth, alike = (np.empty(len(flat)) for _ in range(4))
    for start in range(0, len(flat), BLOCK):
        block = slice(start, start + BLOCK)
        distance = np.maximum(squares[block, None] + squares - 2 * flat[block] @ flat.T, 0)
        distance[np.arange(len(distance)), np.arange(start, start + len(distance))] = np.inf
        agrees = labels[block, None] == labels
        same[block] = np.where(agrees, distance, np.inf).min(1)
        other[block] = np.where(agrees, np.inf, distance).min(1)
        nearest = np.argpartition(distance, near - 1, axis=1)[:, :near]
        alike[block] = np.take_along_axis(agrees, nearest, 1).mean(1)
        tenth[block] = np.take_along_axis(distance, nearest, 1).max(1)
    least = 1e-6 * float(np.median(same))
    near_same, near_other, farther = (0.5 * np.log(np.maximum(d, least)) for d in (same, other, tenth))
    return {
        "distance_to_the_same_label": near_same,
        "distance_to_another_label": near_other,
        "ratio_of_distances": near_other - near_same,
        "nearness_of_the_same_label": farther - near_same,
        "nearness_of_another_label": farther - near_other,
        "share_of_neighbours_alike": alike,
    }


def _filled(column: np.ndarray) -> np.ndarray:
    """What is undefined or infinite takes the median of the rest."""
    known = np.isfinite(column)
    return np.where(known, column, np.median(column[known]) if known.any() else 0.0)


def _by_kind(planted: Shaped[np.ndarray, " example"]) -> str:
    """How many of each kind there are.

    Example:
        >>> _by_kind(np.array(["ambiguous", "", "label_noise", "ambiguous"]))
        'label noise 1, ambiguous 2'
    """
    counts = {kind: np.count_nonzero(planted == kind) for kind in KINDS}
    return ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in counts.items() if count) or "none"


def _more_controls(planted: Shaped[np.ndarray, " example"], origin: str) -> str:
    """What to plant where too few controls were memorized: some of each, or more of those that there are."""
    if origin != "trained":
        return (
            'plant some, as byrote.plant(dataset, "label-noise=0.1", "conflicting-duplicates=0.1") does, train on '
            "that, and give ids=planted.ids, controls=planted.controls to Recorder or import_arrays."
        )
    if sum((planted == kind).any() for kind in KINDS) < 2:
        return "audit with --plant triage --out ANOTHER_FOLDER, which plants some of every kind."
    return (
        f"these data hold {_by_kind(planted)}; audit more of them into another folder, or plant larger shares, such as "
        "--plant label-noise=0.1 --plant ambiguous-examples=0.1 --plant conflicting-duplicates=0.1."
    )


def _strongly(run: Run) -> Bool[np.ndarray, " example"]:
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    return np.asarray(np.nan_to_num(result.values, nan=-1.0) >= STRONGLY - 1e-9)


def _planted_kinds(run: Run) -> Shaped[np.ndarray, " example"]:
    """The kind planted on each example, empty for none; of a conflicting duplicate both the copy and its original."""
    kinds = np.full(len(run.ids), "", f"U{max(map(len, KINDS))}")
    for kind in KINDS:
        kinds[run.controls.mask(run.ids, kind)] = kind
    copied = run.controls.original[run.controls.kind == CONFLICTING_DUPLICATE]
    kinds[np.isin(run.ids, copied)] = CONFLICTING_DUPLICATE
    return kinds


def _copies(run: Run) -> Int[np.ndarray, " example"]:
    """A number that a conflicting duplicate shares with its original."""
    copies = run.controls.kind == CONFLICTING_DUPLICATE
    original = dict(zip(run.controls.example[copies].tolist(), run.controls.original[copies].tolist(), strict=True))
    names = [original.get(example, example) for example in run.ids.tolist()]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


Predict = Callable[[np.ndarray], np.ndarray]


def _classifier(features: np.ndarray, answers: np.ndarray, kinds: tuple[str, ...]) -> Predict:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5_000, class_weight="balanced"))
    model.fit(features, np.array([kinds.index(kind) for kind in answers]))
    return lambda rows: np.asarray(model.predict_proba(rows)) if len(rows) else np.empty((0, len(kinds)))


def _cross_fitted(
    features: np.ndarray, answers: np.ndarray, groups: np.ndarray, kinds: tuple[str, ...]
) -> Float[np.ndarray, "taught kind"]:
    from sklearn.model_selection import StratifiedGroupKFold

    probability = np.empty((len(answers), len(kinds)))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for rest, held in folds.split(features, answers, groups):
        probability[held] = _classifier(features[rest], answers[rest], kinds)(features[held])
    return probability


def _judgement(probability: np.ndarray, truth: np.ndarray, kinds: tuple[str, ...]) -> tuple[np.ndarray, float, float]:
    code = np.array([kinds.index(kind) for kind in truth], np.int64)
    confusion = np.zeros((len(kinds), len(kinds)), np.int64)
    np.add.at(confusion, (code, probability.argmax(1)), 1)
    weight = 1 / np.bincount(code, minlength=len(kinds))[code]
    own = probability[np.arange(len(code)), code]
    log_loss = -np.average(np.log(np.maximum(own, 1e-12)), weights=weight)
    return confusion, float(log_loss), float(np.average(probability.max(1), weights=weight))


def _notes(
    kinds: tuple[str, ...], planted: Shaped[np.ndarray, " memorized"], transferred: bool, inputs: bool
) -> tuple[str, ...]:
    missing = [kind.replace("_", " ") for kind in KINDS if kind not in kinds]
    found = [
        f"{len(planted)} examples are strongly memorized (label memorization of at least {STRONGLY}), "
        f"{np.count_nonzero(planted != '')} of them planted or copied there ({_by_kind(planted)}).",
        "The probabilities take every kind as equally frequent beforehand and every example as one of them; planted "
        "trouble may differ from what is in the data by itself.",
        "Planted examples are judged by what another planting taught."
        if transferred
        else f"Planted examples are judged by what the others taught, in {FOLDS} folds.",
    ]
    if missing:
        found.append(f"Too few controls were memorized to tell apart: {', '.join(missing)}.")
    if not inputs:
        found.append("The run has no data at hand, so distances between inputs did not count.")
    return tuple(found)


@section(of="triage", title="What memorized examples are", order=60)
def shown(table: Table, *, top: int = 10) -> Iterable[Block]:
    """The most memorized examples without a planted control, and how well planted ones were told apart."""
    found = Triage.of(table)
    natural = np.flatnonzero(found.planted == "")
    natural = natural[np.argsort(-found.memorization[natural], kind="stable")]
    words = [kind.replace("_", " ") for kind in found.kinds]
    yield TableBlock(
        title=f"The {min(top, len(natural))} most memorized of {len(natural)} examples without a planted control",
        columns=("example", "memorization", *words),
        rows=tuple(
            (str(found.ids[row]), float(found.memorization[row]), *found.probability[row].tolist())
            for row in natural[:top]
        ),
    )
    yield TableBlock(
        title=f"Planted examples: accuracy {found.accuracy:.2f} ± {found.accuracy_stderr:.2f} at a mean confidence of "
        f"{found.confidence:.2f}. Rows are what was planted, columns what it was taken for",
        columns=("planted", *words),
        rows=tuple((word, *line) for word, line in zip(words, found.confusion.tolist(), strict=True)),
    )
    for one, other in found.alike:
        pair = f"{one} and {other}".replace("_", " ").capitalize()
        yield Words(text=f"{pair} cannot be distinguished better than chance.")
    yield from notes_of(table)
