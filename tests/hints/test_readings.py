"""Hints of probes, with what they read, are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

import byrote
from byrote.data.canaries import plant
from byrote.data.canary_tokens import tokenize_canaries
from byrote.data.corpus import Corpus, corpus_from_texts
from byrote.probes import canaries, contexts, generations, registry
from byrote.probes.augmented_queries import augmentation_of
from byrote.probes.gradient_norm import GradientNormProbe
from byrote.probes.kept_weights import keeping
from byrote.probes.last_layer import last_layer
from byrote.probes.moment import value_of
from byrote.probes.probabilities import Suspicion
from byrote.probes.registry import probe
from byrote.probes.rewinding import RewindingProbe
from byrote.probes.tokens import rows_of
from byrote.probes.trajectory import log_spaced
from documents import Bigrams, letters
from followed import Case, each, follow
from small import RECIPE

ROWS, LABELS = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 2
SETS = (torch.arange(16).reshape(8, 2) % 3 == 0).long()
ANSWERS = torch.full((8, 4), 0.25) + torch.tensor([0.1, -0.1, 0.05, -0.05])
LONG = letters(["abcdefghij" * 13])
HELD = [f"the {one} is written here" for one in ("first", "second", "third")]


def bytes_of(texts: list[str]) -> list[list[int]]:
    """A token for each byte."""
    return [[byte + 1 for byte in text.encode()] for text in texts]


def planted(context: int = 400) -> tuple[Any, Corpus]:
    """Texts with two canaries, cut into bytes."""
    made = plant(corpus_from_texts(HELD), level=1, repeat=(2,), rng=np.random.default_rng(0))
    cut = made.corpus.joined(made.controls, "both").tokenized(bytes_of, vocabulary=257, bos=0)
    return tokenize_canaries(made.canaries, cut, bytes_of, context=context, references=8), cut


CHOSEN, CORPUS = planted()
OTHER = corpus_from_texts(HELD).tokenized(bytes_of, vocabulary=257, bos=0)


class Sure(Bigrams):
    """A table of logits that overflow."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs) + torch.inf


def asked(corpus: Corpus = CORPUS, *, network: type[nn.Module] = Bigrams, context: int = 400) -> Callable[[Path], Any]:
    """What a model knows of canaries."""
    how: dict[str, Any] = {"canaries": CHOSEN, "device": "cpu", "context": context, "nodes": 16}
    return lambda _: canaries.signals(network(257).eval(), corpus, **how)


def reading(of: Any, **settings: Any) -> Callable[[Path], Any]:
    """What a model says of a long document."""
    return lambda _: of.signals(Bigrams(27), LONG, **({"context": 128} | settings))


class Norms(nn.Module):
    """A network whose last step is not its linear layer."""

    def __init__(self, *after: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 2), *after)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layers(inputs)


class Asking(nn.Linear):
    """A layer that looks into its values, as no batch of networks can."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs) if inputs.sum().item() > 0 else super().forward(-inputs)


def probed(network: nn.Module) -> Callable[[Path], Any]:
    """A probe of gradients is asked about a network."""
    return lambda _: GradientNormProbe().check(RECIPE, network, ROWS, LABELS)


def entered(called: str) -> Callable[[Path], Any]:
    """A probe of one's own under a name, which leaves the registry with the case."""

    class Mine(GradientNormProbe):
        name = called

    def enter(_: Path) -> Any:
        with patch.dict(registry._ENTERED):
            return probe(Mine)

    return enter


def seen(answers: torch.Tensor) -> Callable[[Path], Any]:
    """Answers of a training are looked at."""

    def look(_: Path) -> None:
        suspicion = Suspicion()
        suspicion.see(answers)
        suspicion.settle()

    return look


def kept(asked: str, numbers: int) -> Callable[[Path], Any]:
    """Weights of two models that are to be kept."""
    return lambda _: keeping(asked, (0, 1, 3), numbers, np.array([0, 0]), heldout=True)


AUGMENTED = dataclasses.replace(RECIPE, augmentation=byrote.RandomShift())

PROBES = (
    Case(
        name="no augmentation",
        wrong=lambda _: augmentation_of(RECIPE),
        says="Recipe(augmentation=byrote.RandomShift())",
        right=lambda _: augmentation_of(AUGMENTED),
    ),
    Case(name="another corpus", wrong=asked(OTHER), says="tokenize_canaries", right=asked()),
    Case(name="a short context", wrong=asked(context=4), says="of a shorter kind", right=asked(context=400)),
    Case(name="an overflow", wrong=asked(network=Sure), says="did its training diverge", right=asked()),
    Case(
        name="no lengths",
        wrong=reading(contexts, lengths=(0, 10), suffix=50),
        says="lengths=(10, 25, 50), suffix=50",
        right=reading(contexts, lengths=(10, 25, 50), suffix=50),
    ),
    Case(
        name="lengths beyond the context",
        wrong=reading(contexts, lengths=(100,), suffix=50),
        says="a shorter context or suffix",
        right=reading(contexts, lengths=(50,), suffix=50),
    ),
    Case(
        name="no prefix",
        wrong=reading(generations, prefix=0),
        says="prefix=50, suffix=50",
        right=reading(generations, prefix=50, suffix=50),
    ),
    Case(
        name="a prefix beyond the context",
        wrong=reading(generations, prefix=100),
        says="a shorter prefix or suffix",
        right=reading(generations, prefix=20, suffix=20),
    ),
    Case(
        name="a layer that asks",
        wrong=probed(Asking(4, 2)),
        says="torch.func.vmap",
        right=probed(nn.Linear(4, 2)),
    ),
    Case(
        name="too many weights",
        wrong=kept("checkpoints", 2**28),
        says="--keep-weights-at 0,last, or train a smaller network",
        right=kept("0,last", 2**25),
    ),
    Case(
        name="no linear layer at the end",
        wrong=lambda _: last_layer(Norms(nn.Sigmoid()), ROWS),
        says="nn.Linear",
        right=lambda _: last_layer(Norms(nn.Sigmoid(), nn.Linear(2, 2)), ROWS),
    ),
    Case(
        name="the margin of several labels",
        wrong=lambda _: value_of(ROWS[:, :2], SETS, "margin", "labels"),
        says="take the gradient of the loss",
        right=lambda _: value_of(ROWS[:, :2], SETS, "loss", "labels"),
    ),
    Case(
        name="probabilities",
        wrong=seen(ANSWERS),
        says="torch.log(answers.clamp_min(1e-12))",
        right=seen(torch.log(ANSWERS.clamp_min(1e-12))),
    ),
    Case(name="a known name", wrong=entered("augmented"), says="another name", right=entered("mine")),
    Case(
        name="no permutation",
        wrong=lambda _: RewindingProbe(permutations=0),
        says="rewinding,permutations=4",
        right=lambda _: RewindingProbe(permutations=4),
    ),
    Case(
        name="a context of one token",
        wrong=lambda _: rows_of(LONG, np.arange(1), 1),
        says="the number of tokens that the model sees at once",
        right=lambda _: rows_of(LONG, np.arange(1), 128),
    ),
    Case(
        name="one checkpoint",
        wrong=lambda _: log_spaced(20, 1),
        says="--checkpoints 20",
        right=lambda _: log_spaced(20, 20),
    ),
)


@each(*PROBES)
def test_hints_of_readings_are_followed(case, tmp_path):
    follow(case, tmp_path)
