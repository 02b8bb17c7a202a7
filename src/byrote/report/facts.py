"""The figures that the terminal summary and the report share, each with its error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from byrote.errors import MissingEvidence, TooFewModels
from byrote.measures.catalog import Measure, catalog
from byrote.results import Curve, PerExample, Scalar
from byrote.run import Run
from byrote.stats.ranking import auroc, average_precision

#: Below this mean accuracy on members a recipe does not interpolate, and memorization cannot show.
INTERPOLATES = 0.98
#: Feldman & Zhang 2020 call an example memorized from this score on.
MEMORIZED = 0.25
#: The same as a bound for differences of rates, which may miss a true quarter by rounding.
LEAST_MEMORIZED = MEMORIZED - 1e-9


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well a score finds one kind of planted control."""

    measure: Measure
    kind: str
    auroc: Scalar
    average_precision: Scalar


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What a run shows at first sight."""

    memorization: PerExample
    member_accuracy: Scalar
    nonmember_accuracy: Scalar
    heldout_accuracy: Scalar | None
    full_accuracy: Scalar | None
    mean_memorization: dict[str, Scalar]
    memorized: Scalar
    detections: tuple[Detection, ...]
    notes: tuple[str, ...]
    curves: dict[str, Curve] = field(default_factory=dict)

    @property
    def interpolates(self) -> bool:
        """Whether the models fit what they were trained on."""
        return self.member_accuracy.value >= INTERPOLATES


def facts(run: Run) -> Facts:
    """Measure a run with every measure by example that its evidence carries.

    Raises:
        MissingEvidence, TooFewModels: not even label memorization can be measured.
    """
    everything = len(run.ids)
    memorization = run.measure("label_memorization")
    assert isinstance(memorization, PerExample)
    groups = {kind: run.controls.mask(run.ids, kind) for kind in run.controls.kinds()}
    clean = ~np.any([np.zeros(everything, bool), *groups.values()], axis=0)
    means = {
        name: run.pooled("label_memorization", _mean_of(mask), examples=int(mask.sum()))
        for name, mask in {**groups, "clean": clean}.items()
        if mask.any()
    }
    notes = list(run.manifest.notes)
    unmeasured: dict[str, list[str]] = {}
    detections: list[Detection] = []
    for key, entry in catalog().items():
        if not entry.by_example:
            continue
        try:
            for kind, mask in groups.items():
                detections.append(_detection(run, entry, kind, mask, clean))
            run.measure(key)
        except (MissingEvidence, TooFewModels) as error:
            unmeasured.setdefault(error.message, []).append(key)
    curves: dict[str, Curve] = {}
    for key, entry in catalog().items():
        if not entry.by_example and (entry.level == "model" or run.manifest.heldout is not None):
            try:
                result = run.measure(key)
                if isinstance(result, Curve):
                    curves[key] = result
            except (MissingEvidence, TooFewModels) as error:
                unmeasured.setdefault(error.message, []).append(key)
    notes += [f"{', '.join(keys)}: not measured, because {message}" for message, keys in unmeasured.items()]
    diverged = run.diverged()
    if diverged:
        notes.append(f"Models {', '.join(map(str, diverged))} diverged; they and their mates are left out.")
    return Facts(
        memorization=memorization,
        member_accuracy=run.accuracy(member=1),
        nonmember_accuracy=run.accuracy(member=0),
        heldout_accuracy=run.heldout_accuracy(),
        full_accuracy=run.heldout_accuracy(role="full"),
        mean_memorization=means,
        memorized=run.pooled(
            "label_memorization",
            _memorized,
            examples=int((memorization.reason_code == 0).sum()),
        ),
        detections=tuple(sorted(detections, key=lambda d: (d.kind, -np.nan_to_num(d.average_precision.value)))),
        notes=tuple(notes),
        curves=curves,
    )


def _detection(run: Run, entry: Measure, kind: str, planted: np.ndarray, clean: np.ndarray) -> Detection:
    whole, _ = run.replicates(entry.key)
    judged = (planted | clean) & (whole.reason_code == 0)
    positive = planted[judged]

    def of(score: np.ndarray, statistic: str) -> float:
        values = score[judged]
        known = ~np.isnan(values)
        function = auroc if statistic == "auroc" else average_precision
        return function(values[known], positive[known])

    count = int(judged.sum())
    return Detection(
        measure=entry,
        kind=kind,
        auroc=run.pooled(entry.key, lambda score: of(score, "auroc"), examples=count),
        average_precision=run.pooled(entry.key, lambda score: of(score, "average_precision"), examples=count),
    )


def _memorized(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.mean(known >= LEAST_MEMORIZED)) if len(known) else float("nan")


def _mean_of(mask: np.ndarray) -> Callable[[np.ndarray], float]:
    def mean(values: np.ndarray) -> float:
        known = values[mask & ~np.isnan(values)]
        return float(known.mean()) if len(known) else float("nan")

    return mean
