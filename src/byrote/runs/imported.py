"""Imported runs: evidence that somebody else recorded, brought into the same folder and the same measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.special import logsumexp

from byrote.data.controls import Controls
from byrote.data.inert import inert, inert_texts
from byrote.designs.design import NO_PAIR, observed
from byrote.errors import BadInput
from byrote.evidence.finite import not_finite, verdict
from byrote.evidence.schema import every_kind, kind_of, quantity
from byrote.evidence.store import Evidence
from byrote.probes.probabilities import are_probabilities
from byrote.runs.opening import Tables, described, opened
from byrote.runs.run import Run

_AS_GIVEN = (
    "labels[example], member[model, example] of 0 and 1, evidence[model, example, …], all in one order, as "
    "evidence={'outputs.logits': …}; ids=… differ, or are left out; pair=… gives both models of a pair the same "
    "number, and all others -1; checkpoints=… are epochs in ascending order."
)


def import_arrays(
    out: str | Path,
    *,
    labels: Int[np.ndarray, " example"],
    member: Int[np.ndarray, "model example"],
    evidence: Mapping[str, Shaped[np.ndarray, "model ..."]],
    ids: Sequence[str] | None = None,
    pair: Int[np.ndarray, " model"] | None = None,
    class_names: Sequence[str] | None = None,
    checkpoints: Sequence[int] = (),
    controls: Controls | None = None,
    name: str = "imported",
    notes: Sequence[str] = (),
) -> Run:
    """A run from arrays: who was trained on what, and what the models said.

    `member` is 1, 0, or -1 where nobody knows. `evidence` names arrays as the schema does (`"outputs.correct"`,
    `"outputs.logits"`, `"trajectory.log_odds"`, …); logits also give the signals that follow from them.
    `checkpoints` are the epochs of trajectories. `pair` names complementary pairs, where the models were
    trained in such (-1 = none). `notes` are sentences that go with the run into every report.

    Raises:
        BadInput: names, shapes or values that do not fit; all of them in one sentence.

    Example:
        >>> run = byrote.import_arrays(
        ...     "runs/tiny",
        ...     labels=np.array([0, 1, 0, 1]),
        ...     member=np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]]),
        ...     evidence={"outputs.correct": np.array([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1]], bool)},
        ...     pair=np.array([0, 0, 1, 1]),
        ... )
        >>> run.measure("label_memorization").values.tolist()
        [0.0, 0.5, 1.0, 0.0]
    """
    folder = Path(out)
    models, examples = member.shape
    pair = np.full(models, NO_PAIR, np.int64) if pair is None else pair
    ids_array = np.arange(examples).astype(np.str_) if ids is None else inert_texts(np.array(list(ids), np.str_))
    classes = int(labels.max(initial=0)) + 1 if class_names is None else len(class_names)
    problems = _problems(labels, member, evidence, ids_array, pair, classes, checkpoints)
    if problems:
        raise BadInput(
            f"The arrays cannot be imported: {'; '.join(problems)}.",
            hint=_AS_GIVEN,
        )
    names = tuple(map(inert, class_names)) if class_names is not None else tuple(map(str, range(classes)))
    design = observed(member, pair)
    columns = _columns(evidence, labels)
    manifest = described(
        design,
        origin="imported",
        dataset={"name": name, "examples": examples, "class_names": list(names), "fingerprint": None},
        heldout={"examples": _queries(evidence)[0]} if "heldout" in columns else None,
        checkpoints=tuple(int(epoch) for epoch in checkpoints),
        evidence=tuple(columns),
        notes=tuple(notes),
    )
    tables = Tables(ids=ids_array, labels=labels, controls=controls or Controls())
    with opened(folder, design, tables, lambda: manifest):
        store = Evidence(folder / "evidence")
        for kind, arrays in columns.items():
            for model in range(models):
                mine = {column: np.ascontiguousarray(array[model]) for column, array in arrays.items()}
                if kind == "trajectory":
                    mine["epochs"] = np.asarray(checkpoints, np.int64)
                store.write(kind, model, 0, mine, verdict(not_finite(mine)).words())
    return Run.open(folder)


def _queries(evidence: Mapping[str, np.ndarray]) -> list[int]:
    return sorted({array.shape[1] for key, array in evidence.items() if key.startswith("heldout.") and array.ndim > 1})


def _problems(
    labels: np.ndarray,
    member: np.ndarray,
    evidence: Mapping[str, np.ndarray],
    ids: np.ndarray,
    pair: np.ndarray,
    classes: int,
    checkpoints: Sequence[int],
) -> list[str]:
    models, examples = member.shape
    found = []
    if not models or not examples:
        found.append(f"member is about {models} models and {examples} examples")
    if not np.isin(member, (-1, 0, 1)).all():
        found.append("member must be 1, 0 or -1")
    lengths = (("labels", len(labels), examples), ("ids", len(ids), examples), ("pair", len(pair), models))
    for what, length, wanted in lengths:
        if length != wanted:
            found.append(f"{what} has {length} entries where member has {wanted}")
    if len(np.unique(ids)) != len(ids):
        found.append("ids must be unique")
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        found.append(f"labels must lie in [0, {classes}), and go from {labels.min()} to {labels.max()}")
    mates = np.unique(pair[pair != NO_PAIR], return_counts=True)[1]
    if (pair < NO_PAIR).any() or (mates != 2).any():
        found.append("pair must name each pair twice, and be -1 elsewhere")
    if np.any(np.diff(np.asarray(checkpoints, np.float64)) <= 0):
        found.append(f"checkpoints must increase, and are {list(checkpoints)}")
    if not evidence:
        found.append("there is no evidence")
    if len(_queries(evidence)) > 1:
        found.append(f"held-out arrays differ in their number of queries: {_queries(evidence)}")
    if any(array.ndim == 3 and not array.shape[1] for key, array in evidence.items() if key.startswith("augmented.")):
        found.append("augmented arrays hold no augmentation")
    sizes = {"model": models, "example": examples, "class": classes, "checkpoint": len(checkpoints)}
    for key, array in evidence.items():
        found += _problems_of(key, array, sizes)
    return found


def _problems_of(key: str, array: np.ndarray, sizes: Mapping[str, int]) -> list[str]:
    expected = quantity(key)
    if not kind_of(key).imports or expected.dims[0] != "model":
        known = ", ".join(kind.name for kind in every_kind() if kind.imports)
        return [f"{key!r} is no evidence of a model's; {known} are"]
    pairs = zip(expected.dims, array.shape, strict=False)
    if len(expected.dims) != array.ndim or any(dim in sizes and size != sizes[dim] for dim, size in pairs):
        wanted = ", ".join(f"{dim}={sizes[dim]}" if dim in sizes else dim for dim in expected.dims)
        more = "; class_names may name more classes than occur" if "class" in expected.dims else ""
        return [f"{key!r} has shape {array.shape} where ({wanted}) is wanted{more}"]
    if array.dtype.kind not in "biuf":
        return [f"{key!r} holds {array.dtype} instead of numbers"]
    if expected.dtype == "bool" and not np.isin(array, (0, 1)).all():
        return [f"{key!r} must be 0 or 1"]
    if expected.unit == "probability" and (np.nanmin(array) < 0 or np.nanmax(array) > 1):
        return [f"{key!r} must lie in [0, 1]"]
    suspect = [model for model, own in enumerate(array) if expected.unit == "logit" and are_probabilities(own)]
    if suspect:
        return [
            f"{key!r} holds probabilities of model {suspect[0]} (each row lies in [0, 1] and has the sum 1): give "
            "their logarithms, np.log(np.maximum(p, 1e-12))"
        ]
    if expected.unit == "class" and (array.min() < 0 or array.max() >= sizes["class"]):
        return [f"{key!r} must lie in [0, {sizes['class']})"]
    return []


def _columns(evidence: Mapping[str, np.ndarray], labels: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    columns: dict[str, dict[str, np.ndarray]] = {}
    for key, array in evidence.items():
        kind, column = key.split(".")
        with np.errstate(invalid="ignore", over="ignore"):  # what becomes infinite marks a model as diverged
            columns.setdefault(kind, {})[column] = array.astype(quantity(key).dtype, copy=False)
        if key == "outputs.logits":
            columns[kind] = {**signals_of(array, labels), **columns[kind]}
    return columns


def signals_of(
    logits: Float[np.ndarray, "model example class"], labels: Int[np.ndarray, " example"]
) -> dict[str, np.ndarray]:
    """What the networks' probes read off logits, from arrays."""
    with np.errstate(invalid="ignore", over="ignore"):  # of a model that diverged they are not finite
        return _signals(logits.astype(np.float64), labels)


def _signals(logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    label = np.broadcast_to(labels[None, :, None], (*logits.shape[:2], 1))
    own = np.take_along_axis(logits, label, -1)[..., 0]
    others = logits.copy()
    np.put_along_axis(others, label, -np.inf, -1)
    log_p = logits - logsumexp(logits, axis=-1, keepdims=True)
    signals = {
        "log_odds": own - logsumexp(others, axis=-1),
        "logit_margin": own - others.max(-1),
        "entropy": -(np.exp(log_p) * log_p).sum(-1),
        "top_confidence": np.exp(log_p.max(-1)),
    }
    return {name: array.astype(np.float32) for name, array in signals.items()} | {
        "prediction": logits.argmax(-1).astype(np.int32)
    }
