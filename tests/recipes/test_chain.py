"""The chain of layers against the whole network under `vmap`, and against each model by itself."""

import pytest
import torch
from torch import nn

from byrote.recipes import chain as module
from byrote.recipes.algorithm import Batch, Shape
from byrote.recipes.chain import BatchNorm, Flat, Layer, Linear, Norm, Plain
from byrote.recipes.dropout import Dropout, ExampleTiedDropout
from byrote.recipes.networks.network import Network
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe

MODELS, EXAMPLES, FEATURES, CLASSES = 3, 8, 6, 3
SEEDS = [4, 9, 2**31]


def stack(make, **slots):
    recipe = Recipe(network=Network(make), epochs=2, batch_size=EXAMPLES, optimizer=SGD(lr=0.1), **slots)
    shape = Shape(inputs=(FEATURES,), classes=CLASSES, examples=EXAMPLES)
    bound = recipe.bind(shape, torch.device("cpu"))
    return bound, bound.begin(bound.stack(SEEDS), 5)


def batch(seed=0):
    drawn = torch.Generator().manual_seed(seed)
    return Batch(
        inputs=torch.randn(MODELS, EXAMPLES, FEATURES, generator=drawn),
        targets=torch.randint(CLASSES, (MODELS, EXAMPLES), generator=drawn),
        ids=torch.arange(EXAMPLES).expand(MODELS, EXAMPLES),
    )


def kinds(state):
    return [type(layer) for layer in state.chain.layers]


def mlp(*middle, wide=40):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(FEATURES, wide), *(make() for make in middle), nn.Linear(wide, CLASSES)
    )


NATIVE = {
    "relu": (nn.ReLU,),
    "gelu and dropout": (nn.GELU, lambda: Dropout(0.4)),
    "layer norm": (lambda: nn.LayerNorm(40), nn.ReLU),
    "layer norm without weights": (lambda: nn.LayerNorm(40, elementwise_affine=False), nn.Tanh),
    "layer norm without bias": (lambda: nn.LayerNorm(40, bias=False), nn.Tanh),
    "rms norm": (lambda: nn.RMSNorm(40), nn.SiLU),
    "group norm": (lambda: nn.GroupNorm(4, 40), nn.ReLU),
    "batch norm": (lambda: nn.BatchNorm1d(40), nn.ReLU),
    "batch norm without weights": (lambda: nn.BatchNorm1d(40, affine=False), nn.ReLU),
    "no bias": (lambda: nn.Linear(40, 40, bias=False), nn.ELU),
    "in place": (lambda: nn.ReLU(inplace=True), lambda: nn.Sequential(nn.Linear(40, 40), nn.LeakyReLU(0.2))),
}
MAPPED = {
    "tied dropout": (nn.ReLU, ExampleTiedDropout),
    "prelu": (nn.PReLU,),
    "batch norm without statistics": (lambda: nn.BatchNorm1d(40, track_running_stats=False), nn.ReLU),
    "more axes": (lambda: nn.Unflatten(1, (4, 10)), lambda: nn.Linear(10, 10), nn.ReLU, nn.Flatten),
    "norm over two axes": (lambda: nn.Unflatten(1, (4, 10)), lambda: nn.LayerNorm((4, 10)), nn.Flatten),
}


def trained(make, *, whole, steps=3, **slots):
    """Logits, losses, weights, buffers and answers of a stack, as a chain or as one layer under `vmap`."""
    bound, state = stack(make, **slots)
    if whole:
        tensors = state.weights | state.buffers
        state.chain.layers = [Layer(state.skeleton, tensors, range(len(state.dropouts)))]
    seen = []
    for number in range(steps):
        state, each = bound.step(state, batch(number))
        seen += [each.logits, each.loss]
    return [*seen, *state.weights.values(), *state.buffers.values(), bound.predict(state, batch(9).inputs[0])], state


@pytest.mark.parametrize("name", [*NATIVE, *MAPPED])
def test_a_chain_is_the_network(name):
    middle = (NATIVE | MAPPED)[name]
    found, state = trained(lambda: mlp(*middle), whole=False)
    assert len(state.chain.layers) > 2
    expected, _ = trained(lambda: mlp(*middle), whole=True)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("name", NATIVE)
def test_known_layers_run_without_vmap(name, monkeypatch):
    monkeypatch.setattr(module, "vmap", lambda *_, **__: pytest.fail("a layer ran under vmap"))
    bound, state = stack(lambda: mlp(*NATIVE[name]))
    bound.step(state, batch())
    bound.predict(state, batch().inputs[0])


