from pathlib import Path

import numpy as np
import pytest

from byrote.errors import MissingEvidence
from byrote.report import trajectories as module
from byrote.report.trajectories import QUANTILES, trajectories
from report.made import EPOCHS, NOISY, make_run


@pytest.mark.parametrize("cells", [2**23, 28])
def test_lines_equal_a_slow_loop_in_blocks_of_any_size(
    tmp_path: Path, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_CELLS", cells)
    run = make_run(tmp_path / "run")
    found = trajectories(run)
    probability = run.load("trajectory.probability", run.models())
    planted = np.arange(len(run.ids)) < NOISY
    assert found.epochs.tolist() == list(EPOCHS)
    assert [(line.group, line.trained) for line in found.lines] == [
        ("clean", True),
        ("clean", False),
        ("label_noise", True),
        ("label_noise", False),
    ]
    for line in found.lines:
        mask = planted if line.group == "label_noise" else ~planted
        each = []
        for model, member in enumerate(run.design.member):
            chosen = mask & (member == line.trained)
            if chosen.any():
                each.append((run.design.pair[model], probability[model][:, chosen].mean(1)))
        np.testing.assert_allclose(line.values, np.mean([row for _, row in each], axis=0), rtol=1e-5)
        pairs = sorted({pair for pair, _ in each})
        without = np.array([np.mean([row for pair, row in each if pair != gone], axis=0) for gone in pairs])
        slow = np.sqrt((len(pairs) - 1) / len(pairs) * ((without - without.mean(0)) ** 2).sum(0))
        np.testing.assert_allclose(np.nan_to_num(line.stderr), slow, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("cells", "most"), [(2**23, 20_000), (28, 20_000), (28, 10)])
def test_without_controls_there_are_quantiles_over_examples(
    tmp_path: Path, cells: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_CELLS", cells)
    monkeypatch.setattr(module, "MOST_EXAMPLES", most)
    run = make_run(tmp_path / "run", controls=False)
    found = trajectories(run)
    probability = run.load("trajectory.probability", run.models())
    kept = np.arange(0, len(run.ids), max(1, len(run.ids) // most))
    assert not found.lines
    for part in found.quantiles:
        inside = run.design.member == part.trained
        means = [probability[inside[:, i], :, i].mean(0) for i in kept]
        np.testing.assert_allclose(part.values, np.quantile(means, QUANTILES, axis=0), rtol=1e-5)


def test_missing_trajectories_are_missing_evidence(tmp_path: Path) -> None:
    with pytest.raises(MissingEvidence, match=r"trajectory\.probability"):
        trajectories(make_run(tmp_path / "run", trajectories=False))
