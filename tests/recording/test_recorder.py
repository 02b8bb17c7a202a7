import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import byrote
from byrote.analyses.membership import membership_attack
from byrote.designs.full_data import full_data
from byrote.errors import BadInput, MissingEvidence, RunMismatch
from byrote.evidence.schema import SCHEMA
from byrote.recording.journal import Journal
from byrote.recording.recorder import Recorder, recover
from small import RECIPE, blobs, small_audit
from two_processes import two_processes

NAMES = ("presentations", "loss_sum", "logit_margin_sum", "forgetting_count", "first_learned")


def slow(shows, examples, *, repeats):
    """One presentation after another, in float64; `shows` holds epochs of steps of (ids, logits, targets)."""
    found = {name: np.zeros(examples) for name in NAMES}
    before = np.zeros(examples, bool)
    for steps in shows:
        seen = set()
        for ids, logits, targets in steps:
            for example, z, y in zip(ids, logits.astype(np.float64), targets, strict=True):
                if example in seen and not repeats:
                    continue
                seen.add(example)
                margin = z[y] - np.delete(z, y).max()
                found["presentations"][example] += 1
                found["loss_sum"][example] += np.logaddexp.reduce(z) - z[y]
                found["logit_margin_sum"][example] += margin
                found["forgetting_count"][example] += before[example] and not margin > 0
                if margin > 0 and not found["first_learned"][example]:
                    found["first_learned"][example] = found["presentations"][example]
                before[example] = margin > 0
    return found


def drawn(rng, *, examples=7, classes=3, epochs=3, steps=4, batch=5):
    """Random epochs of steps, with ids that come again; labels hang on ids, and ties happen."""
    shows = []
    for _ in range(epochs):
        shows.append([])
        for _ in range(steps):
            ids = rng.integers(0, examples, rng.integers(1, batch + 1))
            shows[-1].append((ids, rng.integers(-2, 3, (len(ids), classes)).astype(np.float32), ids % classes))
    return shows


def told(recorder, shows):
    """The recorder after those epochs, closed."""
    for steps in shows:
        for ids, logits, targets in steps:
            recorder.observe(*map(torch.from_numpy, (ids, logits, targets)))
        recorder.epoch_end()
    return recorder.close()


def presented(run, models=(0,)):
    return {name: run.load(f"presentation.{name}", list(models)) for name in NAMES}


def agree(run, expected, model=0):
    for name, values in expected.items():
        np.testing.assert_allclose(presented(run, [model])[name][0], values, rtol=1e-6, atol=1e-6, err_msg=name)


