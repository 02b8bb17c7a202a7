import dataclasses

import numpy as np
import pytest
from scipy.stats import chisquare

import byrote
from byrote.data.dataset import Dataset
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.engine.job import Block, Job, Labelled, train_block
from byrote.errors import BadInput
from byrote.evidence.store import Evidence
from byrote.recipes.samplers import ClassBalanced, Shuffle
from engine.toys import job
from small import RECIPE, blobs

COUNT = np.array([1, 0, 3, 1, 2, 0], np.uint8)


def test_counts_are_kept():
    for epoch in range(5):
        np.testing.assert_array_equal(np.bincount(Shuffle().order(3, epoch, COUNT), minlength=6), COUNT)


def test_a_function_of_seed_and_epoch():
    count = np.ones(50, np.uint8)
    orders = {(seed, epoch): Shuffle().order(seed, epoch, count) for seed in range(4) for epoch in range(4)}
    assert len({order.tobytes() for order in orders.values()}) == 16
    np.testing.assert_array_equal(Shuffle().order(2, 1, count), orders[2, 1])


def test_every_order_is_as_likely():
    orders = [tuple(Shuffle().order(7, epoch, np.ones(3, np.uint8))) for epoch in range(1200)]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert chisquare(counts).pvalue > 1e-3


def test_nothing_to_show():
    assert len(Shuffle().order(0, 0, np.zeros(4, np.uint8))) == 0


SKEWED = np.repeat([0, 1, 2, 3], [60, 20, 5, 15])


def drawn(count, classes=SKEWED, epochs=200, seed=5):
    """How often each example is shown in so many epochs."""
    orders = [ClassBalanced().order(seed, epoch, count, classes) for epoch in range(epochs)]
    assert {len(order) for order in orders} == {int(count.sum(dtype=np.int64))}
    return np.bincount(np.concatenate(orders), minlength=len(count))


def test_classes_are_drawn_alike_and_examples_within_them():
    """Of independent draws the counts are multinomial with the shares that the formula says."""
    rng = np.random.default_rng(0)
    count = rng.integers(0, 2, 100).astype(np.uint8)
    count[SKEWED == 3] = 0  # a class of which this model is shown nothing
    count[[0, 60]] = 2
    found = drawn(count)
    assert not found[count == 0].any()
    expected = np.zeros(100)
    for one in range(3):
        mine = (one == SKEWED) * count.astype(float)
        expected += mine / mine.sum() / 3
    chosen = count > 0
    assert chisquare(found[chosen], expected[chosen] * found.sum()).pvalue > 1e-3
    by_class = np.bincount(SKEWED, weights=found, minlength=4)
    assert by_class[3] == 0
    assert chisquare(by_class[:3]).pvalue > 1e-3


def test_equal_classes_are_still_drawn_with_replacement():
    order = ClassBalanced().order(0, 0, np.ones(50, np.uint8), np.repeat([0, 1], 25))
    assert len(np.unique(order)) < 50


def test_draws_are_a_function_of_seed_and_epoch():
    count = np.ones(100, np.uint8)
    orders = {(s, e): ClassBalanced().order(s, e, count, SKEWED).tobytes() for s in range(3) for e in range(3)}
    assert len({*orders.values()}) == 9
    assert ClassBalanced().order(2, 1, count, SKEWED).tobytes() == orders[2, 1]


def test_nothing_to_draw_and_nothing_to_draw_by():
    assert len(ClassBalanced().order(0, 0, np.zeros(100, np.uint8), SKEWED)) == 0
    with pytest.raises(BadInput, match="no single class per example"):
        ClassBalanced().order(0, 0, np.ones(4, np.uint8))


def small_job(dataset: Dataset, folder) -> Job:
    """Four models on halves of the data, whose batches are drawn."""
    return job(
        folder,
        dataclasses.replace(RECIPE, sampler=ClassBalanced()),
        data=Labelled.of(dataset),
        design=half_subset_pairs(len(dataset), 4, rng=np.random.default_rng(0)),
        checkpoints=(0, RECIPE.epochs),
    )


@pytest.mark.parametrize("stacked", [False, True])
def test_presentations_count_every_draw_of_members_alone(tmp_path, stacked):
    """What is recorded is what the orders of each model's seed say, however the models are trained."""
    dataset = blobs(60).subset(np.r_[0:60:3, 1:60:6, 2:60:12])
    made = small_job(dataset, tmp_path)
    assert not train_block(made, Block(models=(0, 1, 2, 3), stacked=stacked), lambda _: None)
    evidence = Evidence(tmp_path)
    for model in range(4):
        count = made.design.phases[0].count[model]
        expected = np.zeros(len(dataset), np.int64)
        for epoch in range(RECIPE.epochs):
            order = ClassBalanced().order(made.seeds[model], epoch, count, dataset.targets)
            expected += np.bincount(order, minlength=len(dataset))
        found = evidence.block("presentation", model, 0)
        np.testing.assert_array_equal(found["presentations"], expected)
        assert not expected[made.design.member[model] == 0].any()
        assert expected.max() > RECIPE.epochs


def test_stacked_models_are_those_of_the_loop(tmp_path):
    dataset = blobs(40)
    for name, stacked in (("loop", False), ("stack", True)):
        train_block(small_job(dataset, tmp_path / name), Block(models=(0, 1), stacked=stacked), lambda _: None)
    for model in range(2):
        loop, stack = (Evidence(tmp_path / name).block("outputs", model, 0) for name in ("loop", "stack"))
        np.testing.assert_allclose(loop["logits"], stack["logits"], rtol=1e-3, atol=1e-3)
        loop, stack = (Evidence(tmp_path / name).block("presentation", model, 0) for name in ("loop", "stack"))
        np.testing.assert_array_equal(loop["presentations"], stack["presentations"])


@pytest.mark.slow
def test_rare_classes_are_learned(tmp_path):
    """Three of sixty examples are of a class that lies among the others; drawn alike they are recognised."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(120, 2)).astype(np.float32)
    targets = np.r_[np.zeros(108, np.int64), np.ones(12, np.int64)]
    inputs[108:] += 1.5
    dataset = byrote.from_arrays(inputs, targets, name="skewed")
    recalled = {}
    for sampler in (Shuffle(), ClassBalanced()):
        made = byrote.Recipe(network=byrote.MLP(hidden=()), epochs=10, batch_size=10, sampler=sampler)
        run = byrote.audit(
            dataset,
            made,
            models=8,
            full=0,
            out=tmp_path / type(sampler).__name__,
            workers=1,
            progress=False,
        )
        recalled[type(sampler)] = run.load("outputs.correct", list(range(8)))[:, 108:].mean()
    assert recalled[ClassBalanced] > recalled[Shuffle] + 0.2


def test_other_targets_are_refused(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    dataset = byrote.from_arrays(inputs, inputs[:, 0], name="numbers", task="regression")
    made = byrote.Recipe(
        network=byrote.MLP(hidden=(4,)), sampler=ClassBalanced(), objective=byrote.SquaredError(), epochs=1
    )
    with pytest.raises(BadInput, match=r"sampler ClassBalanced\(\) is about one class per example"):
        byrote.audit(dataset, made, models=4, out=tmp_path / "run", workers=1, progress=False)
