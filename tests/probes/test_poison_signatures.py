"""Signatures of a run's own networks, of the examples that each was trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.probes.poison_signatures import PoisonSignaturesProbe
from byrote.runs.run import Run
from byrote.stats.poison_signatures import cluster, spectral
from poisoned import RECIPE, poisoned_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return poisoned_audit(folder, "backdoor=0.1,target=b", models=6, keep_weights=True, probes=("poison_signatures",))


def test_they_are_those_of_the_features_of_its_class(run: Run) -> None:
    network = RECIPE.network.build((1, 6, 6), 3).eval()
    weights = run.evidence.block("weights", 2, 0)
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    with torch.no_grad():
        hidden = network[:-1](torch.from_numpy(np.array(run.dataset.inputs))).numpy()
    member = run.member[2] == 1
    for name, signature in (("spectral", spectral), ("cluster", cluster)):
        found = run.load(f"poison_signatures.{name}", [2])[0]
        assert np.isnan(found[~member]).all()
        for label in range(3):
            mine = np.flatnonzero(member & (run.labels == label))
            np.testing.assert_allclose(found[mine], signature(hidden[mine]), rtol=1e-3, atol=1e-4)


def test_poisons_rank_above_others_of_their_class(run: Run) -> None:
    poisons = np.isin(run.ids, run.controls.example)
    others = (run.labels == 1) & ~poisons
    for key in ("spectral_signature", "activation_clustering"):
        values = run.measure(key).values
        assert (values[poisons, None] > values[None, others]).mean() > 0.8


def test_a_network_without_a_last_linear_layer_is_refused() -> None:
    with pytest.raises(BadInput, match="'poison_signatures' needs a network whose logits come straight out"):
        PoisonSignaturesProbe().check(None, torch.nn.Sequential(torch.nn.ReLU()), torch.ones(2, 3), torch.ones(2))
