"""The same value means the same in every source: what docs/data.md says, run for each of them."""

import csv

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from byrote.data.arrays import from_arrays
from byrote.data.dataset import notes
from byrote.data.frame import from_pandas
from byrote.data.hugging_face import from_hugging_face
from byrote.data.image_folder import from_image_folder
from byrote.data.npy_folder import from_npy_folder
from byrote.data.npz import from_npz
from byrote.data.table import from_table, read_rows
from byrote.data.torch_dataset import from_torch
from byrote.errors import BadInput
from over_all import over_all

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


def frame(folder, labels, groups):
    columns = {"x": INPUTS[:, 0], "z": INPUTS[:, 1], "label": labels, "group": groups}
    return from_pandas(pd.DataFrame(columns), target="label", group="group", heldout=0.0).training


def frame_of_categories(folder, labels, groups):
    columns = {"label": pd.Categorical(labels), "group": pd.Categorical(groups)}
    made = pd.DataFrame({"x": INPUTS[:, 0], "z": INPUTS[:, 1], **columns})
    return from_pandas(made, target="label", group="group", heldout=0.0).training


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
    made = datasets.Dataset.from_dict({"x": INPUTS.tolist(), "label": labels, "group": groups})
    return from_hugging_face(made, input="x", target="label", group="group")


SOURCES = [
    csv_file,
    parquet_file,
    categories,
    frame,
    frame_of_categories,
    npz_file,
    npy_files,
    arrays,
    torch_items,
    hugging_face,
]
every_source = over_all("read", {read.__name__: read for read in SOURCES})


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


