"""Hints about units of networks are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import byrote
from byrote.analyses.catalog import ask
from byrote.analyses.identity_or_constant import identity_or_constant
from byrote.analyses.lookup_tables import lookup_tables
from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.drop_memory_units import DropMemoryUnits
from byrote.changes.model.silence_memory import SilenceMemory
from byrote.changes.recipe.example_tied_dropout import ExampleTiedDropout as TiedDropout
from byrote.designs.full_data import full_data
from byrote.engine.afterwards import probe
from byrote.probes.feed_forward import output_embedding, second_matrices
from byrote.probes.registry import made
from byrote.probes.tied_dropout import TiedDropoutProbe
from byrote.recipes.algorithm import Shape
from byrote.recipes.dropout import ExampleTiedDropout
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.recipe import BoundRecipe, Recipe
from byrote.runs.run import Run
from documents import letters, small_language_audit, words
from followed import Case, each, follow
from made_once import copied
from probes.memories import UNCHANGED, Memories
from small import RECIPE, blobs, small_audit


def setting(text: str) -> Callable[[Path], Any]:
    """A probe with a setting."""
    return lambda _: made(text, after=True)


def run_of(folder: Path, examples: int = 160, **settings: Any) -> Any:
    """A small run that kept its last weights, with more and more wrong labels the larger it is."""
    hidden = settings.pop("hidden", (16,))
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=hidden), epochs=2)
    how = {"models": 4, "full": 0, "heldout": None, "keep_weights_at": "last", **settings}
    name = f"{examples}-{len(hidden)}-{how['models']}"
    return small_audit(folder / name, dataset=blobs(examples, noise=0.4), recipe=recipe, **how)


def taken_apart(name: str, **settings: Any) -> Callable[[Path], Any]:
    """A probe of a small run after its training."""
    return lambda folder: probe(run_of(folder, **settings), name)


def silenced(persistent: int) -> Any:
    """A small GPT whose persistent memory is silenced."""
    recipe = Recipe(network=byrote.TinyGPT(width=16, heads=2, hidden=8, persistent=persistent), objective=NextToken())
    algorithm = recipe.bind(Shape(inputs=(8,), classes=9, examples=4), torch.device("cpu"))
    model = TrainedModel(algorithm=algorithm, state=algorithm.init(0))
    return SilenceMemory().apply(model, CONTEXT)


DISSOCIATION = (
    Case(
        name="no random units",
        wrong=setting("dissociation,draws=0"),
        says="dissociation,draws=20",
        right=setting("dissociation,draws=20"),
    ),
    Case(
        name="no such control",
        wrong=setting("dissociation,group=noise"),
        says="label_noise",
        right=setting("dissociation,group=label_noise"),
    ),
    Case(
        name="few planted",
        wrong=taken_apart("dissociation,draws=1", examples=60),
        says="--plant label-noise=0.1",
        right=taken_apart("dissociation,draws=1"),
        slow=True,
    ),
    Case(
        name="one layer",
        wrong=taken_apart("dissociation,draws=1", hidden=()),
        says="byrote.MLP(hidden=(64,))",
        right=taken_apart("dissociation,draws=1", hidden=(64,)),
        slow=True,
    ),
    Case(
        name="nothing silenced",
        wrong=lambda folder: ask(run_of(folder), "dissociation"),
        says="byrote probe RUN dissociation",
        right=lambda folder: ask(probe(run_of(folder), "dissociation,draws=1"), "dissociation"),
        slow=True,
    ),
)


@each(*DISSOCIATION)
def test_hints_of_dissociation_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


PATHS = (
    Case(
        name="no top",
        wrong=setting("unit_paths,top=0"),
        says="unit_paths,top=10",
        right=setting("unit_paths,top=10"),
    ),
    Case(
        name="no others",
        wrong=setting("unit_paths,draws=0"),
        says="unit_paths,draws=4",
        right=setting("unit_paths,draws=4"),
    ),
    Case(
        name="one network",
        wrong=taken_apart("unit_paths", models=None, full=None, design=full_data(160, 1)),
        says="at least 4 models",
        right=taken_apart("unit_paths"),
        slow=True,
    ),
    Case(
        name="nothing matched",
        wrong=lambda folder: ask(run_of(folder), "unit_paths"),
        says="byrote probe RUN unit_paths",
        right=lambda folder: ask(probe(run_of(folder), "unit_paths"), "unit_paths"),
        slow=True,
    ),
)


@each(*PATHS)
def test_hints_of_paths_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))
TIED = byrote.MLP(hidden=(16,), tied_dropout=(0.2, 0.1))


def bound_to(network: Any) -> BoundRecipe:
    """The small recipe with another network."""
    shape = Shape(inputs=(2,), classes=3, examples=60)
    return dataclasses.replace(RECIPE, network=network).bind(shape, torch.device("cpu"))


def read(network: Any) -> Callable[[Path], Any]:
    """The probe of memory units looks at a network beforehand."""
    one = bound_to(network)
    return lambda _: TiedDropoutProbe().check(one, one.build(0), torch.zeros(2, 2), torch.zeros(2))


def dropped(network: Any) -> Callable[[Path], Any]:
    """Memory units of a network are dropped."""
    one = bound_to(network)
    return lambda _: DropMemoryUnits().apply(TrainedModel(algorithm=one, state=one.init(0)), CONTEXT)


def changed_to(network: Any) -> Callable[[Path], Any]:
    """The recipe of a network gets the dropout."""
    return lambda _: TiedDropout().apply(dataclasses.replace(RECIPE, network=network), CONTEXT)


def asked_of(folder: Path, *probes: str) -> Any:
    """A small audit of memory units is asked what they hold."""
    recipe = dataclasses.replace(RECIPE, network=TIED, epochs=2)
    out = folder / "-".join(("run", *probes))
    return ask(small_audit(out, recipe=recipe, models=4, full=0, heldout=None, probes=probes), "tied_dropout")


TIED_DROPOUT = (
    Case(
        name="shares that are none",
        wrong=lambda _: ExampleTiedDropout(0.0, 0.1),
        says="fixed=0.2, memory=0.1",
        right=lambda _: ExampleTiedDropout(fixed=0.2, memory=0.1),
    ),
    Case(
        name="a training pass of one's own",
        wrong=lambda _: ExampleTiedDropout()(torch.zeros(2, 3)),
        says="call .eval() first",
        right=lambda _: ExampleTiedDropout().eval()(torch.zeros(2, 3)),
    ),
    Case(
        name="a network without the dropout",
        wrong=changed_to(byrote.ResNet(depth=8)),
        says="byrote.MLP or byrote.SmallCNN",
        right=changed_to(byrote.SmallCNN()),
    ),
    Case(
        name="nothing to drop",
        wrong=dropped(byrote.MLP()),
        says="--with example-tied-dropout=0.2 --with drop-memory-units",
        right=dropped(TIED),
    ),
    Case(
        name="more than all",
        wrong=lambda _: DropMemoryUnits(1.5),
        says="without an amount",
        right=lambda _: DropMemoryUnits(),
    ),
    Case(
        name="more than all of the memory",
        wrong=lambda _: SilenceMemory(1.5),
        says="silence-memory=0.5",
        right=lambda _: SilenceMemory(0.5),
    ),
    Case(
        name="no persistent memory",
        wrong=lambda _: silenced(0),
        says="byrote.TinyGPT(persistent=256)",
        right=lambda _: silenced(256),
    ),
    Case(
        name="no memory units to read",
        wrong=read(byrote.MLP()),
        says="byrote.MLP(tied_dropout=(0.2, 0.1))",
        right=read(byrote.MLP(tied_dropout=(0.2, 0.1))),
    ),
    Case(
        name="memory units not read",
        wrong=asked_of,
        says="--probe tied_dropout",
        right=lambda folder: asked_of(folder, "tied_dropout"),
        slow=True,
    ),
)


@each(*TIED_DROPOUT)
def test_hints_of_tied_dropout_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


def documents(folder: Path, *probes: str) -> Any:
    """A language model that is known, and what probes read of it."""
    texts = ["abcd", "efgh", "ijkl", "mnop"]
    how = {"corpus": letters(texts), "recipe": UNCHANGED, "generate": None, "keep_weights_at": "last", "checkpoints": 2}
    return probe(small_language_audit(folder / "run", **how), *probes)


class Called(nn.Sequential):
    """A linear layer by a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.add_module(name, nn.Linear(3, 5))