@given(st.integers(0, 999), st.booleans(), st.integers(1, 40), st.booleans())
def test_against_a_slow_loop(tmp_path_factory, seed, repeats, room, often):
    """Whatever waits on the device, and however often it is written."""
    shows = drawn(np.random.default_rng(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("byrote.recording.recorder.WAITING_NUMBERS", room)
        patch.setattr("byrote.recording.recorder.WAITING_PRESENTATIONS", room)
        patch.setattr("byrote.recording.recorder.LARGE", 0 if room % 2 else 10**9)
        flush = {"flush_seconds": 0.0} if often else {}
        out = tmp_path_factory.mktemp("r") / "run"
        run = told(Recorder(out, examples=7, repeats=repeats, **flush), shows)
    agree(run, slow(shows, 7, repeats=repeats))
    for name, quantity in SCHEMA["presentation"].items():
        assert str(run.load(f"presentation.{name}", [0]).dtype) == quantity.dtype


def test_equals_what_the_engine_records(tmp_path):
    """The engine's own training on all data, repeated in a plain loop with a recorder."""
    dataset = blobs(noise=0.1)
    run = small_audit(tmp_path / "audit", dataset=dataset, design=full_data(len(dataset), 2), checkpoints=20)
    algorithm = RECIPE.bind(shape_of(dataset), torch.device("cpu"))
    inputs, targets = torch.from_numpy(np.array(dataset.inputs)), torch.from_numpy(np.array(dataset.targets))
    loader = torch.utils.data.DataLoader(byrote.WithIds(list(zip(inputs, targets, strict=True))), batch_size=16)
    for model in range(2):
        recorder = Recorder(tmp_path / "mine", examples=len(dataset), model=model, class_names=dataset.class_names)
        seed = run.manifest.models[model].seed
        state = algorithm.init(seed)
        epochs = RECIPE.epochs
        algorithm.begin(state, epochs * -(-len(dataset) // RECIPE.batch_size))
        recorder.clean_pass(algorithm.network(state), loader)
        for epoch in range(epochs):
            order = torch.from_numpy(algorithm.order(seed, epoch, np.ones(len(dataset), np.uint8)))
            for ids in order.split(RECIPE.batch_size):
                state, seen = algorithm.step(state, batch_of(inputs[ids], targets[ids], ids))
                recorder.observe(ids, seen.logits, targets[ids])
            recorder.epoch_end()
            recorder.clean_pass(algorithm.network(state), loader)
        recorder.close()
    mine = byrote.Run.open(tmp_path / "mine")
    assert mine.manifest.checkpoints == run.manifest.checkpoints
    full = run.design.models_of("full") if len(run.design.models_of("full")) else np.arange(2)
    names = [f"{kind}.{column}" for kind in ("presentation", "trajectory", "outputs") for column in SCHEMA[kind]]
    recorded = {name: loaded(run, name, full) for name in names}
    of_other_tasks = ("label_accuracy", "residual", "absolute_error", "squared_error")
    assert [name for name in names if recorded[name] is None] == [n for n in names if n.endswith(of_other_tasks)]
    for name, theirs in recorded.items():
        ours = loaded(mine, name, [0, 1])
        assert (ours is None) == (theirs is None), name
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5, err_msg=name)
    for key in ("forgetting_events", "area_under_margin", "cumulative_sample_loss", "learning_events"):
        role = "full" if len(run.design.models_of("full")) else "reference"
        ours, theirs = mine.measure(key).values, run.measure(key, role=role).values
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=key)


def loaded(run, name, models):
    """A quantity of these models; None where the run does not hold it."""
    try:
        return run.load(name, models)
    except MissingEvidence:
        return None


def shape_of(dataset):
    from byrote.recipes.algorithm import Shape

    return Shape(inputs=dataset.inputs.shape[1:], classes=dataset.classes, examples=len(dataset))


def batch_of(inputs, targets, ids):
    from byrote.recipes.algorithm import Batch

    return Batch(inputs=inputs, targets=targets, ids=ids)


def test_membership_is_what_was_shown(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=4, epochs=1, ids=list("abcd"), class_names=("cat", "dog"))
    recorder.observe([2, 0], torch.eye(2), [0, 0])
    run = recorder.epoch_end()
    assert run.design.member.tolist() == [[1, 0, 1, 0]]
    assert run.ids.tolist() == list("abcd")
    assert run.manifest.origin == "observed"
    assert run.class_names == ("cat", "dog", "unknown")
    assert run.labels.tolist() == [0, 2, 0, 2]
    assert "Nobody saw the labels of 2 examples" in run.manifest.notes[0]
    assert np.isnan(run.measure("forgetting_events").values).tolist() == [False, True, False, True]


def test_labels_that_are_given_need_not_be_seen(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=3, labels=[1, 0, 1])
    recorder.observe([0], torch.eye(2)[:1], [1])
    run = recorder.close()
    assert run.labels.tolist() == [1, 0, 1]
    assert run.class_names == ("0", "1")


def test_a_padded_duplicate_counts_once(tmp_path):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 3)).astype(np.float32)
    ids = np.array([0, 1, 2, 0])
    shows = [[(ids, epoch, ids % 3)] for epoch in logits]
    run = told(Recorder(tmp_path / "once", examples=3), shows)
    agree(run, slow([[(ids[:3], epoch[:3], ids[:3])] for epoch in logits], 3, repeats=True))
    assert run.load("presentation.presentations", [0]).tolist() == [[2, 2, 2]]
    assert "2 times an example that it had seen in the same epoch" in run.manifest.notes[0]
    run = told(Recorder(tmp_path / "twice", examples=3, repeats=True), shows)
    assert run.load("presentation.presentations", [0]).tolist() == [[4, 2, 2]]
    assert not run.manifest.notes


