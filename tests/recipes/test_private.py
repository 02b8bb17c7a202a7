"""DP-SGD against a slow loop that is written from the formula, and alike in every executor."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from byrote.designs.design import Phase
from byrote.engine.block import Examples, side_by_side, train_phase
from byrote.engine.job import Block, check_network, train_block
from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.errors import BadInput
from byrote.evidence.store import Evidence
from byrote.recipes import noise
from byrote.recipes.batch import Batch
from byrote.recipes.co_teaching import CoTeaching
from byrote.recipes.gradient_transforms import ClipNorm
from byrote.recipes.mixing import Mixup
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.network import Network
from byrote.recipes.networks.resnet import ResNet
from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization
from byrote.recipes.optimizers import SGD
from byrote.recipes.private import _NOISE, ClipByExample, GaussianNoise, Poisson, Private, private
from byrote.recipes.samplers import ClassBalanced
from byrote.recipes.schedules import Constant
from engine.toys import RECIPES, bound, data, job, recipe

CPU = torch.device("cpu")
PLAIN = recipe(MLP(hidden=(7,)), optimizer=SGD(lr=0.3, momentum=0.0), schedule=Constant(), epochs=2)
PRIVATE = private(PLAIN, members=20, rate=0.25, clip=0.4, multiplier=0.5)
SEEDS = (11, 2**32 - 1, 0)
COUNT = np.zeros((3, 40), np.uint8)
for _row, _seed in enumerate(SEEDS):
    COUNT[_row, np.random.default_rng(_seed).choice(40, 20, replace=False)] = 1
INPUTS, TARGETS = data().tensors(CPU)


def bind(slots):
    return slots.bind(bound("mlp").shape, CPU)


def normals(seed, step, count):
    """The noise of one model at one step."""
    return noise.Stream(torch.tensor([seed]), step, torch.zeros(1, 1)).normals(count, salt=_NOISE)[0]


def slow(slots, seed, count, steps):
    """Algorithm 1 of arXiv:1607.00133: one example after the other, with a backward pass each."""
    network = bind(slots).build(seed)
    clip, deviation = slots.example_gradients.largest, slots.gradient_transform.deviation
    for step in range(steps):
        rows, _ = slots.batches.at(seed, step, count)
        total = {name: torch.zeros_like(weight) for name, weight in network.named_parameters()}
        for row in rows:
            network.zero_grad()
            F.cross_entropy(network(INPUTS[row : row + 1]), TARGETS[row : row + 1]).backward()
            norm = sum(float((w.grad**2).sum()) for w in network.parameters()) ** 0.5
            for name, weight in network.named_parameters():
                total[name] += min(1.0, clip / norm) * weight.grad
        drawn = normals(seed, step, sum(w.numel() for w in network.parameters()))
        for name in sorted(total):
            part, drawn = drawn[: total[name].numel()], drawn[total[name].numel() :]
            total[name] += deviation * part.reshape(total[name].shape)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                weight -= 0.3 * total[name] / slots.batch_size
    return network.state_dict()


class Unseen:
    """Nobody looks on."""

    def checkpoint(self, number):
        pass

    def stepped(self, batch, seen):
        pass

    def epoch_ended(self, done):
        pass


def trained(slots, learner, seeds, count):
    """Through two epochs of eight steps in all, as the engine does it."""
    train_phase(
        learner, bind(slots), Phase(name="train", count=count), range(len(seeds)), seeds, INPUTS, TARGETS, Unseen(),
        checkpoints=(),
    )  # fmt: skip
    return [state.network.state_dict() for state in learner.states()]


def test_is_the_slow_loop_one_by_one_and_stacked():
    together = trained(PRIVATE, Many(bind(PRIVATE), SEEDS), SEEDS, COUNT)
    for row, seed in enumerate(SEEDS):
        expected = slow(PRIVATE, seed, COUNT[row], 8)
        (alone,) = trained(PRIVATE, One(bind(PRIVATE), seed), (seed,), COUNT[row : row + 1])
        start = bind(PRIVATE).build(seed).state_dict()
        for name, weight in expected.items():
            assert not torch.allclose(weight, start[name], atol=1e-3)
            torch.testing.assert_close(alone[name], weight, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(together[row][name], weight, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("members", "rate", "divisor"), [(22, 0.25, 5.5), (6, 0.05, 0.3), (20, 0.25, 5.0)])
def test_the_sum_is_divided_by_the_rate_times_the_members_unrounded(members, rate, divisor):
    slots = private(PLAIN, members=members, rate=rate, clip=0.4, multiplier=0.5)
    assert bind(slots).normaliser == pytest.approx(divisor)
    one = bind(slots)
    state = one.begin(one.init(3), 1)
    before = nn.utils.parameters_to_vector(state.network.parameters()).detach().clone()
    quiet = replace(slots, gradient_transform=None)
    bind(quiet).step(state, Batch(inputs=50 * INPUTS[:1], targets=TARGETS[:1], ids=torch.arange(1)))
    moved = nn.utils.parameters_to_vector(state.network.parameters()).detach() - before
    assert float(moved.norm()) == pytest.approx(0.3 * 0.4 / divisor, rel=1e-4)


def test_without_noise_and_bound_it_is_the_plain_step():
    free = replace(PRIVATE, example_gradients=ClipByExample(1e9), gradient_transform=GaussianNoise(0.0))
    plain = replace(PRIVATE, example_gradients=None, gradient_transform=None)
    found = trained(free, Many(bind(free), SEEDS), SEEDS, COUNT)
    expected = trained(plain, Many(bind(plain), SEEDS), SEEDS, COUNT)
    for one, other in zip(found, expected, strict=True):
        for name in one:
            torch.testing.assert_close(one[name], other[name], atol=1e-6, rtol=1e-5)


def test_no_example_moves_the_sum_by_more_than_the_norm():
    slots = replace(PRIVATE, gradient_transform=None)
    far = Batch(inputs=50 * INPUTS[:6], targets=TARGETS[:6], ids=torch.arange(6))
    moved = []
    for rows in (range(6), range(5)):
        state = bind(slots).init(3)
        before = nn.utils.parameters_to_vector(state.network.parameters()).detach().clone()
        some = torch.tensor(rows)
        bind(slots).step(state, Batch(inputs=far.inputs[some], targets=far.targets[some], ids=some))
        moved.append(nn.utils.parameters_to_vector(state.network.parameters()).detach() - before)
    assert float((moved[0] - moved[1]).norm()) == pytest.approx(0.3 * 0.4 / slots.batch_size, rel=1e-4)


@pytest.mark.parametrize("make", [lambda a: One(a, 5), lambda a: Many(a, [5, 6])], ids=["loop", "stacked"])
def test_an_empty_batch_adds_noise_alone_and_is_remembered_by_nobody(make):
    slots = replace(PRIVATE, objective=EarlyLearningRegularization())
    learner, quiet = make(bind(slots)), make(bind(replace(slots, gradient_transform=GaussianNoise(0.0))))
    models = len(learner.states())
    ids, mask = side_by_side([(np.zeros(0, np.int64), None)] * models, COUNT[:models], CPU)
    assert not mask.any()
    assert (COUNT[np.arange(models), ids.numpy()[:, 0]] == 1).all(), (
        "it is filled up with an example of the model's own"
    )
    for each in (learner, quiet):
        each.begin(1)
        each.step(Batch(inputs=INPUTS[ids], targets=TARGETS[ids], ids=ids, mask=mask))
    for row, (noisy, still) in enumerate(zip(learner.states(), quiet.states(), strict=True)):
        start = bind(slots).build(5 + row).state_dict()
        size = sum(weight.numel() for weight in start.values())
        drawn = normals(5 + row, 0, size)
        for name in sorted(start):
            assert torch.equal(still.network.state_dict()[name], start[name])
            part, drawn = drawn.split([start[name].numel(), len(drawn) - start[name].numel()])
            expected = start[name] - 0.3 * 0.2 / slots.batch_size * part.reshape(start[name].shape)
            torch.testing.assert_close(noisy.network.state_dict()[name], expected)
        assert not noisy.memory.any()


def test_rows_that_fill_up_reach_no_gradient_and_no_memory():
    slots = replace(PLAIN, objective=EarlyLearningRegularization(), batches=Poisson(rate=0.25), batch_size=5)
    rows = [(np.array([3, 8, 1]), None), (np.array([7]), None)]
    many = Many(bind(slots), SEEDS[:2])
    ids, mask = side_by_side(rows, np.ones((2, 40), np.uint8), CPU)
    many.step(Batch(inputs=INPUTS[ids], targets=TARGETS[ids], ids=ids, mask=mask))
    for state, seed, (own, _) in zip(many.states(), SEEDS[:2], rows, strict=True):
        one = bind(slots).init(seed)
        some = torch.from_numpy(own)
        bind(slots).step(one, Batch(inputs=INPUTS[some], targets=TARGETS[some], ids=some))
        torch.testing.assert_close(state.memory, one.memory, atol=1e-6, rtol=1e-5)
        assert state.memory.any(1).nonzero().flatten().tolist() == sorted(own.tolist())
        for name, weight in one.network.state_dict().items():
            torch.testing.assert_close(state.network.state_dict()[name], weight, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("stacked", [False, True], ids=["loop", "stacked"])
def test_probes_see_the_examples_that_joined_and_no_others(tmp_path, stacked):
    given = job(tmp_path, private(PLAIN, members=20, rate=0.1, clip=0.5, multiplier=0.5), checkpoints=(0, 2))
    check_network(given)
    train_block(given, Block(models=tuple(range(6)), stacked=stacked), lambda share: None)
    found = Evidence(tmp_path).load("presentation.presentations", range(6), 0)
    for model in range(6):
        count = given.design.phases[0].count[model]
        joined = [given.recipe.batches.at(given.seeds[model], step, count)[0] for step in range(20)]
        assert min(map(len, joined)) != max(map(len, joined)), "batches are of unequal sizes"
        np.testing.assert_array_equal(found[model], np.bincount(np.concatenate(joined), minlength=40))
    assert (found[given.design.member == 0] == 0).all()


def test_executors_agree(tmp_path):
    runs = []
    for name, stacked in (("loop", False), ("stack", True)):
        given = job(tmp_path / name, PRIVATE, checkpoints=(0, 1, 2))
        train_block(given, Block(models=tuple(range(6)), stacked=stacked), lambda share: None)
        runs.append(Evidence(given.folder))
    for quantity in ("outputs.logits", "trajectory.logit_margin", "presentation.loss_sum"):
        one, other = (evidence.load(quantity, range(6), 0) for evidence in runs)
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4, err_msg=quantity)


def test_coins_are_fair_and_a_matter_of_seed_and_step():
    count, rate = np.ones(500, np.uint8), 0.2
    count[:100] = 2
    draws = [Poisson(rate=rate).at(7, step, count)[0] for step in range(400)]
    sizes = np.array([len(rows) for rows in draws])
    # 600 coins: binomial; five of the standard errors
    assert abs(sizes.mean() - 120) < 5 * (600 * 0.16 / 400) ** 0.5
    assert abs(sizes.var() / (600 * 0.16) - 1) < 5 * (2 / 400) ** 0.5
    joined = np.bincount(np.concatenate(draws), minlength=500)
    assert abs(joined[:100].mean() - 160) < 5 * (2 * 400 * 0.16 / 100) ** 0.5
    np.testing.assert_array_equal(draws[3], Poisson(rate=rate).at(7, 3, count)[0])
    assert not np.array_equal(draws[3], Poisson(rate=rate).at(8, 3, count)[0])
    assert (Poisson(rate=1.0).at(0, 0, count)[0] == np.repeat(np.arange(500), count)).all()


def test_the_noise_is_normal_and_of_the_deviation_that_is_asked_for():
    zeros = torch.zeros(3, 4000)
    batch = Batch(inputs=zeros, targets=zeros, ids=torch.zeros(3, 5), normaliser=8.0)
    drawn = []
    for step in range(3):
        gradients = {"weight": torch.zeros(3, 4000)}
        GaussianNoise(2.0).apply(gradients, replace(batch, noise=noise.Stream(torch.tensor(SEEDS), step, batch.ids)))
        drawn.append(gradients["weight"])
    drawn = torch.stack(drawn).reshape(9, -1) * 8 / 2
    assert abs(float(drawn.mean())) < 5 / 36000**0.5
    assert abs(float(drawn.var()) - 1) < 5 * (2 / 36000) ** 0.5
    between = torch.corrcoef(drawn) - torch.eye(9)
    assert float(between.abs().max()) < 5 / 4000**0.5, "models and steps have noise of their own"


def test_recipes_without_it_are_described_as_before():
    assert "batches" not in PLAIN.describe()
    assert "example_gradients" not in PLAIN.describe()
    assert PRIVATE.describe()["batches"] == {"slot": "Poisson", "rate": 0.25}
    assert PRIVATE.describe()["example_gradients"] == {"slot": "ClipByExample", "largest": 0.4}


DROPPED = Network(lambda: nn.Sequential(nn.Linear(6, 3), nn.Dropout()))


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        (RECIPES["resnet with batch norm"][1], "mixes the examples of a batch"),
        (replace(PLAIN, network=DROPPED), "torch.nn.Dropout"),
    ],
)
def test_layers_that_do_not_fit_are_refused_before_training(tmp_path, slots, words):
    shape = (1, 8, 8) if isinstance(slots.network, ResNet) else (6,)
    with pytest.raises(BadInput, match=words):
        check_network(job(tmp_path, replace(slots, batches=Poisson(rate=0.5)), data=data(shape)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Poisson(rate=0.0),
        lambda: Poisson(rate=1.5),
        lambda: ClipByExample(0.0),
        lambda: GaussianNoise(-1.0),
        lambda: private(
            replace(PLAIN, gradient_transform=ClipNorm(1.0)), members=9, rate=0.1, clip=1.0, multiplier=1.0
        ),
        lambda: CoTeaching(recipe=PRIVATE),
    ],
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(BadInput):
        make()


def test_private_is_dp_sgd_of_its_settings_and_arms_leave_one_half_out():
    found = Private(PLAIN, 0.4, 0.5, 0.25)
    assert found.made(20) == PRIVATE
    assert found.made(60).batch_size == 15, "the sum is divided by what a batch of all candidates is expected to have"
    assert Private(PLAIN, 0.4, 0.5, 0.25, members=20).made(60) == PRIVATE
    clipped, noisy = (Private(PLAIN, 0.4, 0.5, 0.25, arm=arm).made(20) for arm in ("clip", "noise"))
    assert clipped == replace(PRIVATE, gradient_transform=None)
    assert noisy == replace(PRIVATE, example_gradients=None)


def test_private_trains_as_its_recipe_of_slots(tmp_path):
    runs = []
    for name, slots in (("private", Private(PLAIN, 0.4, 0.5, 0.25, members=20)), ("slots", PRIVATE)):
        given = job(tmp_path / name, slots, checkpoints=(0, 2))
        check_network(given)
        train_block(given, Block(models=tuple(range(4)), stacked=True), lambda share: None)
        runs.append(Evidence(given.folder).load("outputs.logits", range(4), 0))
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clip": 0.0}, "'largest'.* above 0"),
        ({"clip": float("inf")}, "finite"),
        ({"rate": 1.2}, r"in \(0, 1\]. Got 1.2"),
        ({"rate": 0.0}, "'rate'"),
        ({"noise": 0.0}, "'noise'"),
        ({"recipe": CoTeaching(recipe=PLAIN)}, "treats each example by itself. Got CoTeaching"),
        ({"recipe": replace(PLAIN, mixing=Mixup())}, "mixes the examples of a batch"),
        ({"recipe": PRIVATE}, "batches and example_gradients of its own"),
        ({"recipe": replace(PLAIN, sampler=ClassBalanced())}, "a sampler of its own"),
        ({"recipe": replace(PLAIN, gradient_transform=ClipNorm(1.0))}, "changes gradients already"),
    ],
)
def test_private_refuses_what_would_not_be(settings, words):
    with pytest.raises(BadInput, match=words):
        Private(**{"recipe": PLAIN, "clip": 1.0, "noise": 1.0, "rate": 0.5, **settings})


def test_batch_norm_is_refused_before_training(tmp_path):
    given = job(tmp_path, Private(RECIPES["resnet with batch norm"][1]), data=data((1, 8, 8)))
    with pytest.raises(BadInput, match="mixes the examples of a batch"):
        check_network(given)


def test_an_empty_batch_of_one_model_is_filled_up_in_an_epoch():
    algorithm = bind(replace(PRIVATE, batches=Poisson(rate=0.02)))
    shown = Examples(algorithm, 1, (3,), COUNT[:1], INPUTS, TARGETS, 0)
    batches = list(shown.epoch(0))
    empty = [batch for batch in batches if batch.mask is not None and not batch.mask.any()]
    assert len(batches) == 50
    assert empty
    assert all(batch.ids.shape[1] >= 1 for batch in batches)