FEED_FORWARD = (
    Case(
        name="no context",
        wrong=setting("feed_forward_units,top=0"),
        says="feed_forward_units,top=10",
        right=setting("feed_forward_units,top=10"),
    ),
    Case(
        name="no feed-forward layer of that name",
        wrong=lambda _: second_matrices(Memories(), ["0.down_proj"]),
        says="layers=0.down_proj;1.down_proj",
        right=lambda _: second_matrices(nn.ModuleList([Memories(), Memories()]), ["0.down_proj", "1.down_proj"]),
    ),
    Case(
        name="no output embedding",
        wrong=lambda _: output_embedding(Called("last"), 5),
        says="'lm_head'",
        right=lambda _: output_embedding(Called("lm_head"), 5),
    ),
    Case(
        name="units not read",
        wrong=lambda folder: ask(documents(folder), "feed_forward_units"),
        says="byrote probe RUN feed_forward_units",
        right=lambda folder: ask(documents(folder, "feed_forward_units"), "feed_forward_units"),
        slow=True,
    ),
    Case(
        name="no neurons",
        wrong=setting("knowledge_neurons,neurons=0"),
        says="knowledge_neurons,neurons=5",
        right=setting("knowledge_neurons,neurons=5"),
    ),
    Case(
        name="no share of paraphrases",
        wrong=setting("knowledge_neurons,paraphrases=7"),
        says="knowledge_neurons,paraphrases=0.7",
        right=setting("knowledge_neurons,paraphrases=0.7"),
    ),
    Case(
        name="paraphrases without groups",
        wrong=lambda _: made("knowledge_neurons,paraphrases=0.7", after=True)._groups(letters(["abc", "bbc"])),
        says="audit documents with groups",
        right=lambda _: made("knowledge_neurons,paraphrases=0.7", after=True)._groups(
            letters(["abc", "bbc"], groups=["one", "one"])
        ),
    ),
    Case(
        name="neurons not asked for",
        wrong=lambda folder: ask(documents(folder), "knowledge_neurons"),
        says="byrote probe RUN knowledge_neurons",
        right=lambda folder: ask(documents(folder, "knowledge_neurons"), "knowledge_neurons"),
        slow=True,
    ),
)


