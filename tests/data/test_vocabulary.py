import unicodedata

import numpy as np
import pytest
from hypothesis import assume, given
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
        ("\u0915\u093f \u0915\u0941 \u0915", ["\u0915\u093f", "\u0915\u0941", "\u0915"]),  # Devanagari: vowel signs
        ("\u0b95\u0bcd\u0b95\u0bc8", ["\u0b95\u0bcd\u0b95\u0bc8"]),  # Tamil: a sign between two letters
        (
            "\u0643\u064e\u062a\u0651 \u0643\u064f\u062a",
            ["\u0643\u064e\u062a\u0651", "\u0643\u064f\u062a"],
        ),  # pointed Arabic
        ("\u05e9\u05b8\u05dc\u05d5", ["\u05e9\u05b8\u05dc\u05d5"]),  # pointed Hebrew
        ("\uc548\ub155 \uc138\uacc4", ["\uc548\ub155", "\uc138\uacc4"]),  # Korean words stay whole
        ("\u0645\u06cc\u200c\u062e\u0648", ["\u0645\u06cc\u200c\u062e\u0648"]),  # Persian: a joiner within a word
        ("\u0130stanbul", ["i\u0307stanbul"]),
        (
            "\u0e14\u0e35\u0e14\u0e39 \u0e14\u0e35",
            ["\u0e14\u0e35", "\u0e14\u0e39", "\u0e14\u0e35"],
        ),  # Thai: a letter with its marks
        ("\u30bf\u30ef\u30fc\u30fb\uff76\uff9e", ["\u30bf", "\u30ef", "\u30fc", "\u30ac"]),  # Kana, one by one
    ],
)
def test_words(text, words):
    assert words_of(text) == words


def test_what_is_between_two_scripts_ends_a_word():
    assert words_of("12\u6708ab\u0e14\u0e35cd") == ["12", "\u6708", "ab", "\u0e14\u0e35", "cd"]


@given(st.text(alphabet=st.characters(categories=["L", "Nd", "Mn", "Mc"]), min_size=1))
def test_no_letter_and_no_mark_after_a_letter_is_lost(text):
    folded = unicodedata.normalize("NFKC", "a" + text).casefold()
    read = unicodedata.normalize("NFKC", folded).casefold()
    assume(all(unicodedata.category(character)[0] in "LNM" for character in read))
    assert "".join(words_of(folded)) == read


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
