import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.recipes.algorithm import Algorithm, Batch, Shape, TrainingRecipe
from byrote.recipes.augmentations import FeatureMask
from byrote.recipes.co_teaching import CoTeaching
from byrote.recipes.gradient_transforms import ClipNorm
from byrote.recipes.input_perturbations import ProjectedGradient
from byrote.recipes.networks.backbone import Backbone
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.network import Network
from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization
from byrote.recipes.optimizers import SGD, AdamW
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Constant, Linear
from byrote.recipes.slots import described

CPU = torch.device("cpu")
SHAPE = Shape(inputs=(5,), classes=3, examples=12)
BASE = Recipe(network=MLP(hidden=(4,)), epochs=2, batch_size=4, schedule=Constant(), optimizer=SGD(lr=0.1))
INPUTS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(12) % 3
IDS = torch.arange(4)


def batch(ids=IDS, weights=None):
    return Batch(inputs=INPUTS[ids], targets=TARGETS[ids], ids=ids, weights=weights)


def weights_of(state):
    return nn.utils.parameters_to_vector(state.network.parameters()).detach().clone()


def without_types(**settings):
    """What a user meets, whose session has no type checks before ours."""
    recipe = object.__new__(Recipe)
    recipe.__dict__.update(vars(BASE) | settings)
    recipe.__post_init__()


def test_init_is_a_function_of_the_seed():
    bound = BASE.bind(SHAPE, CPU)
    torch.manual_seed(5)
    first = weights_of(bound.init(3))
    torch.rand(7)
    assert torch.equal(weights_of(bound.init(3)), first)
    assert torch.equal(weights_of(BASE.bind(SHAPE, CPU).init(3)), first)
    assert not torch.equal(weights_of(bound.init(4)), first)


def test_building_leaves_torchs_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    BASE.bind(SHAPE, CPU).build(1)
    assert torch.equal(torch.rand(3), expected)


def test_a_step_by_hand():
    """One step of plain SGD on softmax regression: W <- W - lr * mean (p - y) x."""
    recipe = replace(BASE, network=MLP(hidden=()), optimizer=SGD(lr=0.1, momentum=0.0))
    bound = recipe.bind(SHAPE, CPU)
    state = bound.init(0)
    layer = state.network[1]
    w, b = layer.weight.detach().double().numpy().copy(), layer.bias.detach().double().numpy().copy()
    _, seen = bound.step(state, batch())
    x, y = INPUTS[:4].double().numpy(), np.eye(3)[TARGETS[:4].numpy()]
    z = x @ w.T + b
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(seen.logits.numpy(), z, atol=1e-6)
    np.testing.assert_allclose(seen.loss.numpy(), -np.log((p * y).sum(1)), atol=1e-6)
    np.testing.assert_allclose(layer.weight.detach().numpy(), w - 0.1 * (p - y).T @ x / 4, atol=1e-6)
    np.testing.assert_allclose(layer.bias.detach().numpy(), b - 0.1 * (p - y).mean(0), atol=1e-6)


def test_weights_multiply_the_loss_and_negative_ones_climb():
    bound = replace(BASE, optimizer=SGD(lr=0.1, momentum=0.0)).bind(SHAPE, CPU)
    start = weights_of(bound.init(0))

    def moved(weights):
        state = bound.init(0)
        bound.step(state, batch(weights=weights))
        return weights_of(state) - start

    down = moved(None)
    torch.testing.assert_close(moved(torch.ones(4)), down)
    torch.testing.assert_close(moved(-2 * torch.ones(4)), -2 * down, atol=1e-6, rtol=1e-4)
    masked = moved(torch.tensor([4.0, 0, 0, 0]))
    state = bound.init(0)
    bound.step(state, batch(IDS[:1]))
    torch.testing.assert_close(masked, weights_of(state) - start)


def test_the_schedule_and_the_rate_scale_the_step():
    recipe = replace(BASE, schedule=Linear(), optimizer=SGD(lr=0.1, momentum=0.0))
    for rate in (1.0, 0.25):
        bound = recipe.bind(SHAPE, CPU)
        state = bound.begin(bound.init(0), 4, rate=rate)
        rates = []
        for _ in range(4):
            bound.step(state, batch())
            rates.append(state.optimizer.param_groups[0]["lr"])
        np.testing.assert_allclose(rates, 0.1 * rate * np.array([1, 0.75, 0.5, 0.25]))


