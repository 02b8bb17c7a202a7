import dataclasses
import time
import types

import numpy as np
import pytest
import torch
from torch import nn

from byrote.engine import choose as module
from byrote.engine.choose import choose
from byrote.engine.job import Labelled
from byrote.errors import BadInput
from byrote.recipes.co_teaching import CoTeaching
from byrote.recipes.networks.network import Network
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.optimizers import SGD, AdamW
from engine.telling import telling_recipes
from engine.toys import RECIPES, data, job, recipe, spoiled


def control_flow(net, inputs):
    return net.linear(inputs) if inputs.sum() > 0 else net.linear(inputs) * 2


def read_a_number(net, inputs):
    return net.linear(inputs) * float(inputs.detach().mean().item() + 2)


def torch_randomness(net, inputs):
    return net.linear(inputs + torch.randn_like(inputs)) if net.training else net.linear(inputs)


def numpy_randomness(net, inputs):
    return net.linear(inputs) * (1 + np.random.random() if net.training else 1.0)  # noqa: NPY002


def functional_dropout(net, inputs):
    return net.linear(nn.functional.dropout(inputs, 0.5, net.training))


CALLS = [0.0]


def state_shared_by_all_networks(net, inputs):
    CALLS[0] += net.training
    return net.linear(inputs) * (1 + CALLS[0])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (control_flow, "cannot be stacked"),
        (read_a_number, "cannot be stacked"),
        (torch_randomness, "cannot be stacked"),
        (functional_dropout, "cannot be stacked"),
        (numpy_randomness, "differ"),
        (state_shared_by_all_networks, "differ"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_network_that_is_another_under_vmap_runs_in_the_loop(tmp_path, spoil, words):
    chosen = choose(job(tmp_path, spoiled(spoil)), per_worker=8)
    assert (chosen.stacked, chosen.size) == (False, 1)
    assert chosen.reason.startswith("one at a time: ")
    assert words in chosen.reason
    assert chosen.seconds_a_model > 0


def test_losses_that_differ_are_said(tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 3)
            self.own = torch.rand(())

        def forward(self, inputs):
            return self.linear(inputs) * self.own

    still = recipe(Network(Scaled), optimizer=SGD(lr=1e-12))
    assert (
        choose(job(tmp_path, still), per_worker=8).reason == "one at a time: losses differ from those of stacked models"
    )


def test_weights_that_differ_are_named(tmp_path):
    """An attribute that is no buffer is the first model's in all of a stack; here it bears on gradients alone."""

    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 3)
            self.extra = nn.Parameter(torch.zeros(3))
            self.own = torch.rand(())

        def forward(self, inputs):
            return self.linear(inputs) + (self.extra - self.extra.detach()) * self.own

    chosen = choose(job(tmp_path, recipe(Network(Late))), per_worker=8)
    assert chosen.reason == "one at a time: 'extra' differs from that of stacked models"


def test_buffers_that_differ_are_named(tmp_path):
    class Count(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 3)
            self.register_buffer("seen", torch.zeros(()))
            self.own = torch.rand(())

        def forward(self, inputs):
            if self.training:
                self.seen.add_(self.own)
            return self.linear(inputs)

    chosen = choose(job(tmp_path, recipe(Network(Count))), per_worker=8)
    assert chosen.reason == "one at a time: 'seen' differs from that of stacked models"


@pytest.mark.parametrize("seed", range(6))
def test_what_adam_makes_of_rounding_is_no_difference(tmp_path, seed):
    """The gradient of a bias before BatchNorm is 0 but for rounding, and Adam's step has the size of its rate."""

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(1, 8, 3, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.linear = nn.Linear(8, 3)

        def forward(self, inputs):
            return self.linear(self.norm(self.convolution(inputs)).relu().mean((2, 3)))

    given = job(tmp_path, recipe(Network(Normed), optimizer=AdamW(lr=0.01)), data=data((1, 8, 8)))
    given = dataclasses.replace(given, seeds=[seed, seed + 100])
    assert module._disparity(given.algorithm(), given, given.rehearsal()) == ""


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.GRU(6, 3)], ids=lambda layer: type(layer).__name__)
def test_obstacles_are_said(tmp_path, layer):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.odd = nn.GRU(6, 6) if isinstance(layer, nn.GRU) else nn.Dropout(0.5)
            self.linear = nn.Linear(6, 3)

        def forward(self, inputs):
            out = self.odd(inputs)
            return self.linear(out[0] if isinstance(out, tuple) else out)

    chosen = choose(job(tmp_path, recipe(Network(Net))), per_worker=8)
    assert not chosen.stacked
    assert f"layer 'odd' is a torch.nn.{type(layer).__name__}" in chosen.reason


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("stacked", "alone", "apart"),
    [
        ([NAN, 1.0], [NAN, 1.0], False),
        ([INF, 1.0], [INF, 1.0], False),
        ([NAN, 1.0], [0.5, 1.0], True),
        ([0.5, 1.0], [NAN, 1.0], True),
        ([INF, 1.0], [-INF, 1.0], True),
        ([0.5, 1.0], [INF, 1.0], True),
        ([NAN, 1.0], [NAN, 1.1], True),
    ],
)
def test_what_is_no_number_is_parity_with_its_own_kind_alone(stacked, alone, apart):
    one, other = torch.tensor(stacked), torch.tensor(alone)
    assert module._apart(one, other) == apart
    assert module._apart(one, other, lambda: [torch.tensor([3.0, NAN])]) == apart, "an order that fails excuses nothing"


