import numpy as np
import pytest
from scipy.special import log_softmax

from byrote.errors import BadInput, DamagedShard, MissingEvidence
from byrote.evidence.store import Evidence
from byrote.probes.signals import signals

MODELS, EXAMPLES, CLASSES, CHECKPOINTS = 4, 11, 3, 2
RNG = np.random.default_rng(0)
LOGITS = (RNG.normal(size=(MODELS, EXAMPLES, CLASSES)) * 20).astype(np.float32)
TARGETS = RNG.integers(0, CLASSES, EXAMPLES)


def outputs():
    import torch

    found = signals(torch.from_numpy(LOGITS), torch.from_numpy(TARGETS).expand(MODELS, EXAMPLES))._asdict()
    return {name: tensor.numpy() for name, tensor in found.items()} | {
        "prediction": LOGITS.argmax(2).astype(np.int32),
        "logits": LOGITS,
    }


TRAJECTORY = {"log_odds": RNG.normal(size=(MODELS, CHECKPOINTS, EXAMPLES)).astype(np.float32)}


@pytest.fixture
def store(tmp_path):
    evidence = Evidence(tmp_path)
    for model in range(MODELS):
        evidence.write("outputs", model, 0, {name: array[model] for name, array in outputs().items()}, {"seed": "5"})
        columns = {name: array[model] for name, array in TRAJECTORY.items()} | {"epochs": np.array([0, 4])}
        evidence.write("trajectory", model, 0, columns, {})
    return Evidence(tmp_path)


@pytest.mark.parametrize("models", [[0, 1, 2, 3], [3, 1], [2]])
@pytest.mark.parametrize("block", [slice(None), slice(0, 4), slice(3, 11), slice(5, 5)], ids=str)
def test_load_stacks_models_and_cuts_examples(store, models, block):
    for name, array in outputs().items():
        found = store.load(f"outputs.{name}", models, 0, block)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array[models][:, block])
    for name, array in TRAJECTORY.items():
        np.testing.assert_array_equal(store.load(f"trajectory.{name}", models, 0, block), array[models][..., block])


@pytest.mark.parametrize("block", [slice(None), slice(2, 7)], ids=str)
def test_what_follows_is_computed(store, block):
    """Against float64 and the logits themselves."""
    log_p = log_softmax(LOGITS.astype(np.float64), axis=2)
    own = np.take_along_axis(log_p, TARGETS[None, :, None], 2)[..., 0]
    others = LOGITS.copy()
    np.put_along_axis(others, np.broadcast_to(TARGETS[None, :, None], (MODELS, EXAMPLES, 1)), -np.inf, 2)
    right = np.take_along_axis(LOGITS, TARGETS[None, :, None], 2)[..., 0] > others.max(2)
    models = range(MODELS)
    correct = store.load("outputs.correct", models, 0, block)
    assert correct.dtype == bool
    np.testing.assert_array_equal(correct, right[:, block])
    np.testing.assert_allclose(store.load("outputs.probability", models, 0, block), np.exp(own)[:, block], rtol=1e-4)
    np.testing.assert_allclose(store.load("outputs.loss", models, 0, block), -own[:, block], rtol=1e-4, atol=1e-6)
    cube = TRAJECTORY["log_odds"].astype(np.float64)[..., block]
    np.testing.assert_allclose(
        store.load("trajectory.probability", models, 0, block), 1 / (1 + np.exp(-cube)), rtol=1e-5
    )


def test_what_was_stored_comes_before_what_could_be_computed(tmp_path):
    evidence = Evidence(tmp_path)
    columns = {"loss": np.array([7.0], np.float32), "log_odds": np.array([0.0], np.float32)}
    evidence.write("outputs", 0, 0, columns, {})
    assert evidence.load("outputs.loss", [0], 0).tolist() == [[7.0]]


def test_saturated_log_odds_give_finite_losses(tmp_path):
    evidence = Evidence(tmp_path)
    evidence.write("outputs", 0, 0, {"log_odds": np.array([-1e4, 1e4, 0.0], np.float32)}, {})
    np.testing.assert_allclose(evidence.load("outputs.loss", [0], 0), [[1e4, 0.0, np.log(2)]], rtol=1e-6)


