"""Schedules as a change of a recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import byrote
from byrote.changes.change import Context
from byrote.changes.registry import parse_change
from byrote.errors import BadInput
from small import RECIPE, blobs

CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))
COURSES = {
    "constant": byrote.Constant(),
    "linear": byrote.Linear(),
    "cosine": byrote.Cosine(),
    "triangle": byrote.Triangle(),
}


@pytest.mark.parametrize("course", COURSES)
def test_it_fills_one_slot(course):
    made = parse_change(f"schedule={course}").apply(replace(RECIPE, schedule=byrote.Linear(0.5)), CONTEXT)
    assert made == replace(RECIPE, schedule=COURSES[course])


def test_another_word_is_refused():
    with pytest.raises(BadInput, match=r"must be one of constant, linear, cosine, triangle\. Got '3'"):
        parse_change("schedule=3")
