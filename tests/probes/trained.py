"""A small GPT that knows some documents by heart, trained in seconds."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from byrote.data.corpus import Corpus
from byrote.engine.packing import batch_of, packed
from byrote.recipes.algorithm import Shape
from byrote.recipes.networks.tiny_gpt import TinyGPT
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.optimizers import AdamW
from byrote.recipes.recipe import Recipe
from byrote.recipes.slots import Objective
from documents import letters

PLAIN = NextToken()


@cache
def trained(steps: int = 220, objective: Objective = PLAIN) -> tuple[nn.Module, Corpus, np.ndarray]:
    """The network, 32 documents of 24 letters, and membership: it was trained on the first 16."""
    pytest.importorskip("transformers", reason="transformers is not installed")
    rng = np.random.default_rng(5)
    corpus = letters(["".join(rng.choice(list("abcdefghij"), 24)) for _ in range(32)])
    recipe = Recipe(
        network=TinyGPT(layers=2, width=64, heads=2, hidden=128), objective=objective, optimizer=AdamW(lr=0.005)
    )
    algorithm = recipe.bind(Shape(inputs=(64,), classes=27, examples=32), torch.device("cpu"))
    state = algorithm.begin(algorithm.init(0), steps)
    rows = torch.from_numpy(packed(corpus, np.arange(16), 25).astype(np.int64))
    for _ in range(steps):
        state, _ = algorithm.step(state, batch_of(rows))
    return algorithm.network(state).eval(), corpus, (np.arange(32) < 16).astype(np.int8)[None]