def test_a_tie_is_not_correct(tmp_path):
    evidence = Evidence(tmp_path)
    evidence.write("outputs", 0, 0, {"logit_margin": np.array([0.0, 1e-6, -1e-6], np.float32)}, {})
    assert evidence.load("outputs.correct", [0], 0).tolist() == [[False, True, False]]


def test_missing_models_and_columns_are_said(store):
    with pytest.raises(
        MissingEvidence, match=r"'outputs\.loss' is not recorded for model 9\..*Hint: the same `byrote audit`"
    ):
        store.load("outputs.loss", [0, 9], 0)
    with pytest.raises(MissingEvidence, match=r"is not recorded for model 0\."):
        store.load("outputs.loss", [0], 1)
    with pytest.raises(
        MissingEvidence, match=r"'trajectory\.correct' is not recorded in this run; 'trajectory' holds epochs, log_odds"
    ):
        store.load("trajectory.correct", [0], 0)
    with pytest.raises(MissingEvidence, match="no model to read"):
        store.load("outputs.loss", [], 0)
    with pytest.raises(BadInput, match=r"no evidence named 'outputs\.lost'"):
        store.load("outputs.lost", [0], 0)


def test_missing_logits_come_with_a_hint(tmp_path):
    evidence = Evidence(tmp_path)
    evidence.write("outputs", 0, 0, {"log_odds": np.zeros(2, np.float32)}, {})
    with pytest.raises(
        MissingEvidence, match=r"'outputs\.logits' is not recorded.*Hint: logits are kept while they fit"
    ):
        evidence.load("outputs.logits", [0], 0)


def test_a_shard_is_written_once(store):
    path = store.path("outputs", 1, 0)
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    store.write("outputs", 1, 0, {"log_odds": np.zeros(3, np.float32)}, {})
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == stamp


def test_a_failed_write_leaves_no_shard(tmp_path, monkeypatch):
    import os

    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    evidence = Evidence(tmp_path)
    with pytest.raises(ZeroDivisionError):
        evidence.write("outputs", 0, 0, {"log_odds": np.zeros(2, np.float32)}, {})
    assert not evidence.has("outputs", 0, 0)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_headers_say_what_is_inside(store):
    header = store.header("outputs", 2, 0)
    assert (header["kind"], header["model"], header["phase"], header["seed"]) == ("outputs", "2", "0", "5")
    assert header["dims.logits"] == "modelxexamplexclass"
    assert sorted(header["columns"].split(",")) == sorted(outputs())
    assert store.header("trajectory", 0, 0)["dims.epochs"] == "checkpoint"


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


def test_damage_is_found_before_anything_is_read(store):
    flip(store.path("outputs", 1, 0))
    for ask in (
        lambda: store.load("outputs.loss", [0, 1], 0, slice(0, 2)),
        lambda: store.header("outputs", 1, 0),
        lambda: store.block("outputs", 1, 0),
        lambda: store.verify("outputs", 1, 0),
    ):
        with pytest.raises(DamagedShard, match=r"m00001\.p0\.safetensors.*does not fit its checksum"):
            ask()
    np.testing.assert_array_equal(store.load("outputs.logits", [0], 0)[0], LOGITS[0])


def test_sweep_removes_the_damaged_alone(store):
    flip(store.path("outputs", 1, 0))
    assert "does not fit its checksum" in store.sweep("outputs", 1, 0)
    assert not store.has("outputs", 1, 0)
    assert store.sweep("outputs", 0, 0) == ""
    assert store.has("outputs", 0, 0)
    assert store.sweep("outputs", 9, 0) == ""


def test_a_shard_that_is_written_again_is_read_again(tmp_path):
    evidence = Evidence(tmp_path)
    first, second = np.arange(6, dtype=np.float32), np.arange(9, dtype=np.float32)
    evidence.write("outputs", 0, 0, {"log_odds": first}, {})
    for block in (slice(2, 5), slice(None), slice(1, None, 2)):
        np.testing.assert_array_equal(evidence.load("outputs.log_odds", [0], 0, block)[0], first[block])
    path = evidence.path("outputs", 0, 0)
    path.unlink()
    evidence.write("outputs", 0, 0, {"entropy": second, "log_odds": -second}, {})
    np.testing.assert_array_equal(evidence.load("outputs.log_odds", [0], 0, slice(2, 5))[0], -second[2:5])
    path.unlink()
    with pytest.raises(MissingEvidence):
        evidence.load("outputs.log_odds", [0], 0)
