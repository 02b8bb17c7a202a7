from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.data.arrays import from_arrays
from byrote.data.dataset import Dataset
from byrote.data.vocabulary import TextDisplay, Vocabulary
from byrote.recipes.defaults import LARGE, recipe_for
from byrote.recipes.networks.bag_of_embeddings import BagOfEmbeddings
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.small_cnn import SmallCNN


def noisy(kind: str, examples: int = 120) -> Dataset:
    """Two classes with a tenth of the labels flipped, so that fitting them all takes learning some by rote."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, examples)
    labels = np.where(rng.random(examples) < 0.1, 1 - truth, truth)
    if kind == "row":
        return from_arrays(rng.normal(size=(examples, 6)) + truth[:, None], labels)
    if kind == "image":
        return from_arrays(rng.random((examples, 8, 8)) + truth[:, None, None], labels)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 60, 12) + 30 * label) for label in truth]
    known = Vocabulary.fitted(texts)
    return from_arrays(known.apply(texts, length=12), labels, display=TextDisplay(vocabulary=known))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "network"), [("row", MLP), ("image", SmallCNN), ("text", BagOfEmbeddings)])
def test_it_fits_nearly_all_of_a_small_dataset(kind: str, network: type, tmp_path: Path) -> None:
    dataset = noisy(kind)
    recipe = recipe_for(dataset)
    assert isinstance(recipe.network, network)
    run = byrote.audit(dataset, recipe, models=4, full=0, out=tmp_path, workers=1, progress=False, checkpoints=2)
    right = np.concatenate([run.load("outputs.correct", [m])[0][run.design.member[m] == 1] for m in range(4)])
    assert right.mean() > 0.97


def test_large_data_take_fewer_epochs_in_larger_batches() -> None:
    rng = np.random.default_rng(0)
    small, large = (recipe_for(from_arrays(rng.normal(size=(n, 2)), np.arange(n) % 2)) for n in (100, LARGE + 1))
    assert (large.epochs, large.batch_size) == (30, 128)
    assert (small.epochs, small.batch_size) == (300, 32)
