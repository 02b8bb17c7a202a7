import json

import numpy as np
import pytest

from byrote.data.corpus import corpus_from_texts, read_corpus, refuse_overlap, write_corpus
from byrote.errors import BadInput
from documents import letters, numbers


def test_what_is_written_is_read(tmp_path):
    corpus = corpus_from_texts(["to be", "or – not"], ids=["a", "b"], groups=["x", "x"])
    write_corpus(corpus, tmp_path / "c.jsonl")
    again = read_corpus(tmp_path / "c.jsonl", name="texts")
    assert again.texts == corpus.texts
    assert again.fingerprint() == corpus.fingerprint()


def test_the_kinds_of_files(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "a.txt").write_text("one\nof two\n\n\nother\n")
    assert read_corpus(tmp_path / "a.txt").texts == ("one\nof two", "other")
    (tmp_path / "b.jsonl").write_text('{"body": "x"}\n\n"y"\n')
    assert read_corpus(tmp_path / "b.jsonl", column="body").texts == ("x", "y")
    pq.write_table(pa.table({"text": ["p", "q"], "id": [7, 8]}), tmp_path / "c.parquet")
    assert read_corpus(tmp_path / "c.parquet").ids.tolist() == ["7", "8"]


def test_a_saved_dataset_by_the_name_of_its_column(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the extra byrote[huggingface] is not installed")
    datasets.Dataset.from_dict({"body": ["p", "q"], "id": ["7", "8"]}).save_to_disk(tmp_path / "saved")
    with pytest.raises(BadInput, match=r"has no column 'text'; it has 'body', 'id'\. Hint: .* with --column"):
        read_corpus(tmp_path / "saved")
    corpus = read_corpus(tmp_path / "saved", column="body")
    assert (corpus.texts, corpus.ids.tolist()) == (("p", "q"), ["7", "8"])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"Line 2 of .* is not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n{"body": "b"}\n', r"Line 2 of .* has no 'text': it has 'body'"),
        ("a.jsonl", b'{"text": "a"}\n\xff\n', r"Line 2 of .* is not valid UTF-8: byte 1 is 0xff"),
        ("a.txt", b"abc\n\xe4bc\n", r"Line 2 of .* is not valid UTF-8: byte 1 is 0xe4"),
        ("a.jsonl", b'{"text": " "}\n', r"The document in line 1 of .* is empty"),
        ("a.jsonl", b'{"text": 5}\n', r"Line 1 of .* must hold text in 'text'. Got 5"),
        ("a.jsonl", b"", r"holds no document"),
        ("a.csv", b"", r"has the suffix '.csv'"),
        ("a.parquet", b"cut", r"cannot be read as Parquet"),
    ],
)
def test_bad_files_are_refused(name, content, sentence, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=sentence):
        read_corpus(tmp_path / name)


def test_half_a_character_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a\ud800"}))
    with pytest.raises(BadInput, match="half a character"):
        read_corpus(tmp_path / "a.jsonl")


def test_overlap_is_refused_whatever_the_white_space():
    train = corpus_from_texts(["to  be\n", "or not"], name="train")
    refuse_overlap(train, corpus_from_texts(["to be or"]))
    with pytest.raises(BadInput, match="1 held-out document stands in the training corpus 'train', too"):
        refuse_overlap(train, corpus_from_texts([" to be"]))


def test_tokens_go_with_their_documents():
    corpus = letters(["abc", "d", "ef"])
    part = corpus.subset(np.array([2, 0]))
    assert part.document(0).tolist() == [5, 6]
    assert part.offsets.tolist() == [0, 2, 5]
    both = corpus.joined(letters(["gh"], ids=["h"]), "both")
    assert both.is_tokenized
    assert both.document(3).tolist() == [7, 8]
    assert both.scored.all()
    assert not corpus.joined(corpus_from_texts(["x"], ids=["x"]), "both").is_tokenized
    assert not corpus.joined(numbers([[1, 2]], 9, name="n"), "both").is_tokenized
    assert numbers([[1, 2], [3]], 9).scored.tolist() == [False, True, False]


def test_a_tokenizer_that_does_not_fit_is_refused():
    corpus = corpus_from_texts(["a", "b"], ids=["one", "two"])
    with pytest.raises(BadInput, match="gives the token 9, and the model knows 9 tokens"):
        corpus.tokenized(lambda _: [[1], [9]], vocabulary=9)
    with pytest.raises(BadInput, match="gives no token for the document 'two'"):
        corpus.tokenized(lambda _: [[1], []], vocabulary=9)