def test_begin_forgets_momentum_and_starts_the_schedule_again():
    bound = replace(BASE, schedule=Linear()).bind(SHAPE, CPU)
    state = bound.begin(bound.init(0), 2)
    bound.step(state, batch())
    bound.step(state, batch())
    before, fresh = weights_of(state), bound.init(0)
    fresh.network.load_state_dict(state.network.state_dict())
    bound.begin(state, 2)
    assert (state.step, state.total) == (0, 2)
    bound.step(state, batch())
    bound.begin(fresh, 2)
    bound.step(fresh, batch())
    torch.testing.assert_close(weights_of(state), weights_of(fresh))
    assert not torch.equal(weights_of(state), before)


def test_noise_goes_on_over_phases():
    bound = replace(BASE, augmentation=FeatureMask(0.5)).bind(SHAPE, CPU)
    state = bound.init(0)
    logits = []
    for _ in range(3):
        bound.begin(state, 1, rate=1e-30)
        logits.append(bound.step(state, batch())[1].logits)
    assert not torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[1], logits[2])


def test_elr_remembers_by_example():
    bound = replace(BASE, objective=EarlyLearningRegularization()).bind(SHAPE, CPU)
    state = bound.init(0)
    shown = torch.tensor([7, 2, 11])
    bound.step(state, batch(shown))
    untouched = np.setdiff1d(np.arange(12), shown)
    assert (state.memory[shown].sum(1) - 0.3).abs().max() < 1e-6
    assert not state.memory[untouched].any()
    assert not bound.init(0).memory.any()


def test_predict_is_evaluation_mode_without_gradient():
    bound = replace(BASE, network=MLP(hidden=(4,), dropout=0.5)).bind(SHAPE, CPU)
    state = bound.init(0)
    bound.step(state, batch())
    answers = bound.predict(state, INPUTS)
    assert not answers.requires_grad
    assert torch.equal(answers, bound.predict(state, INPUTS))