def test_low_precision_is_reduced_in_float32(tmp_path):
    logits = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    targets = torch.arange(64) % 5
    recorder = Recorder(tmp_path / "run", examples=64, epochs=1)
    with torch.autocast("cpu", torch.bfloat16):
        recorder.observe(torch.arange(64), logits, targets)
        run = recorder.epoch_end()
    exact = F.cross_entropy(logits.double(), targets, reduction="none")
    np.testing.assert_allclose(run.load("presentation.loss_sum", [0])[0], exact, rtol=1e-6)


def test_later_writes_into_the_logits_change_nothing(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=2, epochs=1)
    logits, ids, targets = torch.eye(2), torch.arange(2), torch.arange(2)
    recorder.observe(ids, logits, targets)
    for tensor in (logits, ids, targets):
        tensor.fill_(-5)
    run = recorder.epoch_end()
    assert run.load("presentation.logit_margin_sum", [0]).tolist() == [[1, 1]]


def test_accumulated_batches_are_what_one_batch_is(tmp_path):
    logits, ids = torch.randn(12, 3, generator=torch.Generator().manual_seed(1)), torch.arange(12)
    runs = []
    for pieces in (1, 3):
        recorder = Recorder(tmp_path / str(pieces), examples=12, epochs=1)
        for part in ids.chunk(pieces):
            recorder.observe(part, logits[part], part % 3)
        runs.append(presented(recorder.epoch_end()))
    for name in NAMES:
        np.testing.assert_array_equal(runs[0][name], runs[1][name])


def test_several_models_make_one_run(tmp_path):
    """In whatever order they end."""
    shows = [drawn(np.random.default_rng(seed)) for seed in range(3)]
    for model in (2, 0, 1):
        run = told(Recorder(tmp_path / "run", examples=7, model=model), shows[model])
    assert run.design.models == 3
    for model in range(3):
        agree(run, slow(shows[model], 7, repeats=False), model)


@pytest.mark.slow
def test_trainings_on_a_half_and_on_the_other_are_a_pair_and_can_be_attacked(tmp_path):
    """As the report of a recorded training advises: attacks need pairs, the evidence of leaving examples out."""
    rng = np.random.default_rng(0)
    loader = torch.utils.data.DataLoader(data(40), batch_size=20)
    for pair in range(4):
        half = torch.tensor(rng.permutation(40))
        for mate, ids in enumerate(half.chunk(2)):
            model, recorder = Net(), Recorder(tmp_path / "run", examples=40, model=2 * pair + mate)
            inputs = torch.stack([data(40)[int(row)][0] for row in ids])
            recorder.observe(ids, model(inputs), ids % 3)
            recorder.epoch_end()
            recorder.clean_pass(model, loader)
            run = recorder.close()
    assert run.design.pair.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert np.isfinite(run.measure("label_memorization").values).any()
    assert membership_attack(run, "lira").models == 8
    with pytest.raises(BadInput, match=r"not trained by byrote.*Hint: train again with the change"):
        byrote.change(run, byrote.parse_change("weight-decay=0.1"))


def test_a_folder_may_hold_what_else_a_training_leaves(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"mine")
    run = told(Recorder(tmp_path, examples=7), drawn(np.random.default_rng(0)))
    assert run.design.models == 1
    assert (tmp_path / "checkpoint.pt").read_bytes() == b"mine"


