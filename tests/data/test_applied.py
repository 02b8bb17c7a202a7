from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from byrote.data.applied import apply_decisions
from byrote.data.decisions import Decision
from byrote.errors import BadInput


def written(path, text):
    path.write_text(text, "utf-8", newline="")
    return path


def relabel(example, new):
    return (Decision(example=example, action="relabel", new=new),)


def folder(path, *names):
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    return path


def files(path):
    return {str(one.relative_to(path)): one.read_text() for one in path.rglob("*") if one.is_file()}


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
        apply_decisions(written(tmp_path / "t.xlsx", ""), tmp_path / "out.xlsx", DECIDED)


def test_planted_examples_are_left_alone(tmp_path):
    path = written(tmp_path / "t.csv", TABLE)
    done = apply_decisions(path, tmp_path / "out.csv", DECIDED, target="label", skip=lambda one: one == "t-0001")
    assert done == DECIDED[1:]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\ufeffx,y\n1,a\n2,b\n", "\ufeffx,y\n1,b\n2,b\n"),
        ("sep=;\r\nx;y\r\n1;a\r\n2;b\r\n", "sep=;\r\nx;y\r\n1;b\r\n2;b\r\n"),
        ('x,y\n"p\r\nq",a\n2,b\n', 'x,y\n"p\r\nq",b\n2,b\n'),
        ('x,y\r\n"p\nq, ""r""",a\r\n2,b\r\n', 'x,y\r\n"p\nq, ""r""",b\r\n2,b\r\n'),
        ("x,y\n007,a\nNA,b\n", "x,y\n007,b\nNA,b\n"),
    ],
)
def test_a_text_begins_and_ends_its_lines_as_it_did(tmp_path, before, after):
    apply_decisions(written(tmp_path / "t.csv", before), tmp_path / "out.csv", relabel("t-0000", "b"), target="y")
    assert (tmp_path / "out.csv").read_bytes().decode() == after


def test_a_class_is_written_as_the_file_writes_it(tmp_path):
    path = written(tmp_path / "t.csv", "x,y\n1,a\n2,b\u202ec  d\n")
    apply_decisions(path, tmp_path / "out.csv", relabel("t-0000", "b\\u202ec d"), target="y")
    assert (tmp_path / "out.csv").read_text() == "x,y\n1,b\u202ec  d\n2,b\u202ec  d\n"


@pytest.mark.parametrize(
    ("kind", "labels", "new", "after"),
    [
        (pa.bool_(), [True, False], "false", [False, False]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b"], "b", ["b", "b"]),
        (pa.float32(), [0.0, 1.0], "1", [1.0, 1.0]),
    ],
)
def test_labels_of_a_parquet_keep_their_type(tmp_path, kind, labels, new, after):
    pq.write_table(pa.table({"x": [1, 2], "y": pa.array(labels, kind)}), tmp_path / "t.parquet")
    apply_decisions(tmp_path / "t.parquet", tmp_path / "out.parquet", relabel("t-0000", new), target="y")
    column = pq.read_table(tmp_path / "out.parquet")["y"]
    assert (column.type, column.to_pylist()) == (kind, after)


def test_numbers_are_written_as_the_others_of_their_column(tmp_path):
    comma = written(tmp_path / "t.csv", "x;y\n1,5;2,5\n2,5;3,5\n")
    apply_decisions(comma, tmp_path / "out.csv", relabel("t-0001", "\u221212.5"), target="y", task="regression")
    assert (tmp_path / "out.csv").read_text() == "x;y\n1,5;2,5\n2,5;-12,5\n"
    pq.write_table(pa.table({"x": [1, 2], "y": [7, 9]}), tmp_path / "t.parquet")
    apply_decisions(
        tmp_path / "t.parquet", tmp_path / "out.parquet", relabel("t-0000", "8"), target="y", task="regression"
    )
    assert pq.read_table(tmp_path / "out.parquet")["y"].to_pylist() == [8, 9]


@pytest.mark.parametrize("new", ["../../x", "/x", "dgo"])
def test_a_label_that_is_no_class_is_no_place(tmp_path, new):
    source = folder(tmp_path / "in", "cat/1.png", "dog/1.png")
    with pytest.raises(BadInput, match="have no"):
        apply_decisions(source, tmp_path / "deep/out", relabel("cat/1.png", new))
    assert set(files(tmp_path)) == {"in/cat/1.png", "in/dog/1.png"}


def test_no_image_takes_the_place_of_another(tmp_path):
    source = folder(tmp_path / "in", "cat/1.png", "dog/1.png", "dog/cat-1.png", "cat/.hidden")
    apply_decisions(source, tmp_path / "out", relabel("cat/1.png", "dog"))
    assert files(tmp_path / "out") == {
        "dog/1.png": "dog/1.png",
        "dog/cat-1.png": "dog/cat-1.png",
        "dog/cat-2-1.png": "cat/1.png",
        "cat/.hidden": "cat/.hidden",
    }


def test_the_class_is_the_folder_below_the_root_whatever_lies_below_it(tmp_path):
    source = folder(tmp_path / "in", "train/cat/old/1.png", "train/d\u202eog/2.png", "test/cat/3.png", "test/dog/4.png")
    apply_decisions(source, tmp_path / "out", relabel("train/cat/old/1.png", "d\\u202eog"))
    assert files(tmp_path / "out") == {
        "train/d\u202eog/old/1.png": "train/cat/old/1.png",
        "train/d\u202eog/2.png": "train/d\u202eog/2.png",
        "test/cat/3.png": "test/cat/3.png",
        "test/dog/4.png": "test/dog/4.png",
    }


def test_a_class_that_is_a_link_to_a_folder_is_not_lost(tmp_path):
    folder(tmp_path / "elsewhere", "1.png", "2.png")
    source = folder(tmp_path / "in", "cat/1.png")
    (source / "dog").symlink_to(tmp_path / "elsewhere")
    apply_decisions(source, tmp_path / "out", (Decision(example="dog/2.png", action="remove"),))
    assert files(tmp_path / "out") == {"cat/1.png": "cat/1.png", "dog/1.png": "1.png"}


def test_a_set_of_labels_is_written_into_all_its_columns_as_another_row_writes_it(tmp_path):
    path = written(tmp_path / "t.csv", "x,red,round\n1,1,0\n2,0,1\n3,0,0\n4,1,1\n")
    target = ["red", "round"]
    new = (*relabel("t-0000", "red + round"), Decision(example="t-0002", action="relabel", new="round"))
    apply_decisions(path, tmp_path / "out.csv", new, target=target)
    assert (tmp_path / "out.csv").read_text() == "x,red,round\n1,1,1\n2,0,1\n3,0,1\n4,1,1\n"
    with pytest.raises(BadInput, match="have no 'blue'"):
        apply_decisions(path, tmp_path / "other.csv", relabel("t-0000", "blue"), target=target)
