"""Labels that were learned late: what a training that was watched tells of wrong labels, without a second model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.analyses.label_errors import WRONG
from byrote.data.task import refuse_other_tasks
from byrote.runs.run import Run

#: What the score is.
LATE: Final = "1 - geometric mean of the probability of its label during training"
#: Where more of the examples are above `WRONG`, the training learned most of its data late.
MOST_LATE: Final = 0.25
#: So many arrays of all models are at work at a time.
_ARRAYS: Final = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedLate:
    """By example: the `score` of the trainings that showed it, NaN if none did, and whether its label is suspicious.

    `shown` is how often it was shown to each, on average.
    """

    score: Float[np.ndarray, " example"]
    flagged: Bool[np.ndarray, " example"]
    shown: Float[np.ndarray, " example"]
    trainings: int

    def note(self) -> str:
        """What a flag means."""
        rest = "Which label is right, and how likely the given one is wrong, takes models that never saw the example."
        late = int((self.score > WRONG).sum())
        if late and not self.flagged.any():
            return (
                f"{late:,} of {len(self.score):,} labels had a probability below one half on average over the "
                "training. These are too many to be called label errors: the training learned most of its data late, "
                "or too little of them."
            )
        return (
            f"A label error is a score above {WRONG:g}: {LATE}, of {_trainings(self.trainings)}. Wrong labels are "
            f"learned late, and so are right labels of hard examples: this is a score and no probability. {rest}"
        )


def learned_late(run: Run) -> LearnedLate:
    """How late each label was learned by the models of a run, those of the ensemble before those on all data.

    Formula:
        score_i = 1 - exp(-mean over models k trained on i of loss_sum[k, i] / presentations[k, i]), from the losses of
        the training steps: one half where the label had a probability of one half, by its geometric mean over the
        training; flagged above one half, unless more than a quarter of the examples are
    Undefined:
        nan where no model was shown the example.

    Source: Arpit et al. 2017, arXiv:1706.05394 (noise is learned later); survey eq. 12 (cumulative sample loss).
    Differs:
        The mean in place of the sum, so that the score does not depend on the number of epochs.

    Raises:
        BadInput: the targets are not one class per example.
        MissingEvidence: what the training steps saw was not recorded.
        TooFewModels: too many of the models diverged.
    """
    refuse_other_tasks(run.task, str(run.folder), "Whether a label was learned late")
    models = run.models("reference" if len(run.design.models_of("reference")) else "full")
    blocks = [_of_block(run, models, rows) for rows in run.blocks(_ARRAYS * len(models))]
    score, shown, seen = (np.concatenate(part) for part in zip(*blocks, strict=True))
    late = score > WRONG
    return LearnedLate(
        score=score, flagged=late & (late.sum() <= MOST_LATE * (seen > 0).sum()), shown=shown, trainings=len(models)
    )


def _of_block(run: Run, models: Int[np.ndarray, " model"], rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a block of examples the score, how often each was shown, and by how many trainings."""
    times = np.where(run.member[models][:, rows] == 1, run.load("presentation.presentations", models, rows), 0)
    loss = run.load("presentation.loss_sum", models, rows).astype(np.float64)
    seen = (times > 0).sum(0)
    with np.errstate(invalid="ignore"):
        mean = np.where(times > 0, loss / np.maximum(times, 1), 0.0).sum(0) / seen
        return -np.expm1(-mean), times.sum(0) / seen, seen


def _trainings(count: int) -> str:
    return "one training" if count == 1 else f"{count} trainings"