def test_models_of_other_examples_are_refused(tmp_path):
    told(Recorder(tmp_path / "run", examples=7), drawn(np.random.default_rng(0)))
    with pytest.raises(BadInput, match="Models 0 and 1 of the run are about 7 examples of 3 classes and 8 examples"):
        told(Recorder(tmp_path / "run", examples=8, model=1), drawn(np.random.default_rng(0)))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 3))

    def forward(self, inputs):
        return self.layers(inputs)


def data(examples=20):
    generator = torch.Generator().manual_seed(3)
    return byrote.WithIds(
        [(torch.randn(2, generator=generator), torch.tensor(example % 3)) for example in range(examples)]
    )


def test_a_clean_pass_leaves_training_as_it_was(tmp_path):
    model = Net()
    model.train()
    model.layers[1].eval()  # somebody froze it
    loader = torch.utils.data.DataLoader(data(), batch_size=7, shuffle=True)
    recorder = Recorder(tmp_path / "run", examples=20)
    before = torch.random.get_rng_state()
    recorder.clean_pass(model, loader)
    assert torch.equal(before, torch.random.get_rng_state())
    assert model.training
    assert model.layers[0].training
    assert not model.layers[1].training


def test_clean_passes_and_presentations_are_not_mixed(tmp_path):
    torch.manual_seed(0)
    model, loader = Net(), torch.utils.data.DataLoader(data(), batch_size=7, shuffle=True)
    recorder = Recorder(tmp_path / "run", examples=20)
    for epoch in range(3):
        for inputs, targets, ids in loader:
            recorder.observe(ids, model(inputs), targets)
        recorder.epoch_end()
        if epoch != 1:
            recorder.clean_pass(model, loader)
    run = recorder.close()
    assert run.manifest.evidence == ("presentation", "outputs", "trajectory")
    assert run.manifest.checkpoints == (1, 3)
    assert run.load("trajectory.epochs", [0]).tolist() == [1, 3]
    inputs = torch.stack([item[0] for item in data()])
    with torch.no_grad():
        exact = model.eval()(inputs)
    np.testing.assert_allclose(run.load("outputs.logits", [0])[0], exact, atol=1e-6)
    np.testing.assert_array_equal(run.load("outputs.prediction", [0])[0], exact.argmax(1))
    loss = F.cross_entropy(exact, torch.arange(20) % 3, reduction="none")
    np.testing.assert_allclose(run.load("trajectory.loss", [0])[0, 1], loss, atol=1e-6)
    assert (run.load("presentation.presentations", [0]) == 3).all()
    assert run.measure("learning_events").values.shape == (20,)


def test_a_clean_pass_that_misses_examples_is_left_out(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=21)
    recorder.clean_pass(Net(), torch.utils.data.DataLoader(data(), batch_size=7))
    recorder.observe([0], torch.eye(3)[:1], [0])
    run = recorder.close()
    assert run.manifest.evidence == ("presentation",)
    assert "after 0 epochs missed 1 examples" in run.manifest.notes[0]


def test_probabilities_are_no_logits(tmp_path):
    probabilities = torch.linspace(-4, 4, 60).sin().mul(3).reshape(20, 3).softmax(1)
    recorder = Recorder(tmp_path / "shown", examples=20)
    recorder.observe(torch.arange(20), probabilities, torch.arange(20) % 3)
    with pytest.raises(BadInput, match="All 20 rows of logits so far are probabilities"):
        recorder.epoch_end()
    recorder = Recorder(tmp_path / "clean", examples=20)
    with pytest.raises(BadInput, match="All 20 rows of logits so far are probabilities"):
        recorder.clean_pass(Net(), [0], forward=lambda net, _: (torch.arange(20), probabilities, torch.arange(20) % 3))
    recorder = Recorder(tmp_path / "logs", examples=20)
    recorder.observe(torch.arange(20), torch.log(probabilities.clamp_min(1e-12)), torch.arange(20) % 3)
    recorder.epoch_end()


