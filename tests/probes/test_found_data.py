from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from byrote.data.corpus import Corpus, corpus_from_texts
from byrote.errors import BadInput
from byrote.probes.found_data import FoundData
from documents import Bigrams

TEXTS = [
    "Call +33 1 99 00 12 34 now",
    "pay 4000 0012 3456 7899 or 4111-1111-1111-1111",
    "nothing",
    "x 30569309025904 y",
]


def encode(texts):
    return [list(text.encode()) for text in texts]


def corpus(texts: list[str]) -> Corpus:
    return corpus_from_texts(texts, name="mine").tokenized(encode, vocabulary=256)


@pytest.fixture(autouse=True)
def installed() -> None:
    pytest.importorskip("phonenumbers", reason="needs the extra personal-data")


def test_one_number_a_document_is_asked_for_beside_others_of_its_form() -> None:
    asked = FoundData(others=4).with_texts(corpus(TEXTS), lambda: encode)
    assert asked.documents == (0, 1, 3)
    assert asked.shown is not None
    assert asked.shown.texts[0] == TEXTS[0]
    assert asked.shown.texts[5] == TEXTS[1]
    assert len({*asked.shown.texts}) == 15
    assert all(text.startswith("Call +33 1 99 00 ") and text.endswith(" now") for text in asked.shown.texts[:5])


def test_a_uniform_network_tells_no_number_from_another() -> None:
    made = corpus(TEXTS)
    block = SimpleNamespace(corpus=made, device="cpu", context=64)
    asked = FoundData(others=4).with_texts(made, lambda: encode)
    found = asked.read(Bigrams(256), block, lambda share: None)
    assert found["found_in"].tolist() == [0, 1, -1, 2]
    np.testing.assert_allclose(
        found["found_log_perplexity"], [8 * (len(TEXTS[row]) - 1) for row in (0, 1, 3)], rtol=1e-5
    )
    np.testing.assert_allclose(found["other_log_perplexity"], np.repeat(found["found_log_perplexity"], 4).reshape(3, 4))


def test_at_most_so_many_are_drawn() -> None:
    assert len(FoundData(most=2, others=2).with_texts(corpus(TEXTS), lambda: encode).documents) == 2


def test_numbers_that_stand_in_two_documents_are_nobodys_own() -> None:
    with pytest.raises(BadInput, match="stands in one document of 'mine' alone"):
        FoundData().with_texts(corpus(["pay 4000 0012 3456 7899", "4000-0012-3456-7899 again"]), lambda: encode)


def test_a_corpus_without_a_tokenizer_is_refused() -> None:
    with pytest.raises(BadInput, match="The probe found_data asks for other texts"):
        FoundData().with_texts(corpus(TEXTS), lambda: None)
