from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from byrote.designs.design import Design, Phase
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.ratio_grid import ratio_grid
from byrote.designs.two_splits import two_splits
from byrote.engine.job import Block, Labelled, blocks_of, check_network, train_block
from byrote.errors import BadInput
from byrote.evidence.store import Evidence
from byrote.recipes.algorithm import Batch
from byrote.recipes.co_teaching import CoTeaching
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.network import Network
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe
from engine.toys import RECIPES, contents, data, job, recipe

WHOLE = Block(models=(0, 1, 2, 3, 4, 5), stacked=False)
STACKED = replace(WHOLE, stacked=True)


def trained(given, block=WHOLE):
    heard = []
    diverged = train_block(given, block, heard.append)
    assert heard[-1] == pytest.approx(1.0)
    assert heard == sorted(heard)
    return Evidence(given.folder), diverged


def slow_training(given, model):
    """The states of one model before its phases and after each, from the recipe's own three functions."""
    bound = given.algorithm()
    state = bound.init(given.seeds[model])
    inputs, targets = map(torch.from_numpy, (given.data.inputs, given.data.targets))
    epoch, answers = 0, [bound.predict(state, inputs).numpy()]
    for phase in given.design.phases:
        epochs = phase.epochs or bound.epochs
        labels = (
            targets if phase.labels is None else torch.from_numpy(np.where(phase.labels < 0, targets, phase.labels))
        )
        per_epoch = -(-int(phase.count[model].sum()) // bound.batch_size)
        bound.begin(state, epochs * per_epoch)
        for _ in range(epochs):
            for ids in torch.from_numpy(bound.order(given.seeds[model], epoch, phase.count[model])).split(10):
                state, _ = bound.step(state, Batch(inputs=inputs[ids], targets=labels[ids], ids=ids))
            epoch += 1
        answers.append(bound.predict(state, inputs).numpy())
    return answers


@pytest.mark.parametrize("block", [WHOLE, STACKED], ids=["loop", "stacked"])
def test_evidence_of_one_phase(tmp_path, block):
    given = job(tmp_path, heldout=data(examples=9))
    evidence, diverged = trained(given, block)
    assert diverged == []
    assert not given.missing(evidence, range(6))
    logits = evidence.load("outputs.logits", range(6), 0)
    margin = evidence.load("trajectory.logit_margin", range(6), 0)
    for model in range(6):
        start, end = slow_training(given, model)
        np.testing.assert_allclose(logits[model], end, atol=1e-4)
        for at, z in ((0, start), (-1, end)):
            own = z[np.arange(40), given.data.targets]
            z = z.copy()
            z[np.arange(40), given.data.targets] = -np.inf
            np.testing.assert_allclose(margin[model, at], own - z.max(1), atol=2e-4)
    np.testing.assert_array_equal(evidence.block("trajectory", 3, 0)["epochs"], [0, 1, 3])
    np.testing.assert_array_equal(evidence.load("presentation.presentations", range(6), 0), 3 * given.design.member)
    assert evidence.load("heldout.logits", range(6), 0).shape == (6, 9, 3)
    assert not evidence.has("weights", 0, 0)
    assert evidence.header("outputs", 2, 0)["seed"] == "102"


def test_outputs_agree_with_the_logits(tmp_path):
    evidence, _ = trained(job(tmp_path))
    z = evidence.load("outputs.logits", range(6), 0).astype(np.float64)
    own = np.take_along_axis(z, job(tmp_path).data.targets[None, :, None], 2)[..., 0]
    loss = logsumexp(z, axis=2) - own
    np.testing.assert_allclose(evidence.load("outputs.loss", range(6), 0), loss, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(evidence.load("outputs.prediction", range(6), 0), z.argmax(2))
    final = evidence.load("trajectory.log_odds", range(6), 0)[:, -1]
    np.testing.assert_array_equal(final, evidence.load("outputs.log_odds", range(6), 0))


@pytest.mark.parametrize("block", [WHOLE, STACKED], ids=["loop", "stacked"])
def test_the_second_phase_goes_on_from_the_first(tmp_path, block):
    given = job(tmp_path, design=two_splits(40, 6, epochs=2, rng=np.random.default_rng(0)))
    evidence, _ = trained(given, block)
    assert not given.missing(evidence, range(6))
    for model in range(6):
        answers = slow_training(given, model)
        for phase in (0, 1):
            found = evidence.load("outputs.logits", [model], phase)[0]
            np.testing.assert_allclose(found, answers[phase + 1], atol=2e-4)
    end_of_first = evidence.load("trajectory.log_odds", range(6), 0)[:, -1]
    start_of_second = evidence.load("trajectory.log_odds", range(6), 1)[:, 0]
    np.testing.assert_array_equal(end_of_first, start_of_second)
    np.testing.assert_array_equal(evidence.block("trajectory", 0, 1)["epochs"], [0, 1, 2])
    for phase, times in ((0, 3), (1, 2)):
        shown = evidence.load("presentation.presentations", range(6), phase)
        np.testing.assert_array_equal(shown, times * given.design.phases[phase].count)


def test_a_long_phase_has_its_checkpoints_spread_over_it(tmp_path):
    given = job(tmp_path, design=two_splits(40, 6, epochs=12, rng=np.random.default_rng(0)), checkpoints=(0, 1, 2, 3))
    evidence, _ = trained(given, STACKED)
    np.testing.assert_array_equal(evidence.block("trajectory", 0, 0)["epochs"], [0, 1, 2, 3])
    np.testing.assert_array_equal(evidence.block("trajectory", 0, 1)["epochs"], [0, 1, 3, 12])


def test_a_phase_may_override_labels(tmp_path):
    labels = np.full(40, -1)
    labels[:7] = 2
    count = np.ones((2, 40), np.uint8)
    design = Design(
        name="relabelled",
        phases=(Phase(name="train", count=count, labels=labels, epochs=30),),
        pair=np.full(2, -1),
        role=np.zeros(2, np.int8),
    )
    given = job(tmp_path, recipe(MLP(hidden=(64,)), optimizer=SGD(lr=0.1)), design=design)
    evidence, _ = trained(given, Block(models=(0, 1), stacked=True))
    predicted = evidence.load("outputs.prediction", [0, 1], 0)
    wanted = np.where(labels < 0, given.data.targets, labels)
    assert (given.data.targets[:7] != 2).any()
    assert (predicted == wanted).mean() > 0.95
    for model in (0, 1):
        end = slow_training(given, model)[-1]
        np.testing.assert_allclose(evidence.load("outputs.logits", [model], 0)[0], end, atol=5e-3)


def test_class_probabilities_where_logits_are_not_kept(tmp_path):
    given = job(tmp_path / "a", keep_logits=False)
    assert given.missing(Evidence(given.folder), range(6))
    evidence, _ = trained(given, STACKED)
    assert not given.missing(evidence, range(6))
    with_logits, _ = trained(job(tmp_path / "b"), STACKED)
    z = with_logits.load("outputs.logits", range(6), 0).astype(np.float64)
    p = np.exp(z - logsumexp(z, axis=2, keepdims=True))
    member = given.design.member.astype(bool)
    columns = evidence.block("class_probability", 0, 0)
    np.testing.assert_allclose(columns["sum_in"], np.where(member[..., None], p, 0).sum(0), atol=1e-5)
    np.testing.assert_allclose(columns["sum_out"], np.where(member[..., None], 0, p).sum(0), atol=1e-5)
    np.testing.assert_array_equal(columns["count_in"], member.sum(0))
    np.testing.assert_array_equal(columns["count_out"], (~member).sum(0))
    assert "logits" not in evidence.block("outputs", 0, 0)


def test_weights_on_request_bring_back_the_answers(tmp_path):
    given = job(tmp_path, RECIPES["backbone"][1], keep_weights=True)
    evidence, _ = trained(given, STACKED)
    for model in (0, 5):
        network = given.algorithm().build(0)
        stored = evidence.block("weights", model, 0)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in stored.items()})
        with torch.no_grad():
            found = network.eval()(torch.from_numpy(given.data.inputs)).numpy()
        np.testing.assert_allclose(found, evidence.load("outputs.logits", [model], 0)[0], atol=1e-5)


