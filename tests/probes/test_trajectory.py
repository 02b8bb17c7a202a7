import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.probes.signals import signals
from byrote.probes.trajectory import TrajectoryProbe, log_spaced
from probes.moments import block_of, columns_of, told


@given(st.integers(1, 500), st.integers(3, 40))
def test_log_spaced(epochs, points):
    chosen = log_spaced(epochs, points)
    assert chosen[0] == 0
    assert chosen[-1] == epochs
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) == min(points, epochs + 1)
    if epochs + 1 <= points:
        assert chosen == tuple(range(epochs + 1))


@given(st.integers(50, 500), st.integers(4, 30))
def test_dense_at_the_start(epochs, points):
    gaps = np.diff(log_spaced(epochs, points))
    assert gaps[0] == 1
    assert gaps.max() == gaps[-1] or gaps[-1] >= gaps[:-1].max() - 1


def test_signals_by_checkpoint():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(3, 2, 5, 4)).astype(np.float32))
    targets = torch.from_numpy(rng.integers(0, 4, 5))
    probe = TrajectoryProbe()
    probe.begin(block_of(2, 5, classes=4, epochs=(0, 2, 7)))
    assert probe.chosen(3) == (0, 1, 2)
    for checkpoint in (2, 0, 1):
        for part in (slice(0, 3), slice(3, 5)):
            rows = torch.arange(part.start, part.stop)
            probe.look(told("checkpoint", rows, logits[checkpoint, :, part], targets[part], checkpoint=checkpoint))
    columns = columns_of(probe)
    np.testing.assert_array_equal(columns.pop("epochs"), [[0, 2, 7]] * 2)
    for name, array in columns.items():
        assert array.shape == (2, 3, 5)
        for checkpoint in range(3):
            expected = getattr(signals(logits[checkpoint], targets.expand(2, 5)), name)
            np.testing.assert_array_equal(array[:, checkpoint], expected.numpy())


def test_few_points_keep_the_ends_and_fewer_are_refused():
    assert log_spaced(10, 2) == (0, 10)
    with pytest.raises(BadInput, match=r"must be at least 2, the start and the end\. Got 1"):
        log_spaced(10, 1)
