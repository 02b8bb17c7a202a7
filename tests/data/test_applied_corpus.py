from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byrote.data.applied_corpus import apply_to_saved, remove_documents
from byrote.data.corpus import read_corpus
from byrote.data.decisions import Decision, read_decisions
from byrote.errors import BadInput


def removal(*names):
    return tuple(Decision(example=name, action="remove") for name in names)


LINES = [
    '{"id": "a", "text": "one"}',
    "",
    '{ "id":"b", "text":"two", "more": [1, 2]}',
    '{"id": "c", "text": "thr\\u00e9"}',
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_other_lines_of_json_stay_as_they_are(tmp_path, end):
    (tmp_path / "c.jsonl").write_bytes(end.join(LINES).encode())
    done = remove_documents(tmp_path / "c.jsonl", tmp_path / "out.jsonl", removal("a"))
    assert done == removal("a")
    assert (tmp_path / "out.jsonl").read_bytes() == end.join(LINES[2:]).encode()
    assert read_decisions(tmp_path / "out.jsonl.decisions.csv") == done


def test_chats_are_documents(tmp_path):
    chats = [{"messages": [{"role": "user", "content": f"How is {name}?"}]} for name in "abc"]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    remove_documents(tmp_path / "c.jsonl", tmp_path / "out.jsonl", removal("c-0001"))
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [chats[0], chats[2]]


@pytest.mark.parametrize("form", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (("t-0000",), "tw\u00f6\n  \nthree"),
        (("t-0001",), "\none\nmore\n\n\nthree"),
        (("t-0001", "t-0002"), "\none\nmore\n\n\n"),
    ],
)
def test_paragraphs_go_with_the_empty_lines_after_them(tmp_path, form, gone, left):
    (tmp_path / "t.txt").write_bytes("\none\nmore\n\n\ntw\u00f6\n  \nthree".encode(form))
    texts = {"t-0000": "one\nmore", "t-0001": "tw\u00f6", "t-0002": "three"}
    kept = [text for name, text in texts.items() if name not in gone]
    remove_documents(tmp_path / "t.txt", tmp_path / "out.txt", removal(*gone))
    assert (tmp_path / "out.txt").read_bytes().decode(form).lstrip("\n") == left.lstrip("\n")
    assert list(read_corpus(tmp_path / "out.txt").texts) == kept


def test_a_parquet_keeps_its_other_columns_and_their_types(tmp_path):
    table = pa.table({"text": ["one", "two", "three"], "n": pa.array([1, 2, 3], pa.int8())})
    pq.write_table(table, tmp_path / "t.parquet")
    remove_documents(tmp_path / "t.parquet", tmp_path / "out.parquet", removal("t-0001"))
    assert pq.read_table(tmp_path / "out.parquet").equals(table.take([0, 2]))


def test_documents_have_no_label_and_strangers_are_refused(tmp_path):
    (tmp_path / "c.jsonl").write_text("\n".join(LINES))
    with pytest.raises(BadInput, match="no label, and 'a' shall get another"):
        remove_documents(
            tmp_path / "c.jsonl", tmp_path / "out.jsonl", (Decision(example="a", action="relabel", new="x"),)
        )
    with pytest.raises(BadInput, match=r"are not in c\.jsonl: 'd'"):
        remove_documents(tmp_path / "c.jsonl", tmp_path / "out.jsonl", removal("d"))
    with pytest.raises(BadInput, match=r"--out cleaned\.jsonl"):
        remove_documents(tmp_path / "c.jsonl", tmp_path / "out.txt", removal("a"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.jsonl"]


@pytest.fixture
def saved(tmp_path):
    datasets = pytest.importorskip("datasets", reason="reads and writes what the package datasets saves")
    features = datasets.Features(
        {"y": datasets.ClassLabel(names=["cat", "dog"]), "text": datasets.Value("string"), "n": datasets.Value("int8")}
    )
    rows = {"y": [0, 1, 1, 0], "text": ["one", "two", "three", "four"], "n": [4, 5, 6, 7]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved", datasets.load_from_disk


IDS = np.array(["r-0", "r-1", "r-2", "r-3"])
DECIDED = (Decision(example="r-1", action="relabel", new="cat", given="dog"), *removal("r-3"))


def test_a_saved_dataset_is_relabelled_and_keeps_its_features(saved, tmp_path):
    folder, load = saved
    done = apply_to_saved(
        folder, tmp_path / "out", DECIDED, ids=IDS, labels=np.array([0, 1, 1, 0]), class_names=("cat", "dog")
    )
    before, after = load(str(folder)), load(str(tmp_path / "out"))
    assert after.features == before.features
    assert after.to_dict() == {"y": [0, 0, 1], "text": ["one", "two", "three"], "n": [4, 5, 6]}
    assert read_decisions(tmp_path / "out.decisions.csv") == done == DECIDED


def test_a_saved_dataset_of_other_labels_is_refused(saved, tmp_path):
    with pytest.raises(BadInput, match="which has 4 rows, holds the labels of the 4 examples of the run"):
        apply_to_saved(
            saved[0], tmp_path / "out", DECIDED, ids=IDS, labels=np.array([1, 0, 1, 0]), class_names=("cat", "dog")
        )
    assert not (tmp_path / "out").exists()


def test_documents_of_a_saved_dataset_are_removed(saved, tmp_path):
    remove_documents(saved[0], tmp_path / "out", removal("saved-0000", "saved-0002"))
    assert saved[1](str(tmp_path / "out")).to_dict() == {"y": [1, 0], "text": ["two", "four"], "n": [5, 7]}
