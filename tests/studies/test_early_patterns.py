from __future__ import annotations

import numpy as np
import pytest

from byrote.studies.early_patterns import half_fitted, later


def test_half_fitted_by_hand() -> None:
    epochs = np.array([0, 1, 2, 6])
    share = np.array([[0.1, 0.3, 0.7, 1.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.1, 0.2, 0.3], [0.6, 1.0, 1.0, 1.0]])
    assert half_fitted(share, epochs, never=6.0) == pytest.approx([1.5, 4.0, 6.0, np.nan], nan_ok=True)


def test_wrong_labels_two_doublings_later() -> None:
    epochs, noisy = np.arange(9), np.array([False, False, True, True])
    fitted_at = np.array([1, 2, 4, 8])
    correct = (epochs[:, None] >= fitted_at)[None]
    # half of the right labels at epoch 1, half of the wrong ones at epoch 4
    assert later(correct, epochs, noisy) == pytest.approx([2.0])
    never = correct & ~noisy
    assert later(never, epochs, noisy) == pytest.approx([3.0])  # at least: the last epoch is 8


def test_right_labels_that_are_never_fitted_leave_it_undefined() -> None:
    correct = np.zeros((1, 5, 4), bool)
    assert np.isnan(later(correct, np.arange(5), np.array([False, False, True, True]))).all()
