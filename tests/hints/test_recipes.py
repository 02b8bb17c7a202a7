"""Hints of recipes, networks, changes and probes are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.changes.change import Context
from byrote.changes.data.deduplicate import RemoveNearDuplicates
from byrote.changes.registry import changes, parse_change
from byrote.engine.stopping import Goal, duration, refuse_estimate
from byrote.errors import BadInput
from byrote.probes.decoding import Decoding
from byrote.probes.kept_weights import keeping
from byrote.probes.registry import made
from byrote.recipes.checks import check_slots, check_task, check_text, refuse_mixing
from byrote.recipes.guarantee import epsilon_of, guarantee, multiplier_of
from byrote.recipes.objectives.goldfish import Goldfish
from byrote.recipes.private import ClipByExample, GaussianNoise, Poisson, private
from followed import Case, each, follow, without
from small import RECIPE, blobs


def recipe(**slots: Any) -> Callable[[Path], Any]:
    """A recipe of these slots, checked as an audit checks it."""
    return lambda _: check_slots(byrote.Recipe(**{"network": byrote.MLP()} | slots))


def built(made: Callable[..., Any], *given: Any, **settings: Any) -> Callable[[Path], Any]:
    """A thing of these settings."""
    return lambda _: made(*given, **settings)


def network(kind: Any, inputs: tuple[int, ...], **settings: Any) -> Callable[[Path], Any]:
    """A network for inputs of this shape."""
    return lambda _: kind(**settings).build(inputs, 3)


def private_recipe(**changes: Any) -> Any:
    """A recipe with differential privacy."""
    how: dict[str, Any] = {"members": 30, "rate": 0.5, "clip": 1.0, "multiplier": 2.0} | changes
    return private(RECIPE, **how)


#: Settings of Private that are refused, what the hint says, and what it names.
PRIVATES: list[tuple[str, tuple[Any, ...], str, tuple[Any, ...]]] = [
    (
        "private of two networks",
        (byrote.CoTeaching(recipe=RECIPE),),
        "Private(byrote.Recipe(network=byrote.MLP()), clip=1.0, noise=1.0, rate=0.05)",
        (byrote.Recipe(network=byrote.MLP()), 1.0, 1.0, 0.05),
    ),
    (
        "private by class",
        (dataclasses.replace(RECIPE, sampler=byrote.ClassBalanced()),),
        "leave batches, example_gradients and sampler out",
        (RECIPE,),
    ),
    ("an arm", (RECIPE, 1.0, 1.0, 0.5, None, "neither"), "arm='both'", (RECIPE, 1.0, 1.0, 0.5, None, "both")),
    ("no members", (RECIPE, 1.0, 1.0, 0.5, 0), "leave it out", (RECIPE, 1.0, 1.0, 0.5)),
    ("private without noise", (RECIPE, 1.0, 0.0), "noise=1.0", (RECIPE, 1.0, 1.0)),
]


TEXTS = byrote.Recipe(network=byrote.TinyGPT(), objective=byrote.NextToken())
CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))

SLOTS = {
    "optimizer": (torch.optim.SGD, (byrote.AdamW(lr=0.001), byrote.SGD(lr=0.05))),
    "schedule": (byrote.Cosine, (byrote.Cosine(), byrote.Constant())),
    "objective": (nn.CrossEntropyLoss(), (byrote.CrossEntropy(),)),
    "augmentation": (byrote.RandomShift, (byrote.RandomShift(2), byrote.HorizontalFlip())),
    "gradient_transform": (byrote.ClipNorm, (byrote.ClipNorm(1.0),)),
    "input_perturbation": (byrote.ProjectedGradient, (byrote.ProjectedGradient(radius=0.1),)),
    "batches": (Poisson, (Poisson(rate=0.05),)),
    "example_gradients": (ClipByExample, (ClipByExample(1.0),)),
    "sampler": (byrote.ClassBalanced, (byrote.ClassBalanced(),)),
}


def rights(slot: str) -> list[Case]:
    """A case for everything that the hint of a slot names."""
    wrong, right = SLOTS[slot]
    return [
        Case(
            name=f"{slot} {type(one).__name__}",
            wrong=recipe(**{slot: wrong}),
            says=type(one).__name__,
            right=recipe(**{slot: one}),
        )
        for one in right
    ]


@each(*(case for slot in SLOTS for case in rights(slot)))
def test_hints_of_slots_are_followed(case, tmp_path):
    follow(case, tmp_path)


class Unsaid:
    """A sampler that does not say whether it repeats."""

    def order(self, *_: Any) -> None:
        """No order at all."""


class Said(Unsaid):
    """One that does."""

    repeats = True


def attacked(**range_of_data: float) -> Callable[[Path], Any]:
    """An attack on inputs of which nobody says in what range they lie."""
    keys, inputs = torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1, 4, 3)
    attack = byrote.ProjectedGradient(**range_of_data)
    return lambda _: attack.apply(inputs, lambda x: x.sum(2), keys=keys, extent=None)


ROW = byrote.from_arrays(np.arange(12.0).reshape(6, 2), np.arange(6) + 0.5, task="regression")
SETS = byrote.from_arrays(np.arange(12.0).reshape(6, 2), np.array([[1, 1], [0, 1], [0, 0]] * 2))

RECIPES = (
    Case(
        name="no epochs",
        wrong=recipe(epochs=0),
        says="epochs=20, batch_size=128",
        right=recipe(epochs=20, batch_size=128),
    ),
    Case(
        name="a network of torch's",
        wrong=recipe(network=nn.Flatten),
        says="network=byrote.Network(MyNet)",
        right=recipe(network=byrote.Network(nn.Flatten)),
    ),
    Case(
        name="a network that is made",
        wrong=recipe(network=byrote.Network(nn.Flatten())),
        says="byrote.Network(Flatten), without a call",
        right=recipe(network=byrote.Network(nn.Flatten)),
    ),
    Case(name="a silent sampler", wrong=recipe(sampler=Unsaid()), says="repeats = True", right=recipe(sampler=Said())),
    Case(
        name="classes of a regression",
        wrong=lambda _: check_task(RECIPE, ROW.task),
        says="objective=byrote.SquaredError()",
        right=lambda _: check_task(dataclasses.replace(RECIPE, objective=byrote.SquaredError()), ROW.task),
    ),
    Case(
        name="classes of several labels",
        wrong=lambda _: check_task(RECIPE, SETS.task),
        says="objective=byrote.BinaryCrossEntropy()",
        right=lambda _: check_task(dataclasses.replace(RECIPE, objective=byrote.BinaryCrossEntropy()), SETS.task),
    ),
    Case(
        name="balanced numbers",
        wrong=lambda _: check_task(
            dataclasses.replace(RECIPE, objective=byrote.SquaredError(), sampler=byrote.ClassBalanced()), ROW.task
        ),
        says="leave the sampler out",
        right=lambda _: check_task(dataclasses.replace(RECIPE, objective=byrote.SquaredError()), ROW.task),
    ),
    Case(
        name="batch norm example by example",
        wrong=lambda _: refuse_mixing(byrote.ResNet(depth=8).build((1, 8, 8), 3)),
        says="ResNet(norm='group')",
        right=lambda _: refuse_mixing(byrote.ResNet(depth=8, norm="group").build((1, 8, 8), 3)),
    ),
    Case(
        name="torch's dropout example by example",
        wrong=lambda _: refuse_mixing(nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5))),
        says="byrote.Dropout",
        right=lambda _: refuse_mixing(nn.Sequential(nn.Linear(2, 3), byrote.Dropout(0.5))),
    ),
    Case(name="a rate for SGD", wrong=built(byrote.SGD, lr=0), says="0.1 is common", right=built(byrote.SGD, lr=0.1)),
    Case(name="a rate for AdamW", wrong=built(byrote.AdamW, lr=-1), says="0.001", right=built(byrote.AdamW, lr=0.001)),
    Case(name="all out", wrong=built(byrote.Dropout, 1.0), says="0.5 drops half", right=built(byrote.Dropout, 0.5)),
    Case(
        name="a perturbation backwards",
        wrong=built(byrote.ProjectedGradient, radius=-1),
        says="byrote.ProjectedGradient(radius=0.1, steps=5)",
        right=built(byrote.ProjectedGradient, radius=0.1, steps=5),
    ),
    Case(
        name="a range upside down",
        wrong=built(byrote.ProjectedGradient, radius=0.1, low=1.0, high=0.0),
        says="low=0.0, high=1.0",
        right=built(byrote.ProjectedGradient, radius=0.1, low=0.0, high=1.0),
    ),
    Case(
        name="co-teaching with all wrong",
        wrong=built(byrote.CoTeaching, noise_rate=1.0, recipe=RECIPE),
        says="0.05",
        right=built(byrote.CoTeaching, noise_rate=0.05, recipe=RECIPE),
    ),
    Case(
        name="trades",
        wrong=built(byrote.Trades, beta=-1.0),
        says="byrote.Trades(beta=6.0, radius=0.1, steps=5)",
        right=built(byrote.Trades, beta=6.0, radius=0.1, steps=5),
    ),
    Case(
        name="trades at once", wrong=built(byrote.Trades, steps=0), says="steps=5", right=built(byrote.Trades, steps=5)
    ),
    Case(
        name="an exponent of two",
        wrong=built(byrote.GeneralisedCrossEntropy, 2.0),
        says="0.7 is the authors'; byrote.CrossEntropy() is the limit",
        right=built(byrote.GeneralisedCrossEntropy, 0.7),
    ),
    Case(
        name="a loss of nothing",
        wrong=built(byrote.SymmetricCrossEntropy, alpha=0.0, beta=0.0),
        says="byrote.SymmetricCrossEntropy(alpha=0.1, beta=1.0)",
        right=built(byrote.SymmetricCrossEntropy, alpha=0.1, beta=1.0),
    ),
    Case(
        name="a floor above",
        wrong=built(byrote.SymmetricCrossEntropy, floor=1.0),
        says="floor=-4.0",
        right=built(byrote.SymmetricCrossEntropy, floor=-4.0),
    ),
    Case(name="a focus", wrong=built(byrote.Focal, -1.0), says="2.0 is the authors'", right=built(byrote.Focal, 2.0)),
    Case(
        name="an offset of the log",
        wrong=built(byrote.RobustLogLoss, 0.0),
        says="byrote.RobustLogLoss(a=0.1)",
        right=built(byrote.RobustLogLoss, a=0.1),
    ),
    Case(
        name="goldfish",
        wrong=built(Goldfish, one_in=1),
        says="one_in=4",
        right=built(Goldfish, one_in=4, context=13),
    ),
    Case(
        name="smoothed away",
        wrong=built(byrote.CrossEntropy, 1.0),
        says="0.1 is usual",
        right=built(byrote.CrossEntropy, 0.1),
    ),
    Case(
        name="nothing to mix",
        wrong=built(byrote.Mixup, 0.0),
        says="1.0 makes all shares alike likely",
        right=built(byrote.Mixup, 1.0),
    ),
    Case(
        name="mixed and drawn one by one",
        wrong=recipe(mixing=byrote.Mixup(), batches=Poisson(rate=0.5)),
        says="leave out mixing, or batches and example_gradients",
        right=recipe(mixing=byrote.Mixup()),
    ),
    Case(
        name="mixtures that are remembered",
        wrong=recipe(mixing=byrote.Mixup(), objective=byrote.EarlyLearningRegularization()),
        says="objective=byrote.CrossEntropy()",
        right=recipe(mixing=byrote.Mixup(), objective=byrote.CrossEntropy()),
    ),
    Case(
        name="a square of less than nothing",
        wrong=built(byrote.Cutout, -1),
        says="byrote.Cutout(size=4)",
        right=built(byrote.Cutout, size=4),
    ),
    Case(
        name="weights of classes",
        wrong=built(byrote.CrossEntropy, class_weights=(0.0, 1.0)),
        says="1 leaves a class as it is",
        right=built(byrote.CrossEntropy, class_weights=(1.0, 1.0)),
    ),
    Case(
        name="weights of labels",
        wrong=built(byrote.BinaryCrossEntropy, positive_weights=(0.0, 1.0)),
        says="1 leaves a label as it is",
        right=built(byrote.BinaryCrossEntropy, positive_weights=(1.0, 1.0)),
    ),
    Case(
        name="smoothing",
        wrong=built(byrote.NextToken, label_smoothing=1.0),
        says="0.1 is usual",
        right=built(byrote.NextToken, label_smoothing=0.1),
    ),
    Case(name="poisson", wrong=built(Poisson, rate=2.0), says="rate=0.05", right=built(Poisson, rate=0.05)),
    Case(
        name="no expected size",
        wrong=built(Poisson, rate=0.5, expected=0.0),
        says="leave it out",
        right=built(Poisson, rate=0.5),
    ),
    Case(name="clipped away", wrong=built(ClipByExample, 0.0), says="1.0", right=built(ClipByExample, 1.0)),
    Case(
        name="noise",
        wrong=built(GaussianNoise, -1.0),
        says="the noise multiplier times the largest norm",
        right=built(GaussianNoise, 2.0 * 1.0),
    ),
    Case(
        name="gradients that are changed already",
        wrong=lambda _: private(
            dataclasses.replace(RECIPE, gradient_transform=byrote.ClipNorm(1.0)),
            members=30,
            rate=0.5,
            clip=1.0,
            multiplier=2.0,
        ),
        says="leave out gradient_transform",
        right=lambda _: private_recipe(),
    ),
    Case(
        name="no privacy promised",
        wrong=lambda _: guarantee(RECIPE, delta=1e-5),
        says="private(recipe, members=500, rate=0.1, clip=1.0, multiplier=2.0)",
        right=lambda _: guarantee(private(RECIPE, members=500, rate=0.1, clip=1.0, multiplier=2.0), delta=1e-5),
    ),
    Case(
        name="delta",
        wrong=lambda _: guarantee(private_recipe(), delta=0.0),
        says="delta=1e-5",
        right=lambda _: guarantee(private_recipe(), delta=1e-5),
    ),
    *[
        Case(name=name, wrong=built(byrote.Private, *wrong), says=says, right=built(byrote.Private, *right))
        for name, wrong, says, right in PRIVATES
    ],
    Case(
        name="private texts",
        wrong=lambda _: check_text(byrote.Private(TEXTS)),
        says="give the byrote.Recipe itself",
        right=lambda _: check_text(TEXTS),
    ),
    Case(
        name="private already",
        wrong=lambda _: parse_change("dp-sgd=8").apply(byrote.Private(RECIPE), CONTEXT),
        says="change the run before it",
        right=lambda _: parse_change("dp-sgd=8").apply(RECIPE, CONTEXT),
    ),
    Case(
        name="private with a delta",
        wrong=built(byrote.Private, RECIPE, delta=2.0),
        says="leave it out",
        right=built(byrote.Private, RECIPE),
    ),
    Case(
        name="little noise",
        wrong=lambda _: epsilon_of(0.02, 0.05, 20, 1e-5),
        says="noise=0.62",
        right=lambda _: epsilon_of(0.62, 0.05, 20, 1e-5),
    ),
    Case(
        name="a tiny epsilon",
        wrong=lambda _: multiplier_of(0.001, 0.5, 2, 1e-5),
        says="dp-sgd=8",
        right=lambda _: multiplier_of(8.0, 0.5, 2, 1e-5),
    ),
    Case(
        name="a depth",
        wrong=network(byrote.ResNet, (1, 8, 8), depth=9),
        says="8, 14",
        right=network(byrote.ResNet, (1, 8, 8), depth=8),
    ),
    Case(name="a width", wrong=built(byrote.TinyGPT, width=13), says="width=16", right=built(byrote.TinyGPT, width=16)),
    Case(name="no width", wrong=built(byrote.TinyGPT, width=1), says="width=8", right=built(byrote.TinyGPT, width=8)),
    Case(
        name="rows as images", wrong=network(byrote.SmallCNN, (20,)), says="use MLP", right=network(byrote.MLP, (20,))
    ),
    Case(
        name="images as words",
        wrong=network(byrote.BagOfEmbeddings, (1, 8, 8), words=9),
        says="SmallCNN",
        right=network(byrote.SmallCNN, (1, 8, 8)),
    ),
    Case(
        name="rows that are shifted",
        wrong=lambda _: byrote.RandomShift(2).apply(torch.zeros(4, 20), torch.zeros(4, 2)),
        says="give the dataset as images",
        right=lambda _: byrote.RandomShift(2).apply(torch.zeros(4, 1, 4, 5), torch.zeros(4, 2)),
    ),
    Case(
        name="co-teaching of drawn examples",
        wrong=built(byrote.CoTeaching, noise_rate=0.1, recipe=dataclasses.replace(RECIPE, batches=Poisson(rate=0.5))),
        says="leave out batches and example_gradients",
        right=built(byrote.CoTeaching, noise_rate=0.1, recipe=RECIPE),
    ),
    Case(
        name="an attack without a range",
        wrong=attacked(),
        says="byrote.ProjectedGradient(low=0.0, high=1.0)",
        right=attacked(low=0.0, high=1.0),
    ),
    Case(
        name="no accountant",
        wrong=without("opacus", lambda _: guarantee(private_recipe(), delta=1e-5)),
        says="pip install 'byrote[privacy]'",
        right=lambda _: guarantee(private_recipe(), delta=1e-5),
    ),
    Case(
        name="no class an example",
        wrong=lambda _: byrote.ClassBalanced().order(0, 0, np.ones(6, np.uint8)),
        says="leave the sampler out",
        right=lambda _: RECIPE.sampler.order(0, 0, np.ones(6, np.uint8)),
    ),
    Case(
        name="no embedding",
        wrong=built(byrote.BagOfEmbeddings, words=9, width=0),
        says="width=64",
        right=built(byrote.BagOfEmbeddings, words=9, width=64),
    ),
)


@each(*RECIPES)
def test_hints_of_recipes_are_followed(case, tmp_path):
    follow(case, tmp_path)


def enough(name: str) -> str:
    """The name of a change with the amount that a hint gives it where it needs one."""
    try:
        parse_change(name)
    except BadInput as told:
        parse_change(told.hint)
        return told.hint + ","
    return name + "="


@pytest.mark.parametrize("name", changes())
def test_hints_at_amounts_and_settings_of_changes_are_followed(name):
    begin = enough(name)
    for field in dataclasses.fields(changes()[name])[1:]:
        try:
            parse_change(f"{begin}{field.name}=?")
        except BadInput as told:
            if "only be given in Python" not in told.message:
                parse_change(begin + told.hint)


def kept(asked: str, *, heldout: bool = True) -> Callable[[Path], Any]:
    """What of the weights of four models is kept."""
    return lambda _: keeping(asked, (0, 3, 6), 10, np.array([0, 0, 1, 1]), heldout=heldout)


CHANGES = (
    Case(
        name="no change",
        wrong=built(parse_change, "label_noise=0.1"),
        says="did you mean 'label-noise'?",
        right=built(parse_change, "label-noise=0.1"),
    ),
    Case(
        name="no setting",
        wrong=built(parse_change, "gradient-ascent=5,rates=1"),
        says="did you mean 'rate'?",
        right=built(parse_change, "gradient-ascent=5,rate=1"),
    ),
    Case(
        name="a setting of no value",
        wrong=built(parse_change, "gradient-ascent=5,rate"),
        says="first,key=value",
        right=built(parse_change, "gradient-ascent=5,rate=1"),
    ),
    Case(
        name="likeness",
        wrong=built(RemoveNearDuplicates, similarity=0.0),
        says="remove-near-duplicates=0.8",
        right=built(parse_change, "remove-near-duplicates=0.8"),
    ),
    Case(
        name="a guard of one",
        wrong=built(parse_change, "ngram-guard=1"),
        says="ngram-guard=8",
        right=built(parse_change, "ngram-guard=8"),
    ),
    Case(
        name="secrets",
        wrong=built(parse_change, "redraw-secrets=2"),
        says="redraw-secrets=0.5",
        right=built(parse_change, "redraw-secrets=0.5"),
    ),
    Case(
        name="no temperature",
        wrong=built(Decoding.parse, "temperature=0"),
        says="temperature=1",
        right=built(Decoding.parse, "temperature=1"),
    ),
    Case(
        name="no token",
        wrong=built(Decoding.parse, "top_k=0"),
        says="top_k=40",
        right=built(Decoding.parse, "top_k=40"),
    ),
    Case(
        name="no mass",
        wrong=built(Decoding.parse, "top_p=0"),
        says="top_p=0.9",
        right=built(Decoding.parse, "top_p=0.9"),
    ),
    Case(
        name="another setting of decoding",
        wrong=built(Decoding.parse, "beam=4"),
        says="decoding,temperature=0.7,top_k=40,top_p=0.9",
        right=built(Decoding.parse, "temperature=0.7,top_k=40,top_p=0.9"),
    ),
    Case(
        name="no probe",
        wrong=built(made, "last-layer"),
        says="did you mean 'last_layer'?",
        right=built(made, "last_layer"),
    ),
    Case(
        name="a number of permutations",
        wrong=built(made, "rewinding,permutations=x", after=True),
        says="rewinding,permutations=4",
        right=built(made, "rewinding,permutations=4", after=True),
    ),
    Case(
        name="no units",
        wrong=built(made, "unit_search,budget=0", after=True),
        says="unit_search,budget=60",
        right=built(made, "unit_search,budget=60", after=True),
    ),
    Case(
        name="an attack without steps",
        wrong=built(made, "adversarial,steps=0"),
        says="adversarial,radius=0.1,steps=50,restarts=5",
        right=built(made, "adversarial,radius=0.1,steps=50,restarts=5"),
    ),
    Case(
        name="no draws",
        wrong=built(made, "stability,draws=1", after=True),
        says="stability,draws=20",
        right=built(made, "stability,draws=20", after=True),
    ),
    Case(
        name="no neighbours of texts",
        wrong=built(made, "neighbours,number=0"),
        says="neighbours,number=8,share=0.1",
        right=built(made, "neighbours,number=8,share=0.1"),
    ),
    Case(
        name="no neighbour",
        wrong=built(made, "readout,neighbours=0", after=True),
        says="readout,neighbours=5,most=5000",
        right=built(made, "readout,neighbours=5,most=5000", after=True),
    ),
    Case(
        name="another setting of a probe",
        wrong=built(made, "rewinding,times=2", after=True),
        says="permutations",
        right=built(made, "rewinding,permutations=2", after=True),
    ),
    Case(
        name="no time",
        wrong=built(duration, "10"),
        says="90s, 10m or 1.5h",
        right=lambda _: [duration(one) for one in ("90s", "10m", "1.5h")],
    ),
    Case(
        name="no error",
        wrong=built(Goal.of, stderr=0.7, budget=None, models=None),
        says="--stderr .05",
        right=built(Goal.of, stderr=0.05, budget=None, models=None),
    ),
    Case(
        name="no estimate",
        wrong=built(refuse_estimate, "margin", "classes"),
        says="--estimate 'label_memorization[margin]', or leave it out",
        right=built(refuse_estimate, "label_memorization[margin]", "classes"),
    ),
    Case(
        name="no estimate of numbers",
        wrong=built(refuse_estimate, "label_memorization[margin]", "regression"),
        says="leave out --estimate",
        right=built(refuse_estimate, "label_memorization", "regression"),
    ),
    Case(
        name="odd models",
        wrong=built(Goal.of, stderr=0.05, budget=None, models=5),
        says="--models 64",
        right=built(Goal.of, stderr=0.05, budget=None, models=64),
    ),
    Case(
        name="weights",
        wrong=kept("all"),
        says="checkpoints, best, or epochs as 0,3,last",
        right=lambda folder: [kept(asked)(folder) for asked in ("checkpoints", "best", "0,3,last")],
    ),
    Case(
        name="no best weights",
        wrong=kept("best", heldout=False),
        says="--keep-weights-at checkpoints",
        right=kept("checkpoints", heldout=False),
    ),
    Case(name="no checkpoint", wrong=kept("0,4"), says="after 0, 3, 6", right=kept("0,3,6")),
)


@each(*CHANGES)
def test_hints_of_changes_and_probes_are_followed(case, tmp_path):
    follow(case, tmp_path)
