import numpy as np
import torch

from byrote.evidence.kinds.outputs import HELDOUT
from byrote.probes.outputs import ClassProbabilityProbe, OutputsProbe
from byrote.probes.signals import signals
from probes.moments import block_of, columns_of, told

RNG = np.random.default_rng(0)
LOGITS = torch.from_numpy(RNG.normal(size=(3, 11, 4)).astype(np.float32) * 3)
TARGETS = torch.from_numpy(RNG.integers(0, 4, 11))
MEMBER = torch.from_numpy(RNG.random((3, 11)) < 0.5)


def shown(probe, *, models=(0, 1, 2), logits=LOGITS):
    probe.begin(block_of(3, 11, classes=4, epochs=(0, 1, 4), member=MEMBER.to(torch.int8)).only(models))
    for part in (slice(0, 5), slice(5, 6), slice(6, 11)):
        rows = torch.arange(part.start, part.stop)
        probe.look(told("checkpoint", rows, logits[list(models)][:, part], TARGETS[part], checkpoint=2, epoch=4))
    return probe


def test_outputs_in_pieces():
    columns = columns_of(shown(OutputsProbe()))
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
    assert "logits" not in columns_of(shown(OutputsProbe(keep_logits=False)))


def test_looks_at_the_last_checkpoint_alone_and_says_who_diverged():
    logits = LOGITS.clone()
    logits[1] = torch.nan
    probe = shown(OutputsProbe(HELDOUT), logits=logits)
    assert probe.chosen(4) == (3,)
    assert [(shard.kind.name, shard.words["diverged"]) for shard in probe.shards()] == [
        ("heldout", "false"), ("heldout", "true"), ("heldout", "false")
    ]  # fmt: skip


def test_class_probabilities_against_a_slow_loop():
    (shard,) = shown(ClassProbabilityProbe(torch.ones(3, dtype=torch.bool))).shards()
    assert (shard.model, shard.words) == (0, {"models": "[0, 1, 2]"})
    sums = {"sum_in": np.zeros((11, 4)), "sum_out": np.zeros((11, 4))}
    counts = {"count_in": np.zeros(11), "count_out": np.zeros(11)}
    for model in range(3):
        for n in range(11):
            z = LOGITS[model, n].double().numpy()
            side = "in" if MEMBER[model, n] else "out"
            sums[f"sum_{side}"][n] += np.exp(z) / np.exp(z).sum()
            counts[f"count_{side}"][n] += 1
    for name, expected in (sums | counts).items():
        np.testing.assert_allclose(shard.columns[name], expected, rtol=1e-5, atol=1e-7)


def test_a_diverged_model_does_not_spoil_the_sums():
    logits = LOGITS.clone()
    logits[1] = torch.nan
    (whole,) = shown(ClassProbabilityProbe(torch.tensor([True, False, True])), logits=logits).shards()
    (others,) = shown(ClassProbabilityProbe(torch.ones(2, dtype=torch.bool)), models=(0, 2)).shards()
    for name in ("sum_in", "sum_out", "count_in", "count_out"):
        np.testing.assert_allclose(whole.columns[name], others.columns[name], rtol=1e-6)
