"""The loop over phases, epochs and steps, with a learner whose answers are known."""

import numpy as np
import torch

from byrote.designs.design import Phase
from byrote.engine import looking as module
from byrote.engine.block import Examples, train_phase
from byrote.engine.looking import Looking
from byrote.probes.contract import Probe
from byrote.probes.presentation import PresentationProbe
from byrote.probes.trajectory import TrajectoryProbe
from byrote.recipes.algorithm import Seen, Shape
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.private import Poisson
from byrote.recipes.recipe import Recipe
from byrote.recipes.samplers import Shuffle
from probes.moments import block_of, columns_of

EXAMPLES, CLASSES = 7, 3
SEEDS = (4, 9)


SHAPE = Shape(inputs=(2,), classes=CLASSES, examples=EXAMPLES)
ALGORITHM = Recipe(network=MLP(hidden=()), epochs=4, batch_size=3).bind(SHAPE, torch.device("cpu"))


class Scripted:
    """Answers logits that are a function of (model, number of steps done, example), and takes notes."""

    def __init__(self, models):
        self.models = models
        self.done = 0
        self.begun = []
        self.shown = []

    def logits(self, model, step, example):
        return np.random.default_rng([model, step, example]).integers(-3, 4, CLASSES).astype(np.float32)

    def begin(self, steps):
        self.begun.append(steps)

    def step(self, batch):
        inputs, targets, ids = batch.inputs, batch.targets, batch.ids
        assert torch.equal(inputs[..., 0].long(), ids), "inputs are those of the ids"
        logits = np.array([[self.logits(m, self.done, e) for e in row] for m, row in enumerate(ids.tolist())])
        self.shown.append((ids.numpy(), logits, targets.numpy()))
        self.done += 1
        return Seen(logits=torch.from_numpy(logits), loss=torch.zeros(ids.shape))

    def predict(self, inputs):
        rows = inputs[:, 0].long().tolist()
        return torch.from_numpy(np.array([[self.logits(m, self.done, e) for e in rows] for m in range(self.models)]))

    def states(self):
        return []


INPUTS = torch.arange(EXAMPLES, dtype=torch.float32)[:, None].expand(EXAMPLES, 2)
TARGETS = torch.arange(EXAMPLES) % CLASSES
COUNT = np.array([[1, 0, 1, 1, 0, 1, 1], [0, 1, 1, 1, 1, 1, 0]], np.uint8)


def looking(probes, learner, checkpoints, heard=None):
    block = block_of(
        2, EXAMPLES, classes=CLASSES, epochs=checkpoints, inputs=INPUTS, targets=TARGETS, algorithm=ALGORITHM
    )
    progress = (heard if heard is not None else []).append
    return Looking(probes, block, learner, stacked=True, progress=progress)


def run(phase, *, checkpoints=(0, 1, 4), probes=(), heard=None, first_epoch=0, learner=None):
    learner = learner or Scripted(2)
    train_phase(
        learner,
        ALGORITHM,
        phase,
        (0, 1),
        SEEDS,
        INPUTS,
        TARGETS,
        looking(probes, learner, checkpoints, heard),
        checkpoints=checkpoints,
        first_epoch=first_epoch,
    )
    return learner


def test_each_epoch_shows_every_member_once_in_the_samplers_order():
    heard = []
    learner = run(Phase(name="train", count=COUNT), heard=heard)
    assert learner.begun == [8]
    assert [ids.shape[1] for ids, *_ in learner.shown] == [3, 2] * 4
    for model, seed in enumerate(SEEDS):
        shown = np.concatenate([ids[model] for ids, *_ in learner.shown]).reshape(4, 5)
        for epoch in range(4):
            np.testing.assert_array_equal(shown[epoch], Shuffle().order(seed, epoch, COUNT[model]))
    assert heard == [0.25, 0.5, 0.75, 1.0]


def test_epochs_of_the_phase_come_before_those_of_the_recipe_and_orders_go_on():
    learner = run(Phase(name="train", count=COUNT, epochs=2), checkpoints=(2,), first_epoch=4)
    assert learner.begun == [4]
    shown = np.concatenate([ids[0] for ids, *_ in learner.shown]).reshape(2, 5)
    np.testing.assert_array_equal(shown, [Shuffle().order(SEEDS[0], epoch, COUNT[0]) for epoch in (4, 5)])


