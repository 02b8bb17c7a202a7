from __future__ import annotations

import math

import numpy as np
import pytest

from byrote.data.secret_spaces import KINDS, RANDOM_TOKENS, secret_space, single_token_words
from byrote.data.words import COMMON, FIRST_NAMES, LAST_NAMES, RARE
from byrote.errors import BadInput

WORDS = ("alpha", "beta", "gamma", "delta")


def space_of(kind: str):
    return secret_space(kind, words=WORDS)


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_secrets_are_of_the_space(kind):
    space = space_of(kind)
    drawn = space.draw(50, np.random.default_rng(0))
    assert all(space.contains(secret) for secret in drawn)
    assert not space.contains(drawn[0] + "0")
    assert not space.contains("")
    assert space.bits == pytest.approx(math.log2(space.size))


@pytest.mark.parametrize("digits", [1, 2])
def test_all_secrets_are_as_many_as_the_size_says(digits):
    space = secret_space("random_digits", digits=digits)
    every = list(space.all())
    assert len(set(every)) == len(every) == space.size


def test_cards_pass_the_luhn_test():
    for number in space_of("card").draw(50, np.random.default_rng(1)):
        doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(number))]
        assert len(number) == 16
        assert sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def test_ibans_are_one_modulo_97():
    for iban in space_of("iban").draw(50, np.random.default_rng(1)):
        assert len(iban) == 22
        assert int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def test_a_wrong_checksum_is_no_secret():
    for kind, place in (("card", -1), ("iban", 2), ("key", -1)):
        space = space_of(kind)
        secret = space.draw(1, np.random.default_rng(2))[0]
        other = "1" if secret[place] != "1" else "2"
        place %= len(secret)
        assert not space.contains(secret[:place] + other + secret[place + 1 :])


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(BadInput, match="'pin'") as error:
        secret_space("pin")
    assert "random_digits" in error.value.hint


@pytest.mark.parametrize("words", [(), ("one",), ("one", "one"), ("one", "two words")])
def test_words_that_make_no_space_are_refused(words):
    with pytest.raises(BadInput, match="at least 2 words"):
        secret_space(RANDOM_TOKENS, words=words)


def test_digits_below_one_are_refused():
    with pytest.raises(BadInput, match="Got 0"):
        secret_space("random_digits", digits=0)


def test_single_token_words_come_by_frequency():
    texts = ["red blue blue", "a blue red longest"]
    assert single_token_words(lambda words: [[1] * len(w.strip()) for w in words], texts) == []
    assert single_token_words(lambda words: [[1] for _ in words], texts) == ["blue", "red", "longest"]
    assert single_token_words(lambda words: [], ["A B"]) == []


def test_words_are_distinct_and_common_ones_are_not_rare():
    for words in (FIRST_NAMES, LAST_NAMES, *COMMON, *RARE):
        assert len(set(words)) == len(words)
    assert not {w for words in COMMON for w in words} & {w for words in RARE for w in words}
