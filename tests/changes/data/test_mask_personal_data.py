from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.change import Context
from byrote.changes.data.mask_personal_data import MaskPersonalData
from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from small import blobs


def test_texts_are_masked_and_all_else_stays() -> None:
    pytest.importorskip("phonenumbers", reason="needs the extra personal-data")
    corpus = corpus_from_texts(
        ["pay 4000 0012 3456 7899", "ask a@example.org", "no data"], ids=["x", "y", "z"], groups=["p", "p", "q"]
    )
    context = Context(dataset=corpus, rng=np.random.default_rng(0))
    once = MaskPersonalData().apply(corpus, context)
    assert once.texts == ("pay [card]", "ask [email]", "no data")
    assert once.ids.tolist() == ["x", "y", "z"]
    assert once.groups is not None
    assert once.groups.tolist() == ["p", "p", "q"]
    assert not once.is_tokenized
    assert MaskPersonalData().apply(once, context).texts == once.texts


def test_data_without_texts_are_refused() -> None:
    data = blobs()
    with pytest.raises(BadInput, match="masks texts, and"):
        MaskPersonalData().apply(data, Context(dataset=data, rng=np.random.default_rng(0)))
