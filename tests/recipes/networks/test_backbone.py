import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.recipes.algorithm import Batch, Shape
from byrote.recipes.networks.backbone import Backbone
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe

SHAPE = Shape(inputs=(6,), classes=3, examples=8)
with torch.random.fork_rng():
    torch.manual_seed(0)
    PRETRAINED = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU()).state_dict()


def load():
    network = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU())
    network.load_state_dict(PRETRAINED)
    return network


def algorithm(**options):
    recipe = Recipe(network=Backbone(load, **options), optimizer=SGD(lr=0.5, weight_decay=0.1), epochs=1)
    return recipe.bind(SHAPE, torch.device("cpu"))


def stepped(bound, seed=0, steps=3):
    state = bound.init(seed)
    generator = torch.Generator().manual_seed(1)
    ids = torch.arange(8)
    for _ in range(steps):
        inputs = torch.randn(8, 6, generator=generator)
        state, _ = bound.step(state, Batch(inputs=inputs, targets=ids % 3, ids=ids))
    return state.network.state_dict()


def test_frozen_weights_and_buffers_do_not_move():
    after = stepped(algorithm(frozen=True))
    for name, tensor in PRETRAINED.items():
        assert torch.equal(after[f"backbone.{name}"], tensor)
    assert not torch.equal(after["head.weight"], algorithm().init(0).network.head.weight)


def test_unfrozen_everything_moves():
    after = stepped(algorithm())
    for name, tensor in PRETRAINED.items():
        assert not torch.equal(after[f"backbone.{name}"], tensor)


def test_heads_differ_by_seed_and_backbones_do_not():
    networks = [algorithm().init(seed).network for seed in (0, 1)]
    assert not torch.equal(networks[0].head.weight, networks[1].head.weight)
    assert torch.equal(networks[0].backbone[0].weight, networks[1].backbone[0].weight)


def test_the_trial_pass_leaves_no_trace():
    start = algorithm().init(0).network.state_dict()
    for name, tensor in PRETRAINED.items():
        assert torch.equal(start[f"backbone.{name}"], tensor)


def test_training_mode():
    network = Backbone(load, frozen=True).build((6,), 3)
    assert network.train().training
    assert not network.backbone.training
    assert Backbone(load).build((6,), 3).train().backbone.training


def test_features_must_be_rows():
    slot = Backbone(lambda: nn.Conv2d(1, 4, 3))
    with pytest.raises(BadInput, match=r"features of shape \(batch, width\)\. Got \(1, 4, 6, 6\)\. Hint: end it with"):
        slot.build((1, 8, 8), 2)


def test_models_do_not_train_each_others_backbone():
    shared = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    slot = Backbone(lambda: shared)
    first = slot.build((4,), 2)
    with torch.no_grad():
        next(first.backbone.parameters()).add_(1.0)
    assert torch.equal(slot.build((4,), 2).backbone[1].weight, shared[1].weight)


def test_a_loader_that_seeds_the_generator_does_not_fix_the_head():
    def load():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))

    heads = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        heads.append(Backbone(load).build((4,), 2).head.weight)
    assert not torch.equal(*heads)
