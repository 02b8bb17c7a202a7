"""Ghost norms against each example's own gradient, layer by layer and network by network."""

from functools import partial

import pytest
import torch
from torch import nn

from byrote.probes.ghost import NoRule, ghost_norms, gradient_norms, slow_norms, trusted, weight_gradients
from byrote.probes.moment import Models, losses
from engine.toys import RECIPES, bound, data

LOSS = partial(losses, task="classes")

#: Networks of rows of 6 numbers, or of images of 2 channels of 8 x 8.
NETWORKS = {
    "no bias": lambda: nn.Sequential(nn.Linear(6, 20, bias=False), nn.Tanh(), nn.Linear(20, 3)),
    "tokens": lambda: nn.Sequential(
        nn.Unflatten(1, (3, 2)), nn.Linear(2, 9), nn.GELU(), nn.Flatten(), nn.Linear(27, 3)
    ),
    "layer norm": lambda: nn.Sequential(nn.Linear(6, 12), nn.LayerNorm(12), nn.ReLU(), nn.Linear(12, 3)),
    "batch norm": lambda: nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3)),
    "in place": lambda: nn.Sequential(nn.Linear(6, 12), nn.ReLU(inplace=True), nn.Linear(12, 3)),
    "grouped, strided": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 3, 1)), nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), nn.Flatten(), nn.Linear(8, 3)
    ),
    "wide patches": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 3, 1)),
        nn.Conv2d(2, 40, (2, 1), padding=(1, 0)),
        nn.GroupNorm(2, 40),
        nn.Flatten(),
        nn.Linear(160, 3),
    ),
}


