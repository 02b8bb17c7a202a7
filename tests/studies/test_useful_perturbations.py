from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from byrote.studies.useful_perturbations import above_chance, drawn, towards
from studies.tiny import tried


def test_inputs_move_towards_the_wanted_class_and_no_farther_than_the_radius() -> None:
    torch.manual_seed(0)
    network, inputs = nn.Linear(6, 3), torch.randn(30, 6)
    wanted = torch.from_numpy(drawn(3, 30, np.random.default_rng(0)))
    moved = towards(network, inputs, wanted, 0.5)
    assert float((moved - inputs).abs().max()) == pytest.approx(0.5, abs=1e-6)
    assert (moved >= inputs.amin(0)).all()
    assert (moved <= inputs.amax(0)).all()
    loss = [nn.functional.cross_entropy(network(x), wanted, reduction="none") for x in (inputs, moved)]
    assert (loss[1] < loss[0]).all()


def test_classes_are_drawn_without_a_look_at_the_labels() -> None:
    counts = np.bincount(drawn(4, 4000, np.random.default_rng(1)), minlength=4)
    assert np.abs(counts - 1000).max() < 120  # 4 of its standard deviations


def test_chance_is_taken_off() -> None:
    assert above_chance(np.array([0.5, 0.1]), 10) == pytest.approx([0.4, 0.0])


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    found = tried("R71", tmp_path)
    assert np.isfinite(found.effect.value)
    assert found.effect.models == 3
