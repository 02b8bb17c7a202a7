"""What networks with any weights answer, stacked or not, and which tensors make a layer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from byrote.evidence.store import Evidence
from byrote.probes.history import AskedExamples, History
from byrote.probes.judging import BY_CLASS
from byrote.probes.layers import layer_of


class Tied(nn.Module):
    """A network that reads and writes with the same weights, and has running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(3, 3, bias=False), nn.BatchNorm1d(3)])
        self.head = nn.Linear(3, 3, bias=False)
        self.head.weight = self.blocks[0].weight

    def forward(self, inputs):
        return self.head(torch.relu(self.blocks[1](self.blocks[0](inputs))))


def history(tmp_path: Path, asked: AskedExamples) -> History:
    return History(
        evidence=Evidence(tmp_path),
        phase=0,
        models=(0,),
        examples=len(asked.inputs),
        member=np.ones((1, len(asked.inputs)), np.int8),
        groups={},
        asked=asked,
        seed=3,
    )


@pytest.mark.parametrize("stacked", [True, False])
def test_networks_that_differ_in_a_tied_layer_answer_as_each_by_itself(tmp_path, stacked):
    torch.manual_seed(0)
    networks = [Tied().eval() for _ in range(3)]
    for network in networks[1:]:  # all but the tied layer is shared
        network.blocks[1].load_state_dict(networks[0].blocks[1].state_dict())
    inputs, targets = torch.randn(11, 3), torch.arange(11) % 3
    seen = history(tmp_path, AskedExamples(Tied(), inputs, targets, BY_CLASS, stacked=stacked))
    assert seen.layers() == {
        "blocks.0": ("blocks.0.weight", "head.weight"),
        "blocks.1": (
            "blocks.1.weight",
            "blocks.1.bias",
            "blocks.1.running_mean",
            "blocks.1.running_var",
            "blocks.1.num_batches_tracked",
        ),
    }
    assert "blocks.1.running_mean" not in seen.parameters
    states = [network.state_dict() for network in networks]
    weights = {
        name: torch.stack([state[name] for state in states]) if "blocks.1" not in name else states[0][name][None]
        for name in states[0]
    }
    found = seen.answers(weights, np.array([7, 2, 5]))
    assert found.example.tolist() == [7, 2, 5]
    for row, network in enumerate(networks):
        logits = network(inputs[[7, 2, 5]]).detach()
        own = logits.gather(1, targets[[7, 2, 5]][:, None])[:, 0]
        others = logits.scatter(1, targets[[7, 2, 5]][:, None], -torch.inf).amax(1)
        np.testing.assert_allclose(found.margin[row], (own - others).numpy(), rtol=1e-4, atol=1e-6)
        assert (found.correct[row] == (found.margin[row] > 0)).all()


def test_draws_are_of_the_runs_seed_and_the_key(tmp_path):
    asked = AskedExamples(Tied(), torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), BY_CLASS, stacked=False)
    one, again, other = (history(tmp_path, asked).rng(*key).random() for key in ((1, 2), (1, 2), (2, 1)))
    assert one == again != other


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("model.model.layers.1.mlp.up_proj.weight", "model.model.layers.1"),
        ("model.embed_tokens.weight", "model.embed_tokens"),
        ("0.weight", "0"),
        ("inner.10.bias", "inner.10"),
        ("conv1.weight", "conv1"),
        ("table", "table"),
    ],
)
def test_the_part_that_is_numbered_first_is_a_layer(name, layer):
    assert layer_of(name) == layer
