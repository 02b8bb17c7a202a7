"""Counterfactual memorization by any performance measure: what an answer is worth is for a person to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from byrote.data.learned.label_sets import LabelSets
from byrote.errors import BadInput, MissingEvidence
from byrote.measures.in_minus_out import in_minus_out
from byrote.results import PerExample
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds

#: Predictions `[example]` of one model and what they should have been give a value per example, higher = better.
Performance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def squared_error(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Minus the squared error."""
    worth: np.ndarray = -((prediction - target) ** 2)
    return worth


def absolute_error(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Minus the absolute error."""
    worth: np.ndarray = -np.abs(prediction - target)
    return worth


#: Performance measures by name, and between what their values lie.
NAMED: Final[dict[str, tuple[Performance, Bounds]]] = {
    "squared-error": (squared_error, (-np.inf, 0.0)),
    "absolute-error": (absolute_error, (-np.inf, 0.0)),
}
WITHIN: Final = "within-tolerance"
#: Figures of many examples at once: of a single one they say nothing.
OF_MANY: Final = ("r2", "r-squared", "explained-variance", "auc", "correlation", "f1", "average-precision")


def counterfactual_memorization(run: Run, performance: str | Performance, *, role: str = "reference") -> PerExample:
    """How much better the models trained on an example do on it than the others, by a performance measure of one's own.

    In pairs the mean of the differences between mates, whose spread is the error; otherwise the difference of means.

    Args:
        run: a run of classes or of a regression.
        performance: "squared-error", "absolute-error" or "within-tolerance=10" of a regression, or a function that
            takes the predictions `[example]` of one model and the targets `[example]`, and returns a value for each
            example, higher = better. Of classes both are class indices, in the order of `run.class_names`.
        role: the models; "reference" is the ensemble.

    Source: Zhang et al. 2023, arXiv:2112.12938, Definition 2.1, whose M is an accuracy.

    Raises:
        BadInput: no such measure, or one that does not give a number for each example.
        MissingEvidence: predictions were not recorded.

    Example:
        >>> run = byrote.Run.open("runs/toy")
        >>> byrote.counterfactual_memorization(run, lambda predicted, target: (predicted == target).astype(float))
        PerExample(400 examples, 400 defined, median ..., largest ..., from 24 models)
    """
    judge, bounds = _judge(run, performance)
    models = run.models(role)
    target = targets_of(run)
    values = np.empty((len(models), len(run.ids)))
    for row, model in enumerate(models):
        values[row] = _checked(judge(prediction_of(run, int(model)), target), len(run.ids), performance)
    member, pair, stratum = (run.load(f"design.{name}", models) for name in ("member", "pair", "stratum"))
    return in_minus_out(values, member, pair, stratum, bounds=bounds, what="performance")


def targets_of(run: Run) -> np.ndarray:
    """What should be predicted of each example: a class index, or the number.

    Raises:
        MissingEvidence: the run does not hold it.
    """
    if run.learns is LabelSets:
        raise MissingEvidence(
            "A run with several labels per example records which are right, and no single prediction.",
            hint="label_memorization is about the whole set, label_memorization[label_accuracy] about each label.",
        )
    if run.learns.several:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} has several numbers per example, and records the mean of their errors.",
            hint="byrote measure RUN 'counterfactual_memorization[squared_error]', or [absolute_error].",
        )
    return run.numbers if run.learns.numeric else run.labels


def prediction_of(run: Run, model: int) -> np.ndarray:
    """What one model says of each example."""
    if not run.learns.numeric:
        predicted: np.ndarray = run.load("outputs.prediction", [model])[0]
        return predicted
    return np.asarray(run.numbers + run.load("outputs.residual", [model])[0])


def _judge(run: Run, performance: str | Performance) -> tuple[Performance, Bounds]:
    if not isinstance(performance, str):
        return performance, (-np.inf, np.inf)
    name, _, amount = performance.partition("=")
    name = name.lower().replace("_", "-")
    if name in OF_MANY:
        raise BadInput(
            f"{performance!r} is a figure of many examples at once and says nothing of a single one.",
            hint=f"{', '.join(NAMED)} and {WITHIN}=NUMBER judge each example.",
        )
    if name not in (*NAMED, WITHIN) or bool(amount) != (name == WITHIN):
        raise BadInput(
            f"There is no performance measure {performance!r}.",
            hint=f"{', '.join(NAMED)} or {WITHIN}=NUMBER; from Python also a function of predictions and targets.",
        )
    if not run.learns.numeric:
        raise BadInput(
            f"The performance measure {performance!r} is about numbers, and the run has classes.",
            hint="leave --performance out: classes are judged by whether they are right.",
        )
    if name in NAMED:
        return NAMED[name]
    return _within(amount), (0.0, 1.0)


def _within(amount: str) -> Performance:
    try:
        tolerance = float(amount)
    except ValueError:
        tolerance = np.nan
    if not 0 < tolerance < np.inf:
        raise BadInput(
            f"The tolerance of {WITHIN} must be a number above 0. Got {amount!r}.",
            hint=f"{WITHIN}=0.5 counts a prediction as right within 0.5 of the target.",
        )
    return lambda prediction, target: (np.abs(prediction - target) <= tolerance).astype(np.float64)


def _checked(worth: object, examples: int, performance: str | Performance) -> np.ndarray:
    values = np.asarray(worth)
    if values.shape != (examples,) or values.dtype.kind not in "biuf":
        name = performance if isinstance(performance, str) else getattr(performance, "__name__", "performance")
        raise BadInput(
            f"The performance measure {name!r} must give a number for each of {examples} examples. "
            f"Got an array of shape {values.shape}.",
            hint="return a number for each example, as lambda predictions, targets: abs(predictions - targets).",
        )
    return values.astype(np.float64)
