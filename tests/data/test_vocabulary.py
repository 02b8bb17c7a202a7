import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.vocabulary import TextDisplay, Vocabulary, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't STOP — 3.5!", ["don't", "stop", "3", "5"]),
        ("naïve Straße ﬁne", ["naïve", "strasse", "fine"]),
        ("東京 is 大", ["東", "京", "is", "大"]),
        ("snake_case a-b", ["snake", "case", "a", "b"]),
        (" \x00\u202e… ", []),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


def test_the_most_frequent_words_and_equals_by_the_alphabet():
    known = Vocabulary.fitted(["b a c", "c d", "c b"], words=3)
    assert known.words == ("c", "b", "a")
    assert known.size == 5
    np.testing.assert_array_equal(known.apply(["c x a b", ""], length=3), [[2, 1, 4], [0, 0, 0]])


def test_a_text_of_known_words_comes_back():
    known = Vocabulary.fitted(["the cat sat"])
    assert known.text(known.apply(["Cat, the bird sat."], length=6)[0]) == "cat the … sat"


def test_the_display_shows_what_was_written():
    known = Vocabulary.fitted(["the cat"])
    display = TextDisplay(vocabulary=known, texts={"one": "The\x1b CAT\nsat"})
    row = known.apply(["the cat"], length=2)[0]
    assert display.text("one", row) == "The\\x1b CAT\nsat"
    assert display.text("another", row) == "the cat"


@given(st.lists(st.text(max_size=40), max_size=8), st.integers(1, 6), st.integers(1, 9))
def test_numbers_are_those_of_the_vocabulary(texts, words, length):
    known = Vocabulary.fitted(texts, words=words)
    numbers = known.apply(texts, length=length)
    assert numbers.shape == (len(texts), length)
    assert ((numbers >= 0) & (numbers < max(known.size, 2))).all()
    assert len(known.words) <= words