def rows(examples: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(examples, 6, generator=generator), torch.arange(examples) % 3


@pytest.mark.parametrize("name", NETWORKS)
def test_every_rule_gives_the_norm_of_the_gradient(name):
    torch.manual_seed(0)
    network, (inputs, targets) = NETWORKS[name](), rows()
    network.train()(inputs)  # running statistics that are not 0 and 1
    network.eval()
    found = ghost_norms(network, network, inputs, targets, LOSS)
    torch.testing.assert_close(found, slow_norms(network, inputs, targets, LOSS), rtol=1e-5, atol=1e-7)
    explicit = weight_gradients(network, inputs, targets, LOSS).norm(dim=1)
    torch.testing.assert_close(found, explicit, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", RECIPES)
def test_every_reference_network_has_rules(name):
    given, network = data(RECIPES[name][0]), bound(name).build(1).eval()
    inputs, targets = torch.from_numpy(given.inputs), torch.from_numpy(given.targets)
    found = ghost_norms(network, network, inputs, targets, LOSS)
    torch.testing.assert_close(found, slow_norms(network, inputs, targets, LOSS), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["mlp", "small cnn", "resnet with batch norm", "frozen backbone"])
def test_stacked_models_have_the_norms_of_each(name):
    given = data(RECIPES[name][0])
    inputs, targets = torch.from_numpy(given.inputs), torch.from_numpy(given.targets)
    networks = [bound(name).build(seed).eval() for seed in range(3)]
    stacked, loop = (
        Models(lambda: networks, stacked=way).each(lambda net, call: ghost_norms(net, call, inputs, targets, LOSS))
        for way in (True, False)
    )
    torch.testing.assert_close(stacked, loop, rtol=1e-5, atol=1e-7)


def test_stacked_models_have_running_statistics_of_their_own():
    inputs, targets = rows()
    networks = []
    for seed in range(3):
        torch.manual_seed(seed)
        networks.append(NETWORKS["batch norm"]().train())
        networks[-1](inputs * (seed + 1) + seed)
        networks[-1].eval()
    found = Models(lambda: networks, stacked=True).each(lambda net, call: ghost_norms(net, call, inputs, targets, LOSS))
    explicit = torch.stack([weight_gradients(network, inputs, targets, LOSS).norm(dim=1) for network in networks])
    torch.testing.assert_close(found, explicit, rtol=1e-4, atol=1e-6)


class Reads(nn.Module):
    """Tokens, some of which stand twice in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(4, 5), nn.Linear(5, 3)

    def forward(self, tokens):
        return self.head(torch.tanh(self.table(tokens)).sum(1))


def test_a_token_that_stands_twice_has_one_gradient():
    torch.manual_seed(0)
    networks, tokens = [Reads(), Reads()], torch.randint(4, (7, 6), generator=torch.Generator().manual_seed(2))
    targets = torch.arange(7) % 3
    explicit = torch.stack([weight_gradients(network, tokens, targets, LOSS).norm(dim=1) for network in networks])
    for stacked in (True, False):
        models = Models(lambda: networks, stacked=stacked)
        found = models.each(lambda net, call: ghost_norms(net, call, tokens, targets, LOSS))
        torch.testing.assert_close(found, explicit, rtol=1e-5, atol=1e-7)
    assert trusted(networks[0], tokens, targets, LOSS)
    networks[0].table.padding_idx = 0  # whose gradient torch leaves out
    assert not trusted(networks[0], tokens, targets, LOSS)


def test_agrees_with_opacus():
    wrapped = pytest.importorskip("opacus.grad_sample.grad_sample_module_fast_gradient_clipping", reason="no opacus")
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.GroupNorm(2, 6), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 3)
    )
    inputs, targets = torch.randn(5, 2, 4, 4), torch.arange(5) % 3
    found = ghost_norms(network, network, inputs, targets, LOSS)
    theirs = wrapped.GradSampleModuleFastGradientClipping(
        network, batch_first=True, max_grad_norm=1.0, use_ghost_clipping=True, loss_reduction="sum"
    )
    LOSS(theirs(inputs.clone().requires_grad_()), targets).sum().backward()  # else its hooks warn
    torch.testing.assert_close(found, theirs.get_norm_sample().detach(), rtol=1e-4, atol=1e-6)


def test_frozen_weights_do_not_count():
    network, (inputs, targets) = NETWORKS["no bias"](), rows()
    network[0].weight.requires_grad_(False)
    network[2].weight.requires_grad_(False)
    found = ghost_norms(network, network, inputs, targets, LOSS)
    off = network(inputs).softmax(-1) - nn.functional.one_hot(targets, 3)
    torch.testing.assert_close(found, off.norm(dim=1).detach(), rtol=1e-5, atol=1e-7)


class Tied(nn.Module):
    """One layer that is passed twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, inputs):
        return self.layer(torch.tanh(self.layer(inputs)))


class Hidden(Tied):
    """The same weights used twice, once behind the layer's back."""

    def forward(self, inputs):
        return nn.functional.linear(torch.tanh(self.layer(inputs)), self.layer.weight)


class Own(nn.Module):
    """A layer of somebody's own, of which there is no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, inputs):
        return inputs * self.scale


@pytest.mark.parametrize("kind", [Tied, Hidden, Own])
def test_weights_used_twice_and_layers_without_a_rule_take_the_slow_way(kind):
    torch.manual_seed(0)
    network, (inputs, targets) = kind(), rows()
    assert not trusted(network, inputs, targets, LOSS)
    if kind is not Hidden:
        with pytest.raises(NoRule):
            ghost_norms(network, network, inputs, targets, LOSS)
    found = gradient_norms(network, inputs, targets, LOSS)
    torch.testing.assert_close(found, slow_norms(network, inputs, targets, LOSS))


@pytest.mark.parametrize("task", ["labels", "regression"])
def test_other_losses(task):
    network, (inputs, _) = NETWORKS["no bias"](), rows()
    targets = torch.randn(7, 3).sign().clamp_min(0) if task == "labels" else torch.randn(7, 3)
    loss = partial(losses, task=task)
    found = gradient_norms(network, inputs, targets, loss)
    torch.testing.assert_close(found, slow_norms(network, inputs, targets, loss), rtol=1e-5, atol=1e-6)
    assert trusted(network, inputs, targets, loss)
