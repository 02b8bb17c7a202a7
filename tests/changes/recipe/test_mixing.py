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
    """Models are less certain of what they were trained on; the card compares them."""
    run = small_audit(tmp_path / "run", recipe=replace(RECIPE, epochs=20))
    child = byrote.change(run, parse_change("mixup"), out=tmp_path / "child", workers=1, progress=False)
    assert child.recipe == replace(RECIPE, epochs=20, mixing=byrote.Mixup(1.0))
    models = run.models("reference")
    member = run.load("design.member", models) == 1
    before, after = (one.load("outputs.log_odds", models)[member].mean() for one in (run, child))
    assert after < before - 0.5
    assert "label memorization of the rest" in [row.name for row in byrote.card(run, child).rows]
