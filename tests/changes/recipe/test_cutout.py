"""Cutout as a change of a recipe."""

from __future__ import annotations

import numpy as np
import pytest

import byrote
from byrote.changes.change import Context
from byrote.changes.registry import parse_change
from byrote.errors import BadInput
from changes.data.test__stamping import pictures
from small import RECIPE, blobs


def of(data):
    return Context(dataset=data, rng=np.random.default_rng(0))


def test_a_square_has_the_mean_of_the_data():
    data = pictures()
    made = parse_change("cutout=2").apply(RECIPE, of(data)).augmentation
    assert (type(made), made.size) == (byrote.Cutout, 2)
    assert made.fill == pytest.approx(data.inputs.mean(), rel=1e-6)


def test_rows_and_small_pictures_are_refused():
    with pytest.raises(BadInput, match=r"^cutout paints over a part of pictures, and the examples of 'blobs' are none"):
        parse_change("cutout").apply(RECIPE, of(blobs()))
    side = min(pictures().inputs.shape[-2:])
    with pytest.raises(BadInput, match=rf"^cutout is to paint over {side} pixels a side"):
        parse_change(f"cutout={side}").apply(RECIPE, of(pictures()))
