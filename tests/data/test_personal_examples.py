from __future__ import annotations

import numpy as np
import pytest

from byrote.data.personal import KINDS, Detectors
from byrote.data.personal_examples import examples


def test_examples_of_every_kind_are_of_that_kind() -> None:
    """Written alone, each is found whole; but for what is spelled out, which no detector knows."""
    pytest.importorskip("phonenumbers", reason="needs the extra personal-data")
    detectors, kinds = Detectors(), []
    for kind, form, made in examples(detectors, 5, np.random.default_rng(0)):
        kinds.append(kind)
        whole = [[(one.kind, one.start, one.stop) for one in detectors.find(text)] for text in made]
        expected = [[] if form == "spelled out" else [(kind, 0, len(text))] for text in made]
        assert whole == expected, (kind, form, made)
    assert tuple(dict.fromkeys(kinds)) == KINDS


def test_examples_are_of_the_kinds_that_are_looked_for() -> None:
    made = [*examples(Detectors(kinds=("email",)), 3, np.random.default_rng(0))]
    assert [(kind, form, len(texts)) for kind, form, texts in made] == [
        ("email", "as usual", 3),
        ("email", "spelled out", 3),
    ]
