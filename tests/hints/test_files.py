"""Hints of files of data are followed: each mends the case that brought it."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

import byrote
from byrote.data import parquet
from byrote.data.controls import LABEL_NOISE, Controls, planted
from byrote.data.fashion_mnist import fashion_mnist
from byrote.data.heldout import refuse_unfit
from byrote.data.idx import read_idx
from byrote.data.npy_folder import from_npy_folder
from byrote.data.npz import read_npz
from byrote.data.room import refuse_beyond_memory
from byrote.data.source import Reading, read_source, refuse_unfit_options
from byrote.data.table import read_table
from byrote.data.targets import refuse_tolerance
from byrote.data.task import refuse_other_tasks
from byrote.data.text_file import lines_of
from byrote.data.tokenizers import read_tokenizer
from followed import Case, each, follow

ROWS = "a,b,c,kind\n" + "".join(f"{row % 5},{row * 0.37:.2f},{row * row},{'xy'[row % 2]}\n" for row in range(20))
RNG = np.random.default_rng(0)


def written(name: str, content: str | bytes, read: Callable[[Path], Any] | None = None) -> Callable[[Path], Any]:
    """A file of this content, read as the command line reads a source unless told otherwise."""

    def make(folder: Path) -> Any:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return source(path) if read is None else read(path)

    return make


def source(path: Path, **options: Any) -> Any:
    """A source as the command line reads it."""
    return read_source(str(path), Reading(**options), seed=0)


def idx(array: Any, *, code: int = 8) -> bytes:
    """An array as an idx file."""
    made = np.asarray(array, np.uint8)
    return bytes([0, 0, code, made.ndim]) + np.array(made.shape, ">u4").tobytes() + made.tobytes()


IDX = idx([[1, 2, 3], [4, 5, 6]])


def spoiled(packed: bytes) -> bytes:
    """Packed bytes whose checksum is another."""
    return packed[:-8] + bytes(one ^ 255 for one in packed[-8:-4]) + packed[-4:]


def one_idx(content: bytes) -> Callable[[Path], Any]:
    """An idx file."""
    return written("train-images-idx3-ubyte", content, read_idx)


def four(images: Any = None, labels: Any = None) -> Callable[[Path], Any]:
    """The four files of Fashion-MNIST."""

    def make(folder: Path) -> Any:
        pictures = RNG.integers(0, 256, (6, 28, 28)) if images is None else images
        for part in ("train", "t10k"):
            for kind, array in (("images-idx3", pictures), ("labels-idx1", np.arange(6) if labels is None else labels)):
                (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
        return fashion_mnist(folder)

    return make


def pictures(*names: str, size: int = 8, **options: Any) -> Callable[[Path], Any]:
    """Six pictures in each of these folders."""

    def make(folder: Path) -> Any:
        root = folder / "pictures"
        shutil.rmtree(root, ignore_errors=True)
        for name in names:
            (root / name).mkdir(parents=True)
            if not name.endswith("empty"):
                for number in range(6):
                    shade = RNG.integers(0, 256, (size, size), np.uint8)
                    Image.fromarray(shade).save(root / name / f"{number}.png")
        return source(root, **options)

    return make


def no_test(folder: Path) -> Any:
    """Pictures to train on, and none held out."""
    pictures("train/cat", "train/dog", "test/cat", "test/dog")(folder)
    for path in (folder / "pictures" / "test").rglob("*.png"):
        path.unlink()
    return source(folder / "pictures")


def arrays(**held: Any) -> Callable[[Path], Any]:
    """Arrays of a folder of .npy files."""

    def make(folder: Path) -> Any:
        place = folder / "arrays"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, array in held.items():
            np.save(place / f"{name}.npy", array)
        return from_npy_folder(place)

    return make


def damaged_array(folder: Path) -> Any:
    """An array that is cut off."""
    arrays(inputs=INPUTS, targets=TARGETS)(folder)
    path = folder / "arrays" / "inputs.npy"
    path.write_bytes(path.read_bytes()[:80])
    return from_npy_folder(folder / "arrays")


def npz(**held: Any) -> Callable[[Path], Any]:
    """Arrays of an .npz file."""

    def make(folder: Path) -> Any:
        np.savez(folder / "data.npz", **held)
        return source(folder / "data.npz")

    return make


def columns(metadata: dict[bytes, bytes] | None = None) -> Callable[[Path], Any]:
    """A Parquet file that says this of pandas."""

    def make(folder: Path) -> Any:
        table = pa.table({"a": np.arange(20) % 5, "b": np.arange(20) * 0.3, "kind": ["x", "y"] * 10})
        pq.write_table(table.replace_schema_metadata(metadata), folder / "table.parquet")
        return source(folder / "table.parquet", target=("kind",))

    return make


def wide(folder: Path) -> Any:
    """A table of more columns than there can be."""
    return parquet.refuse_wide(folder / "table.csv", parquet.MOST_COLUMNS + 1)


def data(inputs: Any, targets: Any, **settings: Any) -> Any:
    """A dataset from arrays."""
    return byrote.from_arrays(inputs, targets, **settings)


def held(heldout: Any, dataset: Any = None) -> Callable[[Path], Any]:
    """Held-out data that are compared with the training data."""
    return lambda _: refuse_unfit(heldout, TRAINING if dataset is None else dataset)


def items(*given: Any, length: int | None = None) -> Callable[[Path], Any]:
    """A torch dataset of these items."""

    class Items(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(given) if length is None else length

        def __getitem__(self, at: int) -> Any:
            if isinstance(given[at], Exception):
                raise given[at]
            return given[at]

    return lambda _: byrote.from_torch(Items())


def hugging(made: Any, **settings: Any) -> Callable[[Path], Any]:
    """A dataset of Hugging Face."""
    return lambda _: byrote.from_hugging_face(made, input="x", target="y", **settings)


def controls(**cells: Any) -> Callable[[Path], Any]:
    """Controls of a table."""
    how = {"example": ["a"], "kind": [LABEL_NOISE], "original": ["b"]} | cells
    return lambda _: Controls.from_table(pa.table({name: cell for name, cell in how.items() if cell is not None}))


def option(**options: Any) -> Callable[[Path], Any]:
    """Options of a source that brings a recipe."""
    return lambda _: refuse_unfit_options(Reading(**options), None, "digits")


INPUTS, TARGETS = np.arange(24, dtype=np.float32).reshape(12, 2), np.arange(12) % 2
IMAGES = RNG.integers(0, 256, (12, 1, 8, 8)).astype(np.uint8)
TRAINING = data(INPUTS, TARGETS, class_names=("a", "b"))
NEW = data(INPUTS + 0.5, TARGETS, class_names=("a", "b"))
SHOWN, DIM = data(IMAGES / np.float32(255), TARGETS), data(IMAGES[::-1] / np.float32(255 * 50), TARGETS)
BRIGHT = data(RNG.integers(0, 256, (12, 1, 8, 8)) / np.float32(255), TARGETS)
ROW = datasets.Dataset.from_dict({"x": INPUTS.tolist(), "y": TARGETS.tolist()})
GREY, COLOURED = torch.zeros(1, 4, 4), torch.zeros(3, 4, 4)
TOKENS = '{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "added_tokens": []}'
HALF = b"\xff\xfe" + "one\ntwo\n".encode("utf-16-le") + b"\x00"

FILES = (
    Case(name="not idx", wrong=one_idx(b"hello"), says="as it was published", right=one_idx(IDX)),
    Case(name="no type of idx", wrong=one_idx(b"\0\0\x07\x01"), says="0x08", right=one_idx(IDX)),
    Case(name="axes", wrong=one_idx(b"\0\0\x08\x00"), says="as it was published", right=one_idx(IDX)),
    Case(name="empty", wrong=one_idx(idx(np.zeros((0, 3)))), says="as it was published", right=one_idx(IDX)),
    Case(name="cut off", wrong=one_idx(IDX[:-1]), says="copy or download", right=one_idx(IDX)),
    Case(name="longer", wrong=one_idx(IDX + b"1"), says="copy or download", right=one_idx(IDX)),
    Case(
        name="a spoiled gzip",
        wrong=one_idx(spoiled(gzip.compress(IDX))),
        says="copy or download",
        right=one_idx(gzip.compress(IDX)),
    ),
    Case(
        name="no idx file",
        wrong=lambda folder: read_idx(folder / "train-images-idx3-ubyte"),
        says="check the path",
        right=one_idx(IDX),
    ),
    Case(
        name="a folder for idx",
        wrong=lambda folder: read_idx(folder),
        says="check that the file is complete",
        right=one_idx(IDX),
    ),
    Case(name="other axes", wrong=four(images=np.arange(6)), says="the four idx files of one release", right=four()),
    Case(name="other labels", wrong=four(labels=np.arange(5)), says="the four idx files of one release", right=four()),
    Case(
        name="one class", wrong=pictures("cat"), says="folder/cat/1.png, folder/dog/1.png", right=pictures("cat", "dog")
    ),
    Case(
        name="a part without pictures",
        wrong=no_test,
        says="remove it, or fill it",
        right=pictures("train/cat", "train/dog", "test/cat", "test/dog"),
    ),
    Case(name="a part to remove", wrong=no_test, says="remove it", right=pictures("train/cat", "train/dog")),
    Case(
        name="two parts to train on",
        wrong=pictures("train/cat", "training/dog", "test/cat"),
        says="'train'",
        right=pictures("train/cat", "train/dog", "test/cat", "test/dog"),
    ),
    Case(
        name="no folder of pictures",
        wrong=lambda folder: byrote.from_image_folder(folder / "pictures"),
        says="check the path",
        right=pictures("cat", "dog"),
    ),
    Case(
        name="no targets",
        wrong=arrays(inputs=INPUTS),
        says="np.save(path, array)",
        right=arrays(inputs=INPUTS, targets=TARGETS),
    ),
    Case(
        name="an array cut off",
        wrong=damaged_array,
        says="np.save(path, array)",
        right=arrays(inputs=INPUTS, targets=TARGETS),
    ),
    Case(
        name="no npz",
        wrong=written("data.npz", b"PK nothing"),
        says="np.savez(path, inputs=…, targets=…)",
        right=npz(inputs=INPUTS, targets=TARGETS),
    ),
    Case(
        name="two types",
        wrong=npz(inputs=IMAGES, targets=TARGETS, heldout_inputs=IMAGES[:2] / 255, heldout_targets=TARGETS[:2]),
        says="inputs.astype(np.uint8)",
        right=npz(inputs=IMAGES, targets=TARGETS, heldout_inputs=IMAGES[:2] // 2, heldout_targets=TARGETS[:2]),
    ),
    Case(
        name="held-out inputs of another shape",
        wrong=npz(inputs=INPUTS, targets=TARGETS, heldout_inputs=INPUTS[:2, :1], heldout_targets=TARGETS[:2]),
        says="bring both to one shape",
        right=npz(inputs=INPUTS, targets=TARGETS, heldout_inputs=INPUTS[:2] + 0.5, heldout_targets=TARGETS[:2]),
    ),
    Case(
        name="a folder for npz",
        wrong=lambda folder: [(folder / "data.npz").mkdir(), read_npz(folder / "data.npz")],
        says="check the path",
        right=lambda folder: [shutil.rmtree(folder / "data.npz"), npz(inputs=INPUTS, targets=TARGETS)(folder)],
    ),
    Case(
        name="too many columns",
        wrong=wide,
        says="np.savez('data.npz', inputs=…, targets=…)",
        right=npz(inputs=INPUTS, targets=TARGETS),
    ),
    Case(name="a pandas index that is none", wrong=columns({b"pandas": b"{"}), says="reset_index", right=columns()),
    Case(
        name="more than memory",
        wrong=lambda _: refuse_beyond_memory("The table", 2**60),
        says="fewer or smaller",
        right=lambda _: refuse_beyond_memory("The table", 2**20),
    ),
    Case(name="balanced with a recipe", wrong=option(balanced=True), says="leave it out", right=option()),
    Case(
        name="no table by its name",
        wrong=written("table.doc", ROWS, read_table),
        says=".csv",
        right=written("table.csv", ROWS, read_table),
    ),
    Case(
        name="no rows",
        wrong=written("table.csv", "a,b,kind\n", read_table),
        says="one row per example",
        right=written("table.csv", ROWS, read_table),
    ),
    Case(
        name="no table",
        wrong=lambda folder: read_table(folder / "table.csv"),
        says="check the path",
        right=written("table.csv", ROWS, read_table),
    ),
    Case(
        name="latin1",
        wrong=written("table.csv", ROWS.replace("x", "é").encode("latin1"), read_table),
        says="UTF-8",
        right=written("table.csv", ROWS.replace("x", "é"), read_table),
    ),
    Case(
        name="a Parquet file as CSV",
        wrong=written("table.csv", b"PAR1....", read_table),
        says="CSV UTF-8",
        right=written("table.csv", ROWS, read_table),
    ),
    Case(
        name="a packed table cut off",
        wrong=written("table.csv.gz", gzip.compress(ROWS.encode())[:-20], read_table),
        says="copy it again",
        right=written("table.csv.gz", gzip.compress(ROWS.encode()), read_table),
    ),
    Case(
        name="several targets of classes",
        wrong=written("table.csv", ROWS, lambda path: source(path, target=("a", "b"), task="classes")),
        says="--task regression",
        right=written("table.csv", ROWS, lambda path: source(path, target=("a", "b"), task="regression")),
    ),
    Case(
        name="no tolerance",
        wrong=lambda _: refuse_tolerance(0.0, "regression"),
        says="in the unit of the target",
        right=lambda _: refuse_tolerance(0.5, "regression"),
    ),
    Case(
        name="classes alone",
        wrong=lambda _: refuse_other_tasks("labels", "sets", "A study"),
        says="one class per example",
        right=lambda _: refuse_other_tasks("classes", "sets", "A study"),
    ),
    Case(
        name="bytes of zero",
        wrong=written("a.txt", b"one\0two", lambda path: [*lines_of(path)]),
        says="a text in UTF-8",
        right=written("a.txt", "one two", lambda path: [*lines_of(path)]),
    ),
    Case(
        name="half a letter",
        wrong=written("a.txt", HALF, lambda path: [*lines_of(path)]),
        says="again, in UTF-8",
        right=written("a.txt", "one\ntwo\n", lambda path: [*lines_of(path)]),
    ),
    Case(
        name="no word",
        wrong=written(
            "table.csv",
            "words,kind\n" + "?!,x\n..,y\n" * 9,
            lambda path: byrote.from_text_table(path, text="words", target="kind"),
        ),
        says="the column of the texts",
        right=written(
            "table.csv",
            "words,said,kind\n" + "?!,one two,x\n..,three,y\n" * 9,
            lambda path: byrote.from_text_table(path, text="said", target="kind"),
        ),
    ),
    Case(
        name="no tokenizer",
        wrong=written("tokenizer.json", "{}", read_tokenizer),
        says="tokenizer.json",
        right=written("tokenizer.json", TOKENS, read_tokenizer),
    ),
    Case(
        name="held out of another task",
        wrong=held(data(INPUTS + 0.5, TARGETS + 0.5, task="regression")),
        says="the same task",
        right=held(NEW),
    ),
    Case(
        name="held out of other classes",
        wrong=held(data(INPUTS + 0.5, TARGETS, class_names=("a", "c"))),
        says="the same class_names",
        right=held(NEW),
    ),
    Case(
        name="held out of another shape",
        wrong=held(data(INPUTS[:, :1], TARGETS, class_names=("a", "b"))),
        says="prepare both alike",
        right=held(NEW),
    ),
    Case(name="held out of the training data", wrong=held(TRAINING), says="in no training set", right=held(NEW)),
    Case(name="held out far darker", wrong=held(DIM, SHOWN), says="from arrays of one type", right=held(BRIGHT, SHOWN)),
    Case(name="a stream", wrong=hugging(ROW.to_iterable_dataset()), says="streaming=False", right=hugging(ROW)),
    Case(
        name="no rows of a dataset", wrong=hugging(ROW.select([])), says="a filter that leaves rows", right=hugging(ROW)
    ),
    Case(
        name="an item that raises",
        wrong=items((GREY, 0), ValueError("gone"), (GREY, 1)),
        says="dataset[1]",
        right=items((GREY, 0), (GREY, 1)),
    ),
    Case(
        name="fewer items",
        wrong=lambda _: byrote.data.convert.gathered([(GREY, 0)], count=2, name="torch"),
        says="agree",
        right=items((GREY, 0), (GREY, 1)),
    ),
    Case(
        name="two sizes",
        wrong=items((GREY, 0), (torch.zeros(1, 5, 5), 1)),
        says="resize or pad",
        right=items((GREY, 0), (torch.zeros(1, 4, 4), 1)),
    ),
    Case(
        name="grey and coloured",
        wrong=items((GREY, 0), (COLOURED, 1)),
        says="bring all to colours",
        right=items((GREY.expand(3, 4, 4), 0), (COLOURED, 1)),
    ),
    Case(
        name="a picture with transparency",
        wrong=items(
            (Image.fromarray(np.dstack([np.zeros((4, 4, 3), np.uint8), RNG.integers(0, 256, (4, 4), np.uint8)])), 0),
            (COLOURED, 1),
        ),
        says="",
        right=items((Image.fromarray(RNG.integers(0, 256, (4, 4, 3), np.uint8)), 0), (COLOURED, 1)),
    ),
    Case(
        name="words as inputs",
        wrong=items(("one", 0), ("two", 1)),
        says="arrays or tensors",
        right=items((GREY, 0), (GREY, 1)),
    ),
    Case(name="an empty dataset", wrong=items(), says="the filter", right=items((GREY, 0), (GREY, 1))),
    Case(name="no kind of control", wrong=controls(kind=["noise"]), says="label_noise", right=controls()),
    Case(name="no column of controls", wrong=controls(original=None), says="example, kind, original", right=controls()),
    Case(name="a control of a number", wrong=controls(example=[1]), says="as strings", right=controls(example=["1"])),
    Case(
        name="a mask of no kind",
        wrong=lambda _: planted(LABEL_NOISE, ["a"], ["b"]).mask(np.array(["a"]), "noise"),
        says="label_noise",
        right=lambda _: planted(LABEL_NOISE, ["a"], ["b"]).mask(np.array(["a"]), LABEL_NOISE),
    ),
)


@each(*FILES)
def test_hints_of_files_are_followed(case, tmp_path):
    follow(case, tmp_path)
