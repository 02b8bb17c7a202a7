"""Disturbed weights, against networks by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import byrote
from byrote.analyses.stability import stability
from byrote.engine.afterwards import probe
from byrote.errors import BadInput, MissingEvidence
from byrote.probes.stability import StabilityProbe, crossing, pruned, rounded
from byrote.report.verify import verify
from small import RECIPE, blobs, small_audit


def test_where_half_of_the_draws_are_wrong():
    sizes = np.array([0.1, 0.2, 0.4])
    wrong = np.array([[0.0, 0.6, 0.0, 0.4], [0.4, 0.1, 0.1, 0.5], [0.6, 0.2, 0.2, 0.3]])
    radius, censored = crossing(sizes, wrong)
    np.testing.assert_allclose(radius, [0.2 * np.sqrt(2), 0.1, 0.4, 0.2])
    assert censored.tolist() == [False, False, True, False]


def final() -> dict[str, torch.Tensor]:
    return {
        "a.weight": torch.tensor([[[1.0, -0.3], [0.2, 0.0]]]),
        "a.bias": torch.tensor([[0.01, 5.0]]),
        "b.weight": torch.tensor([[[0.1, -2.0]]]),
        "b.running_var": torch.tensor([[[0.1, 0.1]]]),
    }


def test_the_smallest_of_all_matrices_are_pruned():
    found = pruned(final(), 0.5, frozenset({"a.weight", "a.bias", "b.weight"}))
    assert found["a.weight"].tolist() == [[1.0, pytest.approx(-0.3)], [0.0, 0.0]]
    assert found["b.weight"].tolist() == [[0.0, -2.0]]
    assert found["a.bias"].tolist() == [pytest.approx(0.01), 5.0]
    assert found["b.running_var"].tolist() == [[pytest.approx(0.1)] * 2]


def test_matrices_are_rounded_to_multiples_of_their_largest_entry():
    found = rounded(final(), 2, frozenset({"a.weight", "a.bias", "b.weight"}))
    assert found["a.weight"].tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert found["b.weight"].tolist() == [[0.0, -2.0]]
    assert rounded(final(), 3, frozenset({"a.weight"}))["a.weight"].flatten().tolist() == pytest.approx(
        [1.0, -1 / 3, 1 / 3, 0.0]
    )


@pytest.mark.slow
@pytest.mark.parametrize("stacked", [True, False])
def test_a_run_by_hand(tmp_path: Path, stacked: bool) -> None:
    blocks = [{"models": list(range(6)), "stacked": stacked, "compiled": False}]
    blocks += [{"models": [m], "stacked": False, "compiled": False} for m in (6, 7)]
    executor = {"blocks": blocks, "reason": "", "seconds_a_model": 1.0, "device": "cpu", "threads": 1}
    recipe = dataclasses.replace(RECIPE, epochs=20)
    run = small_audit(
        tmp_path / "run", dataset=blobs(240, noise=0.2), recipe=recipe, keep_weights_at="last", executor=executor
    )
    run = probe(run, "stability,draws=2")
    assert run.dataset is not None
    kept = run.evidence.block("weights_at", 4, 0)
    inputs, targets = run.dataset.inputs, run.dataset.targets
    matrices = np.concatenate([np.abs(kept[f"{layer}.weight"][-1]).ravel() for layer in (1, 3)])

    def right(least: float) -> np.ndarray:
        first, second = (np.where(np.abs(w) > least, w, 0) for w in (kept["1.weight"][-1], kept["3.weight"][-1]))
        hidden = np.maximum(inputs @ first.T + kept["1.bias"][-1], 0)
        return np.asarray((hidden @ second.T + kept["3.bias"][-1]).argmax(1) == targets)

    least = np.sort(matrices)[round(0.8 * len(matrices)) - 1]
    expected = right(-1.0) & ~right(least)
    np.testing.assert_array_equal(run.load("stability.pruned_80", [4])[0], expected)
    radius = run.load("stability.radius", [4])[0]
    np.testing.assert_array_equal(np.isfinite(radius), right(-1.0))
    margin = run.load("stability.confidence", [4])[0]
    ok = np.isfinite(radius)
    assert np.corrcoef(radius[ok], margin[ok])[0, 1] > 0.3, "what the network is sure of holds longer"
    table = byrote.ask(run, "stability")
    assert table.rows["group"][0] == "planted label noise"
    member = (run.design.member[:6] == 1) & run.controls.mask(run.ids, "label_noise")
    lost, right_ = run.load("stability.pruned_80", range(6)), np.isfinite(run.load("stability.radius", range(6)))
    each = [lost[m, member[m] & right_[m]].mean() for m in range(6) if (member[m] & right_[m]).sum() >= 20]
    figure = table.figures["pruned 80 %"][0]
    assert figure is not None
    assert figure.models == len(each)
    if len(each) == 6:
        assert figure.value == pytest.approx(np.mean(each))
    run.measure("flip_radius")
    assert verify(run) == []


def test_settings_and_runs_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="must be at least 2"):
        StabilityProbe(draws=1)
    with pytest.raises(MissingEvidence, match="were not disturbed") as caught:
        stability(small_audit(tmp_path / "run"))
    assert "byrote probe RUN stability" in str(caught.value.hint)
