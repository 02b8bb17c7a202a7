"""Triage in the report: what the strongly memorized examples probably are, where planted controls teach it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from byrote.analyses.triage import triage
from byrote.data.controls import AMBIGUOUS, CONFLICTING_DUPLICATE, LABEL_NOISE, RARE_SUBPOPULATION
from byrote.errors import BadInput
from byrote.report.missing import RUN, Missing, where_possible
from byrote.report.text import kind_words
from byrote.runs.run import Run

#: Distances between all inputs take too long for a report from so many examples on; the command has the time.
MOST_EXAMPLES = 10_000
TABLE = "triage.parquet"
_LOOKS = {
    LABEL_NOISE: "mislabelled",
    CONFLICTING_DUPLICATE: "copied under another label",
    RARE_SUBPOPULATION: "rare",
    AMBIGUOUS: "ambiguous",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Triaged:
    """Verdicts by id; `counts` of those on which nothing was planted; how planted ones were told apart, if known."""

    verdicts: Mapping[str, str]
    counts: tuple[tuple[str, int], ...]
    kinds: tuple[str, ...]
    confusion: Int[np.ndarray, "kind kind"] | None
    accuracy: float | None
    accuracy_stderr: float | None
    alike: tuple[tuple[str, str], ...]
    confidence: float | None
    notes: tuple[str, ...]


def looks(kind: str) -> str:
    """How an example looks that is taken for this kind.

    Example:
        >>> looks("label_noise")
        'mislabelled'
    """
    return _LOOKS.get(kind, f"like {kind_words(kind)}")


def triaged(run: Run) -> Triaged | Missing:
    """The triage of a run by its own controls, or the one that `byrote triage` left, or what it would take."""
    if not run.learns.of_classes:
        return Missing(why=f"Triage is about one class per example, and this run has {run.learns.says}.")
    kept = run.folder / "results" / TABLE
    if len(run.ids) <= MOST_EXAMPLES:
        own = where_possible(lambda: _own(run), BadInput)
        if isinstance(own, Triaged) or not kept.is_file():
            return own
    if kept.is_file():
        return _kept(run)
    return Missing(
        why=f"The signals of {len(run.ids):,} examples take minutes to read. To get it: byrote triage {RUN}, "
        f"and then byrote report {RUN}."
    )


def _own(run: Run) -> Triaged:
    found = triage(run)
    kinds = found.kind()
    return Triaged(
        verdicts=dict(zip(found.ids.tolist(), kinds.tolist(), strict=True)),
        counts=_counts(kinds[found.planted == ""].tolist()),
        kinds=found.kinds,
        confusion=found.confusion,
        accuracy=found.accuracy,
        accuracy_stderr=found.accuracy_stderr,
        alike=found.alike,
        confidence=found.confidence,
        notes=found.notes,
    )


def _kept(run: Run) -> Triaged:
    table = run.kept_table(TABLE, "example", "kind", "planted")
    ids, kinds, planted = (np.array(table[name].to_pylist(), np.str_) for name in ("example", "kind", "planted"))
    known = np.isin(ids, run.ids)
    return Triaged(
        verdicts=dict(zip(ids[known].tolist(), kinds[known].tolist(), strict=True)),
        counts=_counts(kinds[known & (planted == "")].tolist()),
        kinds=tuple(sorted(set(kinds.tolist()))),
        confusion=None,
        accuracy=None,
        accuracy_stderr=None,
        alike=(),
        confidence=None,
        notes=(f"As `byrote triage` left it in results/{TABLE}.",),
    )


def _counts(kinds: list[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(kinds).most_common())
