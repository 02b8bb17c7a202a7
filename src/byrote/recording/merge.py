"""From what was recorded to a run: the models' journals side by side."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int

from byrote.axes import CHECKPOINT
from byrote.data.problems import counted
from byrote.data.task import TASKS, learned_of
from byrote.designs.design import NO_PAIR, observed
from byrote.errors import BadInput
from byrote.evidence.finite import not_finite, verdict
from byrote.evidence.kinds.weights import WEIGHTS, WEIGHTS_AT
from byrote.evidence.manifest import FILE
from byrote.evidence.shards import read_shard
from byrote.evidence.store import Evidence
from byrote.evidence.tables import read_table
from byrote.probes.judging import Judge
from byrote.probes.kept_weights import stacked
from byrote.recording.journal import FOLDER, Journal, Settings, journals
from byrote.recording.planted import planted_in
from byrote.recording.tally import UNLABELLED, Tally
from byrote.recording.wanted import Wanted, wanted_of
from byrote.runs.opening import Tables, begun, described
from byrote.runs.run import Run

#: The table of ids and labels, where they were given.
GIVEN = "given.parquet"
#: The class of examples whose label nobody saw.
UNKNOWN = "unknown"
SAME: Final = "the models of a run are trained on the same examples; give each its own folder otherwise."
#: Clean passes of a network that has trained make a trajectory from so many on.
FEWEST_PASSES = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """One model's journal, added up. `passes` holds complete clean passes by the epochs done before them, and `weights`
    those that were kept with them.
    """

    model: int
    settings: Settings
    tally: Tally
    classes: int
    closed: bool
    passes: dict[int, dict[str, np.ndarray]]
    logits: np.ndarray | None
    weights: dict[int, Path]
    label: np.ndarray
    notes: tuple[str, ...]

    @property
    def outputs(self) -> dict[str, np.ndarray] | None:
        """The answers at the end of training, if a clean pass was made there."""
        found = self.passes.get(self.tally.epochs)
        if found is None:
            return None
        return found if self.logits is None else {**found, "logits": self.logits}


def merged(folder: Path, *, unfinished: bool) -> Run | None:
    """A run of the models that are complete, or of whatever there is; None where there is nothing. Call it locked.

    Raises:
        BadInput: the models are about different examples or classes.
    """
    found = [
        _recorded(journal) for journal in journals(folder) if journal.complete() or (unfinished and journal.ranks())
    ]
    if not found:
        return None
    first = found[0]
    _refuse_different(found)
    examples, classes = first.settings.examples, max(one.classes for one in found)
    label, relabelled = _labels(folder, found)
    wanted = _wanted(folder, first.settings)
    names = wanted.names(max(classes, int(label.max(initial=0)) + 1))
    notes = [note for one in found for note in one.notes]
    if relabelled:
        notes.append(f"{relabelled} examples had different labels in different models; the first is kept.")
    unseen = label == UNLABELLED
    if unseen.any():
        notes.append(f"Nobody saw the labels of {unseen.sum()} examples; they stand under {UNKNOWN!r}.")
        label, names = np.where(unseen, len(names), label), (*names, UNKNOWN)
    ids = _ids(folder, examples)
    controls, left_out = planted_in(folder, ids, label.astype(np.int64), names)
    notes += left_out
    evidence, checkpoints = _evidence(found, notes, wanted.judge)
    kept = _kept(found, notes)
    member = np.stack([one.tally.presentations > 0 for one in found]).astype(np.int64)
    design = observed(member, _mates(member))
    manifest = described(
        design,
        origin="observed",
        dataset={
            "name": first.settings.name,
            "examples": examples,
            "class_names": list(names),
            "fingerprint": None,
            **wanted.facts(),
        },
        checkpoints=checkpoints,
        evidence=(*evidence, *kept),
        notes=tuple(notes),
    )
    (folder / FILE).unlink(missing_ok=True)
    for name in ("evidence", "results"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    store = Evidence(folder / "evidence")
    for kind, each in evidence.items():
        for position, columns in enumerate(each):
            header = {**verdict(not_finite(columns)).words(), "recorded": str(found[position].model)}
            store.write(kind, position, 0, columns, header)
    for kind, epochs in kept.items():
        _write_weights(store, kind, epochs, found)
    kinds = label.astype(np.int64)
    tables = Tables(ids=ids, labels=kinds, controls=controls, numbers=wanted.numbers)
    begun(folder, design, tables, manifest)
    return Run.open(folder)


def _mates(member: Int[np.ndarray, "model example"]) -> Int[np.ndarray, " model"]:
    """The number of the pair of each model: two that were trained on a part of the examples and on all the others.

    Example:
        >>> _mates(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]])).tolist()
        [0, -1, 0]
    """
    pair = np.full(len(member), NO_PAIR, np.int64)
    waiting: dict[bytes, list[int]] = {}
    pairs = 0
    for model, shown in enumerate(member.astype(bool)):
        mates = waiting.get((~shown).tobytes())
        if mates:
            pair[[mates.pop(0), model]] = pairs
            pairs += 1
        else:
            waiting.setdefault(shown.tobytes(), []).append(model)
    return pair


def _recorded(journal: Journal) -> Recorded:
    ranks = journal.ranks()
    settings = [journal.settings(rank) for rank in ranks]
    if any(one != settings[0] for one in settings):
        raise BadInput(
            f"The processes that recorded model {journal.model} were made with different arguments: {settings}.",
            hint="give Recorder the same arguments in every process; only 'rank' may differ.",
        )
    tally, closed = journal.tally(), journal.complete()
    notes = []
    passes: dict[int, dict[str, np.ndarray]] = {}
    label = tally.label.copy()
    for epochs, parts in journal.clean().items():
        columns = _by_example(parts, settings[0].examples)
        clean = columns.pop("label")
        label = np.where(label == UNLABELLED, clean, label)
        missing = int((clean == UNLABELLED).sum())
        if missing:
            notes.append(
                f"The clean pass of model {journal.model} after {epochs} epochs missed {missing} examples and is left "
                "out."
            )
        else:
            passes[epochs] = columns
    if not closed:
        notes.append(
            f"Model {journal.model} was not closed; it is recorded up to "
            f"{counted(tally.epochs, 'full epoch', 'full epochs')}."
        )
    if tally.again:
        notes.append(
            f"Model {journal.model} was shown {tally.again} times an example that it had seen in the same epoch; each "
            "counts once an epoch."
        )
    if tally.relabelled:
        notes.append(f"Model {journal.model} saw {tally.relabelled} times another label than an example's first.")
    parts = journal.logits(tally.epochs)
    logits = _by_example(parts, settings[0].examples)["logits"] if parts else None
    return Recorded(
        model=journal.model,
        settings=settings[0],
        tally=tally,
        classes=journal.classes(),
        closed=closed,
        passes=passes,
        logits=None if logits is None or np.isnan(logits).any() else logits,
        weights={epochs: path for epochs, path in journal.weights().items() if epochs in passes},
        label=label,
        notes=tuple(notes),
    )


def _by_example(parts: Sequence[dict[str, np.ndarray]], examples: int) -> dict[str, np.ndarray]:
    """Columns `[example, ...]` from the shares of the processes: nan, or -1, where none has the example."""
    columns = {
        name: np.full((examples, *column.shape[1:]), np.nan if column.dtype.kind == "f" else UNLABELLED, column.dtype)
        for name, column in parts[0].items()
        if name != "example"
    }
    for part in reversed(parts):
        for name, column in columns.items():
            column[part["example"]] = part[name]
    return columns


def _refuse_different(found: Sequence[Recorded]) -> None:
    first = found[0]
    for one in found[1:]:
        mine = (one.settings.examples, one.classes, one.settings.class_names)
        theirs = (first.settings.examples, first.classes, first.settings.class_names)
        if mine != theirs:
            raise BadInput(
                f"Models {first.model} and {one.model} of the run are about {theirs[0]} examples of {theirs[1]} "
                f"classes and {mine[0]} examples of {mine[1]} classes, named {theirs[2]} and {mine[2]}.",
                hint=SAME,
            )
        if (one.settings.task, one.settings.tolerance) != (first.settings.task, first.settings.tolerance):
            raise BadInput(
                f"Models {first.model} and {one.model} of the run want {_aim(first.settings)} and "
                f"{_aim(one.settings)}.",
                hint=SAME,
            )


def _aim(settings: Settings) -> str:
    within = "" if settings.tolerance is None else f" within {settings.tolerance:g}"
    return f"{TASKS[settings.task]}{within}"


def _labels(folder: Path, found: Sequence[Recorded]) -> tuple[np.ndarray, int]:
    """Labels as they were given or seen, and of how many examples the models disagree."""
    table = _given(folder)
    label = np.full(found[0].settings.examples, UNLABELLED, np.int32) if "label" not in table else table["label"]
    disagree = np.zeros(len(label), bool)
    for one in found:
        disagree |= (label != UNLABELLED) & (one.label != UNLABELLED) & (label != one.label)
        label = np.where(label == UNLABELLED, one.label, label)
    return label, int(disagree.sum())


def _wanted(folder: Path, settings: Settings) -> Wanted:
    """What the training wanted of its examples."""
    learned = learned_of(settings.task)
    if learned.of_classes:
        return wanted_of(None, settings.class_names, None, settings.examples)
    given = _given(folder).get("target")
    if given is None:
        raise BadInput(
            f"The recording in {str(folder)!r} lacks the targets of its examples.",
            hint="restore the folder from a copy, or record again into another one.",
        )
    targets = given.astype(np.float64) if learned.numeric else given
    return wanted_of(targets, settings.class_names, settings.tolerance, settings.examples)


def _ids(folder: Path, examples: int) -> np.ndarray:
    return np.asarray(_given(folder).get("example", np.arange(examples)), np.str_)


def _given(folder: Path) -> dict[str, np.ndarray]:
    path = folder / FOLDER / GIVEN
    if not path.exists():
        return {}
    table = read_table(path, hint="restore the folder from a copy, or record again into another one.")
    return {name: np.array(table[name].to_pylist()) for name in table.column_names}


def _evidence(
    found: Sequence[Recorded], notes: list[str], judge: Judge
) -> tuple[dict[str, list[dict[str, np.ndarray]]], tuple[int, ...]]:
    """Columns of every model by kind; a kind, or a clean pass, that some model lacks is left out with a note."""
    evidence = {"presentation": [one.tally.evidence(judge.shown) for one in found]}
    outputs = [one.outputs for one in found]
    whole = [one for one in outputs if one is not None]
    if len(whole) == len(found):
        logits = all("logits" in one for one in whole)
        evidence["outputs"] = [
            {name: column for name, column in one.items() if logits or name != "logits"} for one in whole
        ]
    elif any(one.passes for one in found):
        notes.append("Not every model has a clean pass after its last epoch, so there are no outputs.")
    shared = sorted(set.intersection(*({*one.passes} for one in found)))
    if len({*shared}) < len({epochs for one in found for epochs in one.passes}):
        notes.append(f"Trajectories hold the clean passes that all models have: after {shared} epochs.")
    if sum(epochs > 0 for epochs in shared) < FEWEST_PASSES:
        return evidence, ()
    evidence["trajectory"] = [
        {name: np.stack([one.passes[epochs][name] for epochs in shared]) for name in judge.signals}
        | {"epochs": np.array(shared, np.int64)}
        for one in found
    ]
    return evidence, tuple(shared)


def _kept(found: Sequence[Recorded], notes: list[str]) -> dict[str, tuple[int, ...]]:
    """The epochs at which every model that kept weights did so, and the end where all models kept those of it."""
    having = [one for one in found if one.weights]
    shared = sorted(set.intersection(*({*one.weights} for one in having))) if having else []
    if len(shared) < len({epochs for one in having for epochs in one.weights}):
        notes.append(f"Weights are those that all models which kept some have: after {shared} epochs.")
    ends = all(one.tally.epochs in one.weights for one in found)
    return {**({WEIGHTS_AT.name: tuple(shared)} if shared else {}), **({WEIGHTS.name: ()} if ends else {})}


def _write_weights(store: Evidence, kind: str, epochs: tuple[int, ...], found: Sequence[Recorded]) -> None:
    for position, one in enumerate(found):
        header = {"recorded": str(one.model)}
        if kind == WEIGHTS.name:
            store.write(kind, position, 0, read_shard(one.weights[one.tally.epochs]), header)
        elif one.weights:
            tensors = stacked([read_shard(one.weights[epoch]) for epoch in epochs])
            store.write(kind, position, 0, tensors, header, {CHECKPOINT: [str(epoch) for epoch in epochs]})
