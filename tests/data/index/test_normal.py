from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.index.normal import folded, folded_with_positions


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("To be, or not\n to be", "TO BE OR NOT TO BE"),
        ("“quoted” – dash", '"quoted" - dash'),
        ("ﬁne Straße", "FINE STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("soft\u00adhyphen\u200b", "softhyphen"),
        ("4111 1111-1111", "411111111111"),
        ("１２３", "123"),
    ],
)
def test_what_does_not_count(one, other):
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [("1.5 €", "1.5 £"), ("a", "b"), ("caf\u00e9", "cafe"), ("x²", "x")])
def test_what_counts(one, other):
    assert folded(one) != folded(other)


@given(st.text(), st.text())
def test_a_part_folds_to_a_part(one, other):
    assert folded(one + other) == folded(one) + folded(other)


@given(st.text())
def test_folding_twice_is_folding_once(text):
    assert folded(folded(text)) == folded(text)


@given(st.text())
def test_positions_name_the_letter_that_each_came_from(text):
    whole, positions = folded_with_positions(text)
    assert whole == folded(text)
    assert len(positions) == len(whole)
    assert np.all(np.diff(positions) >= 0)
    for letter, position in zip(whole, positions.tolist(), strict=True):
        assert letter in folded(text[position])


@given(st.text())
def test_canonically_equal_texts_fold_alike_but_for_the_order_of_marks(text):
    assert sorted(folded(unicodedata.normalize("NFC", text))) == sorted(folded(text))
