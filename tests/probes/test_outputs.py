import numpy as np
import torch

from byrote.probes.outputs import ClassProbabilityProbe, OutputsProbe
from byrote.probes.signals import signals

RNG = np.random.default_rng(0)
LOGITS = torch.from_numpy(RNG.normal(size=(3, 11, 4)).astype(np.float32) * 3)
TARGETS = torch.from_numpy(RNG.integers(0, 4, 11))
MEMBER = torch.from_numpy(RNG.random((3, 11)) < 0.5)


def shown(probe, checkpoint=2):
    for part in (slice(0, 5), slice(5, 6), slice(6, 11)):
        probe.observed(checkpoint, part, LOGITS[:, part], TARGETS[part])
    return probe.columns()


def test_outputs_in_pieces():
    columns = shown(OutputsProbe(3, 11, 4, at=2))
    expected = signals(LOGITS, TARGETS.expand(3, 11))._asdict()
    assert set(columns) == {*expected, "prediction", "logits"}
    for name, values in expected.items():
        np.testing.assert_array_equal(columns[name], values.numpy())
    np.testing.assert_array_equal(columns["logits"], LOGITS.numpy())
    np.testing.assert_array_equal(columns["prediction"], LOGITS.numpy().argmax(-1))
    assert {name: str(array.dtype) for name, array in columns.items() if name != "prediction"} == dict.fromkeys(
        [*expected, "logits"], "float32"
    )
    assert columns["prediction"].dtype == np.int32


def test_logits_only_where_they_are_kept():
    assert "logits" not in shown(OutputsProbe(3, 11, 4, at=2, keep_logits=False))


def test_wants_its_own_checkpoint_alone():
    probe = OutputsProbe(3, 11, 4, at=2, kind="heldout")
    assert [probe.wants(checkpoint) for checkpoint in range(4)] == [False, False, True, False]
    assert OutputsProbe(3, 11, 4, at=2, kind="heldout").kind == "heldout"


def test_class_probabilities_against_a_slow_loop():
    columns = shown(ClassProbabilityProbe(MEMBER, torch.ones(3, dtype=torch.bool), 4))
    sums = {"sum_in": np.zeros((11, 4)), "sum_out": np.zeros((11, 4))}
    counts = {"count_in": np.zeros(11), "count_out": np.zeros(11)}
    for model in range(3):
        for n in range(11):
            z = LOGITS[model, n].double().numpy()
            side = "in" if MEMBER[model, n] else "out"
            sums[f"sum_{side}"][n] += np.exp(z) / np.exp(z).sum()
            counts[f"count_{side}"][n] += 1
    for name, expected in (sums | counts).items():
        np.testing.assert_allclose(columns[name], expected, rtol=1e-5, atol=1e-7)


def test_a_diverged_model_does_not_spoil_the_sums():
    logits = LOGITS.clone()
    logits[1] = torch.nan
    probe = ClassProbabilityProbe(MEMBER, torch.tensor([True, False, True]), 4)
    others = ClassProbabilityProbe(MEMBER[[0, 2]], torch.ones(2, dtype=torch.bool), 4)
    probe.observed(0, slice(0, 11), logits, TARGETS)
    others.observed(0, slice(0, 11), LOGITS[[0, 2]], TARGETS)
    for name in ("sum_in", "sum_out", "count_in", "count_out"):
        np.testing.assert_allclose(probe.columns()[name], others.columns()[name], rtol=1e-6)
