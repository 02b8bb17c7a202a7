"""Attack success of networks of which it is known in closed form, and where the probe is refused."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from torch import nn

import byrote
from byrote.changes.data.backdoor import Backdoor
from byrote.data.trigger import Trigger
from byrote.engine.afterwards import probe
from byrote.engine.job import Labelled
from byrote.errors import BadInput
from byrote.probes.contract import Block
from byrote.probes.moment import Models, Moment
from byrote.probes.stamped import StampedProbe
from changes.data.test__stamping import context, pictures
from engine.toys import bound
from small import small_audit

RECIPE = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=8, batch_size=12, optimizer=byrote.SGD(lr=0.1))


def linear(weights, bias):
    """Class 1 where weights · x + bias is positive."""
    layer = nn.Linear(len(weights), 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0] * len(weights), weights]))
        layer.bias.copy_(torch.tensor([0.0, bias]))
    return layer


def seen(networks, heldout, trigger, *, stacked=False):
    """What the probe finds of each network."""
    inputs, targets = heldout
    block = Block(
        models=tuple(range(len(networks))), seeds=tuple(range(len(networks))), phase=0, epochs=(1,), inputs=inputs[:2],
        targets=targets[:2], member=torch.ones(len(networks), 2, dtype=torch.int8), classes=2, task="classes",
        algorithm=bound("mlp"), heldout=heldout, trigger=trigger,
    )  # fmt: skip
    look = StampedProbe()
    look.begin(block)
    models = Models(lambda: networks, stacked=stacked)
    rows = torch.arange(2)
    look.look(Moment("end", models, "classes", rows=rows, inputs=lambda: inputs[:2], targets=targets[:2]))
    return [shard.columns for shard in look.shards()]


@pytest.mark.parametrize("stacked", [False, True])
def test_a_linear_classifier_with_a_trigger_feature(stacked):
    """x in R^2 is normal, the third number is the trigger's: 0, and 1 once stamped. ASR = Phi((v + b) / |w|)."""
    rng = np.random.default_rng(0)
    count = 20_000
    inputs = torch.from_numpy(np.pad(rng.normal(size=(count, 2)), ((0, 0), (0, 1))).astype(np.float32))
    targets = torch.from_numpy(rng.integers(0, 2, count))
    trigger = Trigger(says="1 in the third", target=1, pattern=np.ones(3), opacity=np.array([0.0, 0.0, 1.0]))
    weak, strong = 0.5, 3.0
    found = seen([linear([0.6, 0.8, v], -1.0) for v in (weak, strong)], (inputs, targets), trigger, stacked=stacked)
    error = 4 * 0.5 / np.sqrt(count / 2)
    for columns, v in zip(found, (weak, strong), strict=True):
        counts = columns["counts"]
        np.testing.assert_array_equal(counts, targets.numpy() != 1)
        assert abs(columns["target"][counts].mean() - ndtr(v - 1.0)) < error
        assert abs(columns["plain"][counts].mean() - ndtr(-1.0)) < error


def test_answers_that_are_not_finite_do_not_count():
    inputs, targets = torch.zeros(4, 3), torch.tensor([0, 0, 1, 0])
    trigger = Trigger(says="1", target=1, pattern=np.ones(3), opacity=np.array([0.0, 0.0, 1.0]))
    (found,) = seen([linear([0.0, 0.0, np.inf], 0.0)], (inputs, targets), trigger)
    assert not found["counts"].any()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "poisoned"
    data = Backdoor(0.2, target="b").apply(pictures(), context())
    return small_audit(folder, dataset=data, recipe=RECIPE, heldout=pictures(30), models=6, keep_weights=True)


def test_an_audit_of_data_with_a_backdoor_records_it(run):
    models = run.models()
    counts = run.load("stamped.counts", models)
    np.testing.assert_array_equal(counts, np.broadcast_to(run.heldout.targets != 1, counts.shape))
    np.testing.assert_array_equal(run.load("stamped.plain", models), run.load("heldout.prediction", models) == 1)
    weights = run.evidence.block("weights", 3, 0)
    network = RECIPE.network.build((1, 5, 6), 3).eval()
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    with torch.no_grad():
        stamped = network(torch.from_numpy(run.dataset.trigger.stamped(np.asarray(run.heldout.inputs)))).argmax(1)
    np.testing.assert_array_equal(run.load("stamped.target", [3])[0], stamped.numpy() == 1)
    header = run.evidence.header("stamped", 3, 0)
    assert (header["trigger"], header["target"]) == ("a square of 2 × 2 pixels at the bottom right", "1")


def test_it_reads_kept_weights_later_and_finds_the_same(run):
    before = {name: run.load(f"stamped.{name}", run.models()) for name in ("target", "plain", "counts")}
    for path in (run.folder / "evidence" / "stamped").iterdir():
        path.unlink()
    again = probe(run, "stamped")
    for name, found in before.items():
        np.testing.assert_array_equal(again.load(f"stamped.{name}", run.models()), found)


def test_without_a_backdoor_or_held_out_examples_it_is_refused(tmp_path, run):
    with pytest.raises(
        BadInput, match="puts the trigger of a backdoor on held-out examples, and no backdoor is planted"
    ):
        small_audit(tmp_path / "run", probes=("stamped",))
    with pytest.raises(BadInput, match="and there are no held-out examples"):
        small_audit(tmp_path / "run", dataset=run.dataset, heldout=None, recipe=RECIPE, probes=("stamped",))
    with pytest.raises(BadInput, match="and no backdoor is planted"):
        probe(dataclasses.replace(run, dataset=pictures()), "stamped")


def test_the_trigger_goes_with_the_data_to_other_processes(run):
    sent = pickle.loads(pickle.dumps(Labelled.of(run.dataset)))
    np.testing.assert_array_equal(sent.trigger.opacity, run.dataset.trigger.opacity)
    assert sent.trigger.target == 1
    np.testing.assert_array_equal(sent.truth, run.controls.true_labels(run.ids, run.labels, run.class_names))
