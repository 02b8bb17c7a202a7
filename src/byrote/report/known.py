"""What is known of each example beside its score: what was planted, what models without it say, its risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Shaped

from byrote.analyses.votes import BLOCK_CELLS, votes
from byrote.errors import MissingEvidence
from byrote.report.missing import where_possible
from byrote.report.wording import rounded
from byrote.results import PerExample
from byrote.runs.run import Run

#: Scores by example that the table and the gallery show where they are measured.
RISK, FORGOTTEN = "membership_risk", "second_split_forgetting_time"
#: What answers for the risk where the targets are no classes.
RISK_OF = {"regression": "membership_risk[absolute_error]"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Vote:
    """The class that most models without an example predict, -1 where there is none, and how many of them do."""

    label: Int[np.ndarray, " example"]
    share: Float[np.ndarray, " example"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answered:
    """Of a regression: the number that is given, the median answer of the models without the example, NaN of none.

    Of several numbers their mean is given, and `answer` is the median error (`errors`).
    """

    given: Float[np.ndarray, " example"]
    answer: Float[np.ndarray, " example"]
    tolerance: float
    errors: bool = False


def errors_of(
    run: Run, models: Sequence[int] | Int[np.ndarray, " model"], examples: slice = slice(None)
) -> Float[np.ndarray, "model example"]:
    """Of several numbers: the root of the mean square of a model's errors on an example, in standard deviations."""
    return np.asarray(np.sqrt(run.load("outputs.squared_error", models, examples)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """By example, in the run's order; `planted` is empty where nothing was planted.

    What models without an example answer is `majority_vote` of classes and sets of labels, `answered` of numbers.
    """

    planted: Shaped[np.ndarray, " example"]
    majority_vote: Vote | None
    scores: Mapping[str, PerExample]
    answered: Answered | None = None


def known(run: Run) -> Known:
    """What is known of the examples of a run."""
    scores = {}
    for name, key in {RISK: RISK_OF.get(run.task, RISK), FORGOTTEN: FORGOTTEN}.items():
        result = where_possible(partial(run.measure, key))
        if isinstance(result, PerExample) and (result.reason_code == 0).any():
            scores[name] = result
    vote = where_possible(lambda: _answered(run) if run.learns.numeric else _majority_vote(run))
    return Known(
        planted=_planted(run),
        majority_vote=vote if isinstance(vote, Vote) else None,
        scores=scores,
        answered=vote if isinstance(vote, Answered) else None,
    )


def _planted(run: Run) -> Shaped[np.ndarray, " example"]:
    """The kind planted on each example, the first of several."""
    kinds = run.controls.kinds()
    planted = np.full(len(run.ids), "", f"U{max((len(kind) for kind in kinds), default=1)}")
    for kind in reversed(kinds):
        planted[run.controls.mask(run.ids, kind)] = kind
    return planted


def _majority_vote(run: Run) -> Vote:
    found = votes(run)
    if not found.models.any():
        raise MissingEvidence(
            "Every model was trained on all examples.",
            hint="audit with a design that leaves examples out, such as --models 64.",
        )
    with np.errstate(invalid="ignore"):
        return Vote(label=found.most, share=found.votes / found.models)


def _answered(run: Run) -> Answered:
    models, tolerance, several = run.models(), float(run.manifest.dataset["tolerance"]), run.learns.several
    size = max(1, BLOCK_CELLS // max(len(models), 1))
    off = np.full(len(run.ids), np.nan)
    for start in range(0, len(run.ids), size):
        rows = slice(start, min(start + size, len(run.ids)))
        outside = run.load("design.member", models, rows) == 0
        read = errors_of(run, models, rows) if several else run.load("outputs.residual", models, rows)
        residual = np.where(outside, read, np.nan)
        some = outside.any(0)
        off[rows][some] = np.nanmedian(residual[:, some], axis=0)
    answer = rounded(off if several else run.numbers + off, tolerance)
    return Answered(given=run.numbers, answer=answer, tolerance=tolerance, errors=several)
