import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.report.text import LONGEST, number, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat", "cat"),
        ("naïve 猫 שלום 👩\u200d🚀", "naïve 猫 שלום 👩\u200d🚀"),
        ("a\x00b", r"a\x00b"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\ud800", r"\ud800"),
        ("\U000e0041\ufffe\u2028", r"\U000e0041\ufffe\u2028"),
        ("<b>", "<b>"),
    ],
)
def test_what_acts_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_nothing_that_acts_is_left_and_a_second_pass_changes_nothing(text: str) -> None:
    shown = plain(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\u200c\u200d"]
    shown.encode()
    assert plain(shown, limit=10 * LONGEST) == shown


def test_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * 5_000) == "x" * LONGEST + "… (5,000 characters)"


def test_numbers_have_a_true_minus_and_no_negative_zero() -> None:
    assert [number(-0.5), number(-0.0001), number(float("nan"))] == ["−0.50", "0.00", "–"]
