from __future__ import annotations

import numpy as np
import pytest

from byrote.studies.learning_at_once import together


def curves(clean: list[int], wrong: list[int]) -> np.ndarray:
    """`correct` of 4 right and 4 wrong labels, of which so many are fitted at each checkpoint."""
    return np.stack([np.r_[np.arange(4) < a, np.arange(4) < b] for a, b in zip(clean, wrong, strict=True)])[None]


NOISY = np.arange(8) >= 4


@pytest.mark.parametrize(
    ("clean", "wrong", "share"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], 1.0),
        ([0, 1, 2, 3], [2, 1, 1, 2], 1 / 2),  # the last stretch is as long as the other two
        ([0, 1, 4, 4], [0, 0, 1, 2], 1 / 2),  # right labels are all fitted at the third checkpoint
        ([4, 4, 4, 4], [0, 1, 2, 3], np.nan),
    ],
)
def test_by_hand(clean: list[int], wrong: list[int], share: float) -> None:
    assert together(curves(clean, wrong), np.array([0, 1, 2, 4]), NOISY) == pytest.approx([share], nan_ok=True)