def test_the_last_clean_pass_may_come_after_the_last_epoch(tmp_path):
    loader, model = torch.utils.data.DataLoader(data(), batch_size=7), Net().eval()
    after, before = Recorder(tmp_path / "after", examples=20, epochs=2), Recorder(tmp_path / "before", examples=20)
    for recorder in (after, before):
        for _ in range(2):
            for x, y, ids in loader:
                recorder.observe(ids, model(x), y)
            recorder.epoch_end()
            recorder.clean_pass(model, loader)
    before.close()
    assert after.run.manifest.evidence == before.run.manifest.evidence == ("presentation", "outputs", "trajectory")
    for name in ("outputs.log_odds", "trajectory.log_odds", "presentation.loss_sum"):
        np.testing.assert_array_equal(after.run.load(name, [0]), before.run.load(name, [0]))
    with pytest.raises(BadInput, match="observe was called on a recorder that is closed"):
        after.observe([0], EYE[:1], [0])
    with pytest.raises(BadInput, match=r"clean_pass was called on a recorder that is closed.*leave out epochs="):
        before.clean_pass(model, loader)


def test_answers_that_are_no_tensor_are_refused(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=5)
    with pytest.raises(BadInput, match=r"must be a torch tensor\. Got a 'SimpleNamespace'.*output\.logits"):
        recorder.observe([0, 1], SimpleNamespace(logits=EYE), [0, 1])
    with pytest.raises(BadInput, match=r"Got a 'ndarray'.*torch\.from_numpy"):
        recorder.observe(np.arange(2), EYE.numpy(), np.arange(2))
    recorder.observe(np.arange(2), torch.from_numpy(EYE.numpy()), np.arange(2))


@pytest.mark.parametrize("one_hot", [torch.eye(2), torch.eye(2).long(), torch.eye(2).bool()])
def test_one_hot_targets_are_told_from_one_logit(tmp_path, one_hot):
    recorder = Recorder(tmp_path / "run", examples=5)
    with pytest.raises(BadInput, match=r"Got \(2, 2\), a column for each class\. Hint: targets\.argmax\(1\)"):
        recorder.observe([0, 1], EYE, one_hot)
    recorder.observe([0, 1], EYE, one_hot.long().argmax(1))


def test_a_recording_that_was_not_closed_says_how_it_becomes_a_run(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=2, epochs=3)
    recorder.observe([0, 1], EYE, [0, 1])
    recorder.epoch_end()
    recorder.flush()
    with pytest.raises(BadInput, match="contains a recording that was not closed") as told:
        byrote.Run.open(tmp_path / "run")
    call = f"byrote.recover({str(tmp_path / 'run')!r})"
    assert call in told.value.hint
    assert eval(call).design.models == 1
    assert byrote.Run.open(tmp_path / "run").design.models == 1


def test_a_few_answers_that_are_not_finite_are_recorded_and_undefined(tmp_path):
    recorder, loader = Recorder(tmp_path / "run", examples=20, epochs=1), torch.utils.data.DataLoader(data(), 7)

    def blind(net, batch):
        inputs, targets, ids = batch
        return ids, torch.where(ids[:, None] == 4, torch.nan, net(inputs)), targets

    model = Net()
    for batch in loader:
        recorder.observe(*blind(model, batch))
    recorder.epoch_end()
    recorder.clean_pass(model, loader, forward=blind)
    assert recorder.run.diverged() == ()
    assert np.flatnonzero(recorder.run.undefined).tolist() == [4]
    found = recorder.run.measure("area_under_margin")
    assert found.reason(4) == "a model's answer is not a finite number"
    assert np.isfinite(np.delete(found.values, 4)).all()


