from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from byrote.data.index import infini_gram as module
from byrote.data.index.corpus_index import index_texts
from byrote.data.index.infini_gram import BEGUN, DATA, DIGEST, TABLE, infini_gram, width
from byrote.data.index.joined import Joined, joined_texts, joined_tokens
from byrote.errors import BadInput

TEXTS = ["to be or not to be", "", "that is the question", "to be"]
QUERIES = ("to be", "t", "question", "betthat", "z", "be or not")


def write_table(joined: Joined, folder: Path) -> None:
    """What infini-gram leaves behind, sorted the slow way."""
    folder.mkdir(exist_ok=True)
    order = sorted(range(len(joined.data)), key=lambda at: joined.data[at:])
    (folder / DATA).write_bytes(joined.data)
    size = width(len(joined.data))
    (folder / TABLE).write_bytes(b"".join(position.to_bytes(size, "little") for position in order))


def check(folder: Path, texts: list[str], queries: tuple[str, ...]) -> None:
    on_disk = index_texts(texts, kind="infini-gram", folder=folder)
    plain = index_texts(texts, kind="plain")
    for query in queries:
        assert on_disk.count(query) == plain.count(query)
        np.testing.assert_array_equal(on_disk.documents(query), plain.documents(query))
        np.testing.assert_array_equal(on_disk.locate(query).start, plain.locate(query).start)
        np.testing.assert_array_equal(on_disk.matching_lengths(query), plain.matching_lengths(query))


@pytest.mark.parametrize("texts", [TEXTS, TEXTS * 20], ids=["one byte a position", "two"])
def test_a_finished_table_is_read_where_it_lies(tmp_path, texts):
    joined = joined_texts(texts)
    write_table(joined, tmp_path / "index")
    (tmp_path / "index" / DIGEST).write_text(hashlib.sha256(joined.data).hexdigest())
    check(tmp_path / "index", texts, QUERIES)


def test_a_folder_of_another_corpus_is_refused(tmp_path):
    write_table(joined_texts(TEXTS), tmp_path)
    (tmp_path / DIGEST).write_text("of something else")
    with pytest.raises(BadInput, match="holds the index of another corpus"):
        infini_gram(joined_texts(TEXTS), tmp_path)


@pytest.mark.skipif(find_spec("infini_gram") is None, reason="the package infini-gram is not installed")
class TestSorting:
    @pytest.mark.parametrize("copies", [1, 900])
    def test_counts_are_those_of_plain_search(self, tmp_path, copies):
        rng = np.random.default_rng(0)
        texts = TEXTS + [" ".join(rng.choice(["to", "be", "or"], 40).tolist()) for _ in range(copies)]
        check(tmp_path / "index", texts, QUERIES)
        check(tmp_path / "index", texts, QUERIES)  # again, from what is there

    def test_a_sorting_that_was_stopped_begins_again(self, tmp_path):
        joined = joined_texts(TEXTS)
        (tmp_path / BEGUN).write_text(hashlib.sha256(joined.data).hexdigest())
        (tmp_path / TABLE).write_bytes(b"half a table")
        check(tmp_path, TEXTS, QUERIES)
        assert not (tmp_path / BEGUN).exists()

    def test_a_folder_that_is_not_ours_is_left_alone(self, tmp_path):
        (tmp_path / TABLE).write_bytes(b"someone's")
        with pytest.raises(BadInput, match="holds an index that is not ours"):
            infini_gram(joined_texts(TEXTS), tmp_path)
        assert (tmp_path / TABLE).read_bytes() == b"someone's"


def test_an_order_that_is_none_is_noticed(tmp_path, monkeypatch):
    def sort_badly(joined: Joined, folder: Path) -> None:
        write_table(joined, folder)
        table = bytearray((folder / TABLE).read_bytes())
        table[10], table[11] = table[11], table[10]
        (folder / TABLE).write_bytes(table)

    monkeypatch.setattr(module, "_refuse_unready", lambda folder: None)
    monkeypatch.setattr(module, "_sort", sort_badly)
    with pytest.raises(BadInput, match=r"wrongly: ranks \d+ and \d+ are out of order"):
        infini_gram(joined_texts(TEXTS), tmp_path)
    assert not (tmp_path / DIGEST).exists()


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"needs the package infini-gram.*byrote\[infini-gram\]"):
        infini_gram(joined_texts(TEXTS), tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_what_cannot_be_on_disk(tmp_path):
    with pytest.raises(BadInput, match="takes texts only"):
        infini_gram(joined_tokens(np.array([1]), np.array([0, 1])), tmp_path)
    with pytest.raises(BadInput, match="holds none"):
        infini_gram(joined_texts([]), tmp_path)
