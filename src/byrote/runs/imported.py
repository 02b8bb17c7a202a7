"""Imported runs: evidence that somebody else recorded, brought into the same folder and the same measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

from byrote.data.blocks import row_blocks
from byrote.data.controls import Controls
from byrote.data.inert import inert, inert_texts
from byrote.designs.design import NO_PAIR, observed
from byrote.errors import BadInput
from byrote.evidence.by_model import Arrays, shape_of
from byrote.evidence.finite import not_finite, verdict
from byrote.evidence.kind import Quantity
from byrote.evidence.schema import every_kind, kind_of, quantity
from byrote.evidence.store import Evidence
from byrote.probes.probabilities import are_probabilities
from byrote.runs.opening import Tables, described, opened
from byrote.runs.run import Run

#: Signals take eight float64 numbers a logit while they are computed, so that a block stays in a processor's cache.
LOGITS_PER_BLOCK = 1 << 15
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
    evidence: Mapping[str, Arrays],
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
    `"outputs.logits"`, `"trajectory.log_odds"`, …); logits also give the signals that follow from them. An array may be
    memory-mapped, or a list with an array for each model: they are read a model at a time.
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
    kinds = tuple(dict.fromkeys(key.split(".")[0] for key in evidence))
    manifest = described(
        design,
        origin="imported",
        dataset={"name": name, "examples": examples, "class_names": list(names), "fingerprint": None},
        heldout={"examples": _queries(evidence)[0]} if "heldout" in kinds else None,
        checkpoints=tuple(int(epoch) for epoch in checkpoints),
        evidence=kinds,
        notes=tuple(notes),
    )
    tables = Tables(ids=ids_array, labels=labels, controls=controls or Controls())
    with opened(folder, design, tables, lambda: manifest):
        store = Evidence(folder / "evidence")
        for kind in kinds:
            for model in range(models):
                mine = _columns(kind, evidence, model, labels)
                if kind == "trajectory":
                    mine["epochs"] = np.asarray(checkpoints, np.int64)
                store.write(kind, model, 0, mine, verdict(not_finite(mine)).words())
    return Run.open(folder)


def _queries(evidence: Mapping[str, Arrays]) -> list[int]:
    shapes = [shape_of(arrays) for key, arrays in evidence.items() if key.startswith("heldout.")]
    return sorted({shape[1] for shape in shapes if len(shape) > 1})


def _problems(
    labels: np.ndarray,
    member: np.ndarray,
    evidence: Mapping[str, Arrays],
    ids: np.ndarray,
    pair: np.ndarray,
    classes: int,
    checkpoints: Sequence[int],
) -> list[str]:
    models, examples = member.shape
    found = []
    if not models or not examples:
        found.append(f"member is about {models} models and {examples} examples")
    if not all(np.isin(own, (-1, 0, 1)).all() for own in member):
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
    if any(shape_of(arrays)[1:2] == (0,) for key, arrays in evidence.items() if key.startswith("augmented.")):
        found.append("augmented arrays hold no augmentation")
    sizes = {"model": models, "example": examples, "class": classes, "checkpoint": len(checkpoints)}
    for key, arrays in evidence.items():
        found += _problems_of(key, arrays, sizes)
    return found


def _problems_of(key: str, arrays: Arrays, sizes: Mapping[str, int]) -> list[str]:
    expected, shape = quantity(key), shape_of(arrays)
    if not kind_of(key).imports or expected.dims[0] != "model":
        known = ", ".join(kind.name for kind in every_kind() if kind.imports)
        return [f"{key!r} is no evidence of a model's; {known} are"]
    pairs = zip(expected.dims, shape, strict=False)
    if len(expected.dims) != len(shape) or any(dim in sizes and size != sizes[dim] for dim, size in pairs):
        wanted = ", ".join(f"{dim}={sizes[dim]}" if dim in sizes else dim for dim in expected.dims)
        more = "; class_names may name more classes than occur" if "class" in expected.dims else ""
        return [f"{key!r} has shape {shape} where ({wanted}) is wanted{more}"]
    for model, own in enumerate(arrays):
        if np.shape(own) != shape[1:]:
            return [f"{key!r} has shape {shape[1:]} of model 0 and {np.shape(own)} of model {model}"]
        if problem := _problem_of_one(np.asarray(own), expected, sizes["class"]):
            return [f"{key!r} {problem.format(model=model)}"]
    return []


#: What is said of logits that lie in 0..1.
_NO_LOGITS: Final = (
    "holds probabilities of model {model} (each row lies in [0, 1] and has the sum 1): give their logarithms, "
    "np.log(np.maximum(p, 1e-12))"
)


def _problem_of_one(own: np.ndarray, expected: Quantity, classes: int) -> str:
    """What is wrong with the values of one model, if anything is."""
    if own.dtype.kind not in "biuf":
        return f"holds {own.dtype} instead of numbers"
    if expected.dtype == "bool" and own.dtype.kind != "b" and not np.isin(own, (0, 1)).all():
        return "must be 0 or 1"
    if expected.unit == "probability" and ((own < 0) | (own > 1)).any():
        return "must lie in [0, 1]"
    if expected.unit == "logit" and are_probabilities(own):
        return _NO_LOGITS
    if expected.unit == "class" and (own.min() < 0 or own.max() >= classes):
        return f"must lie in [0, {classes})"
    return ""


def _columns(kind: str, evidence: Mapping[str, Arrays], model: int, labels: np.ndarray) -> dict[str, np.ndarray]:
    """A model's arrays of a kind, and what follows from its logits and was not given."""
    given: dict[str, np.ndarray] = {}
    follows: dict[str, np.ndarray] = {}
    for key, arrays in evidence.items():
        if key.split(".")[0] == kind:
            own = np.asarray(arrays[model])
            with np.errstate(invalid="ignore", over="ignore"):  # what becomes infinite marks a model as diverged
                given[key.split(".")[1]] = np.ascontiguousarray(own, quantity(key).dtype)
            follows = signals_of_one(own, labels) if key == "outputs.logits" else follows
    return {**follows, **given}


def signals_of(
    logits: Float[np.ndarray, "model example class"], labels: Int[np.ndarray, " example"]
) -> dict[str, np.ndarray]:
    """What the networks' probes read off logits, from arrays `[model, example]`."""
    each = [signals_of_one(own, labels) for own in logits]
    return {name: np.stack([one[name] for one in each]) for name in each[0]}


def signals_of_one(
    logits: Float[np.ndarray, "example class"], labels: Int[np.ndarray, " example"]
) -> dict[str, np.ndarray]:
    """The same of one model; a block of examples is computed at a time."""
    with np.errstate(invalid="ignore", over="ignore"):  # of a model that diverged they are not finite
        each = row_blocks(logits, LOGITS_PER_BLOCK)
        blocks = [_signals(logits[rows].astype(np.float64), labels[rows]) for rows in each]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _signals(logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    label = labels[:, None]
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
