import pytest

from byrote.data.corpus import corpus_from_texts
from byrote.data.tokenizers import byte_pairs, encoder, pieces
from byrote.errors import BadInput

pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
TEXT = "naïve 日本 🙂 code 1234\n\tend"


def test_the_pieces_are_the_text():
    tokenizer = byte_pairs(["the cat sat on the mat"], vocabulary=270)
    (tokens,) = encoder(tokenizer)([TEXT])
    shown = pieces(tokenizer, tokens)
    assert "".join(shown) == TEXT
    assert len(shown) == len(tokens)
    assert "🙂" in shown  # of four tokens, the last one's
    assert not any("\ufffd" in piece for piece in shown)


def test_half_a_letter_at_the_end_is_shown_as_such():
    tokenizer = byte_pairs(["abc"], vocabulary=260)
    (tokens,) = encoder(tokenizer)(["a🙂"])
    assert "\ufffd" in pieces(tokenizer, tokens[:3])[-1]
    assert pieces(tokenizer, []) == []


def test_every_digit_is_a_token():
    tokenizer = byte_pairs(["1234 1234 1234"], vocabulary=300)
    assert len(encoder(tokenizer)(["1234"])[0]) == 4


def test_a_tokenizer_that_fails_is_told_in_words_with_the_document():
    tokenizers = pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    known = tokenizers.Tokenizer(tokenizers.models.WordLevel({"fox": 0}))
    with pytest.raises(BadInput, match=r"The tokenizer fails on a text: .*Missing \[UNK\] token"):
        encoder(known)(["cat"])
    corpus = corpus_from_texts(["fox", "cat " * 500], ids=["one", "two"])
    with pytest.raises(BadInput, match="The tokenizer fails on the document 'two'") as refused:
        corpus.tokenized(encoder(known), vocabulary=1)
    assert "cat" not in str(refused.value)

    def one_by_one(texts):
        if len(texts) > 1:
            raise ValueError("one at a time")
        return [[0]]

    with pytest.raises(ValueError, match="one at a time"):
        corpus.tokenized(one_by_one, vocabulary=1)
