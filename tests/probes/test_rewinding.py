"""Rewinding of networks that were trained by hand, so that it is known what was written when."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.evidence.store import Evidence
from byrote.probes.history import AskedExamples, History
from byrote.probes.judging import BY_CLASS
from byrote.probes.rewinding import RewindingProbe

EPOCHS = (0, 5, 10, 20, 40)
FROZEN_AFTER = 10


def two_linear_layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), nn.Linear(12, 3))


def data() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(60, 6)).astype(np.float32)), torch.from_numpy(rng.integers(0, 3, 60))


def history(tmp_path: Path, kept: list[dict[str, torch.Tensor]], *, stacked: bool = True) -> History:
    inputs, targets = data()
    evidence = Evidence(tmp_path)
    columns = {name: np.stack([one[name].numpy() for one in kept]) for name in kept[0]}
    evidence.write("weights_at", 0, 0, columns, {}, {"checkpoint": [str(epoch) for epoch in EPOCHS]})
    network = two_linear_layers()
    return History(
        evidence=evidence,
        phase=0,
        models=(0,),
        examples=60,
        member=np.ones((1, 60), np.int8),
        groups={},
        asked=AskedExamples(network, inputs, targets, BY_CLASS, stacked=stacked),
        heldout=AskedExamples(network, inputs[:20], targets[:20], BY_CLASS, stacked=stacked),
        seed=0,
    )


@pytest.fixture(scope="module")
def kept() -> list[dict[str, torch.Tensor]]:
    """The second layer is frozen from epoch 10 on."""
    network, (inputs, targets) = two_linear_layers(), data()
    found = []
    for epoch in range(EPOCHS[-1] + 1):
        if epoch in EPOCHS:
            found.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        network[1].requires_grad_(epoch < FROZEN_AFTER)
        network.zero_grad()
        nn.functional.cross_entropy(network(inputs), targets).backward()
        with torch.no_grad():
            for weight in network.parameters():
                if weight.grad is not None and weight.requires_grad:
                    weight -= 0.5 * weight.grad
    return found


@pytest.mark.parametrize("stacked", [True, False])
def test_nothing_is_written_into_a_layer_after_it_was_frozen(tmp_path, kept, stacked):
    probe = RewindingProbe(permutations=2)
    probe.look(history(tmp_path, kept, stacked=stacked))
    (shard,) = probe.shards()
    after = [place for place, epoch in enumerate(EPOCHS) if epoch >= FROZEN_AFTER]
    for name in ("wrong", "wrong_permuted"):
        lost = shard.columns[name]
        assert not lost[1][after].any()
        assert lost[1, 0].sum() > 3
        assert lost[0, after[0]].sum() > 1, "the first layer was trained to the end"
    assert not shard.columns["wrong_heldout"][1, after].any()


def test_against_numpy(tmp_path, kept):
    probe = RewindingProbe(permutations=1)
    seen = history(tmp_path, kept)
    probe.look(seen)
    (shard,) = probe.shards()
    inputs, targets = (part.numpy().astype(np.float64 if part.is_floating_point() else int) for part in data())
    states = [{name: tensor.numpy().astype(np.float64) for name, tensor in one.items()} for one in kept]

    def logits(state: dict[str, np.ndarray]) -> np.ndarray:
        hidden = inputs @ state["0.weight"].T + state["0.bias"]
        return hidden @ state["1.weight"].T + state["1.bias"]

    def right(state: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(logits(state).argmax(1) == targets)

    final = states[-1]
    for row, layer in enumerate(("0", "1")):
        for place, before in enumerate(states):
            names = [f"{layer}.weight", f"{layer}.bias"]
            rewound = {**final, **{name: before[name] for name in names}}
            lost = right(final) & ~right(rewound)
            np.testing.assert_array_equal(shard.columns["wrong"][row, place], lost)
            np.testing.assert_allclose(
                shard.columns["wrong_heldout"][row, place], lost[:20].sum() / right(final)[:20].sum(), rtol=1e-6
            )
            if place == len(states) - 1:
                continue
            rng, changed = seen.rng(0, place, row, 0), dict(final)
            for name in names:
                change = (before[name] - final[name]).ravel()
                changed[name] = final[name] + change[rng.permutation(change.size)].reshape(final[name].shape)
            np.testing.assert_array_equal(shard.columns["wrong_permuted"][row, place], right(final) & ~right(changed))
    shifted = logits(final) - logits(final).max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -log_p[np.arange(20), targets[:20]].mean()
    np.testing.assert_allclose(shard.columns["loss_aside"][-1], loss, rtol=1e-5)
    own = np.take_along_axis(logits(final), targets[:, None], 1)[:, 0]
    others = np.where(np.arange(3) == targets[:, None], -np.inf, logits(final)).max(1)
    np.testing.assert_allclose(shard.columns["confidence"], own - others, rtol=1e-4, atol=1e-5)


def test_one_checkpoint_is_not_enough(tmp_path, kept):
    seen = history(tmp_path, kept[-1:])
    columns = {name: tensor.numpy()[None] for name, tensor in kept[-1].items()}
    seen.evidence.path("weights_at", 0, 0).unlink()
    seen.evidence.write("weights_at", 0, 0, columns, {}, {"checkpoint": ["40"]})
    with pytest.raises(BadInput, match="two checkpoints at least"):
        RewindingProbe().look(seen)
    with pytest.raises(BadInput, match="must be at least 1"):
        RewindingProbe(permutations=0)
