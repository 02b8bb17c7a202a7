from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from byrote.probes.lowercase import Lowercase
from documents import Bigrams

CORPUS = corpus_from_texts(["Ab cD", "ab", "A"]).tokenized(
    lambda texts: [[ord(letter) for letter in text] for text in texts], vocabulary=128
)


def encode(texts):
    """A capital is two tokens."""
    return [
        [code for letter in text for code in ([1, ord(letter)] if letter.isupper() else [ord(letter)])]
        for text in texts
    ]


def test_small_letters_are_cut_anew_and_asked_for() -> None:
    asked = Lowercase().with_texts(CORPUS, lambda: encode)
    assert asked.lowered is not None
    assert asked.lowered.texts == ("ab cd", "ab", "a")
    block = SimpleNamespace(corpus=CORPUS, device="cpu", context=16)
    found = asked.read(Bigrams(128), block, lambda share: None)["lowercase_log_probability"]
    assert found[0] == pytest.approx(-4 * np.log(128), rel=1e-6)
    assert np.isnan(found[1:]).all()  # one has no capitals, and of the other nothing is predicted


def test_a_corpus_without_a_tokenizer_is_refused() -> None:
    with pytest.raises(BadInput, match="a corpus that comes with tokens has no tokenizer"):
        Lowercase().with_texts(CORPUS, lambda: None)