class Spy(nn.Module):
    """A linear layer that looks at whatever it is shown, and in which mode."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear, self.seen = nn.BatchNorm1d(4), nn.Linear(4, 3), []

    def forward(self, inputs):
        self.seen.append((self.training, inputs.detach().clone()))
        return self.linear(self.norm(inputs))


def attacked(**settings):
    """Three adversarial steps over data in [0, 1]; the network after them, and the state."""
    attack = ProjectedGradient(radius=0.3, steps=3, **settings)
    extent = torch.zeros(4), torch.ones(4)
    bound = replace(BASE, network=Network(Spy), input_perturbation=attack, augmentation=None).bind(
        replace(SHAPE, inputs=(4,), extent=lambda: extent), CPU
    )
    state = bound.init(0)
    bound.begin(state, 3)
    inputs = torch.rand(6, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        bound.step(state, Batch(inputs=inputs, targets=TARGETS[:6], ids=torch.arange(6)))
    return state.network, inputs


def test_batch_norm_sees_one_batch_a_step_and_the_attack_is_made_in_evaluation_mode():
    network, _ = attacked()
    assert int(network.norm.num_batches_tracked) == 3
    assert [training for training, _ in network.seen] == [False, False, False, True] * 3
    assert network.training


def test_an_attack_never_leaves_the_range_of_the_data():
    network, inputs = attacked()
    shown = torch.stack([moved for _, moved in network.seen])
    assert float(shown.min()) == 0.0
    assert float(shown.max()) == 1.0, "the attack went as far as it may"
    assert float((shown - inputs).abs().max()) <= 0.3 + 1e-6
    narrow = torch.stack([moved for _, moved in attacked(low=-0.1, high=0.6)[0].seen])
    assert float(narrow.min()) == pytest.approx(-0.1)
    outside = inputs > 0.6
    assert (narrow <= torch.where(outside, inputs, 0.6)).all(), "what lies outside is led no farther out"


def test_the_start_is_another_in_every_step():
    starts = [moved for training, moved in attacked()[0].seen if not training][::3]
    assert not torch.allclose(starts[0], starts[1], atol=0.05)


def test_conforms_to_the_contract():
    assert isinstance(BASE, TrainingRecipe)
    assert isinstance(BASE.bind(SHAPE, CPU), Algorithm)
    assert isinstance(CoTeaching(recipe=BASE), TrainingRecipe)
    assert isinstance(CoTeaching(recipe=BASE).bind(SHAPE, CPU), Algorithm)


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "3"])
def test_numbers_that_are_none(name, value):
    with pytest.raises(BadInput, match=rf"{name!r} argument of Recipe must be a whole number of at least 1\. Got"):
        without_types(**{name: value})


@pytest.mark.parametrize("network", [nn.Linear, nn.Linear(2, 2), None])
def test_a_network_that_is_no_slot(network):
    with pytest.raises(BadInput, match=r"'network' argument of Recipe .*network=byrote\.Network\(MyNet\)"):
        without_types(network=network)


@pytest.mark.parametrize(
    "layer",
    [nn.Dropout(), nn.Dropout2d(), nn.AlphaDropout(), nn.LSTM(2, 2), nn.GRU(2, 2)],
    ids=lambda m: type(m).__name__,
)
def test_obstacles_are_named(layer):
    bound = Recipe(network=Network(lambda: nn.Sequential(nn.Linear(2, 2), nn.Sequential(layer)))).bind(SHAPE, CPU)
    kind = type(layer).__name__
    assert bound.why_not_stackable().startswith(f"layer '1.0' is a torch.nn.{kind}, which cannot be stacked")
    assert ("byrote.Dropout can" in bound.why_not_stackable()) == ("Dropout" in kind)


def test_reference_networks_have_no_obstacle():
    assert replace(BASE, network=MLP(hidden=(4,), dropout=0.5)).bind(SHAPE, CPU).why_not_stackable() == ""


OTHERS = {
    "network": MLP(hidden=(5,)),
    "network.dropout": MLP(hidden=(4,), dropout=0.1),
    "epochs": 3,
    "batch_size": 5,
    "augmentation": FeatureMask(0.2),
    "input_perturbation": ProjectedGradient(),
    "objective": EarlyLearningRegularization(),
    "gradient_transform": ClipNorm(2.0),
    "optimizer": SGD(lr=0.1, momentum=0.8),
    "optimizer.kind": AdamW(),
    "schedule": Linear(),
}


@pytest.mark.parametrize("name", OTHERS)
def test_description_changes_with_any_slot(name):
    other = replace(BASE, **{name.partition(".")[0]: OTHERS[name]})
    assert other.describe() != BASE.describe()
    assert json.loads(json.dumps(other.describe(), allow_nan=False)) == other.describe() | {
        key: json.loads(json.dumps(value)) for key, value in other.describe().items()
    }
    assert replace(BASE).describe() == BASE.describe()
    wrapped = CoTeaching(recipe=other).describe()
    assert wrapped != CoTeaching(recipe=BASE).describe()
    json.dumps(wrapped)


def test_description_changes_with_the_source_of_a_function(tmp_path, monkeypatch):
    import importlib
    import sys

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    described = []
    for name, width in (("net_a", 8), ("net_b", 8), ("net_c", 9)):
        (tmp_path / f"{name}.py").write_text(f"import torch\n\ndef make():\n    return torch.nn.Linear(4, {width})\n")
        make = importlib.import_module(name).make
        assert json.dumps(Recipe(network=Backbone(make)).describe())
        described.append(Recipe(network=Network(make)).describe()["network"]["make"])
        sys.modules.pop(name)
    assert described[0]["source"] == described[1]["source"] != described[2]["source"]
    assert described[0]["function"] == "net_a.make"


def test_a_function_without_source_goes_by_its_name():
    make = eval("lambda: None", {"__name__": "typed"})
    assert json.dumps(Recipe(network=Network(make)).describe())


def test_descriptions_tell_partials_closures_weights_and_numpy_numbers_apart():
    def make(width):
        return lambda: nn.Linear(4, width)

    assert Recipe(network=Network(make(2))).describe() != Recipe(network=Network(make(3))).describe()
    wide, narrow = (Recipe(network=Network(partial(nn.Linear, 4, width))).describe() for width in (2, 3))
    assert wide != narrow
    first, second = nn.Linear(4, 3), nn.Linear(4, 3)
    assert Recipe(network=Network(lambda: first)).describe() != Recipe(network=Network(lambda: second)).describe()
    assert json.dumps(described((np.float32(0.5), np.int64(3)))) == "[0.5, 3]"