def test_co_teaching_runs_in_the_loop(tmp_path):
    chosen = choose(job(tmp_path, CoTeaching(recipe=RECIPES["mlp"][1])), per_worker=8)
    assert not chosen.stacked
    assert "co-teaching" in chosen.reason


@telling_recipes
def test_reference_recipes_have_no_disparity(tmp_path, name):
    shape, slots = RECIPES[name]
    given = job(tmp_path, slots, data=data(shape))
    assert module._disparity(given.algorithm(), given, given.rehearsal()) == ""


@pytest.mark.parametrize(
    ("loop", "stack", "size", "words"),
    [
        (1.0, {8: 2.0, 16: 3.0, 32: 4.0}, 1, "side by side took 2.0 times as long"),
        (1.0, {8: 0.5, 16: 0.25, 32: 0.26}, 16, "16 models at once: 4.0 times as fast"),
        (1.0, {8: 0.26, 16: 0.25, 32: 0.5}, 8, "8 models at once: 3.8 times as fast"),
    ],
)
def test_the_faster_way_and_the_smallest_block_that_is_about_as_fast(tmp_path, monkeypatch, loop, stack, size, words):
    monkeypatch.setattr(module, "_seconds", lambda _l, models, *_: {1: loop, 2: 0.75, **stack}[models])
    chosen = choose(job(tmp_path), per_worker=32)
    assert chosen.size == size
    assert chosen.stacked == (size > 1)
    assert words in chosen.reason
    assert chosen.seconds_a_model == (stack[size] if size > 1 else loop)
    whole = size * chosen.seconds_a_model
    assert [chosen.seconds(n) for n in (1, size)] == pytest.approx([loop, whole])
    if size > 1:
        pair = min(1.5, whole)
        assert chosen.seconds(2) == pytest.approx(pair)
        assert chosen.seconds(5) == pytest.approx(pair + 3 * (whole - pair) / (size - 2))


def test_blocks_are_no_larger_than_a_workers_share(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "_seconds", lambda _l, models, *_: asked.append(models) or 1 / models)
    choose(job(tmp_path), per_worker=20)
    assert asked == [1, 8, 16, 2]


def test_the_probe_leaves_no_evidence(tmp_path):
    choose(job(tmp_path), per_worker=8)
    assert not list(tmp_path.iterdir())


def test_a_refusal_of_the_recipe_arrives(tmp_path):
    slots = RECIPES["small cnn with dropout and shifts"][1]
    with pytest.raises(BadInput, match="takes images"):
        choose(job(tmp_path, slots), per_worker=8)


class BranchesInEvaluation(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.own = nn.Linear(6, 3), torch.rand(())

    def forward(self, inputs):
        if not self.training and self.linear.weight.sum() > -1e9:
            inputs = inputs * 1
        return self.linear(inputs)


class AnswersByAnUnstackedNumber(BranchesInEvaluation):
    def forward(self, inputs):
        return self.linear(inputs) * (1 if self.training else self.own)


class Asserts(BranchesInEvaluation):
    def forward(self, inputs):
        assert not torch._C._functorch.is_batchedtensor(inputs)
        return self.linear(inputs)


@pytest.mark.parametrize("kind", [BranchesInEvaluation, AnswersByAnUnstackedNumber, Asserts])
def test_what_goes_wrong_in_evaluation_or_with_other_errors_falls_back_too(tmp_path, kind):
    choice = choose(job(tmp_path, recipe(Network(kind))), per_worker=8)
    assert not choice.stacked
    assert choice.reason.startswith("one at a time: ")


def test_images_of_one_channel_are_no_obstacle(tmp_path):
    """Arrays [n, 8, 8] become [n, 1, 8, 8] as a view, whose strides torch could take for channels-last."""
    images = np.random.default_rng(0).random((40, 8, 8)).astype(np.float32)[:, None]
    slots = recipe(SmallCNN(width=4))
    given = job(tmp_path, slots, data=Labelled(inputs=images, targets=np.arange(40) % 3))
    inputs, _ = given.data.tensors(torch.device("cpu"))
    assert inputs.stride() == (64, 64, 8, 1)
    assert module._disparity(given.algorithm(), given, given.rehearsal()) == ""


def test_on_a_cpu_the_clock_has_no_say(tmp_path, monkeypatch):
    """By the clock, neighbours on a busy machine would choose."""
    monkeypatch.setattr(module, "time", types.SimpleNamespace(process_time=time.process_time))
    assert choose(job(tmp_path), per_worker=8).seconds_a_model > 0


def test_other_orders_are_tried_only_where_something_differs(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "reordered", lambda *_: pytest.fail("another order was tried"))
    given = job(tmp_path)
    assert module._disparity(given.algorithm(), given, given.rehearsal()) == ""


def test_larger_blocks_are_tried_while_they_are_faster(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        module, "_seconds", lambda _l, models, *_: asked.append(models) or {1: 1.0, 8: 0.5, 16: 0.49, 2: 0.9}[models]
    )
    assert choose(job(tmp_path), per_worker=32).size == 8
    assert asked == [1, 8, 16, 2]