def test_only_what_is_missing_is_written(tmp_path):
    given = job(tmp_path)
    evidence, _ = trained(given)
    before = contents(tmp_path)
    gone = evidence.path("outputs", 3, 0)
    gone.unlink()
    assert given.missing(Evidence(tmp_path), [2, 3])
    assert not given.missing(Evidence(tmp_path), [2])
    kept = [path for path in tmp_path.rglob("*.safetensors") if path != gone]
    stamps = [path.stat().st_mtime_ns for path in kept]
    trained(given)
    assert contents(tmp_path) == before
    assert [path.stat().st_mtime_ns for path in kept] == stamps


@pytest.mark.parametrize("block", [WHOLE, STACKED], ids=["loop", "stacked"])
def test_diverged_models_are_named_and_marked(tmp_path, block):
    def explosive():
        network = nn.Linear(6, 3)
        if float(network.weight.detach()[0, 0]) > 0:
            network.weight.data.fill_(torch.nan)
        return network

    given = job(tmp_path, recipe(Network(explosive)))
    expected = [m for m in range(6) if given.algorithm().build(given.seeds[m]).weight.isnan().any()]
    assert 0 < len(expected) < 6
    evidence, diverged = trained(given, block)
    assert diverged == expected
    for model in range(6):
        assert (evidence.header("outputs", model, 0)["diverged"] == "true") == (model in expected)


def test_a_finish_comes_before_the_questions(tmp_path):
    def silenced(algorithm, state, model):
        with torch.no_grad():
            for weight in algorithm.network(state).parameters():
                weight.mul_(0.0)
            list(algorithm.network(state).parameters())[-1].add_(float(model))
        return state

    for name, block in (("loop", WHOLE), ("stacked", STACKED)):
        given = job(tmp_path / name, finish=silenced, heldout=data(examples=9), keep_logits=False)
        evidence, _ = trained(given, block)
        for kind in ("outputs", "heldout"):
            np.testing.assert_allclose(evidence.load(f"{kind}.top_confidence", range(6), 0), 1 / 3, rtol=1e-5)
        assert (evidence.load("trajectory.top_confidence", range(6), 0)[:, -1] > 0.34).any(), "before the finish"
        sums = evidence.block("class_probability", 0, 0)
        np.testing.assert_allclose(sums["sum_in"], np.repeat(sums["count_in"][:, None] / 3, 3, 1), atol=1e-4)


