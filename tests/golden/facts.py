"""What a golden run must keep saying: its small arrays and texts as they are, and what some measures make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from byrote.results import Result
from byrote.runs.run import Run


def facts(run: Run, measures: Sequence[str]) -> dict[str, Any]:
    """Arrays and texts of a run, as JSON holds them: equal in every later version."""
    tables = {"ids": run.ids, "labels": run.labels, "groups": run.groups}
    if run.task == "regression":
        tables["numbers"] = run.numbers
    return {
        "origin": run.manifest.origin,
        "task": run.task,
        "class_names": list(run.class_names),
        "checkpoints": list(run.manifest.checkpoints),
        "seeds": [entry.seed for entry in run.manifest.models],
        "roles": [entry.role for entry in run.manifest.models],
        "pair": run.design.pair.tolist(),
        "member": run.design.member.tolist(),
        "counts": [phase.count.tolist() for phase in run.design.phases],
        "controls": sorted(map(str, run.controls.to_table().to_pylist())),
        **{name: None if array is None else array.tolist() for name, array in tables.items()},
        **(texts(run) if run.of_text else {}),
        "values": {key: shown(run.measure(key)) for key in measures},
    }


def texts(run: Run) -> dict[str, Any]:
    """What a language model's run holds of documents, as tokens, and what was generated after their beginnings."""
    said = {"tokens": "corpus.token", "generated": "generations.token"}
    return {
        "offsets": run.offsets.tolist(),
        **{name: run.load(quantity, run.models()).tolist() for name, quantity in said.items()},
    }


def shown(result: Result) -> dict[str, Any]:
    """Values and standard errors of a result; null where there is none."""
    arrays = {name: getattr(result, name, None) for name in ("values", "value", "stderr")}
    return {name: plain(array) for name, array in arrays.items() if array is not None}


def plain(array: np.ndarray | float) -> Any:
    """The numbers as JSON has them."""
    array = np.asarray(array)
    return np.where(np.isfinite(array), array.round(8), None).tolist() if array.dtype.kind == "f" else array.tolist()
