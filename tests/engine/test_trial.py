from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F

from byrote.engine.job import check_network
from byrote.engine.trial import try_step
from byrote.errors import BadInput
from byrote.recipes.co_teaching import CoTeaching
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.network import Network
from engine.toys import RECIPES, data, job, recipe


@dataclass(frozen=True)
class Loss:
    """An objective whose `loss` is any function."""

    function: Any
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def memory(self, examples: int, classes: int) -> None:
        return None

    def loss(self, forward: Any, batch: Any, memory: Any) -> Any:
        return self.function(forward, batch, memory)


def of_logits(logits, targets, memory):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none"), None


def by_class(forward, batch, memory):
    logits = forward(batch.inputs, train=True)
    return logits, -logits.log_softmax(-1), None


def one_number(forward, batch, memory):
    logits = forward(batch.inputs, train=True)
    return logits, F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten()), None


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (of_logits, r"A training step of the recipe fails: AttributeError: 'function' object has no attribute "
                    r"'flatten' \(line \d+ of test_trial\.py\)\. Hint: mend the slot of the recipe that raises it; an "
                    r"objective's loss\(forward, batch, memory\)"),
        (by_class, r"must give one loss per example, .* Got the shape \('model', 10, 3\) of 10 examples"),
        (one_number, r"A training step of the recipe fails: IndexError: invalid index of a 0-dim"),
    ],
)  # fmt: skip
def test_an_objective_that_does_not_fit_is_a_sentence(tmp_path, function, sentence):
    with pytest.raises(BadInput, match=sentence):
        check_network(job(tmp_path, recipe(MLP(hidden=(4,)), objective=Loss(function))))


def test_a_network_that_fails_in_training_mode_alone_is_a_sentence(tmp_path):
    class Fails(torch.nn.Linear):
        def forward(self, inputs):
            if self.training:
                raise NotImplementedError("not yet")
            return super().forward(inputs)

    with pytest.raises(BadInput, match=r"fails: NotImplementedError: not yet \(line \d+ of test_trial"):
        check_network(job(tmp_path, recipe(Network(lambda: Fails(6, 3)))))


def test_a_refusal_of_byrote_stays_what_it_is(tmp_path):
    def refuses(forward, batch, memory):
        raise BadInput("No.", hint="yes")

    with pytest.raises(BadInput, match=r"^No\. Hint: yes"):
        check_network(job(tmp_path, recipe(MLP(hidden=(4,)), objective=Loss(refuses))))


@pytest.mark.parametrize("name", ["mlp with dropout and masks", "resnet with batch norm", "elr"])
def test_a_trial_leaves_what_is_trained_afterwards_as_it_is(tmp_path, name):
    shape, slots = RECIPES[name]
    given = job(tmp_path, slots, data=data(shape))
    algorithm = given.algorithm()
    before = algorithm.network(algorithm.init(3)).state_dict()
    try_step(algorithm, *given.data.tensors(torch.device("cpu")))
    after = algorithm.network(algorithm.init(3)).state_dict()
    assert all(torch.equal(before[weight], after[weight]) for weight in before)


def test_two_networks_that_teach_each_other_are_tried(tmp_path):
    check_network(job(tmp_path, CoTeaching(recipe=recipe(MLP(hidden=(4,))), noise_rate=0.2)))


class Writing(torch.nn.Linear):
    """A linear layer before which something is done to the inputs, in training, in evaluation, or in both."""

    def __init__(self, write, modes=(True, False)):
        super().__init__(6, 3)
        self.write, self.modes = write, modes

    def forward(self, inputs):
        if self.training in self.modes:
            self.write(inputs)
        return super().forward(inputs)


@pytest.mark.parametrize(
    "network",
    [
        lambda: Writing(lambda x: x.sub_(1.0)),
        lambda: Writing(lambda x: x.sub_(1.0), (True,)),
        lambda: Writing(lambda x: x.sub_(1.0), (False,)),
        lambda: Writing(lambda x: x.clamp_(-1e9, 1e9)),
        lambda: Writing(lambda x: x.data.mul_(0.5), (False,)),
        lambda: torch.nn.Sequential(torch.nn.LeakyReLU(inplace=True), torch.nn.Linear(6, 3)),
    ],
    ids=["both", "training", "evaluation", "what is there already", "past torch", "a layer"],
)
def test_whoever_writes_to_inputs_is_refused_and_the_data_stay(tmp_path, network):
    given = job(tmp_path, recipe(Network(network)))
    before = given.data.inputs.copy()
    with pytest.raises(BadInput, match="changes the inputs that it is given"):
        check_network(given)
    assert (given.data.inputs == before).all()


def test_whoever_writes_to_a_copy_is_not_refused(tmp_path):
    inner = [torch.nn.Linear(6, 4), torch.nn.ReLU(inplace=True), torch.nn.Linear(4, 3)]
    check_network(job(tmp_path, recipe(Network(lambda: torch.nn.Sequential(*inner)))))
