"""The figures that the terminal summary and the report share, each with its error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from byrote.analyses.card import INTERPOLATES
from byrote.analyses.comparison import unasked_words
from byrote.analyses.detection import detected
from byrote.analyses.memorized_share import FEWEST_ON_A_SIDE, corrected_share, models_on_a_side, raw_share
from byrote.axes import CHECKPOINT
from byrote.data.problems import counted
from byrote.errors import MissingEvidence, TooFewModels
from byrote.evidence.schema import kind_of, quantity
from byrote.measures.catalog import Measure, catalog
from byrote.report.missing import of_this_run
from byrote.report.provenance import change_words
from byrote.report.wording import CLASSES, Wording, wording_of
from byrote.results import Curve, PerExample, Scalar
from byrote.runs.run import JACKKNIFE_PARTS, OnProgress, Run, no_progress
from byrote.stats.intervals import UPPER
from byrote.stats.ranking import auroc_by_chance

#: A model that fits less of its training data did not train, where the others do.
COLLAPSED = 0.9
#: Where the largest class has so many times the examples of the smallest, accuracy says little about the latter.
IMBALANCED = 3
#: From this share on it is told that examples have no value of a measure.
LARGE_UNDEFINED = 0.01
#: The score that is judged against planted controls as itself; any other is the best of many.
NAMED = "cumulative_sample_loss"


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well a score finds one kind of planted control."""

    measure: Measure
    kind: str
    auroc: Scalar
    average_precision: Scalar


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What a run shows at first sight.

    `memorized` is the share of the estimates that reach `MEMORIZED`; `memorized_corrected` is freed of what chance
    carries over that line, and None where there are too few models for it. `collapsed` are models that did not fit
    their training data where the others did, each with the share that it fits. `nonmember_balanced` is accuracy on
    non-members as the mean over classes, where some classes have far fewer examples than others.
    """

    memorization: PerExample
    member_accuracy: Scalar
    nonmember_accuracy: Scalar
    heldout_accuracy: Scalar | None
    full_accuracy: Scalar | None
    mean_memorization: dict[str, Scalar]
    memorized: Scalar
    memorized_corrected: Scalar | None
    detections: tuple[Detection, ...]
    notes: tuple[str, ...]
    curves: dict[str, Curve] = field(default_factory=dict)
    collapsed: tuple[tuple[int, float], ...] = ()
    nonmember_balanced: Scalar | None = None
    wording: Wording = CLASSES

    @property
    def share_memorized(self) -> Scalar:
        """The share of the examples that are memorized, freed of chance where there are models enough for it."""
        return self.memorized if self.memorized_corrected is None else self.memorized_corrected

    @property
    def uncorrected(self) -> str:
        """Why the share of memorized examples is the raw one, and what it takes to correct it; empty if corrected."""
        if self.memorized_corrected is not None:
            return ""
        if models_on_a_side(self.memorization) >= FEWEST_ON_A_SIDE:
            return "The raw share is corrected only for models of one stratum, and these models are in several"
        return f"It takes {2 * FEWEST_ON_A_SIDE} models, half of them on each side, to correct the raw share"

    def judged(self, kind: str) -> tuple[Detection | None, Detection | None, int]:
        """Of one kind of control: what the score named beforehand finds, what the best one does, and of how many."""
        known = [d for d in self.detections if d.kind == kind and not np.isnan(d.average_precision.value)]
        named = next((detection for detection in known if detection.measure.key == NAMED), None)
        tied = self.tied(kind)
        best = named if named in tied else next(iter(tied), None)
        return named, best, len(known)

    def tied(self, kind: str) -> tuple[Detection, ...]:
        """The scores that find this kind of control best: one, or several that do it equally well."""
        known = [d for d in self.detections if d.kind == kind and not np.isnan(d.average_precision.value)]
        return tuple(d for d in known if d.average_precision.value == known[0].average_precision.value)

    def found(self, kind: str) -> bool:
        """Whether a score finds this kind of control better than chance: the named one, or the best of all of them.

        Chance is that of a score which has nothing to do with what was planted; the best of many must exceed what the
        best of as many such scores reaches (Bonferroni).
        """
        known = [d for d in self.detections if d.kind == kind and not np.isnan(d.auroc.value)]
        planted = self.mean_memorization[kind].examples

        def exceeds(figure: Scalar, scores: int) -> bool:
            spread = auroc_by_chance(planted, figure.examples - planted)
            return bool(figure.value - 0.5 > float(ndtri(1 - (1 - UPPER) / scores)) * spread)

        return any(exceeds(d.auroc, 1 if d.measure.key == NAMED else len(known)) for d in known)

    @property
    def interpolates(self) -> bool:
        """Whether the models fit what they were trained on."""
        return self.member_accuracy.value >= INTERPOLATES

    @property
    def collapsed_words(self) -> str:
        """Which models did not train where the others did; empty where none is such."""
        if not self.collapsed:
            return ""
        named = ", ".join(f"{model} ({share:.1%})" for model, share in self.collapsed[:5])
        more = f" and {len(self.collapsed) - 5} more" if len(self.collapsed) > 5 else ""
        return (
            f"Far less of the training data than by the others of the {self.memorization.models} models is fitted by "
            f"{'model' if len(self.collapsed) == 1 else 'models'} {named}{more}: training collapsed there, which moves "
            "every figure here and widens its error"
        )


def facts(run: Run, on_progress: OnProgress = no_progress) -> Facts:
    """Measure a run with every measure by example that its evidence carries; `on_progress` gets the share that is done.

    Raises:
        MissingEvidence, TooFewModels: not even label memorization can be measured.
    """
    everything = len(run.ids)
    memorization = run.measure("label_memorization")
    assert isinstance(memorization, PerExample)
    groups = {kind: run.controls.mask(run.ids, kind) for kind in run.controls.kinds()}
    clean = ~np.any([np.zeros(everything, bool), *groups.values()], axis=0)
    means = {
        name: run.pooled("label_memorization", _mean_of(mask), examples=int(mask.sum()), bounds=(-1.0, 1.0))
        for name, mask in {**groups, "clean": clean}.items()
        if mask.any()
    }
    notes = [*changed(run), *run.manifest.notes]
    unmeasured: dict[str, list[str]] = {}
    detections: list[Detection] = []
    curves: dict[str, Curve] = {}
    every = [entry for entry in catalog().values() if belongs(run, entry)]
    unasked = [entry for entry in every if entry.unasked(run.manifest.evidence)]
    for entry in _in_turn(run, [entry for entry in every if entry not in unasked], on_progress):
        try:
            if entry.scores_examples:
                detections += [_detection(run, entry, kind, mask, clean) for kind, mask in groups.items()]
            result = run.measure(entry.key)
            if isinstance(result, Curve):
                curves[entry.key] = result
            elif isinstance(result, PerExample) and many_undefined(result):
                notes.append(f"{entry.key}: {result.undefined}")
        except (MissingEvidence, TooFewModels) as error:
            unmeasured.setdefault(_within(of_this_run(error.message)), []).append(entry.key)
    notes += [f"{', '.join(keys)}: not measured, because {message}" for message, keys in unmeasured.items()]
    notes += [*unasked_words(run, unasked), *_left_out(run)]
    return Facts(
        memorization=memorization,
        collapsed=_collapsed(run),
        nonmember_balanced=_balanced(run),
        member_accuracy=run.accuracy(member=1),
        nonmember_accuracy=run.accuracy(member=0),
        heldout_accuracy=run.heldout_accuracy(),
        full_accuracy=run.heldout_accuracy(role="full"),
        mean_memorization=means,
        memorized=raw_share(run, memorization),
        memorized_corrected=corrected_share(run, memorization),
        detections=tuple(sorted(detections, key=lambda d: (d.kind, -np.nan_to_num(d.average_precision.value)))),
        notes=tuple(notes),
        curves=curves,
        wording=wording_of(run),
    )


def many_undefined(result: PerExample) -> bool:
    """Whether so many examples have no value that a note must say it."""
    return bool(np.isnan(result.values).mean() >= LARGE_UNDEFINED)


def _left_out(run: Run) -> Iterator[str]:
    """Which examples and which models no result includes."""
    undefined = int(run.undefined.sum())
    if undefined:
        what = "document" if run.of_text else "example"
        yield (
            f"Models' answers on {counted(undefined, what, what + 's')} are not finite numbers. No result includes "
            f"{'it' if undefined == 1 else 'them'}."
        )
    diverged = run.diverged()
    if diverged:
        yield f"Models {', '.join(map(str, diverged))} diverged; they and their mates are left out."


def _within(sentence: str) -> str:
    """The sentence as it goes on after "because"."""
    return f"the {sentence.removeprefix('The ')}" if sentence.startswith("The ") else sentence


def changed(run: Run) -> tuple[str, ...]:
    """Of a changed run, what it was and how it was changed."""
    if run.manifest.parent is None:
        return ()
    before = Path(str(run.manifest.parent.get("folder", ""))).name
    return (f"This run is {before!r} after {change_words(run.manifest.parent.get('change') or {})}.",)


def belongs(run: Run, entry: Measure) -> bool:
    """Attacks have figures of their own; some measures are of other designs, of held-out data, or of text."""
    if entry.attacks or ("design.withdrawn" in entry.needs and len(run.design.phases) == 1):
        return False
    if not (entry.of_text or entry.suits(run.task)):
        return False
    if entry.of_text and not entry.text_kinds & set(run.manifest.evidence):
        return False
    if any(kind_of(kind).sampled and kind not in run.manifest.evidence for kind in entry.kinds):
        return False
    return run.manifest.heldout is not None or "heldout" not in entry.kinds


def _in_turn(run: Run, entries: Sequence[Measure], on_progress: OnProgress) -> Iterator[Measure]:
    """The measures one after another; `on_progress` gets the share of all their evidence that was gone through."""
    work = [_work(run, entry) for entry in entries]
    done = 0.0
    try:
        for entry, mine in zip(entries, work, strict=True):
            before = done

            def of_all(share: float, before: float = before, mine: float = mine) -> None:
                on_progress((before + mine * share) / sum(work))

            run.on_progress = of_all
            yield entry
            done += mine
            of_all(1.0)
    finally:
        run.on_progress = no_progress


def _work(run: Run, entry: Measure) -> int:
    """Evidence that a measure goes through, in arrays by model and example; once more a part that is left out."""
    times = JACKKNIFE_PARTS if entry.scores_examples and run.controls.kinds() else 1
    return times * sum(len(run.manifest.checkpoints) if CHECKPOINT in quantity(n).dims else 1 for n in entry.needs)


def _detection(run: Run, entry: Measure, kind: str, planted: np.ndarray, clean: np.ndarray) -> Detection:
    whole, _ = run.replicates(entry.key)
    area, precision = detected(run, entry.key, planted, (planted | clean) & (whole.reason_code == 0))
    return Detection(measure=entry, kind=kind, auroc=area, average_precision=precision)


def _balanced(run: Run) -> Scalar | None:
    """Accuracy on non-members, every class counting alike; None where the classes are of similar size or no classes."""
    if not run.learns.of_classes:
        return None
    sizes = np.bincount(run.labels, minlength=len(run.class_names))
    if sizes.max() < IMBALANCED * sizes[sizes > 0].min():
        return None

    def mean_over_classes(right: np.ndarray, membership: np.ndarray) -> float:
        outside = membership == 0
        judged = np.bincount(run.labels[outside], minlength=len(sizes))
        correct = np.bincount(run.labels[outside], right[outside], minlength=len(sizes))
        return float((correct[judged > 0] / judged[judged > 0]).mean()) if outside.any() else float("nan")

    def influence(right: np.ndarray, membership: np.ndarray) -> np.ndarray:
        outside = membership == 0
        judged = np.bincount(run.labels[outside], minlength=len(sizes))
        correct = np.bincount(run.labels[outside], right[outside], minlength=len(sizes))
        there = np.maximum(judged, 1)
        apart = (right - (correct / there)[run.labels]) / there[run.labels]
        return np.where(outside, apart, 0.0) / max(int((judged > 0).sum()), 1)

    cluster = run.clusters(np.arange(len(run.ids)))
    return run.share("outputs.correct", mean_over_classes, examples=len(run.ids), influence=influence, cluster=cluster)


def _collapsed(run: Run) -> tuple[tuple[int, float], ...]:
    models = run.models()
    share = np.full(len(models), np.nan)
    for row, model in enumerate(models):
        members = run.member[model] == 1
        if members.any():
            share[row] = run.load("outputs.correct", [int(model)])[0][members].mean()
    if np.isnan(share).all() or np.nanmedian(share) < INTERPOLATES:
        return ()
    return tuple((int(models[row]), float(share[row])) for row in np.flatnonzero(share < COLLAPSED))


def _mean_of(mask: np.ndarray) -> Callable[[np.ndarray], float]:
    def mean(values: np.ndarray) -> float:
        known = values[mask & ~np.isnan(values)]
        return float(known.mean()) if len(known) else float("nan")

    return mean
