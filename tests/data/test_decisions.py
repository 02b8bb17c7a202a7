from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from byrote.data.decisions import Decision, apply_decisions, read_decisions
from byrote.errors import BadInput

EXPORTED = "example,row,action,label,models_without_it_say\r\nt-0001,1,relabel,no,yes\r\nt-0003,3,remove,yes,yes\r\n"


def written(path, text):
    path.write_text(text, "utf-8")
    return path


def test_a_file_as_the_page_exports_it_is_read(tmp_path):
    found = read_decisions(written(tmp_path / "d.csv", EXPORTED))
    assert found == (
        Decision(example="t-0001", action="relabel", new="yes", given="no"),
        Decision(example="t-0003", action="remove", new="yes", given="yes"),
    )


def test_a_label_of_ones_own_counts_before_that_of_the_models(tmp_path):
    text = "example,action,models_without_it_say,new_label\na,relabel,yes,maybe\n'=b,keep,yes,\n"
    one, other = read_decisions(written(tmp_path / "d.csv", text))
    assert one.new == "maybe"
    assert (other.example, other.action) == ("=b", "review")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,action\na,remove\n", "has no column 'example'"),
        ("example,action\na,delete\n", "has the action 'delete'"),
        ("example,action\na,relabel\n", "gives 'a' no new label"),
        ("example,action\na,remove\na,remove\n", "names 'a' twice"),
    ],
)
def test_what_cannot_be_decided_is_refused(tmp_path, text, sentence):
    with pytest.raises(BadInput, match=sentence):
        read_decisions(written(tmp_path / "d.csv", text))


TABLE = 'size;city;label\n1,5;"Bern; CH";no\n2,5;Rom;no\n3;"a ""b""";yes\n4;Oslo;yes\n'
DECIDED = (Decision(example="t-0001", action="relabel", new="yes"), Decision(example="t-0003", action="remove"))


def test_a_csv_is_written_again_with_all_other_cells_as_they_were(tmp_path):
    done = apply_decisions(written(tmp_path / "t.csv", TABLE), tmp_path / "out.csv", DECIDED, target="label")
    assert done == DECIDED
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter=";")) == [
            ["size", "city", "label"],
            ["1,5", "Bern; CH", "no"],
            ["2,5", "Rom", "yes"],
            ["3", 'a "b"', "yes"],
        ]


def test_rows_are_found_by_their_own_ids(tmp_path):
    path = written(tmp_path / "t.csv", "key,x,y\nb,1,no\na,2,yes\n")
    apply_decisions(
        path, tmp_path / "out.csv", (Decision(example="b", action="relabel", new="yes"),), target="y", id="key"
    )
    assert (tmp_path / "out.csv").read_text() == "key,x,y\nb,1,yes\na,2,yes\n"


def test_a_parquet_keeps_its_types(tmp_path):
    table = pa.table({"x": pa.array([1.5, 2.5, 3.5, 4.5]), "label": pa.array([0, 0, 1, 1], pa.int8())})
    pq.write_table(table, tmp_path / "t.parquet")
    decided = (Decision(example="t-0001", action="relabel", new="1"), Decision(example="t-0003", action="remove"))
    apply_decisions(tmp_path / "t.parquet", tmp_path / "out.parquet", decided, target="label")
    after = pq.read_table(tmp_path / "out.parquet")
    assert after.schema.field("label").type == pa.int8()
    assert after["label"].to_pylist() == [0, 1, 1]


def test_images_move_to_the_folder_of_their_new_class(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "in" / name)
    decided = (
        Decision(example="cat/1.png", action="relabel", new="dog"),
        Decision(example="cat/2.png", action="remove"),
    )
    apply_decisions(tmp_path / "in", tmp_path / "out", decided)
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png")) == [
        "dog/1.png",
        "dog/cat-1.png",
    ]
    assert len(list((tmp_path / "in").rglob("*.png"))) == 3


def test_nothing_of_the_persons_is_overwritten_and_strangers_are_refused(tmp_path):
    path = written(tmp_path / "t.csv", TABLE)
    with pytest.raises(BadInput, match="there already"):
        apply_decisions(path, path, DECIDED, target="label")
    with pytest.raises(BadInput, match=r"are not in t\.csv: 'x-9'"):
        apply_decisions(path, tmp_path / "out.csv", (Decision(example="x-9", action="remove"),), target="label")
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(BadInput, match="not applied to files like"):
        apply_decisions(written(tmp_path / "t.npz", ""), tmp_path / "out.npz", DECIDED)


def test_planted_examples_are_left_alone(tmp_path):
    path = written(tmp_path / "t.csv", TABLE)
    done = apply_decisions(path, tmp_path / "out.csv", DECIDED, target="label", skip=lambda one: one == "t-0001")
    assert done == DECIDED[1:]
