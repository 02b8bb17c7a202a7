"""What differs between two runs: how they were made, and what both measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from byrote.analyses.card import Row, card
from byrote.designs.design import ROLES
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.evidence.manifest import differing
from byrote.report.provenance import change_words, compact
from byrote.runs.run import OnProgress, Run, no_progress

#: Of the settings of an executor these bear on the results; the others are about speed.
EXECUTION = ("device", "threads")
#: Settings of an identity that are told under a subject of their own, or are digests of what is.
TOLD = ("recipe", "design", "dataset", "heldout", "corpus", "change", "checkpoints")

DIGEST = re.compile("[0-9a-f]{32,}")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting that differs, in words; an en dash where a run has none."""

    subject: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A table that both runs hold, on the examples of both: means, how many scores differ, and by how much at most."""

    name: str
    before: float
    after: float
    examples: int
    different: int
    largest: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """All that differs, and figures of both; `incomparable` says why there are none."""

    settings: tuple[Setting, ...]
    scores: tuple[Scores, ...]
    figures: tuple[Row, ...]
    incomparable: str

    @property
    def same(self) -> bool:
        """Whether nothing differs: neither a setting, nor a score, nor a figure."""
        alike = all(row.difference.value == 0 or np.isnan(row.difference.value) for row in self.figures)
        return not self.settings and not self.scores and alike and not self.incomparable


def difference(before: Run, after: Run, on_progress: OnProgress = no_progress) -> Difference:
    """What differs between two runs; the time, the folder and the speed of a run do not count.

    Figures are those of the before/after card. Where the runs share no examples, or hold no models, there are none.
    """
    figures: tuple[Row, ...] = ()
    why = ""
    try:
        figures = card(before, after, on_progress).rows
    except (BadInput, MissingEvidence, TooFewModels) as error:
        why = error.message
    return Difference(
        settings=settings(before, after), scores=tuple(_scores(before, after)), figures=figures, incomparable=why
    )


def settings(before: Run, after: Run) -> tuple[Setting, ...]:
    """The settings that differ, by subject."""
    one, other = _described(before), _described(after)
    found = [
        Setting(subject=subject, name=place.replace("_", " "), before=_words(was), after=_words(now))
        for subject in one
        for place, was, now in differing(one[subject], other[subject])
    ]
    return (*found, *_examples(before, after), *_seeds(before, after))


def _described(run: Run) -> dict[str, dict[str, Any]]:
    manifest = run.manifest
    identity = dict(manifest.identity)
    recipe, parent = identity.get("recipe"), manifest.parent or {}
    return {
        "run": {
            "origin": manifest.origin,
            "contents": "forgotten" if run.forgotten else None,
            **{name: value for name, value in identity.items() if name not in TOLD},
        },
        "dataset": {
            name: value
            for name, value in manifest.dataset.items()
            if name != "class_names" or run.learns.of_classes  # of other targets they are made up
        },
        "held-out data": {name: value for name, value in (manifest.heldout or {}).items() if name != "groups"},
        "recipe": dict(recipe) if isinstance(recipe, dict) else {"recipe": recipe},
        "design": {
            **manifest.design,
            "models": {role: len(run.design.models_of(role)) for role in ROLES},
            "controls": {kind: int((run.controls.kind == kind).sum()) for kind in run.controls.kinds()},
        },
        "change": {
            "what": change_words(parent["change"]) if parent.get("change") else None,
            "examples to forget": len(parent.get("forget") or ()),
        },
        "training": {
            **{name: manifest.executor.get(name) for name in EXECUTION},
            "checkpoints": list(manifest.checkpoints),
            "evidence": sorted(manifest.evidence),
        },
        "versions and machine": {"byrote": manifest.byrote, **manifest.environment},
    }


def _words(value: Any) -> str:
    if isinstance(value, str) and DIGEST.fullmatch(value):
        return f"{value[:12]}…"
    return "–" if value is None else compact(value)


def _examples(before: Run, after: Run) -> Iterator[Setting]:
    """How many examples only one of the runs has, and how many have another label."""
    _, first, second = np.intersect1d(before.ids, after.ids, return_indices=True)
    turned = int((before.labels[first] != after.labels[second]).sum())
    alone = [len(run.ids) - len(first) for run in (before, after)]
    if any(alone):
        yield _count("examples that the other has not", *alone)
    if turned:
        yield _count("examples with a label of its own", turned, turned)


def _seeds(before: Run, after: Run) -> Iterator[Setting]:
    seeds = [{entry.index: entry.seed for entry in run.manifest.models} for run in (before, after)]
    others = sum(seeds[0][model] != seeds[1][model] for model in seeds[0].keys() & seeds[1].keys())
    if others:
        yield Setting(subject="run", name="models with a seed of its own", before=f"{others:,}", after=f"{others:,}")


def _count(name: str, before: int, after: int) -> Setting:
    return Setting(subject="dataset", name=name, before=f"{before:,}", after=f"{after:,}")


def _scores(before: Run, after: Run) -> Iterator[Scores]:
    """The tables by example of both runs that differ."""
    names = [{path.name for path in (run.folder / "results").glob("*.parquet")} for run in (before, after)]
    for name in sorted(names[0] & names[1]):
        tables = [_read(run, name) for run in (before, after)]
        if any("example" not in table.column_names or "value" not in table.column_names for table in tables):
            continue
        ids = [np.array(table["example"].to_pylist(), np.str_) for table in tables]
        if any(len(np.unique(one)) < len(one) for one in ids):
            continue  # a table of pairs
        common, first, second = np.intersect1d(ids[0], ids[1], return_indices=True)
        was, now = tables[0]["value"].to_numpy()[first], tables[1]["value"].to_numpy()[second]
        unlike = ~((was == now) | (np.isnan(was) & np.isnan(now)))
        if unlike.any():
            yield Scores(
                name=name.removesuffix(".parquet"),
                before=_mean(was),
                after=_mean(now),
                examples=len(common),
                different=int(unlike.sum()),
                largest=float(np.nanmax(np.abs(now - was), initial=0.0)),
            )


def _read(run: Run, name: str) -> pa.Table:
    return run.kept_table(name)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
