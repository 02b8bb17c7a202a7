"""Hints of what looks at networks, and of a target among a run's models, are followed: each mends its case."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.engine.afterwards import probe
from byrote.engine.given_model import with_target
from byrote.probes import registry
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.gated import Gated
from byrote.probes.layers import chosen_layers, seen
from byrote.probes.moment import Moment
from byrote.probes.tokens import signals
from byrote.recipes.algorithm import Shape
from byrote.recipes.private import private
from byrote.runs.run import Run
from documents import small_language_audit
from followed import Case, each, follow
from made_once import copied
from small import RECIPE, blobs, small_audit

MEMBER = (np.arange(60) % 2).astype(np.int8)


def new(folder: Path) -> Path:
    """A place in the folder where nothing is yet."""
    return folder / f"of-{len(list(folder.iterdir()))}"


class Turned(nn.Module):
    """A network whose second layer is given the positions in place of the examples."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(inputs).transpose(0, 1)).transpose(0, 1).mean(1)


class Apart(nn.Module):
    """A network that uses the weights of its second layer without calling it."""

    def __init__(self, *, calls: bool) -> None:
        super().__init__()
        self.first, self.second, self.calls = nn.Linear(2, 2), nn.Linear(2, 2), calls

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        made = self.first(inputs)
        return self.second(made) if self.calls else nn.functional.linear(made, self.second.weight)


def read(layer: str) -> Callable[[Path], Any]:
    """What the turned network makes of an example in a layer."""

    def look(_: Path) -> Any:
        network = Turned()
        with seen(network, ["first", "second"]) as found:
            network(torch.zeros(2, 7, 3))
        return found.tensor(layer)

    return look


def gated(*, calls: bool) -> Callable[[Path], Any]:
    """The units of a network are silenced."""
    return lambda _: Gated(Apart(calls=calls), ["first", "second"], torch.zeros(1, 2))


class Watching(Probe):
    """A probe of one's own, which asks a moment for something and writes nothing."""

    name: ClassVar[str] = "watching"
    when: ClassVar[frozenset[When]] = frozenset({"step"})
    kinds = ()

    def __init__(self, when: When = "step", ask: Callable[[Block, Moment], Any] = lambda _, at: at.rows) -> None:
        self.moment, self.ask = when, ask

    def look(self, at: Moment) -> None:
        self.ask(self.block, at)

    def shards(self) -> Iterator[Shard]:
        return iter(())


def watched(
    when: When, ask: Callable[[Block, Moment], Any], audit: Callable[..., Any] = small_audit, **settings: Any
) -> Callable[[Path], Any]:
    """An audit with a probe of one's own."""

    class Own(Watching):
        pass

    Own.when = frozenset({when})

    def make(folder: Path) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(registry, "_ENTERED", {**registry.probes(), "watching": Own(when, ask)})
            return audit(new(folder), probes=("watching",), **{"models": 4, "full": 0, **settings})

    return make