def test_layers_in_a_row_under_vmap_are_one():
    recipe = Recipe(network=SmallCNN(width=4), epochs=1, batch_size=4)
    bound = recipe.bind(Shape(inputs=(1, 8, 8), classes=3, examples=4), torch.device("cpu"))
    assert kinds(bound.stack(SEEDS)) == [Layer, Flat, Linear]


def test_kinds_of_layers():
    layers = (
        nn.ReLU,
        lambda: nn.LayerNorm(40),
        lambda: nn.BatchNorm1d(40),
        nn.PReLU,
        lambda: nn.LayerNorm(40),
        nn.ReLU,
    )
    assert kinds(stack(lambda: mlp(*layers))[1]) == [Flat, Linear, Norm, BatchNorm, Layer, Linear]
    layers = (nn.ReLU, lambda: Dropout(0.1), nn.ReLU, lambda: nn.Linear(40, 40), nn.Tanh)
    state = stack(lambda: mlp(*layers))[1]
    assert kinds(state) == [Flat, Linear, Plain, Plain, Linear, Plain, Linear]
    assert [layer.rectified for layer in state.chain.layers if type(layer) is Linear] == [True, False, False]


def hooked():
    network = mlp(nn.ReLU)
    network[2].register_forward_hook(lambda _module, _inputs, outputs: outputs - outputs.mean())
    return network


def own_forward():
    network = mlp(nn.Identity)
    network[2].forward = lambda inputs: inputs - inputs.mean()
    return network


@pytest.mark.parametrize("make", [hooked, own_forward])
def test_a_layer_that_is_not_what_its_class_is_runs_under_vmap(make):
    """Its mean is over a batch of one model, and not over all models."""
    bound, state = stack(make)
    assert kinds(state) == [Flat, Linear, Layer, Linear]
    alone = [bound.begin(bound.init(seed), 5) for seed in SEEDS]
    _, seen = bound.step(state, batch())
    for row, one in enumerate(alone):
        shown = batch()
        mine = Batch(inputs=shown.inputs[row], targets=shown.targets[row], ids=shown.ids[row])
        torch.testing.assert_close(bound.step(one, mine)[1].logits, seen.logits[row], atol=1e-5, rtol=1e-5)


def shared_layer():
    layer = nn.Linear(40, 40)
    return mlp(lambda: layer, nn.ReLU, lambda: layer)


def shared_weight():
    first, second = nn.Linear(40, 40), nn.Linear(40, 40)
    second.weight = first.weight
    return mlp(lambda: first, nn.ReLU, lambda: second)


@pytest.mark.parametrize("make", [shared_layer, shared_weight])
def test_layers_that_share_a_weight_run_as_one(make):
    bound, state = stack(make)
    assert kinds(state) == [Layer]
    bound.step(state, batch())


def test_frozen_weights_have_no_gradient():
    def make():
        network = mlp(lambda: nn.Linear(40, 40), nn.ReLU)
        network[2].weight.requires_grad_(False)
        network[1].bias.requires_grad_(False)
        return network

    found, state = trained(make, whole=False)
    expected, _ = trained(make, whole=True)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=2e-5)
    assert state.weights["2.weight"].grad is None
    assert state.weights["1.bias"].grad is None


class Twice:
    """An objective that asks for the networks' answers twice, once in evaluation mode."""

    once = False
    task = "classes"

    def memory(self, examples, classes):
        return None

    def loss(self, forward, batch, memory):
        first, second = forward(batch.inputs, train=True), forward(2 * batch.inputs, train=True)
        third = forward(batch.inputs, train=False)
        return first, (first - second * third).square().sum(-1), None


def test_gradients_of_several_passes_add_up():
    found, _ = trained(lambda: mlp(nn.ReLU), whole=False, steps=1, objective=Twice())
    expected, _ = trained(lambda: mlp(nn.ReLU), whole=True, steps=1, objective=Twice())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=2e-5)


def test_gradients_of_inputs_leave_those_of_weights_alone():
    _, state = stack(lambda: mlp(nn.ReLU))
    inputs = batch().inputs.requires_grad_()
    (moved,) = torch.autograd.grad(state.forward(inputs, None, train=True).sum(), inputs)
    assert moved.shape == inputs.shape
    assert all(weight.grad is None for weight in state.weights.values())
