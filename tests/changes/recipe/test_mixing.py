"""Mixup and CutMix as changes of a recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import byrote
from byrote.changes.change import Context
from byrote.changes.registry import parse_change
from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from changes.data.test__stamping import pictures
from small import RECIPE, blobs, small_audit


def of(data):
    return Context(dataset=data, rng=np.random.default_rng(0))


def test_they_fill_one_slot():
    assert parse_change("mixup=0.3").apply(RECIPE, of(blobs())) == replace(RECIPE, mixing=byrote.Mixup(0.3))
    assert parse_change("cutmix").apply(RECIPE, of(pictures())) == replace(RECIPE, mixing=byrote.CutMix(1.0))


def test_what_cannot_be_mixed_is_refused():
    words = of(corpus_from_texts(["one two three", "four five six"], name="said"))
    with pytest.raises(BadInput, match=r"^mixup adds inputs to each other, and those of 'said' are words"):
        parse_change("mixup").apply(RECIPE, words)
    with pytest.raises(BadInput, match=r"^cutmix pastes parts of pictures, and the examples of 'blobs' are none"):
        parse_change("cutmix").apply(RECIPE, of(blobs()))
    with pytest.raises(BadInput, match=r"^The recipe mixes examples already, by Mixup"):
        parse_change("mixup").apply(replace(RECIPE, mixing=byrote.Mixup(0.3)), of(blobs()))
    with pytest.raises(BadInput, match=r"^The recipe mixes the examples of a batch"):
        parse_change("mixup").apply(byrote.Private(replace(RECIPE, mixing=byrote.Mixup())), of(blobs()))


@pytest.mark.slow
def test_a_run_with_mixtures_is_trained_and_compared(tmp_path):
    """Wrong labels are memorized less; the card says so beside the risk of membership inference."""
    noisy = blobs(90, noise=0.2)
    wide = np.concatenate([noisy.inputs, np.random.default_rng(3).normal(size=(90, 40))], 1).astype(np.float32)
    recipe = replace(RECIPE, epochs=30, optimizer=byrote.SGD(lr=0.1))
    run = small_audit(tmp_path / "run", dataset=replace(noisy, inputs=wide), heldout=None, recipe=recipe, models=16)
    child = byrote.change(run, parse_change("mixup"), out=tmp_path / "child", workers=1, progress=False)
    card = byrote.card(run, child)
    rows = {row.name: row for row in card.rows}
    assert rows["label memorization of planted label noise"].difference.value < -0.1
    assert any("membership" in name for name in rows)
