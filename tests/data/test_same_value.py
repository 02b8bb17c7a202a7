"""The same value means the same in every source: what docs/data.md says, run for each of them."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset as HuggingFaceDataset

from byrote.data.arrays import from_arrays
from byrote.data.dataset import notes
from byrote.data.hugging_face import from_hugging_face
from byrote.data.npy_folder import from_npy_folder
from byrote.data.npz import from_npz
from byrote.data.table import from_table
from byrote.data.torch_dataset import from_torch
from byrote.errors import BadInput

ROWS = 12
INPUTS = np.random.default_rng(0).normal(size=(ROWS, 2)).astype(np.float32)
FEW = ["b", "a"] * (ROWS // 2)


def csv_file(folder, labels, groups):
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["x", "z", "label", "group"])
        rows.writerows(
            [*map(repr, map(float, row)), *names] for row, *names in zip(INPUTS, labels, groups, strict=True)
        )
    return from_table(folder / "t.csv", target="label", group="group", heldout=0.0).training


def parquet_file(folder, labels, groups):
    table = pa.table({"x": INPUTS[:, 0], "z": INPUTS[:, 1], "label": labels, "group": groups})
    pq.write_table(table, folder / "t.parquet")
    return from_table(folder / "t.parquet", target="label", group="group", heldout=0.0).training


def categories(folder, labels, groups):
    columns = {"label": pa.array(labels).dictionary_encode(), "group": pa.array(groups).dictionary_encode()}
    pq.write_table(pa.table({"x": INPUTS[:, 0], "z": INPUTS[:, 1], **columns}), folder / "t.parquet")
    return from_table(folder / "t.parquet", target="label", group="group", heldout=0.0).training


def npz_file(folder, labels, groups):
    np.savez(folder / "t.npz", inputs=INPUTS, targets=np.array(labels), groups=np.array(groups))
    return from_npz(folder / "t.npz", heldout=0.0).training


def npy_files(folder, labels, groups):
    for name, array in {"inputs": INPUTS, "targets": np.array(labels), "groups": np.array(groups)}.items():
        np.save(folder / f"{name}.npy", array)
    return from_npy_folder(folder).training


def arrays(folder, labels, groups):
    return from_arrays(INPUTS, labels, groups=groups)


def torch_items(folder, labels, groups):
    return from_torch(list(zip(INPUTS, labels, strict=True)), groups=groups)


def hugging_face(folder, labels, groups):
    made = HuggingFaceDataset.from_dict({"x": INPUTS.tolist(), "label": labels, "group": groups})
    return from_hugging_face(made, input="x", target="label", group="group")


SOURCES = [csv_file, parquet_file, categories, npz_file, npy_files, arrays, torch_items, hugging_face]
every_source = pytest.mark.parametrize("read", SOURCES)


@every_source
def test_blanks_and_forms_of_letters_make_no_other_class_or_group(tmp_path, read):
    labels = [
        "yes",
        " yes",
        "yes\u00a0",
        "caf\u00e9",
        "cafe\u0301",
        "new  york",
        "new york",
        "yes",
        "yes",
        "yes",
        "yes",
        "yes",
    ]
    groups = ["Ann", "Ann ", "\u00c5sa", "A\u030asa", *(f"p{row}" for row in range(8))]
    made = read(tmp_path, labels, groups)
    assert made.class_names == ("caf\u00e9", "new york", "yes")
    assert made.targets.tolist() == [2, 2, 2, 0, 0, 1, 1, 2, 2, 2, 2, 2]
    assert made.groups.tolist() == ["Ann", "Ann", "\u00c5sa", "\u00c5sa", *(f"p{row}" for row in range(8))]


@every_source
def test_case_is_told_and_not_changed(tmp_path, read):
    made = read(tmp_path, ["Yes", *["yes"] * (ROWS - 2), "no"], ["ann", "Ann", *map(str, range(10, 10 + ROWS - 2))])
    assert made.class_names == ("Yes", "no", "yes")
    assert len(np.unique(made.groups)) == ROWS
    said = " ".join(notes(made))
    assert "The classes 'Yes' (1 example) and 'yes' (10 examples) differ only in case" in said
    assert "1 name of a group is written in more than one way" in said


@every_source
@pytest.mark.parametrize("mark", ["NA", " NA", "?", " ?", "nan", ""])
@pytest.mark.parametrize("what", ["label", "group"])
def test_words_that_say_missing(tmp_path, read, mark, what):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, [mark, *FEW[1:]] if what == "label" else FEW, [mark, *FEW[1:]] if what == "group" else FEW)
    if mark:
        assert f"{mark.strip()!r} is read as missing" in str(caught.value)


@every_source
def test_a_word_with_a_sign_is_a_name(tmp_path, read):
    made = read(tmp_path, ["NA-", *FEW[1:]], FEW)
    assert made.class_names == ("NA-", "a", "b")