def test_a_clean_pass_within_an_epoch_is_refused(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=20)
    recorder.observe([0], torch.eye(3)[:1], [0])
    with pytest.raises(BadInput, match="after 1 steps of epoch 0"):
        recorder.clean_pass(Net(), [])
    recorder.epoch_end()
    with pytest.raises(BadInput, match="went over no batch"):
        recorder.clean_pass(Net(), [])
    with pytest.raises(BadInput, match=r"must be \(inputs, targets, ids\). Got a 'int'"):
        recorder.clean_pass(Net(), [3])


EYE = torch.eye(2)


@pytest.mark.parametrize(
    ("ids", "logits", "targets", "said"),
    [
        ([0, 5], EYE, [0, 1], r"Every id must lie in \[0, 5\). Got 5"),
        ([0, -1], EYE, [0, 1], r"Every id must lie in \[0, 5\). Got -1"),
        ([0, 1], EYE, [0, 2], r"Every target must lie in \[0, 2\). Got 2"),
        ([0, 1], EYE, [0, -100], r"Every target must lie in \[0, 2\). Got -100"),
        ([0, 1, 2], EYE, [0, 1], r"Got shapes \(3,\), \(2, 2\) and \(2,\)"),
        ([0, 1], EYE[None], [0, 1], r"Got shapes \(2,\), \(1, 2, 2\) and \(2,\)"),
        ([0, 1], EYE, torch.zeros(2), r"'targets' of a batch must be whole numbers. Got torch.float32"),
        (["a", "b"], EYE, [0, 1], r"'ids' of a batch must be whole numbers"),
        ([0, 1], EYE.long(), [0, 1], "Logits must be floats for 2 classes or more. Got torch.int64 for 2"),
        ([0, 1], EYE[:, :1], [0, 0], "Logits must be floats for 2 classes or more. Got torch.float32 for 1"),
    ],
)
def test_batches_that_do_not_fit(tmp_path, ids, logits, targets, said):
    with pytest.raises(BadInput, match=said):
        Recorder(tmp_path / "run", examples=5).observe(ids, logits, targets)


def test_values_that_do_not_fit_are_named_when_the_epoch_ends(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=5)
    recorder.observe([3], EYE[:1], [0])
    recorder.observe([4, 0], torch.tensor([[torch.nan, 0.0]] * 2), [0, 0])
    with pytest.raises(BadInput, match="The logits of 2 of 3 presentations up to step 2 are not finite"):
        recorder.epoch_end()
    recorder = Recorder(tmp_path / "other", examples=5)
    recorder.observe([0, 1], EYE, [0, 1])
    recorder.observe([0, 1], EYE, [1, 1])
    with pytest.raises(BadInput, match="Example 0 came with label 1, and with label 0 before"):
        recorder.epoch_end()
    with pytest.raises(BadInput, match=r"Logits must be for 2 classes as before\. Got 3"):
        recorder.observe([0], torch.eye(3)[:1], [0])


def test_a_masked_class_is_fine(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=1, epochs=1)
    recorder.observe([0], torch.tensor([[1.0, 0.0, -torch.inf]]), [0])
    assert recorder.epoch_end().load("presentation.logit_margin_sum", [0]).item() == 1


def test_arguments_that_do_not_fit(tmp_path):
    out = tmp_path / "run"
    for arguments, said in [
        ({"examples": 0}, "'examples' argument of Recorder must be at least 1. Got 0"),
        ({"examples": 2, "model": -1}, "'model' argument of Recorder must be at least 0. Got -1"),
        ({"examples": 2, "epochs": 0}, "'epochs' argument of Recorder must be at least 1. Got 0"),
        ({"examples": 2, "ids": ["a", "a"]}, "'ids' argument of Recorder must name 2 different examples"),
        ({"examples": 2, "labels": [0]}, "'labels' argument of Recorder must be 2 class numbers"),
        ({"examples": 2, "labels": [0, 2], "class_names": ["a", "b"]}, r"Every label must lie in \[0, 2\). Got 2"),
        ({"examples": 2, "rank": 2, "world": 2}, "must name a process of so many. Got 2 and 2"),
        ({"examples": 2, "resume_at": 1}, "cannot go on at epoch 1: it holds 0 epochs"),
    ]:
        with pytest.raises(BadInput, match=said):
            Recorder(out, **arguments)
    assert not out.exists()