@each(*FEED_FORWARD)
def test_hints_of_feed_forward_units_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


MANIFOLDS = (
    Case(
        name="few points",
        wrong=setting("manifolds,points=7"),
        says="manifolds,points=12",
        right=setting("manifolds,points=12"),
    ),
    Case(
        name="no such centres",
        wrong=setting("manifolds,centres=apart"),
        says="manifolds,centres=decorrelated",
        right=setting("manifolds,centres=decorrelated"),
    ),
)


@each(*MANIFOLDS)
def test_hints_of_manifolds_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


def profiled(folder: Path, *, with_texts: bool) -> Any:
    """A small audit of words is asked who is memorized, with the texts at hand or not."""
    out = folder / "run"
    corpus = words(16)
    run = small_language_audit(out, corpus=corpus, models=4, full=0, generate=None)
    return ask(run if with_texts else Run.open(out), "text_profile")


TEXTS = (
    Case(
        name="no texts",
        wrong=lambda folder: profiled(folder, with_texts=False),
        says="with the documents that the run was made from",
        right=lambda folder: profiled(folder, with_texts=True),
        slow=True,
    ),
)


@each(*TEXTS)
def test_hints_of_the_profile_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


def tabled(with_data: bool, ask: Callable[..., Any] = lookup_tables, **settings: Any) -> Callable[[Path], Any]:
    """A run that was opened is asked how far look-up tables go, or what networks of one example make of others."""

    def asked(folder: Path) -> Any:
        place = folder / "run"
        run = Run.open(place if place.exists() else copied("classes", folder))
        known = run.attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1)) if with_data else run
        return ask(known, **settings)

    return asked


TABLES = (
    Case(
        name="no data",
        wrong=tabled(False),
        says="run.attach(dataset, recipe, heldout)",
        right=tabled(True),
    ),
    Case(
        name="a table too large",
        wrong=tabled(True, inputs="30"),
        says="inputs=2;4;8",
        right=tabled(True, inputs="2;4;8"),
    ),
    Case(
        name="no data to repeat",
        wrong=tabled(False, identity_or_constant),
        says="run.attach(dataset, recipe)",
        right=tabled(True, identity_or_constant, steps=1),
    ),
    Case(
        name="no number of layers",
        wrong=tabled(True, identity_or_constant, hidden="two"),
        says="hidden=0;1;3;6",
        right=tabled(True, identity_or_constant, hidden="0;1;3;6", width=8, steps=1),
    ),
    Case(
        name="more seeds than examples",
        wrong=tabled(True, identity_or_constant, seeds=500),
        says="--set seeds=59",
        right=tabled(True, identity_or_constant, seeds=59, width=4, hidden="0", steps=1),
    ),
)


@each(*TABLES)
def test_hints_of_tables_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
