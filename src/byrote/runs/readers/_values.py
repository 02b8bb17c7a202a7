"""Values that others computed and released without the evidence behind them: they come without errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from byrote.designs.design import observed
from byrote.errors import BadInput
from byrote.evidence.tables import write_table
from byrote.results import PerExample, PerPair
from byrote.runs.opening import Tables, described, opened
from byrote.runs.readers._checks import in_order
from byrote.runs.run import Run, table

NO_ERRORS = "released without standard errors and without the models' answers: none can be computed"


@dataclass(frozen=True, kw_only=True, eq=False)
class Released:
    """Values by name, the labels of the examples that they are about, and what else the files say of them.

    `ids` are names that the files give to the examples; None where they give none. `models` of a result is 0: how
    many there were is not in the files.
    """

    results: Mapping[str, PerExample | PerPair]
    labels: Int[np.ndarray, " example"]
    ids: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def without_errors(values: Float[np.ndarray, " example"]) -> PerExample:
    """A result of values alone: errors and bounds are nan, and so is a value that is not finite, with its reason.

    Example:
        >>> without_errors(np.array([0.5, np.inf])).values
        array([0.5, nan])
    """
    absent = ~np.isfinite(values)
    unknown = np.full(len(values), np.nan)
    return PerExample(
        values=np.where(absent, np.nan, values.astype(np.float64)),
        stderr=unknown,
        low=unknown,
        high=unknown,
        reasons=("", "the file holds no finite value"),
        reason_code=absent.astype(np.int64),
        models=0,
        note=NO_ERRORS,
    )


def pairs_without_errors(
    example: Int[np.ndarray, " pair"], query: Int[np.ndarray, " pair"], values: Float[np.ndarray, " pair"]
) -> PerPair:
    """A result of influences alone, sorted from the largest of each query."""
    order = np.lexsort((-values, query))
    unknown = np.full(len(values), np.nan)
    return PerPair(
        example=example[order].astype(np.int64),
        query=query[order].astype(np.int64),
        values=values[order].astype(np.float64),
        stderr=unknown,
        low=unknown,
        high=unknown,
        models=0,
        note=NO_ERRORS,
    )


def one_value_each(values: np.ndarray, examples: int, where: str) -> Float[np.ndarray, " example"]:
    """The values as floating-point numbers.

    Raises:
        BadInput: they are no numbers, or not one per example.
    """
    if values.shape != (examples,) or values.dtype.kind not in "iuf":
        raise BadInput(
            f"The values in {where} are {values.dtype} of shape {values.shape} for {examples} examples.",
            hint="one number per example is required; pass labels=… of the whole dataset that the values are about.",
        )
    return values.astype(np.float64)


def add(run: Run, released: Released) -> None:
    """Put released values beside the results of a run on the same examples, under `results/`.

    Raises:
        BadInput: they are about other examples than the run is.
    """
    in_order(released.labels, run.labels, "labels", "the release")
    for name, result in released.results.items():
        write_table(run.folder / "results" / f"{name}.parquet", table(result, run.ids))


def run_of(released: Released, out: Path, *, ids: Sequence[str] | None, name: str) -> Run:
    """A run folder that holds released values and no models.

    Raises:
        BadInput: the folder holds a run already, or ids or labels do not fit.
    """
    if ids is not None and released.ids is not None:
        in_order(np.array(released.ids), np.array(list(ids), np.str_), "ids", "the release")
    labels = released.labels
    names = ids or released.ids or tuple(map(str, range(len(labels))))
    if len(set(names)) != len(labels) or labels.min(initial=0) < 0:
        raise BadInput(
            f"There must be one id per example, and labels from 0 on: there are {len(set(names))} different ids, "
            f"{len(labels)} labels, the least {labels.min(initial=0)}.",
            hint="give ids=… that differ, one per example, and number the classes from 0 on.",
        )
    design = observed(np.empty((0, len(labels)), np.int64), np.empty(0, np.int64))
    classes = [str(label) for label in range(int(labels.max(initial=0)) + 1)]
    facts = {"name": name, "examples": len(labels), "class_names": classes, "fingerprint": None}
    manifest = described(design, origin="imported", dataset=facts, notes=(NO_ERRORS, *released.notes))
    with opened(out, design, Tables(ids=np.array(list(names), np.str_), labels=labels), lambda: manifest):
        run = Run.open(out)
    add(run, released)
    return run