def test_a_folder_that_is_taken(tmp_path):
    told(Recorder(tmp_path / "run", examples=7), drawn(np.random.default_rng(0)))
    with pytest.raises(BadInput, match=r"already holds a recording of model 0.*model=1"):
        Recorder(tmp_path / "run", examples=7)
    small_audit(tmp_path / "audit", models=4)
    with pytest.raises(BadInput, match="already holds a run"):
        Recorder(tmp_path / "audit", examples=7)
    (tmp_path / "audit" / "manifest.json").unlink()
    with pytest.raises(RunMismatch, match="evidence without a manifest"):
        Recorder(tmp_path / "audit", examples=7)


def test_a_closed_recorder_refuses(tmp_path):
    recorder = Recorder(tmp_path / "run", examples=2, epochs=1)
    recorder.observe([0, 1], EYE, [0, 1])
    run = recorder.epoch_end()
    assert recorder.close() is run
    with pytest.raises(BadInput, match="observe was called on a recorder that is closed"):
        recorder.observe([0, 1], EYE, [0, 1])


def test_with_closes_or_keeps(tmp_path):
    with Recorder(tmp_path / "run", examples=2) as recorder:
        recorder.observe([0, 1], EYE, [0, 1])
    assert recorder.run.load("presentation.presentations", [0]).tolist() == [[1, 1]]
    with contextlib.suppress(ZeroDivisionError), Recorder(tmp_path / "run", examples=2, model=1) as recorder:
        recorder.observe([0, 1], EYE, [0, 1])
        raise ZeroDivisionError
    run = recover(tmp_path / "run")
    assert run.design.models == 2
    assert run.load("presentation.presentations", [1]).tolist() == [[1, 1]]
    assert "Model 1 was not closed; it is recorded up to 0 full epochs." in run.manifest.notes


@pytest.mark.parametrize("large", [0, 10**9])
def test_going_on_forgets_what_came_after(tmp_path, monkeypatch, large):
    """With a journal that is added up as it goes, and with one that is not."""
    shows = drawn(np.random.default_rng(5), epochs=4)
    recorder = Recorder(tmp_path / "run", examples=7)
    for number, steps in enumerate(shows):
        for ids, logits, targets in steps:
            recorder.observe(*map(torch.from_numpy, (ids, logits, targets)))
        recorder.epoch_end()
        if number == 1:
            monkeypatch.setattr("byrote.recording.recorder.LARGE", large)
            recorder.flush()
            monkeypatch.undo()
    recorder.flush()
    resumed = Recorder(tmp_path / "run", examples=7, resume_at=2)
    assert resumed.epochs_done == 2
    run = told(resumed, shows[2:])
    agree(run, slow(shows, 7, repeats=False))
    if not large:
        with pytest.raises(BadInput, match="it holds 4 epochs, of which the first 4 are added up"):
            Recorder(tmp_path / "run", examples=7, resume_at=1)
    more = drawn(np.random.default_rng(6), epochs=1)
    run = told(Recorder(tmp_path / "run", examples=7, resume_at=4), more)
    agree(run, slow(shows + more, 7, repeats=False))


KILLED = """
import sys, torch, byrote
recorder = byrote.Recorder(sys.argv[1], examples=4)
for epoch in range(100):
    for start in (0, 2):
        ids = torch.tensor([start, start + 1])
        recorder.observe(ids, torch.eye(2), torch.tensor([0, 1]))
    recorder.epoch_end()
    if epoch == 4:
        recorder.flush()
        recorder.observe(torch.tensor([0, 1]), torch.eye(2), torch.tensor([0, 1]))
        recorder.flush()
        print("flushed", flush=True)
        input()
"""


