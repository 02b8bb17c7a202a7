from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.shared_gradients import sooner
from studies.tiny import tried


def test_by_hand() -> None:
    epochs, learned = np.array([0, 2, 20]), np.array([[1, 2, 3, 4]])
    cosine = np.array([[[0.1, 0.2, 0.3, 0.4], [0.9, 0.6, 0.4, 0.1], [0, 1, 2, 3]]])
    assert sooner(cosine, epochs, learned) == pytest.approx([1.0])  # epoch 2 counts, a tenth of the training
    cosine[0, 1] = [0.9, np.nan, 0.1, 0.4]
    assert sooner(cosine, epochs, learned) == pytest.approx([0.5])
    assert np.isnan(sooner(cosine, epochs, np.zeros((1, 4), np.int64))).all()


def test_on_points(tmp_path: Path) -> None:
    assert tried("O10", tmp_path).effect.value > 0
