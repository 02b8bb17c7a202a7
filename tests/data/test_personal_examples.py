from __future__ import annotations

import re

import numpy as np
import pytest

from byrote.data.personal import KINDS, Detectors
from byrote.data.personal_examples import alike, examples


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


def test_others_of_a_form_are_valid_and_keep_what_is_not_the_persons_own() -> None:
    pytest.importorskip("phonenumbers", reason="needs the extra personal-data")
    detectors, rng = Detectors(), np.random.default_rng(1)
    for kind, secret, kept in (
        ("card", "4000-0012-3456-7899", "4000-0012"),
        ("iban", "DE89 3704 0044 0532 0130 00", "DE"),
        ("phone", "+33 1 99 00 12 34", "+33 1 99 00"),
    ):
        made = alike(secret, kind, detectors, 10, rng)
        assert len({*made, secret}) == 11
        for one in made:
            assert one.startswith(kept)
            assert len(one) == len(secret)
            assert [(found.kind, found.stop) for found in detectors.find(one)] == [(kind, len(one))]


def test_other_addresses_have_other_names_in_the_same_spelling() -> None:
    detectors = Detectors(kinds=("email",))
    made = alike("Ann.B-lee07@mail.example.org", "email", detectors, 8, np.random.default_rng(2))
    assert len({*made}) == 8
    for one in made:
        assert re.fullmatch(r"[A-Z][a-z]+\.[A-Z]-[a-z]+\d\d@mail\.example\.org", one)
        assert not one.startswith("Ann.")


def test_where_no_other_is_valid_there_are_fewer() -> None:
    assert alike("4000", "card", Detectors(kinds=("card",)), 3, np.random.default_rng(0)) == []