@pytest.mark.slow
def test_a_kill_loses_what_came_after_the_last_flush(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "flushed\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()
    run = recover(tmp_path / "run")
    assert run.load("presentation.presentations", [0]).tolist() == [[6, 6, 5, 5]]
    assert run.manifest.notes == ("Model 0 was not closed; it is recorded up to 5 full epochs.",)
    recorder = Recorder(tmp_path / "run", examples=4, resume_at=5)
    recorder.observe([0, 1, 2, 3], torch.eye(2).repeat(2, 1), [0, 1, 0, 1])
    run = recorder.close()
    assert run.load("presentation.presentations", [0]).tolist() == [[6, 6, 6, 6]]
    assert not run.manifest.notes


def test_nothing_to_recover(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadInput, match="holds no recording"):
            recover(folder)
    assert not list(tmp_path.iterdir())


def test_a_crash_between_adding_up_and_removing_counts_once(tmp_path, monkeypatch):
    shows = drawn(np.random.default_rng(8))
    recorder = Recorder(tmp_path / "run", examples=7)
    for ids, logits, targets in shows[0]:
        recorder.observe(*map(torch.from_numpy, (ids, logits, targets)))
    recorder.epoch_end()
    recorder.flush()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        Journal(tmp_path / "run", 0).add_up(finished=False)
    run = told(recorder, shows[1:])
    agree(run, slow(shows, 7, repeats=False))


GLOO = """
import sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler
import byrote

dist.init_process_group("gloo")
rank, examples, epochs = dist.get_rank(), 13, 4
generator = torch.Generator().manual_seed(0)
items = [(torch.randn(2, generator=generator), example % 3) for example in range(examples)]
dataset = byrote.WithIds(items)
torch.manual_seed(1)
net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
net.register_buffer('steps', torch.zeros(()))
model = DistributedDataParallel(net)
optimizer = torch.optim.SGD(model.parameters(), 0.5)
sampler = DistributedSampler(dataset)
recorder = byrote.Recorder(sys.argv[1], examples=examples, flush_seconds=0 if rank else 60)
log = []
for epoch in range(epochs):
    sampler.set_epoch(epoch)
    for inputs, targets, ids in DataLoader(dataset, batch_size=3, sampler=sampler):
        logits = model(inputs)
        recorder.observe(ids, logits, targets)
        loss = torch.nn.functional.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append((epoch, ids, logits.detach(), targets))
    recorder.epoch_end()
    share = DataLoader(dataset, batch_size=4, sampler=DistributedSampler(dataset, shuffle=False))
    recorder.clean_pass(model, share)
torch.save(log, f"{sys.argv[1]}.log{rank}")
print(recorder.close() is not None)
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_with_a_sampler_that_pads(tmp_path):
    """13 examples on 2 processes: every epoch shows one of them twice."""
    said = two_processes(GLOO, tmp_path / "run")
    assert sorted(line.strip() for line in said) == ["False", "True"]
    logs = [torch.load(tmp_path / f"run.log{rank}") for rank in range(2)]
    shows = []
    for epoch in range(4):
        mine = [[step[1:] for step in log if step[0] == epoch] for log in logs]
        assert sum(len(ids) for steps in mine for ids, _, _ in steps) == 14
        steps = [step for both in zip(*mine, strict=True) for step in both]
        shows.append([tuple(column.numpy() for column in step) for step in steps])
    run = byrote.Run.open(tmp_path / "run")
    agree(run, slow(shows, 13, repeats=False))
    assert (run.load("presentation.presentations", [0]) == 4).all()
    assert "4 times an example that it had seen in the same epoch" in run.manifest.notes[0]
    assert run.manifest.checkpoints == (1, 2, 3, 4)
    assert run.load("outputs.logits", [0]).shape == (1, 13, 3)
    assert (run.labels == np.arange(13) % 3).all()