def test_the_presentation_probe_sees_every_step():
    probe = PresentationProbe()
    learner = run(Phase(name="train", count=COUNT), probes=[probe])
    found = columns_of(probe)
    for model in range(2):
        for example in range(EXAMPLES):
            margins, losses = [], []
            for ids, logits, targets in learner.shown:
                for at in np.flatnonzero(ids[model] == example):
                    z, y = logits[model, at].astype(float), targets[model, at]
                    assert y == TARGETS[example]
                    margins.append(z[y] - np.delete(z, y).max())
                    losses.append(np.log(np.exp(z).sum()) - z[y])
            right = np.array(margins) > 0
            expected = {
                "presentations": 4 * COUNT[model, example],
                "loss_sum": sum(losses),
                "logit_margin_sum": sum(margins),
                "forgetting_count": (right[:-1] & ~right[1:]).sum(),
                "first_learned": right.argmax() + 1 if right.any() else 0,
            }
            for name, value in expected.items():
                np.testing.assert_allclose(found[name][model, example], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_checkpoints_are_taken_after_so_many_epochs():
    probe = TrajectoryProbe()
    learner = run(Phase(name="train", count=COUNT), probes=[probe])
    margins = columns_of(probe)["logit_margin"]
    for index, epoch in enumerate((0, 1, 4)):
        for model in range(2):
            for example in range(EXAMPLES):
                z, y = learner.logits(model, 2 * epoch, example), TARGETS[example]
                assert margins[model, index, example] == z[y] - np.delete(z, y).max()


def test_repeated_examples():
    count = np.array([[3, 0, 0, 0, 0, 0, 1], [2, 2, 0, 0, 0, 0, 0]], np.uint8)
    learner = run(Phase(name="train", count=count))
    for model in range(2):
        shown = np.concatenate([ids[model] for ids, *_ in learner.shown])
        np.testing.assert_array_equal(np.bincount(shown, minlength=EXAMPLES), 4 * count[model])


def test_models_of_no_examples_are_asked_all_the_same():
    probe = TrajectoryProbe()
    learner = run(Phase(name="train", count=np.zeros_like(COUNT)), checkpoints=(0, 4), probes=[probe])
    assert not learner.shown
    assert np.isfinite(columns_of(probe)["entropy"]).all()


def test_a_clean_pass_goes_in_pieces_and_only_to_those_who_want_it(monkeypatch):
    monkeypatch.setattr(module, "CLEAN_BATCH", 3)

    class Notes(Probe):
        when, kinds = frozenset({"checkpoint"}), ()

        def __init__(self, at):
            self.at, self.seen = at, []

        def chosen(self, checkpoints):
            return (self.at,)

        def look(self, at):
            self.seen.append((at.checkpoint, at.rows.tolist(), at.logits.shape, at.targets.tolist(), at.first))

        def shards(self):
            yield from ()

    eager, idle = Notes(1), Notes(2)
    looking([eager, idle], Scripted(2), (0, 1, 4)).checkpoint(1)
    assert not idle.seen
    assert [part[1] for part in eager.seen] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [part[4] for part in eager.seen] == [True, False, False]
    assert [part[2] for part in eager.seen] == [(2, 3, 3), (2, 3, 3), (2, 1, 3)]
    assert [target for part in eager.seen for target in part[3]] == TARGETS.tolist()


def test_a_step_of_no_rows_shows_one_that_does_not_count():
    rare = Recipe(network=MLP(hidden=()), epochs=1, batch_size=1, batches=Poisson(rate=0.1))
    bound = rare.bind(SHAPE, torch.device("cpu"))
    inputs = torch.arange(EXAMPLES)[:, None].expand(-1, 2).float()
    shown = Examples(bound, 1, SEEDS[:1], [np.ones(EXAMPLES, np.uint8)], inputs, torch.zeros(EXAMPLES).long(), 0)
    drawn = [len(rows) for rows, _ in bound.batches(SEEDS[0], 0, shown.counts[0])]
    assert 0 in drawn, "some step has no rows"
    for batch, rows in zip(shown.epoch(0), drawn, strict=True):
        assert batch.ids.shape[1] == max(1, rows)
        assert int(batch.counting().sum()) == rows if rows == 0 else batch.counting() is None or batch.counting().all()