def seen_later(_: Path) -> Any:
    """A probe of steps is asked to look after the training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_ENTERED", {**registry.probes(), "watching": Watching()})
        return registry.made("watching", after=True)


QUICK = dataclasses.replace(RECIPE, epochs=1)
OF_CLASSES: dict[str, Any] = {"dataset": blobs(24), "heldout": None, "recipe": QUICK}
OF_TEXTS: dict[str, Any] = {"audit": small_language_audit, "checkpoints": 2, "generate": None}
POISSON = private(QUICK, members=12, rate=0.5, clip=1.0, multiplier=1.0)


def tokens(block: Block, at: Moment) -> Any:
    """What language models say of every token, as the hint has it."""
    assert block.corpus is not None
    return [signals(network, block.corpus, context=block.context) for network in at.networks()]


def rewound(kept: str) -> Callable[[Path], Any]:
    """A run that keeps these weights is rewound."""
    how: dict[str, Any] = {"dataset": blobs(24), "heldout": None, "models": 4, "full": 0, "checkpoints": 2}
    return lambda folder: probe(small_audit(new(folder), keep_weights_at=kept, **how), "rewinding,permutations=1")


def searched(*hidden: int) -> Callable[[Path], Any]:
    """The units of networks with these hidden layers are searched."""
    recipe = dataclasses.replace(QUICK, network=byrote.MLP(hidden=hidden))
    how: dict[str, Any] = {"dataset": blobs(24), "heldout": None, "models": 4, "full": 0, "keep_weights_at": "last"}
    return lambda folder: probe(small_audit(new(folder), recipe=recipe, **how), "unit_search,budget=2")


@cache
def algorithm() -> Any:
    """The training algorithm of the recipe."""
    return RECIPE.bind(Shape(inputs=(2,), classes=3, examples=60), torch.device("cpu"))


def target(
    digest: str = "of it", *, attached: bool = True, spoiled: bool = False, folder_of: str = "run"
) -> Callable[[Path], Any]:
    """A network that is trained already joins a run, in that folder, which may have one."""

    def join(folder: Path) -> Any:
        place = folder / folder_of
        run = Run.open(place if place.exists() else copied("classes", folder, folder_of))
        state = algorithm().init(3)
        if spoiled:
            with torch.no_grad():
                next(algorithm().network(state).parameters()).fill_(torch.nan)
        at_hand = run.attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1)) if attached else run
        return with_target(at_hand, algorithm(), state, MEMBER, digest)

    return join


LOOKS = (
    Case(
        name="no layer",
        wrong=lambda _: chosen_layers("conv1;haed", ["conv1", "head"]),
        says="did you mean 'head'?",
        right=lambda _: chosen_layers("conv1;head", ["conv1", "head"]),
    ),
    Case(name="a layer that cannot be read", wrong=read("first"), says="layers=conv1;head", right=read("second")),
    Case(name="a layer that is not called", wrong=gated(calls=False), says="calls once", right=gated(calls=True)),
    Case(name="one layer", wrong=searched(), says="byrote.MLP(hidden=(64,))", right=searched(64), slow=True),
    Case(
        name="weights at one checkpoint",
        wrong=rewound("last"),
        says="--keep-weights-at checkpoints",
        right=rewound("checkpoints"),
        slow=True,
    ),
    Case(
        name="gradients at a step",
        wrong=watched("step", lambda _, at: at.gradients("inputs"), **OF_CLASSES),
        says='when = frozenset({"checkpoint"})',
        right=watched("checkpoint", lambda _, at: at.gradients("inputs"), **OF_CLASSES),
        slow=True,
    ),
    Case(
        name="steps after the training",
        wrong=seen_later,
        says="--probe watching",
        right=watched("step", lambda _, at: at.rows, **OF_CLASSES),
        slow=True,
    ),
    Case(
        name="steps of other sizes",
        wrong=watched("step", lambda _, at: at.logits, **{**OF_CLASSES, "recipe": POISSON}),
        says="leave batches out",
        right=watched("step", lambda _, at: at.logits, **OF_CLASSES),
        slow=True,
    ),
    Case(
        name="logits of documents",
        wrong=watched("checkpoint", lambda _, at: at.logits, **OF_TEXTS),
        says="byrote.probes.tokens.signals(",
        right=watched("checkpoint", tokens, **OF_TEXTS),
    ),
    Case(
        name="a target without data", wrong=target(attached=False), says="run.attach(dataset, recipe)", right=target()
    ),
    Case(
        name="another target",
        wrong=lambda folder: [target()(folder), target("of another")(folder)],
        says="give another folder",
        right=target("of another", folder_of="another"),
    ),
    Case(name="a spoiled target", wrong=target(spoiled=True), says="a training that did not diverge", right=target()),
)


@each(*LOOKS)
def test_hints_of_looks_at_networks_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
