"""A recorder of several labels per example, and of numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import byrote
from byrote.designs.full_data import full_data
from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.schema import SCHEMA
from byrote.recipes.algorithm import Batch, Shape
from byrote.recording.recorder import Recorder, recover
from byrote.recording.wanted import wanted_of
from small import small_audit

COUNTS = ("presentations", "forgetting_count", "first_learned")
EPOCHS = 4


def data(task, examples=48):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(examples, 3)).astype(np.float32)
    if task == "labels":
        return byrote.from_arrays(inputs, (inputs > 0.3).astype(np.int8), name="sets", class_names=("a", "b", "c"))
    if task == "numbers":
        several = np.stack([40 + 7 * inputs.sum(1), 0.1 * inputs[:, 0]], axis=1)
        several += rng.normal(0, [1, 0.02], several.shape)
        return byrote.from_arrays(inputs, several, name="numbers", task="regression", tolerance=0.4)
    numbers = 40 + 7 * inputs.sum(1) + rng.normal(size=examples)
    return byrote.from_arrays(inputs, numbers, name="numbers", task="regression", tolerance=3.0)


def recipe(task):
    objective = byrote.BinaryCrossEntropy() if task == "labels" else byrote.SquaredError()
    return byrote.Recipe(
        network=byrote.MLP(hidden=(16,)),
        epochs=EPOCHS,
        batch_size=8,
        objective=objective,
        optimizer=byrote.SGD(lr=0.05),
    )


@pytest.mark.parametrize("task", ["labels", "regression", "numbers"])
def test_equals_what_the_engine_records(tmp_path, task):
    """The engine's own training on all data, repeated in a plain loop in the unit of the targets."""
    dataset, made = data(task), recipe(task)
    run = small_audit(
        tmp_path / "audit",
        dataset=dataset,
        recipe=made,
        heldout=None,
        design=full_data(len(dataset), 2),
        checkpoints=20,
    )
    algorithm = made.bind(
        Shape(inputs=dataset.inputs.shape[1:], classes=dataset.outputs, examples=len(dataset)), torch.device("cpu")
    )
    inputs, learned = torch.from_numpy(np.array(dataset.inputs)), torch.from_numpy(np.array(dataset.learned))
    own = torch.from_numpy(np.array(dataset.targets))
    scale = (dataset.scale.mean, dataset.scale.deviation) if task == "regression" else (0.0, 1.0)
    if task == "numbers":
        scale = torch.from_numpy(dataset.scale.means).float(), torch.from_numpy(dataset.scale.deviations).float()
    tolerance = {"labels": None, "regression": 3.0, "numbers": 0.4}[task]
    loader = torch.utils.data.DataLoader(
        byrote.WithIds(list(zip(inputs, own, strict=True))), batch_size=20, shuffle=True
    )
    full = run.design.models_of("full")

    def forward(network, batch):
        x, y, ids = batch
        return ids, network(x) * scale[1] + scale[0], y

    for model in range(2):
        recorder = Recorder(
            tmp_path / "mine",
            examples=len(dataset),
            model=model,
            labels=dataset.targets,
            class_names=dataset.class_names or None,
            tolerance=tolerance,
        )
        seed = run.manifest.models[full[model]].seed
        state = algorithm.init(seed)
        algorithm.begin(state, EPOCHS * (len(dataset) // 8))
        recorder.clean_pass(algorithm.network(state), loader, forward=forward)
        for epoch in range(EPOCHS):
            order = torch.from_numpy(algorithm.order(seed, epoch, np.ones(len(dataset), np.uint8)))
            for ids in order.split(8):
                state, seen = algorithm.step(state, Batch(inputs=inputs[ids], targets=learned[ids], ids=ids))
                recorder.observe(ids, seen.logits * scale[1] + scale[0], own[ids])
            recorder.epoch_end()
            recorder.clean_pass(algorithm.network(state), loader, forward=forward)
        recorder.close()
    mine = byrote.Run.open(tmp_path / "mine")
    assert mine.task == run.task == dataset.task
    assert mine.class_names == run.class_names
    assert mine.manifest.checkpoints == run.manifest.checkpoints
    np.testing.assert_array_equal(mine.labels, run.labels)
    if task != "labels":
        np.testing.assert_array_equal(mine.numbers, dataset.numbers)
        assert {name: mine.manifest.dataset[name] for name in ("mean", "deviation", "tolerance")} == {
            name: run.manifest.dataset[name] for name in ("mean", "deviation", "tolerance")
        }
    else:
        assert mine.manifest.dataset["label_names"] == ["a", "b", "c"]
    held = 0
    for name in (f"{kind}.{column}" for kind in ("presentation", "trajectory", "outputs") for column in SCHEMA[kind]):
        ours, theirs = loaded(mine, name, [0, 1]), loaded(run, name, full)
        assert (ours is None) == (theirs is None), name
        if theirs is not None:
            held += 1
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4, err_msg=name)
    assert held > 10
    ours, theirs = mine.measure("forgetting_events").values, run.measure("forgetting_events", role="full").values
    np.testing.assert_allclose(ours, theirs)


def loaded(run, name, models):
    try:
        return run.load(name, models)
    except MissingEvidence:
        return None


@given(st.integers(0, 999), st.booleans())
def test_numbers_against_a_slow_loop(tmp_path_factory, seed, repeats):
    rng = np.random.default_rng(seed)
    examples = 6
    labels = rng.integers(0, 50, examples).astype(np.float64)
    labels[0] += 60
    recorder = Recorder(
        tmp_path_factory.mktemp("run") / "run", examples=examples, labels=labels, tolerance=5.0, repeats=repeats
    )
    found, before = {name: np.zeros(examples) for name in COUNTS}, np.zeros(examples, bool)
    for _ in range(3):
        seen = set()
        for _ in range(4):
            ids = rng.integers(0, examples, rng.integers(1, 5))
            answers = labels[ids] + rng.integers(-8, 9, len(ids))
            recorder.observe(
                ids,
                torch.from_numpy(answers[:, None] if rng.random() < 0.5 else answers),
                torch.from_numpy(labels[ids]),
            )
            for example, answer in zip(ids, answers, strict=True):
                if example in seen and not repeats:
                    continue
                seen.add(example)
                right = abs(answer - labels[example]) <= 5
                found["presentations"][example] += 1
                found["forgetting_count"][example] += before[example] and not right
                if right and not found["first_learned"][example]:
                    found["first_learned"][example] = found["presentations"][example]
                before[example] = right
        recorder.epoch_end()
    run = recorder.close()
    for name in COUNTS:
        np.testing.assert_array_equal(run.load(f"presentation.{name}", [0])[0], found[name], err_msg=name)


@given(st.integers(0, 999))
def test_sets_against_a_slow_loop(tmp_path_factory, seed):
    """The set's loss is the sum of the labels' losses; its margin the least logit, or minus the sum of the wrong."""
    rng = np.random.default_rng(seed)
    labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 1]])
    recorder = Recorder(tmp_path_factory.mktemp("run") / "run", examples=5, labels=labels, epochs=3)
    loss, margin, before, forgotten = np.zeros(5), np.zeros(5), np.zeros(5, bool), np.zeros(5)
    for _ in range(3):
        logits = rng.normal(size=(5, 2)).astype(np.float32)
        recorder.observe(np.arange(5), torch.from_numpy(logits), torch.from_numpy(labels))
        run = recorder.epoch_end()
        own = logits * (2 * labels - 1)
        right = (own > 0).all(1)
        loss += np.logaddexp(0, -own).sum(1)
        margin += np.where(right, own.min(1), np.minimum(own, 0).sum(1))
        forgotten += before & ~right
        before = right
    np.testing.assert_allclose(run.load("presentation.loss_sum", [0])[0], loss, rtol=1e-4)
    np.testing.assert_allclose(run.load("presentation.logit_margin_sum", [0])[0], margin, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(run.load("presentation.forgetting_count", [0])[0], forgotten)
    assert run.class_names == ("no label", "1", "0", "0 + 1", "another set of labels")


def test_what_is_undefined_of_numbers_says_why(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=3, labels=[1.0, 2.0, 4.0], epochs=1)
    recorder.observe([0, 2], torch.tensor([[1.0], [3.0]]), [1.0, 4.0])
    run = recorder.epoch_end()
    assert run.manifest.dataset["tolerance"] == pytest.approx(np.std([1, 2, 4]) / 4)
    np.testing.assert_array_equal(run.design.member, [[1, 0, 1]])
    for key in ("area_under_margin", "cumulative_sample_loss"):
        with pytest.raises(byrote.errors.ByroteError, match="one number per example"):
            run.measure(key)


def test_rounded_targets_are_fine_and_others_are_named(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=4, labels=[2000.0, 2005.0, 2010.0, 2020.0])
    half = torch.tensor([2000.0, 2005.0], dtype=torch.bfloat16)
    recorder.observe([0, 1], half[:, None].clone(), half)
    recorder.epoch_end()
    recorder.observe([0, 1], torch.tensor([2010.0, 2020.0]), torch.tensor([2010.0, 2050.0]))
    with pytest.raises(BadInput, match=r"Example 1 has the target 2050\.0 in this batch, and 2005\.0 in labels"):
        recorder.epoch_end()


@pytest.mark.parametrize(
    ("labels", "logits", "targets", "said"),
    [
        ([[0.5, 2.0], [1.0, 7.0]], torch.zeros(2, 3), [[0.5, 2.0], [1.0, 7.0]], r"numbers takes .* \[batch, 2\]"),
        ([[0.5, 2.0], [1.0, 7.0]], torch.zeros(2, 2), [[0.5, 2.0], [1.0, 7.5]], r"has the target \[1"),
        ([[0.5, 2.0], [1.0, 7.0]], torch.tensor([[0, torch.nan]] * 2), [[0.5, 2.0], [1.0, 7.0]], "not finite"),
        ([1.0, 2.0], torch.zeros(2, 2), [1.0, 2.0], r"numbers takes answers and targets \[batch\]"),
        ([1.0, 2.0], torch.zeros(2), [1.0], r"Got shapes \(2, 1\) and \(1,\)"),
        ([[0, 1], [1, 1]], torch.zeros(2, 3), [[0, 1], [1, 1]], r"several labels per example takes .* \[batch, 2\]"),
        ([[0, 1], [1, 1]], torch.zeros(2, 2), [0, 1], r"Got shapes \(2, 2\) and \(2,\)"),
        ([1.0, 2.0], torch.zeros(2).long(), [1.0, 2.0], "Answers must be floats"),
        ([1.0, 2.0], torch.zeros(2), "ab", "targets of a batch must be numbers"),
        ([1.0, 2.0], torch.full((2,), torch.nan), [1.0, 2.0], "2 of 2 presentations up to step 1 are not"),
    ],
)
def test_batches_that_do_not_fit(tmp_path, labels, logits, targets, said):
    def told():
        recorder = Recorder(tmp_path / "run", examples=2, labels=labels)
        recorder.observe([0, 1], logits, targets)
        recorder.epoch_end()

    with pytest.raises(BadInput, match=said):
        told()


def test_labels_that_do_not_fit(tmp_path):
    for arguments, said in [
        ({"labels": [0.5]}, "must hold the targets of 2 examples. Got 1"),
        ({"labels": [0.5, np.nan]}, "number is missing"),
        ({"labels": [0.5, 0.5]}, "every target is 0.5"),
        ({"labels": [[0, 2], [1, 1]]}, "neither 0 nor 1"),
        ({"labels": [[0, 1], [1, 1]], "class_names": ["a"]}, "2 labels need as many different names"),
        ({"labels": [[0.5, np.nan], [1, 1]]}, "missing"),
        ({"labels": [1.0, 2.0], "tolerance": 0.0}, "above 0. Got 0"),
        ({"tolerance": 1.0}, "must hold the targets of 2 examples. Got 0"),
    ]:
        with pytest.raises(BadInput, match=said):
            Recorder(tmp_path / "run", examples=2, **arguments)
    assert not (tmp_path / "run").exists()


def test_whole_numbers_are_classes_unless_there_is_a_tolerance():
    assert wanted_of([1, 2], None, None, 2).task == "classes"
    assert wanted_of(None, None, None, 2).task == "classes"
    assert wanted_of([1, 2], None, 1.0, 2).task == "regression"
    assert wanted_of([[1, 0], [1, 1]], None, None, 2).task == "labels"
    assert wanted_of([[1.0, 0.0], [1.0, 1.0]], None, None, 2).task == "labels"
    assert wanted_of([[1.0, 0.5], [0.0, 1.0]], None, None, 2).task == "regression"
    assert wanted_of([[1, 0], [0, 1]], None, 0.5, 2).task == "regression"


def test_models_that_want_something_else_are_refused(tmp_path):
    def train(model, tolerance):
        recorder = Recorder(tmp_path / "run", examples=2, model=model, labels=[1.0, 2.0], epochs=1, tolerance=tolerance)
        recorder.observe([0, 1], torch.zeros(2), [1.0, 2.0])
        return recorder.epoch_end()

    train(0, 1.0)
    with pytest.raises(BadInput, match="one number per example within 1 and one number per example within 2"):
        train(1, 2.0)


def test_a_kill_of_a_regression(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=3, labels=[1.0, 2.0, 4.0])
    recorder.observe([0, 1], torch.tensor([1.0, 9.0]), [1.0, 2.0])
    recorder.epoch_end()
    recorder.flush()
    del recorder
    run = recover(tmp_path / "run")
    assert run.task == "regression"
    np.testing.assert_array_equal(run.load("presentation.first_learned", [0]), [[1, 0, 0]])
    again = Recorder(tmp_path / "run", examples=3, labels=[1.0, 2.0, 4.0], resume_at=1, epochs=2)
    again.observe([1], torch.tensor([2.0]), [2.0])
    run = again.epoch_end()
    np.testing.assert_array_equal(run.load("presentation.first_learned", [0]), [[1, 2, 0]])


@pytest.mark.parametrize("task", ["labels", "regression", "numbers"])
def test_a_report_of_it(tmp_path, task):
    dataset = data(task)
    recorder = Recorder(tmp_path / "run", examples=len(dataset), labels=dataset.targets, epochs=3)
    network = torch.nn.Linear(3, dataset.outputs)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    inputs, targets = torch.from_numpy(np.array(dataset.inputs)), torch.from_numpy(np.array(dataset.targets)).float()
    for _ in range(3):
        for ids in torch.randperm(len(dataset)).split(8):
            answers = network(inputs[ids]).squeeze(1) if task == "regression" else network(inputs[ids])
            recorder.observe(ids, answers, targets[ids])
            wrong = F.binary_cross_entropy_with_logits if task == "labels" else F.mse_loss
            optimizer.zero_grad()
            wrong(answers, targets[ids]).backward()
            optimizer.step()
        run = recorder.epoch_end()
    byrote.write_report(run)
    assert (run.folder / "report.html").stat().st_size > 10_000
