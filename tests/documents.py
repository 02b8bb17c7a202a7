"""Small corpora and language models whose answers are known. Importable by worker processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from byrote.data.corpus import Corpus, corpus_from_texts
from byrote.engine.language import audit_language
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.optimizers import SGD, AdamW
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Constant
from byrote.runs.run import Run


class Bigrams(nn.Module):
    """A table of logits: what follows each token. It starts empty, so that nothing is predicted."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(vocabulary, vocabulary))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.table[inputs]


@dataclass(frozen=True)
class LookUp:
    """The slot of a look-up table."""

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        return Bigrams(classes)


@dataclass(frozen=True)
class Spoiled:
    """The slot of a network that cannot be trained."""

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        made = Bigrams(classes)
        nn.init.constant_(made.table, torch.nan)
        return made


class Summing(nn.Module):
    """A causal network without attention: the logits of a token follow from the mean of those up to it."""

    def __init__(self, vocabulary: int, width: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, inputs: Tensor) -> Tensor:
        seen = self.embedding(inputs).cumsum(1)
        return self.head(seen / torch.arange(1, inputs.shape[1] + 1, device=inputs.device)[:, None])


@dataclass(frozen=True)
class Sums:
    """The slot of a summing network."""

    width: int = 8

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        return Summing(classes, self.width)


def letters(texts: list[str], **fields: Any) -> Corpus:
    """A corpus of which every letter is a token, a to z from 1; 0 begins a document."""
    corpus = corpus_from_texts(texts, **fields)
    return corpus.tokenized(lambda some: [[ord(c) - 96 for c in text] for text in some], vocabulary=27, bos=0)


def numbers(documents: list[list[int]], vocabulary: int, *, name: str = "numbers") -> Corpus:
    """A corpus of these tokens; nothing predicts the first of a document."""
    corpus = corpus_from_texts([" ".join(map(str, tokens)) for tokens in documents], name=name)
    return corpus.tokenized(lambda _: documents, vocabulary=vocabulary)


LOOK_UP = Recipe(
    network=LookUp(),
    objective=NextToken(),
    optimizer=SGD(lr=1.0, momentum=0.0),
    schedule=Constant(),
    epochs=2,
    batch_size=2,
)
SUMMING = Recipe(network=Sums(), objective=NextToken(), optimizer=AdamW(lr=0.02), epochs=3, batch_size=2)
WORDS = ["to be or not to be", "that is the question", "whether tis nobler", "in the mind to suffer", "the slings and"]


def words(count: int = 12, *, seed: int = 0, name: str = "words") -> Corpus:
    """Documents of some letters."""
    rng = np.random.default_rng(seed)
    drawn = ["".join(rng.choice(list("abcdefgh"), int(size))) for size in rng.integers(3, 12, count)]
    return letters(drawn, name=name, ids=[f"{name}-{number}" for number in range(count)])


#: Models that are trained one after another, whatever would be faster.
ALONE = {"device": "cpu", "threads": 1, "reason": "one at a time"}


def small_language_audit(out: Path, **changes: Any) -> Run:
    """Audit a few words, silently, in this process and one model after another unless told otherwise."""
    corpus = changes.pop("corpus", words())
    recipe = changes.pop("recipe", SUMMING)
    settings = {
        "heldout": words(6, seed=1, name="others"),
        "length": 16,
        "workers": 1,
        "progress": False,
        "device": "cpu",
        "executor": ALONE,
    }
    return audit_language(corpus, recipe, out=out, **{**settings, **changes})
