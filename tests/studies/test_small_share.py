from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.studies.small_share import missing
from studies.tiny import bench_of, tried


def test_by_hand() -> None:
    epochs = np.array([0, 1, 2, 3, 20])
    share = np.array([[0.1, 0.5, 0.7, 3.0, 4.0], [0.1, 1.5, 1.5, 0.0, 0.0]])
    assert missing(share, epochs) == pytest.approx([0.4, -0.5])  # epochs 1 and 2 are the first tenth of 20
    assert missing(share, np.array([0, 5, 9, 12, 20])) == pytest.approx([0.5, -0.5])  # the first one counts in any case


def test_on_points(tmp_path: Path) -> None:
    found = tried("O9", tmp_path)
    run = byrote.Run.open(bench_of("O9", tmp_path).folder / "run")
    share, epochs = (run.load(f"gradient_shares.{name}", run.models("full")) for name in ("share", "epochs"))
    assert epochs[:3].tolist() == [0, 1, 2]  # one of 8 epochs is early
    assert found.effect.value == pytest.approx(1 - share[:, 1].mean(dtype=float), rel=1e-5)
    assert found.effect.models == 3
