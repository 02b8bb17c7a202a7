"""Language models that are trained stacked are those of the loop, whatever they are shown."""

import dataclasses

import numpy as np
import pytest
import torch

from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.engine import language_training
from byrote.engine.documents import Documents
from byrote.engine.language_job import LanguageJob
from byrote.engine.language_training import train_language_models
from byrote.recipes.gradient_transforms import ClipNorm
from byrote.recipes.networks.tiny_gpt import TinyGPT
from byrote.recipes.objectives.goldfish import Goldfish
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.optimizers import SGD, AdamW
from byrote.recipes.private import GaussianNoise
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Cosine
from documents import SUMMING, words

GPT = Recipe(
    network=TinyGPT(layers=1, width=8, heads=2, hidden=16),
    objective=NextToken(),
    optimizer=AdamW(lr=0.01),
    schedule=Cosine(warmup=0.1),
    epochs=3,
    batch_size=2,
)
RECIPES = {
    "a gpt": GPT,
    "sums": SUMMING,
    "goldfish, clipped, with momentum": dataclasses.replace(
        SUMMING, objective=Goldfish(one_in=3, context=2), gradient_transform=ClipNorm(0.5), optimizer=SGD(lr=0.1)
    ),
    "smoothed, with noise": dataclasses.replace(
        SUMMING, objective=NextToken(label_smoothing=0.1), gradient_transform=GaussianNoise(0.01)
    ),
}


def job(folder, recipe, **settings) -> LanguageJob:
    """Four models on halves of twenty documents, which need unequal numbers of rows."""
    design = half_subset_pairs(20, 4, rng=np.random.default_rng(0))
    given = {"corpus": words(20), "design": design, "seeds": [3, 1, 4, 15], "length": 12, "folder": folder}
    return LanguageJob(recipe=recipe, **{"device": "cpu", "checkpoints": (0, 1, 3), **given, **settings})


def trained(given: LanguageJob, models=(0, 1, 2, 3), *, stacked: bool):
    """The tensors of every model."""
    blocks = [models] if stacked else [(model,) for model in models]
    networks = [one for block in blocks for one in train_language_models(given, block, lambda _: None, stacked=stacked)]
    return [network.state_dict() for network in networks]


def test_models_have_steps_of_their_own(tmp_path):
    given = job(tmp_path, SUMMING)
    counts = list(given.design.phases[0].count)
    shown = Documents(given.algorithm(), 3, given.seeds, counts, given.corpus, 12, 0, torch.device("cpu"))
    assert len(set(shown.steps)) > 1
    batches = [batch for epoch in range(3) for batch in shown.epoch(epoch)]
    resting = [batch.resting or (False,) * 4 for batch in batches]
    np.testing.assert_array_equal((~np.array(resting)).sum(0), shown.steps)
    assert len(batches) == shown.turns(3)
    for model, seed in enumerate(given.seeds):
        alone = Documents(given.algorithm(), 3, [seed], [counts[model]], given.corpus, 12, 0, torch.device("cpu"))
        assert alone.steps == shown.steps[model]
        stepping = [batch for batch, rests in zip(batches, resting, strict=True) if not rests[model]]
        for one, together in zip((b for e in range(3) for b in alone.epoch(e)), stepping, strict=True):
            rows = slice(None) if together.mask is None else together.mask[model]
            for name in ("inputs", "targets", "ids", "documents"):
                assert torch.equal(getattr(one, name)[0], getattr(together, name)[model][rows]), name


@pytest.mark.parametrize("name", RECIPES)
def test_stacked_models_are_those_of_the_loop(tmp_path, name):
    if name == "a gpt":
        pytest.importorskip("transformers", reason="transformers is not installed")
    alone = trained(job(tmp_path / "alone", RECIPES[name]), stacked=False)
    together = trained(job(tmp_path / "stacked", RECIPES[name]), stacked=True)
    start = job(tmp_path, RECIPES[name]).algorithm().build(3).state_dict()
    for one, other in zip(alone, together, strict=True):
        for key, tensor in one.items():
            torch.testing.assert_close(other[key], tensor, rtol=1e-3, atol=2e-5)
    assert any((alone[0][key] - start[key]).abs().max() > 0.01 for key in start)


@pytest.mark.parametrize("stacked", [False, True])
def test_a_stopped_block_goes_on_to_the_same_weights(tmp_path, monkeypatch, stacked):
    whole = trained(job(tmp_path / "whole", SUMMING), stacked=stacked)
    monkeypatch.setattr(language_training, "KEEP_SECONDS", -1.0)
    keep = language_training.keep

    def stopping(*given):
        keep(*given)
        if given[3].epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(language_training, "keep", stopping)
    cut = job(tmp_path / "cut", SUMMING)
    models = (0, 1, 2, 3) if stacked else (0,)
    with pytest.raises(KeyboardInterrupt):
        trained(cut, models, stacked=stacked)
    monkeypatch.setattr(language_training, "keep", keep)
    again = trained(cut, models, stacked=stacked)
    for one, other in zip(whole, again, strict=False):
        assert all(torch.equal(one[name], other[name]) for name in one)
