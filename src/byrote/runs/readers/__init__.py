"""Readers of what others computed: evidence becomes a run, released values become results without errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from byrote.errors import BadInput
from byrote.runs.readers import _values, c_score, carlini_2019, feldman_zhang, leakpro, mi_lira_2021, privacy_meter
from byrote.runs.readers._files import read_array
from byrote.runs.readers._values import Released
from byrote.runs.run import Run

#: Formats that hold models' answers.
EVIDENCE: dict[str, Callable[..., Run]] = {
    "feldman_zhang_runs": feldman_zhang.read_runs,
    "leakpro": leakpro.read,
    "mi_lira_2021": mi_lira_2021.read,
    "privacy_meter": privacy_meter.read,
}
#: Formats that hold values that somebody computed from answers that are not there.
VALUES: dict[str, Callable[[Path, Int[np.ndarray, " example"] | None], Released]] = {
    "c_score": c_score.values,
    "carlini_2019": carlini_2019.values,
    "feldman_zhang": feldman_zhang.values,
}
FORMATS = tuple(sorted({**EVIDENCE, **VALUES}))


def read(
    format: str,
    path: str | Path,
    out: str | Path,
    *,
    labels: Int[np.ndarray, " example"] | None = None,
    ids: Sequence[str] | None = None,
) -> Run:
    """A run in the folder `out` from files of another program.

    `labels` are those of your dataset, in your order: where the files carry labels the two must agree, and where they
    carry none yours are needed, and the run's notes say that nobody could check the order. A run of released values
    has no models; they stand under `results/`, without errors.

    Raises:
        BadInput: no such format, or files that do not fit.
    """
    if format in EVIDENCE:
        return EVIDENCE[format](path, out, labels=labels, ids=ids)
    if format not in VALUES:
        raise BadInput(f"There is no format {format!r}.", hint=f"the formats are {', '.join(FORMATS)}.")
    return _values.run_of(_released(format, path, labels), Path(out), ids=ids, name=Path(path).name)


def add(format: str, path: str | Path, run: Run) -> Released:
    """Put released values beside the results of a run on the same examples, as `results/<format>.<score>.parquet`.

    Raises:
        BadInput: the format holds no values, or they are about other examples, or in another order.
    """
    released = _released(format, path, run.labels)
    _values.add(run, released)
    return released


def labels_in(path: str | Path) -> Int[np.ndarray, " example"]:
    """Labels from an `.npy` file.

    Raises:
        BadInput: it holds anything else.
    """
    labels = read_array(Path(path))
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise BadInput(
            f"The file {str(path)!r} must hold whole numbers along one axis; it holds {labels.dtype} of shape "
            f"{labels.shape}.",
            hint="np.save('labels.npy', labels), class numbers in the order of your dataset.",
        )
    return labels


def _released(format: str, path: str | Path, labels: Int[np.ndarray, " example"] | None) -> Released:
    if format not in VALUES:
        raise BadInput(
            f"There is no format {format!r} of released values.", hint=f"the formats are {', '.join(VALUES)}."
        )
    return VALUES[format](Path(path), labels)
