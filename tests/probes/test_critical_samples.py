"""The search for another answer nearby, where it can be known."""

import numpy as np
import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.probes.critical_samples import CriticalSamplesProbe, _least
from byrote.probes.moment import Models, Moment
from probes.moments import few, small
from small import longer, small_audit


def test_a_linear_network_has_its_closed_form() -> None:
    """Two classes: another answer is nearest at |margin| / |w_1 - w_2|_1 in the largest change of one input."""
    torch.manual_seed(0)
    network, (inputs, targets) = nn.Linear(6, 2), few(300, classes=2)
    with torch.no_grad():
        apart = network.weight[0] - network.weight[1]
        margin = (network(inputs) @ torch.tensor([1.0, -1.0])).abs()
    truth = (margin / apart.abs().sum()).numpy()
    radii = [0.05, 0.1, 0.2, 0.4]
    found = _least(network, network, inputs, targets, torch.arange(300), radii=radii, steps=20).numpy()
    assert np.all(found >= truth - 1e-6)  # what is found proves it
    grid = np.array([*radii, np.inf], np.float32)
    nearest = grid[np.searchsorted(radii, truth)]
    assert np.mean(found == nearest) > 0.9  # and little is missed
    np.testing.assert_allclose(np.unique(found), [*radii, np.inf], rtol=1e-6)


def test_stacked_models_find_what_each_finds() -> None:
    inputs, targets = few(40)
    networks = [small(seed).eval() for seed in range(3)]
    found = []
    for stacked in (True, False):
        rows = torch.arange(40)
        models = Models(lambda: networks, stacked=stacked)
        at = Moment("end", models, "classes", rows=rows, inputs=lambda: inputs, targets=targets)
        found.append(
            at.each(lambda *given: _least(*given, radii=[0.1, 0.3], steps=4), rows)  # type: ignore[arg-type]
        )
    assert float((found[0] == found[1]).float().mean()) > 0.97  # signs of gradients may turn where they are 0


def test_an_audit_has_radii_and_shares(tmp_path) -> None:
    run = small_audit(tmp_path / "run", recipe=longer(2), probes=("critical_samples,radii=0.05;1.0,steps=3",))
    width = float(np.ptp(run.dataset.inputs))
    curve = run.measure("critical_samples[ratio]")
    np.testing.assert_allclose(curve.at, [0.05 * width, width], rtol=1e-5)
    assert curve.groups == ("planted label noise", "other members", "held out")
    assert np.all(curve.values[:, 1] >= curve.values[:, 0])
    found = run.measure("critical_samples")
    defined = found.reason_code == 0
    assert defined.any()
    assert np.all(found.values[defined] <= -0.05 * width * (1 - 1e-6))


@pytest.mark.parametrize("settings", [{"radii": "none"}, {"radii": "0;1"}, {"steps": 0}])
def test_settings_that_make_no_sense_are_refused(settings) -> None:
    with pytest.raises(BadInput, match="settings of critical_samples") as caught:
        CriticalSamplesProbe(**settings)
    assert "radii=0.02;0.05;0.1" in str(caught.value.hint)