def test_co_teaching_through_the_engine(tmp_path):
    given = job(tmp_path, CoTeaching(recipe=RECIPES["mlp"][1], noise_rate=0.3, ramp=2), keep_weights=True)
    evidence, _ = trained(given)
    np.testing.assert_allclose(evidence.load("outputs.logits", [4], 0)[0], slow_training(given, 4)[-1], atol=1e-5)


def test_blocks_hold_models_of_like_sizes():
    design = ratio_grid(20, 4, ratios=(0.25, 0.5), rng=np.random.default_rng(0)).joined(full_data(20, 1))
    blocks = blocks_of(design, 3, stacked=True, compiled=False)
    assert [block.models for block in blocks] == [(0, 1, 2), (3,), (4, 5, 6), (7,), (8,)]
    assert [block.stacked for block in blocks] == [True, False, True, False, False]
    assert {block.compiled for block in blocks} == {False}


def test_blocks_look_at_every_phase():
    first = np.ones((4, 6), np.uint8)
    second = first.copy()
    second[1::2, 0] = 0
    phases = (Phase(name="a", count=first), Phase(name="b", count=second))
    design = Design(name="x", phases=phases, pair=np.full(4, -1), role=np.zeros(4, np.int8))
    assert [block.models for block in blocks_of(design, 8, stacked=True, compiled=False)] == [(0, 2), (1, 3)]


def test_many_repetitions_do_not_overflow():
    count = np.full((2, 300), 200, np.uint8)
    count[1, 0] -= 1
    design = Design(name="x", phases=(Phase(name="a", count=count),), pair=np.full(2, -1), role=np.zeros(2, np.int8))
    assert len(blocks_of(design, 2, stacked=True, compiled=False)) == 2


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (lambda: nn.Linear(5, 3), r"does not take the dataset's inputs of shape \(6,\): mat1 and mat2"),
        (lambda: nn.Conv2d(1, 2, 3), r"does not take the dataset's inputs of shape \(6,\)"),
        (
            lambda: nn.Linear(6, 4),
            r"must give 3 logits per example, one per class\. Got \(4,\)\. Hint: end it with nn\.Lin",
        ),
        (
            lambda: nn.Sequential(nn.Linear(6, 3), nn.Flatten(0)),
            r"must give 3 logits per example, one per class\. Got \(\)",
        ),
        (lambda: nn.Embedding(3, 3), r"a dtype other than float32, that of inputs and weights"),
    ],
)
def test_a_network_that_does_not_fit(tmp_path, network, sentence):
    with pytest.raises(BadInput, match=sentence):
        check_network(job(tmp_path, recipe(Network(network))))


def test_a_reference_network_that_does_not_fit(tmp_path):
    with pytest.raises(BadInput, match=r"SmallCNN takes images"):
        check_network(job(tmp_path, Recipe(network=SmallCNN())))


@pytest.mark.parametrize("name", RECIPES)
def test_reference_recipes_fit(tmp_path, name):
    shape, slots = RECIPES[name]
    check_network(job(tmp_path, slots, data=data(shape)))


def test_odd_halves_train_in_one_block(tmp_path):
    design = half_subset_pairs(39, 6, rng=np.random.default_rng(0))
    given = job(tmp_path, data=data(examples=39), design=design)
    evidence, _ = trained(given, STACKED)
    np.testing.assert_array_equal(evidence.load("presentation.presentations", range(6), 0), 3 * design.member)


def test_read_only_inputs_give_no_warning():
    inputs = np.zeros((3, 2), np.float32)
    inputs.flags.writeable = False
    tensors = Labelled(inputs=inputs, targets=np.array([0, 1, 2], np.int32)).tensors(torch.device("cpu"))
    assert tensors[1].dtype == torch.int64


def test_whatever_a_network_raises_is_a_sentence(tmp_path):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, inputs):
            return self.attention(inputs[:, None], inputs[:, None], inputs[:, None])[0][:, 0]

    with pytest.raises(BadInput, match="does not take the dataset's inputs of shape"):
        check_network(job(tmp_path, recipe(Network(Attention))))


def test_a_sampler_that_does_not_say_whether_it_repeats_is_refused(tmp_path):
    class Sorted:
        repeats = False

        def order(self, seed, epoch, count, classes=None):
            return np.flatnonzero(count)

    given = job(tmp_path, recipe(MLP(hidden=(4,)), sampler=Sorted()))
    check_network(given)
    del Sorted.repeats  # only now: the tests check the types of arguments, which users' programs do not
    with pytest.raises(BadInput, match="must have a property repeats") as refusal:
        check_network(given)
    assert "repeats = True" in refusal.value.hint