@every_source
def test_minus_one_and_one_are_two_classes(tmp_path, read):
    made = read(tmp_path, [1, -1] * (ROWS // 2), FEW)
    assert made.class_names == ("-1", "1")
    assert made.targets.tolist() == [1, 0] * (ROWS // 2)


CLASS = [row % 2 for row in range(ROWS)]


def images_in_arrays(folder, images):
    return from_arrays(images, CLASS)


def images_in_npz(folder, images):
    np.savez(folder / "t.npz", inputs=images, targets=CLASS)
    return from_npz(folder / "t.npz", heldout=0.0).training


def images_as_tensors(folder, images):
    return from_torch([(torch.from_numpy(image), label) for image, label in zip(images, CLASS, strict=True)])


def images_as_pictures(folder, images):
    return from_torch([(Image.fromarray(image), label) for image, label in zip(images, CLASS, strict=True)])


def images_of_hugging_face(folder, images):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    content = {"image": [Image.fromarray(image) for image in images], "label": CLASS}
    made = datasets.Dataset.from_dict(content, features=features)
    return from_hugging_face(made, input="image", target="label")


def images_in_files(folder, images):
    for row, (image, label) in enumerate(zip(images, CLASS, strict=True)):
        (folder / "images" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "images" / str(label) / f"{row:02d}.tif")
    made = from_image_folder(folder / "images", heldout=0.0).training
    return made.subset(np.argsort([name[2:] for name in made.ids.tolist()]))


IN_ARRAYS = [images_in_arrays, images_in_npz, images_as_tensors]
AS_PICTURES = [images_as_pictures, images_of_hugging_face, images_in_files]


@over_all("read", {read.__name__: read for read in (*IN_ARRAYS, *AS_PICTURES)})
@pytest.mark.parametrize(
    ("dtype", "largest", "by"),
    [("uint8", 200, 255), ("uint16", 200, 65_535), ("int32", 200, 255), ("int32", 3_000, 4_095), ("uint8", 1, 255)],
)
def test_the_same_images_in_0_to_1(tmp_path, read, dtype, largest, by):
    images = np.random.default_rng(0).integers(0, largest + 1, (ROWS, 5, 6)).astype(dtype)
    images[3, 2, 1] = largest
    made = read(tmp_path, images)
    assert made.inputs.shape == (ROWS, 1, 5, 6)
    np.testing.assert_array_equal(made.inputs[:, 0], images.astype(np.float32) / np.float32(by))
    assert made.targets.tolist() == CLASS


@over_all("read", {read.__name__: read for read in AS_PICTURES})
@pytest.mark.parametrize(("largest", "by"), [(1.0, 1), (254.5, 255)])
def test_pictures_of_decimal_numbers_in_0_to_1(tmp_path, read, largest, by):
    images = np.random.default_rng(0).random((ROWS, 5, 6)).astype(np.float32) * np.float32(largest)
    images[3, 2, 1] = largest
    np.testing.assert_array_equal(read(tmp_path, images).inputs[:, 0], images / np.float32(by))


@over_all("read", {read.__name__: read for read in IN_ARRAYS})
def test_arrays_of_decimal_numbers_as_they_are(tmp_path, read):
    images = np.random.default_rng(0).random((ROWS, 5, 6)).astype(np.float32) * np.float32(250)
    made = read(tmp_path, images)
    np.testing.assert_array_equal(made.inputs[:, 0], images)
    assert "Images are taken as they are, and their numbers go from 0." in notes(made)[0]


def table_of_texts(folder, columns, ending):
    """The same cells, all of them texts, in a file of this ending."""
    path = folder / f"t{ending}"
    if ending == ".parquet":
        pq.write_table(pa.table(columns), path)
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t" if ending == ".tsv" else ",")
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return path


def table_read(folder, columns, ending, **options):
    """The same cells from a file of this ending, or from a data frame."""
    if ending == "pandas":
        return from_pandas(pd.DataFrame(columns), target="kind", **options)
    return from_table(table_of_texts(folder, columns, ending), target="kind", **options)


FILES = [".csv", ".tsv", ".parquet"]
TABLES = [*FILES, "pandas"]
NUMBERS = [round(1.37 * row, 2) for row in range(40)]
KINDS = ["a", "b"] * 20
of_every_table = over_all("ending", dict(zip(TABLES, TABLES, strict=True)))


@of_every_table
@pytest.mark.parametrize("mark", ["", "NA", " NA ", " ?", "nan", "-", "<5", "none", "12%", "\u20ac5", "#DIV/0!"])
def test_a_cell_that_is_no_number_is_missing(tmp_path, ending, mark):
    cells = [mark if row == 7 else str(value) for row, value in enumerate(NUMBERS)]
    pq.write_table(
        pa.table({"x": [None if row == 7 else value for row, value in enumerate(NUMBERS)], "kind": KINDS}),
        tmp_path / "typed.parquet",
    )
    typed = from_table(tmp_path / "typed.parquet", target="kind")
    made = table_read(tmp_path, {"x": cells, "kind": KINDS}, ending)
    np.testing.assert_array_equal(made.training.inputs, typed.training.inputs)
    told = [note for note in made.notes if "is no number" in note]
    assert bool(told) == (mark in ("-", "<5", "none", "12%", "\u20ac5", "#DIV/0!"))
    if told:
        assert f"{mark!r} (row 8, counted from 1)" in told[0]


@of_every_table
@pytest.mark.parametrize("written", ["{}", " {} ", "{}%", "\u20ac{}", "{} $", "{:,}", "+{}"])
def test_numbers_as_people_write_them(tmp_path, ending, written):
    values = [1000 + 13.5 * row for row in range(40)]
    pq.write_table(pa.table({"x": values, "kind": KINDS}), tmp_path / "typed.parquet")
    typed = from_table(tmp_path / "typed.parquet", target="kind")
    cells = [written.format(value) for value in values]
    made = table_read(tmp_path, {"x": cells, "kind": KINDS}, ending)
    np.testing.assert_array_equal(made.training.inputs, typed.training.inputs)


@of_every_table
@pytest.mark.parametrize("ids", [range(50, 90), range(10**18, 10**18 + 120, 3), [f"{7 * row}.0" for row in range(40)]])
def test_ids_are_not_learned_from(tmp_path, ending, ids):
    columns = {"row_id": list(map(str, ids)), "x": list(map(str, NUMBERS)), "kind": KINDS}
    made = table_read(tmp_path, columns, ending)
    assert made.training.display.feature_names == ("x",)
    assert "The column 'row_id' is left out: it looks like an id" in made.notes[0]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string(), pa.decimal128(20, 0)])
def test_ids_of_any_type_are_not_learned_from(tmp_path, kind):
    ids = pa.array([1000 + 7 * row for row in range(40)]).cast(kind)
    pq.write_table(pa.table({"id": ids, "x": NUMBERS, "kind": KINDS}), tmp_path / "t.parquet")
    assert from_table(tmp_path / "t.parquet", target="kind").training.display.feature_names == ("x",)


@of_every_table
def test_levels_that_look_the_same_are_one(tmp_path, ending):
    columns = {"colour": ["red", "red ", "caf\u00e9", "cafe\u0301"] * 10, "kind": [*KINDS[2:], "b", "b"]}
    made = table_read(tmp_path, columns, ending, heldout=0.0)
    assert made.training.display.feature_names == ("colour = caf\u00e9", "colour = red")


@over_all("ending", dict(zip(FILES, FILES, strict=True)))
def test_thousands_and_decimal_commas(tmp_path, ending):
    columns = {
        "sold": [f"{900 + 7 * row:,}".replace(",", ".") for row in range(40)],
        "share": [f"{row},5" for row in range(40)],
        "kind": KINDS,
    }
    found = read_rows(table_of_texts(tmp_path, columns, ending))
    assert found.column("share").to_pylist() == [row + 0.5 for row in range(40)]
    assert found.column("sold").to_pylist() == [900 + 7 * row for row in range(40)]


def test_categories_of_parquet_stay_names(tmp_path):
    level = pa.array(list(map(str, range(4))) * 10).dictionary_encode()
    pq.write_table(pa.table({"level": level, "kind": [*KINDS[2:], "b", "b"]}), tmp_path / "t.parquet")
    made = from_table(tmp_path / "t.parquet", target="kind", heldout=0.0)
    assert made.training.display.feature_names == ("level = 0", "level = 1", "level = 2", "level = 3")
