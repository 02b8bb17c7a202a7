"""Cleanlab: class probabilities of each example by the models that were not trained on it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.special import softmax

from byrote.data.task import refuse_other_tasks
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.evidence.made_here import write_own
from byrote.runs.run import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class OutOfSample:
    """What cleanlab's `find_label_issues(labels, pred_probs)` takes, and who is meant.

    `models` counts the models that an example's probabilities are the mean of.
    """

    pred_probs: Float[np.ndarray, "example class"]
    labels: Int[np.ndarray, " example"]
    ids: Shaped[np.ndarray, " example"]
    models: Int[np.ndarray, " example"]

    def __repr__(self) -> str:
        examples, classes = self.pred_probs.shape
        return f"OutOfSample({examples} examples, {classes} classes, from {self.models.min()} models or more each)"


def out_of_sample(run: Run) -> OutOfSample:
    """Mean predicted probabilities over the reference models that did not train on the example.

    They come from the logits, without models that diverged and their mates. Where logits were not kept they come from
    the probabilities that were summed while all models of the run answered; there a diverged model is left out and
    its mate is not. A model of unknown membership does not count.

    Raises:
        MissingEvidence: the run recorded neither.
        BadInput: the run is not of one class per example, or a model's answer is not finite.
        TooFewModels: an example was in every model's training set.
    """
    refuse_other_tasks(run.task, run.folder.name, "The export for cleanlab", "write it for a run of classes.")
    models = run.models()
    first = int(models[0]) if len(models) else 0
    if len(models) and run.evidence.has("outputs", first, run.last_phase) and "logits" in _columns(run, first):
        total, count = _from_logits(run, models)
    else:
        total, count = _from_sums(run)
    unknown = np.flatnonzero(run.undefined)
    if len(unknown):
        raise BadInput(
            f"The models' answers on {len(unknown)} of {len(count)} examples are not finite numbers, the first of them "
            f"{str(run.ids[unknown[0]])!r}: cleanlab takes probabilities of all examples.",
            hint="leave these examples out of the data, or clamp what the network computes, and audit again.",
        )
    alone = np.flatnonzero(count == 0)
    if len(alone):
        raise TooFewModels(
            f"{len(alone)} of {len(count)} examples were in the training set of every model, the first of them "
            f"{str(run.ids[alone[0]])!r}: none of their probabilities is out of sample.",
            hint="audit with a design of half-subset pairs, which leaves every example out of half of the models.",
        )
    return OutOfSample(
        pred_probs=total / total.sum(1, keepdims=True),
        labels=run.labels.astype(np.int64),
        ids=run.ids,
        models=count,
    )


def write(run: Run, path: str | Path) -> OutOfSample:
    """Write `pred_probs`, `labels` and `ids` into an `.npz` without pickles, and return them.

    Raises:
        BadInput: the file is called something else than `.npz`, or is there and somebody else's.
        MissingEvidence, TooFewModels: see `out_of_sample`.
    """
    if Path(path).suffix.lower() != ".npz":
        raise BadInput(
            f"What cleanlab takes is written as arrays, and {Path(path).name!r} does not end in .npz.",
            hint="name it like probabilities.npz; `np.load` opens it.",
        )
    found = out_of_sample(run)
    content = io.BytesIO()
    np.savez(content, pred_probs=found.pred_probs, labels=found.labels, ids=found.ids)
    write_own(Path(path), content.getvalue())
    return found


def _columns(run: Run, model: int) -> list[str]:
    return run.evidence.header("outputs", model, run.last_phase).get("columns", "").split(",")


def _from_logits(run: Run, models: Int[np.ndarray, " model"]) -> tuple[np.ndarray, np.ndarray]:
    total = np.zeros((len(run.ids), len(run.class_names)))
    count = np.zeros(len(run.ids), np.int64)
    for model in models.tolist():
        outside = run.member[model] == 0
        logits = run.load("outputs.logits", [model])[0][outside]
        total[outside] += softmax(logits.astype(np.float64), axis=-1)
        count += outside
    return total, count


def _from_sums(run: Run) -> tuple[np.ndarray, np.ndarray]:
    total = np.zeros((len(run.ids), len(run.class_names)))
    count = np.zeros(len(run.ids), np.int64)
    having = run.models_with("class_probability")
    for first in having:
        block = run.evidence.block("class_probability", first, run.last_phase)
        total += block["sum_out"]
        count += block["count_out"]
    if not having:
        raise MissingEvidence(
            "The run holds neither logits nor class probabilities.",
            hint="cleanlab needs the probability of every class; audit again, or import logits.",
        )
    return total, count
