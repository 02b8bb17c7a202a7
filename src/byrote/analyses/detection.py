"""How well a score of a run finds what was planted: asked by the report and by the comparison of scores alike."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool

from byrote.results import Scalar
from byrote.runs.run import Run
from byrote.stats.ranking import detection, detection_without

#: What was found of each run: by score, planted and judged examples.
_FOUND: WeakKeyDictionary[Run, dict[tuple[str, bytes, bytes], tuple[Scalar, ...]]] = WeakKeyDictionary()


def detected(
    run: Run, key: str, planted: Bool[np.ndarray, " example"], judged: Bool[np.ndarray, " example"]
) -> tuple[Scalar, ...]:
    """AUROC and average precision of a score for the planted among the judged examples that have one.

    Raises:
        MissingEvidence, TooFewModels: the score cannot be measured.
    """
    known = _FOUND.setdefault(run, {})
    name = key, planted.tobytes(), judged.tobytes()
    if name not in known:

        def of(score: np.ndarray) -> tuple[float, float]:
            there = judged & np.isfinite(score)
            return detection(score[there], planted[there])

        def without(score: np.ndarray, rows: np.ndarray, part: np.ndarray) -> np.ndarray:
            there = np.isfinite(score[rows])
            some, parts = rows[there], int(part.max(initial=-1)) + 1
            return detection_without(score[some], planted[some], part[there], parts)

        known[name] = run.all_pooled(
            key, of, examples=int(judged.sum()), bounds=(0.0, 1.0), drawn=judged, without=without
        )
    return known[name]
