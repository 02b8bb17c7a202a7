from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses.card_language import language_figures
from byrote.changes.change import Context
from byrote.changes.data.mask_personal_data import MaskPersonalData
from byrote.changes.registry import parse_change
from byrote.data.corpus import corpus_from_texts
from byrote.data.personal import Detectors
from byrote.data.personal_examples import alike
from byrote.errors import BadInput
from byrote.recipes.optimizers import AdamW
from byrote.recipes.recipe import Recipe
from byrote.results import Scalar
from documents import LOOK_UP, small_language_audit
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


def test_named_kinds_alone_are_masked() -> None:
    corpus = corpus_from_texts(["pay 4000 0012 3456 7899", "ask a@example.org"])
    one = parse_change("mask-personal-data=card")
    masked = one.apply(corpus, Context(dataset=corpus, rng=np.random.default_rng(0)))
    assert masked.texts == ("pay [card]", "ask a@example.org")
    with pytest.raises(BadInput, match="'mask-personal-data' masks card, iban, email, phone"):
        parse_change("mask-personal-data=card;name")


def test_data_without_texts_are_refused() -> None:
    data = blobs()
    with pytest.raises(BadInput, match="masks texts, and"):
        MaskPersonalData().apply(data, Context(dataset=data, rng=np.random.default_rng(0)))


@pytest.mark.slow
def test_a_model_that_knows_its_texts_tells_their_numbers_until_they_are_masked(tmp_path: Path) -> None:
    pytest.importorskip("phonenumbers", reason="needs the extra personal-data")
    detectors, rng = Detectors(kinds=("card",)), np.random.default_rng(0)
    cards = alike("4000 0012 3456 7899", "card", detectors, 24, rng)
    texts = [f"Guest {number} pays the room with {card} today" for number, card in enumerate(cards)]
    recipe = Recipe(
        network=byrote.TinyGPT(layers=1, width=32, heads=2, hidden=64),
        objective=byrote.NextToken(),
        optimizer=AdamW(lr=0.01),
        epochs=40,
        batch_size=4,
    )
    run = small_language_audit(
        tmp_path / "run",
        corpus=corpus_from_texts(texts, ids=[f"guest {number}" for number in range(24)]),
        heldout=corpus_from_texts([f"Guest {number} pays nothing today" for number in (30, 31)], ids=["a", "b"]),
        recipe=recipe,
        length=64,
        models=8,
        full=0,
        checkpoints=0,
        probes=("found_data",),
    )
    found = run.measure("secret_inference[found]")
    assert isinstance(found, Scalar)
    assert found.low > 1 / 20
    child = byrote.change(run, MaskPersonalData(kinds=("card",)), workers=1, progress=False)
    assert child.ids.tolist() == run.ids.tolist()
    assert (child.design.member == run.design.member).all()
    assert child.corpus is not None
    assert all("pays the room with [card] today" in text for text in child.corpus.texts[:24])
    assert not child.models_with("found_data")


def test_held_out_documents_are_masked_too_and_one_that_is_then_known_is_left_out(tmp_path: Path) -> None:
    cards = ["4000 0012 3456 7899", "4111 1111 1111 1111"]
    texts = [f"the guest of room {room} pays with {cards[0]} now" for room in ("one", "two", "six", "ten")]
    others = [f"the guest of room {room} pays with {cards[0]} now" for room in ("five", "nine", "four")]
    run = small_language_audit(
        tmp_path / "run",
        corpus=corpus_from_texts(texts, ids=["a", "b", "c", "d"]),
        heldout=corpus_from_texts([*others, texts[0].replace(*cards), "nothing to pay"], ids=[*"vwxyz"]),
        recipe=LOOK_UP, models=1, length=64, checkpoints=0, generate=None,
    )  # fmt: skip
    child = byrote.change(run, MaskPersonalData(kinds=("card",)), workers=1, progress=False)
    assert child.corpus is not None
    assert child.ids.tolist() == ["a", "b", "c", "d", "v", "w", "x", "z"]
    assert all("pays with [card] now" in text for text in child.corpus.texts[:-1])
    assert child.design.member.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]]
    assert any(note.startswith("1 held-out document is left out") for note in child.manifest.notes)
    figures, notes = language_figures(run, child)
    assert [one.name for one in figures] == ["loss on held-out texts"]
    assert notes[-1].startswith("Of 5 different held-out texts of the first run 1 stand in the second, which has 4:")
