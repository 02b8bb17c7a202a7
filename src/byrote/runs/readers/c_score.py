"""Jiang, Zhang, Talwar & Mozer 2021: the released consistency scores.

An `.npz` with `scores` and `labels` `[example]`, for ImageNet also `filenames`: `cifar10-cscores-orig-order.npz`,
`cifar100-cscores-orig-order.npz`, `imagenet-cscores-with-filename.npz`. Those of CIFAR are in the order of the original
files, and `labels` are there to check it. Verified: github.com/pluskid/structural-regularity, docs/index.html.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int

from byrote.errors import BadInput
from byrote.runs.readers._checks import labels_of
from byrote.runs.readers._files import names_in, read_arrays, text
from byrote.runs.readers._values import Released, one_value_each, without_errors

CONSISTENCY = "c_score.consistency_score"
FLIPPED = "the value is 1 - C-score, so that higher is less consistent with the rest, more memorized"


def values(path: Path, labels: Int[np.ndarray, " example"] | None) -> Released:
    """1 - C-score; errors and the profile over subset ratios were not released.

    Raises:
        BadInput: not that layout, scores that are no rates, or the examples are in another order.
    """
    where = repr(str(path))
    arrays = read_arrays(path, ("labels", "scores"))
    known = labels_of(arrays["labels"], labels, where)
    scores = one_value_each(arrays["scores"], len(known), where)
    if (scores < 0).any() or (scores > 1).any():
        raise BadInput(
            f"The scores in {where} must lie in [0, 1]; they go from {scores.min()} to {scores.max()}.",
            hint="a C-score is a rate of right answers; divide percentages by 100.",
        )
    ids = text(read_arrays(path, ("filenames",))["filenames"]) if "filenames" in names_in(path) else None
    return Released(results={CONSISTENCY: without_errors(1 - scores)}, labels=known, ids=ids, notes=(FLIPPED,))
