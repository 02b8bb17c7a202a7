import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.engine.job import PROBES
from byrote.errors import BadInput, MissingEvidence, RunMismatch
from byrote.evidence.schema import RECORDED_BY, SCHEMA
from byrote.probes.network_probe import NetworkProbe
from byrote.recipes.algorithm import Shape
from engine.toys import job
from small import RECIPE, longer, shards, small_audit


def bound() -> list[NetworkProbe]:
    """Every probe, for a recipe that has what each goes by."""
    recipe = dataclasses.replace(RECIPE, augmentation=byrote.FeatureMask(0.2))
    algorithm = recipe.bind(Shape(inputs=(2,), classes=3, examples=60), torch.device("cpu"))
    return [probe.bound(algorithm) for probe in PROBES.values()]


def test_the_schema_has_what_probes_write():
    for probe in bound():
        network = nn.Linear(4, 3).eval()
        columns = probe.read(network, torch.randn(12, 4), torch.arange(12) % 3, 0)
        assert set(columns) == set(SCHEMA[probe.kind])
        assert all(array.shape[-1] == 12 and array.dtype == np.float32 for array in columns.values())


def test_probes_read_each_trained_network(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", keep_weights=True, probes=("last_layer", "gradient_norm"))
    assert set(run.manifest.evidence) >= {"last_layer", "gradients"}
    assert run.dataset is not None
    inputs, targets = torch.tensor(run.dataset.inputs), torch.tensor(run.dataset.targets.astype(np.int64))
    for model in (0, 3):
        network = RECIPE.network.build((2,), 3).eval()
        network.load_state_dict({n: torch.from_numpy(a) for n, a in run.evidence.block("weights", model, 0).items()})
        seed = int(run.evidence.header("last_layer", model, 0)["seed"])
        for probe in (PROBES[name] for name in ("last_layer", "gradient_norm")):
            for name, expected in probe.read(network, inputs, targets, seed).items():
                found = run.load(f"{probe.kind}.{name}", [model])[0]
                np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_the_attacks_run_on_a_run(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", probes=("last_layer", "gradient_norm"), models=8, recipe=longer(60))
    for key in ("stolen_memories", "stolen_memories[linear]", "gradient_norm_attack"):
        result = run.measure(key)
        assert result.values.shape == (8, 60)
        assert np.isfinite(result.values).all()


def test_probes_change_nothing_else(tmp_path: Path) -> None:
    without = small_audit(tmp_path / "without")
    probed = small_audit(tmp_path / "with", probes=("last_layer",), executor=without.manifest.executor)
    theirs = shards(probed.folder)
    assert {path: theirs[path] for path in shards(without.folder)} == shards(without.folder)


def test_a_resume_must_ask_for_the_same(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", probes=("gradient_norm",))
    before = shards(run.folder)
    (run.folder / "evidence" / "gradients" / "m00003.p0.safetensors").unlink()
    again = small_audit(tmp_path / "run", probes=("gradient_norm",))
    assert shards(again.folder) == before
    with pytest.raises(RunMismatch, match="probes"):
        small_audit(tmp_path / "run")
    with pytest.raises(MissingEvidence, match=r"'last_layer\.displacement' is not recorded") as caught:
        run.measure("stolen_memories")
    assert caught.value.hint == "audit into another folder with --probe last_layer."
    (run.folder / "evidence" / "gradients" / "m00003.p0.safetensors").unlink()
    with pytest.raises(MissingEvidence, match=r"'gradients\.gradient_norm' is not recorded for model 3") as caught:
        run.measure("gradient_norm_attack")
    assert "the same `byrote audit` command makes what is missing" in str(caught.value.hint)


def test_each_probe_is_named_by_the_evidence_that_it_records() -> None:
    for name, probe in PROBES.items():
        assert f"--probe {name}" in RECORDED_BY[probe.kind]
    assert not set(RECORDED_BY) - set(SCHEMA)


def test_only_the_last_phase_is_read(tmp_path: Path) -> None:
    two = byrote.two_splits(40, 6, rng=np.random.default_rng(0))
    given = job(tmp_path, design=two, probes=("gradient_norm",))
    assert "gradients" not in given.kinds(0)
    assert "gradients" in given.kinds(1)


@pytest.mark.parametrize("probes", ["last_layer", ("curvature",), ("last_layer", "last_layer")])
def test_other_names_are_refused(tmp_path: Path, probes) -> None:
    with pytest.raises(BadInput, match="must be different names of probes") as caught:
        small_audit(tmp_path / "run", probes=probes)
    assert "gradient_norm, last_layer" in str(caught.value.hint)


def test_a_network_that_a_probe_cannot_read_is_refused_before_training(tmp_path: Path) -> None:
    recipe = byrote.Recipe(network=byrote.Network(lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh())), epochs=1)
    with pytest.raises(BadInput, match="straight out of a linear layer"):
        small_audit(tmp_path / "run", recipe=recipe, probes=("last_layer",))
    assert not (tmp_path / "run" / "manifest.json").exists()
