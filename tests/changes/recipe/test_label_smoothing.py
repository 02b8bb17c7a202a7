"""Label smoothing of classifiers and of language models."""

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


def test_it_sets_the_smoothing_and_keeps_the_weights_of_classes():
    weighted = replace(RECIPE, objective=byrote.CrossEntropy(class_weights=(1.0, 2.0, 3.0)))
    made = parse_change("label-smoothing=0.2").apply(weighted, CONTEXT)
    assert made.objective == byrote.CrossEntropy(0.2, (1.0, 2.0, 3.0))
    text = parse_change("label-smoothing").apply(replace(RECIPE, objective=byrote.NextToken()), CONTEXT)
    assert text.objective == byrote.NextToken(label_smoothing=0.1)


def test_what_has_no_labels_to_smooth_is_refused():
    with pytest.raises(BadInput, match=r"smooths the labels of cross-entropy. The recipe has Focal\(gamma=2.0\)"):
        parse_change("label-smoothing").apply(replace(RECIPE, objective=byrote.Focal()), CONTEXT)
    with pytest.raises(BadInput, match=r"^The 'label_smoothing' argument of CrossEntropy must lie in \[0, 1\). Got 1"):
        parse_change("label-smoothing=1")
