"""Hints of what reads data are followed: each mends the case that brought it."""

from __future__ import annotations

import gzip
import subprocess
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
from byrote.data.canaries import plant
from byrote.data.controls import LABEL_NOISE, Controls
from byrote.data.corpus import corpus_from_texts, read_corpus, refuse_overlap
from byrote.data.heldout import refuse_unfit
from byrote.data.index.corpus_index import index_texts
from byrote.data.index.near_duplicates import near_duplicates
from byrote.data.npz import read_npz
from byrote.data.secret_spaces import KINDS, secret_space, single_token_words
from byrote.data.source import Reading, read_source
from followed import Case, each, follow
from small import blobs

X = np.arange(12.0).reshape(6, 2)
Y = np.arange(6) % 2
ROWS = "a,b,c,kind\n" + "".join(f"{row % 5},{row * 0.37:.2f},{row * row},{'xy'[row % 2]}\n" for row in range(20))
TEXTS = ["one two three four", "five six seven eight", "nine ten eleven twelve"]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """A file of this content."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def arrays(*given: Any, **settings: Any) -> Callable[[Path], Any]:
    """A dataset from these arrays."""
    return lambda _: byrote.from_arrays(*given, **settings)


def source(content: str | bytes, name: str = "table.csv", **options: Any) -> Callable[[Path], Any]:
    """A file that is read as the command line reads it."""
    return lambda folder: read_source(str(write(folder, name, content)), Reading(**options), seed=0)


def documents(content: str | bytes, name: str, **options: Any) -> Callable[[Path], Any]:
    """A file of documents that is read."""
    return lambda folder: read_corpus(write(folder, name, content), **options)


def planted(*given: Any, **settings: Any) -> Callable[[Path], Any]:
    """Canaries in three short texts."""
    return lambda _: plant(corpus_from_texts(TEXTS), *given, rng=np.random.default_rng(0), **settings)


def iconv(content: bytes, encoding: str) -> bytes:
    """What `iconv` makes of the bytes of a file."""
    return subprocess.run(
        ["iconv", "-f", encoding, "-t", "utf-8"], input=content, capture_output=True, check=True
    ).stdout


def npz(**held: Any) -> Callable[[Path], Any]:
    """Arrays of a file that are read."""

    def read(folder: Path) -> Any:
        np.savez(folder / "data.npz", **held)
        return read_source(str(folder / "data.npz"), Reading(), seed=0)

    return read


def images(sizes: dict[str, tuple[int, int]], **options: Any) -> Callable[[Path], Any]:
    """A folder of pictures of these sizes."""

    def read(folder: Path) -> Any:
        for name, size in sizes.items():
            path = folder / "pictures" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng(len(name)).integers(0, 256, size, np.uint8)).save(path)
        return read_source(str(folder / "pictures"), Reading(**options), seed=0)

    return read


def table(columns: dict[str, Any], name: str = "table.parquet", **options: Any) -> Callable[[Path], Any]:
    """Columns of a Parquet file that are read."""

    def read(folder: Path) -> Any:
        pq.write_table(pa.table(columns), folder / name)
        return read_source(str(folder / name), Reading(**options), seed=0)

    return read


SIGNS = np.array([-1, 0, 2, 0, 2, -1])
SETS = np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 0], [1, 1]])
ONE_HOT = np.eye(2, dtype=np.int64)[Y]

ARRAYS = (
    Case(name="a single feature", wrong=arrays(X[:, 0], Y), says="inputs[:, None]", right=arrays(X[:, 0][:, None], Y)),
    Case(
        name="-1 beside other classes",
        wrong=arrays(X, SIGNS),
        says="np.unique(labels, return_inverse=True)[1]",
        right=arrays(X, np.unique(SIGNS, return_inverse=True)[1]),
    ),
    Case(
        name="labels of two types",
        wrong=arrays(X, ["a", 1, "a", 1, "a", 1]),
        says="[str(label) for label in labels]",
        right=arrays(X, [str(label) for label in ["a", 1, "a", 1, "a", 1]]),
    ),
    Case(
        name="numbers to be predicted",
        wrong=arrays(X, Y + 0.5),
        says="task='regression'",
        right=arrays(X, Y + 0.5, task="regression"),
    ),
    Case(
        name="one-hot",
        wrong=arrays(X, ONE_HOT),
        says="targets.argmax(axis=1)",
        right=arrays(X, ONE_HOT.argmax(axis=1)),
    ),
    Case(
        name="one-hot as classes",
        wrong=arrays(X, ONE_HOT, task="classes"),
        says="targets.argmax(axis=1)",
        right=arrays(X, ONE_HOT.argmax(axis=1), task="classes"),
    ),
    Case(
        name="several labels as classes",
        wrong=arrays(X, SETS, task="classes"),
        says="task='labels'",
        right=arrays(X, SETS, task="labels"),
    ),
    Case(
        name="a table of numbers",
        wrong=arrays(X, SETS * 2.5),
        says="task='regression'",
        right=arrays(X, SETS * 2.5, task="regression"),
    ),
    Case(
        name="a table of numbers as labels with a tolerance",
        wrong=arrays(X, Y, tolerance=0.5),
        says="task='regression'",
        right=arrays(X, Y, tolerance=0.5, task="regression"),
    ),
    Case(
        name="class names of numbers",
        wrong=arrays(X, Y, task="regression", class_names=("a", "b")),
        says="leave out class_names",
        right=arrays(X, Y, task="regression"),
    ),
    Case(
        name="names as numbers",
        wrong=arrays(X, list("ababab"), task="regression"),
        says="task='classes'",
        right=arrays(X, list("ababab"), task="classes"),
    ),
    Case(
        name="a word that says missing",
        wrong=arrays(X, ["NA", "b"] * 3),
        says="write it as 'NA-'",
        right=arrays(X, ["NA-", "b"] * 3),
    ),
    Case(
        name="ids twice",
        wrong=arrays(X, Y, ids=list("aabbcc")),
        says="a group",
        right=arrays(X, Y, groups=list("aabbcc")),
    ),
    Case(
        name="texts as inputs",
        wrong=arrays([["a", "b"]] * 6, Y),
        says="byrote.from_table",
        right=source("colour,size,kind\n" + "a,1,x\nb,2,y\na,3,y\nb,4,x\n" * 5, target="kind", heldout=0),
    ),
    Case(
        name="labels out of range of their names",
        wrong=arrays(X, Y + 1, class_names=("a", "b")),
        says="labels count from 0 to 1",
        right=arrays(X, Y, class_names=("a", "b")),
    ),
    Case(
        name="display",
        wrong=arrays(X, Y, display=byrote.data.dataset.Display("image", (3, 3))),
        says="leave out display",
        right=arrays(X, Y),
    ),
    Case(
        name="a table of columns that stay the same",
        wrong=arrays(X, np.stack([Y, Y * 0], axis=1) + 0.5, task="regression"),
        says="leave the column out",
        right=arrays(X, (np.stack([Y, Y * 0], axis=1) + 0.5)[:, :1], task="regression"),
    ),
    Case(
        name="sets as a regression of truths",
        wrong=arrays(X, SETS.astype(bool), task="regression"),
        says="task='labels'",
        right=arrays(X, SETS.astype(bool), task="labels"),
    ),
    Case(
        name="ids not there",
        wrong=lambda _: blobs().index_of(["none"]),
        says="dataset.ids",
        right=lambda _: blobs().index_of(blobs().ids[:2]),
    ),
    Case(
        name="a subset that names one twice",
        wrong=lambda _: blobs().subset(np.array([1, 1, 2, 3])),
        says="np.unique(indices)",
        right=lambda _: blobs().subset(np.unique(np.array([1, 1, 2, 3]))),
    ),
    Case(
        name="a kind of control",
        wrong=lambda _: Controls().mask(blobs().ids, "noise"),
        says=LABEL_NOISE,
        right=lambda _: Controls().mask(blobs().ids, LABEL_NOISE),
    ),
    Case(
        name="held-out images of another type",
        wrong=lambda _: refuse_unfit(pictures(seed=1, times=0.5), pictures()),
        says="images.astype(np.uint8)",
        right=lambda _: refuse_unfit(pictures(seed=1, kind=np.uint8), pictures(kind=np.uint8)),
    ),
)


def pictures(*, seed: int = 0, times: float = 1.0, kind: Any = np.int64) -> Any:
    """Six small pictures of whole numbers."""
    made = np.random.default_rng(seed).integers(0, 255, (6, 8, 8)) * times
    return byrote.from_arrays(made.astype(kind), Y)


@each(*ARRAYS)
def test_hints_of_arrays_are_followed(case, tmp_path):
    follow(case, tmp_path)


SOURCES = (
    Case(name="no target", wrong=source(ROWS), says="--target COLUMN", right=source(ROWS, target="kind", heldout=0.2)),
    Case(
        name="a target that is none",
        wrong=source(ROWS, target="kinds"),
        says="did you mean 'kind'?",
        right=source(ROWS, target="kind"),
    ),
    Case(
        name="a share of held-out rows",
        wrong=source(ROWS, target="kind", heldout=1),
        says="0.2 holds out a fifth, 0 nothing",
        right=source(ROWS, target="kind", heldout=0),
    ),
    Case(
        name="a task that is none",
        wrong=source(ROWS, target="b", task="numbers"),
        says="--task regression",
        right=source(ROWS, target="b", task="regression"),
    ),
    Case(
        name="classes of several columns",
        wrong=source(ROWS, target=("a", "b"), task="classes"),
        says="with --task regression numbers",
        right=source(ROWS, target=("a", "b"), task="regression"),
    ),
    Case(
        name="a tolerance of classes",
        wrong=source(ROWS, target="b", task="classes", tolerance=0.5),
        says="--task regression",
        right=source(ROWS, target="b", task="regression", tolerance=0.5),
    ),
    Case(
        name="numbers as several labels",
        wrong=source(ROWS, target=("a", "b")),
        says="--task regression",
        right=source(ROWS, target=("a", "b"), task="regression"),
    ),
    Case(
        name="names as numbers",
        wrong=source(ROWS, target="kind", task="regression"),
        says="--task classes",
        right=source(ROWS, target="kind", task="classes"),
    ),
    Case(
        name="fractions as classes",
        wrong=source(ROWS, target="b", task="classes"),
        says="--task regression",
        right=source(ROWS, target="b", task="regression"),
    ),
    Case(
        name="too many classes",
        wrong=source(ROWS, target="c", task="classes"),
        says="--task regression",
        right=source(ROWS, target="c", task="regression"),
    ),
    Case(
        name="a column twice",
        wrong=source(ROWS, target="kind", group="kind"),
        says="leave one of the options out",
        right=source(ROWS, target="kind"),
    ),
    Case(
        name="not packed",
        wrong=source(ROWS, "table.csv.gz", target="kind"),
        says="'table.csv'",
        right=source(ROWS, "table.csv", target="kind"),
    ),
    Case(
        name="packed",
        wrong=source(gzip.compress(ROWS.encode()), target="kind"),
        says="'table.csv.gz'",
        right=source(gzip.compress(ROWS.encode()), "table.csv.gz", target="kind"),
    ),
    Case(
        name="UTF-16",
        wrong=source(ROWS.encode("utf-16-le"), target="kind"),
        says="iconv -f utf-16le -t utf-8",
        right=source(iconv(ROWS.encode("utf-16-le"), "utf-16le"), target="kind"),
    ),
    Case(
        name="a Windows table",
        wrong=source(ROWS.replace("x", "\u00e4").encode("cp1252"), target="kind"),
        says="CSV UTF-8",
        right=source(ROWS.replace("x", "\u00e4"), target="kind"),
    ),
    Case(
        name="names of columns in Latin-1",
        wrong=source(ROWS.replace("kind", "café").encode("latin-1"), target="café"),
        says="save it as CSV UTF-8",
        right=source(ROWS.replace("kind", "café").encode("utf-8"), target="café"),
    ),
    Case(
        name="nothing to learn",
        wrong=lambda folder: byrote.from_table(write(folder, "table.csv", ROWS), target=[]),
        says="--target COLUMN",
        right=lambda folder: byrote.from_table(write(folder, "table.csv", ROWS), target=["kind"]),
    ),
    Case(
        name="no arrays",
        wrong=lambda folder: read_npz(folder / "data.npz"),
        says="check the path",
        right=lambda folder: [np.savez(folder / "data.npz", inputs=X, targets=Y), read_npz(folder / "data.npz")],
    ),
    Case(
        name="no suffix of a table",
        wrong=source(ROWS, "table.xlsx", target="kind"),
        says=".csv",
        right=source(ROWS, "table.csv", target="kind"),
    ),
    Case(
        name="held-out rows that are trained on",
        wrong=source("a,kind\n" + "1,x\n2,y\n" * 10, target="kind"),
        says="--heldout 0",
        right=source("a,kind\n" + "1,x\n2,y\n" * 10, target="kind", heldout=0),
    ),
    Case(
        name="a size of a table",
        wrong=source(ROWS, target="kind", size=8),
        says="leave it out",
        right=source(ROWS, target="kind"),
    ),
    Case(
        name="a task of pictures",
        wrong=images({f"{kind}/{one}.png": (8, 8) for kind in "ab" for one in range(5)}, task="classes"),
        says="leave out --task",
        right=images({f"{kind}/{one}.png": (8, 8) for kind in "ab" for one in range(5)}),
    ),
    Case(
        name="a text that is no text",
        wrong=table({"a": [0.5, 1.5] * 10, "l": [["x"]] * 20, "t": [0, 1] * 10}, target="t", text="l", heldout=0),
        says="leave it out to learn from numbers",
        right=table({"a": [0.5, 1.5] * 10, "l": [["x"]] * 20, "t": [0, 1] * 10}, target="t", heldout=0),
    ),
    Case(
        name="pictures of two sizes",
        wrong=images({f"{kind}/{one}.png": (8 + one % 2, 8) for kind in "ab" for one in range(5)}),
        says="--size 32",
        right=images({f"{kind}/{one}.png": (8 + one % 2, 8) for kind in "ab" for one in range(5)}, size=32),
    ),
    Case(
        name="a size that is none",
        wrong=images({f"{kind}/{one}.png": (8, 8) for kind in "ab" for one in range(5)}, size=1),
        says="size=32",
        right=images({f"{kind}/{one}.png": (8, 8) for kind in "ab" for one in range(5)}, size=32),
    ),
    Case(
        name="arrays of other names",
        wrong=npz(x=X, targets=Y),
        says="np.savez(path, inputs=…, targets=…)",
        right=npz(inputs=np.tile(X, (4, 1)), targets=np.tile(Y, 4)),
    ),
    Case(
        name="pickled labels",
        wrong=npz(inputs=X, targets=np.array(["a", "b"] * 3, object)),
        says="np.array(values, dtype=str)",
        right=npz(inputs=X, targets=np.array(["a", "b"] * 3, dtype=str)),
    ),
    Case(
        name="many columns of one name",
        wrong=source("a,a,kind\n" + "1,2,x\n2,3,y\n" * 10, target="kind", heldout=0),
        says="rename or remove",
        right=source("a,b,kind\n" + "1,2,x\n2,3,y\n" * 10, target="kind", heldout=0),
    ),
    Case(
        name="nothing to learn from",
        wrong=table({"a": list(range(20)), "t": [0, 1] * 10}, target="t"),
        says="give it columns of numbers or names",
        right=table({"a": list(range(20)), "t": [0, 1] * 10, "b": [0.5, 1.5] * 10}, target="t", heldout=0),
    ),
    Case(
        name="labels of lists",
        wrong=table({"a": [0.5, 1.5] * 10, "t": [["x"]] * 20, "u": [0, 1] * 10}, target=("t", "u"), heldout=0),
        says="0 and 1, yes and no, or true and false",
        right=table(
            {"a": [0.5, 1.5] * 10, "t": ["no", "yes", "yes", "no"] * 5, "u": [0, 1] * 10}, target=("t", "u"), heldout=0
        ),
    ),
)


@each(*SOURCES)
def test_hints_of_sources_are_followed(case, tmp_path):
    follow(case, tmp_path)


def folder_of(inputs: np.ndarray) -> Callable[[Path], Any]:
    """A folder of .npy files."""

    def read(folder: Path) -> Any:
        np.save(folder / "inputs.npy", inputs)
        np.save(folder / "targets.npy", Y)
        return byrote.from_npy_folder(folder)

    return read


def converted(old: np.ndarray) -> Callable[[Path], Any]:
    """The same folder, its inputs written in blocks as the hint has it."""

    def read(folder: Path) -> Any:
        shape = (len(old), old.shape[-1], *old.shape[1:-1]) if old.ndim == 4 else old.shape
        new = np.lib.format.open_memmap(folder / "inputs.npy", "w+", np.float32, shape)
        for a in range(0, len(old), 2):
            new[a : a + 2] = np.moveaxis(old[a : a + 2], -1, 1) if old.ndim == 4 else old[a : a + 2]
        new.flush()
        np.save(folder / "targets.npy", Y)
        return byrote.from_npy_folder(folder)

    return read


class Stream:
    """Items without positions."""

    def __iter__(self) -> Any:
        return iter([(row, int(label)) for row, label in zip(X, Y, strict=True)])


COLOURED = np.random.default_rng(0).random((6, 8, 8, 3)).astype(np.float32)
ITEMS = [(torch.tensor(row, dtype=torch.float32), int(label)) for row, label in zip(X, Y, strict=True)]
SPLITS = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"x": X.tolist(), "y": Y.tolist()})})
LISTS = datasets.Dataset.from_dict({"x": X.tolist(), "y": SETS.tolist()})
NAMED = datasets.Features(
    {
        "x": datasets.List(datasets.Value("float64")),
        "y": datasets.List(datasets.ClassLabel(names=["a", "b"])),
    }
)

OBJECTS = (
    Case(
        name="inputs of another type in their file",
        wrong=folder_of(X),
        says="np.lib.format.open_memmap('inputs.npy', 'w+', np.float32, old.shape)",
        right=converted(X),
    ),
    Case(
        name="channel-last inputs in their file",
        wrong=folder_of(COLOURED),
        says="np.moveaxis(old[a:b], -1, 1)",
        right=converted(COLOURED),
    ),
    Case(
        name="a stream",
        wrong=lambda _: byrote.from_torch(Stream()),
        says="list(dataset)",
        right=lambda _: byrote.from_torch(list(Stream())),
    ),
    Case(
        name="a loader",
        wrong=lambda _: byrote.from_torch(torch.utils.data.DataLoader(ITEMS, batch_size=2)),
        says="loader.dataset",
        right=lambda _: byrote.from_torch(torch.utils.data.DataLoader(ITEMS, batch_size=2).dataset),
    ),
    Case(
        name="batches as items",
        wrong=lambda _: byrote.from_torch([(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]))] * 3),
        says="loader.dataset",
        right=lambda _: byrote.from_torch(ITEMS),
    ),
    Case(
        name="items that are no pairs",
        wrong=lambda _: byrote.from_torch([row for row, _ in ITEMS]),
        says="(input, target)",
        right=lambda _: byrote.from_torch([(row, label) for row, label in ITEMS]),
    ),
    Case(
        name="several splits",
        wrong=lambda _: byrote.from_hugging_face(SPLITS, input="x", target="y"),
        says="dataset[split]",
        right=lambda _: byrote.from_hugging_face(SPLITS["train"], input="x", target="y"),
    ),
    Case(
        name="a column that is none",
        wrong=lambda _: byrote.from_hugging_face(SPLITS["train"], input="z", target="y"),
        says="'x', 'y'",
        right=lambda _: byrote.from_hugging_face(SPLITS["train"], input="x", target="y"),
    ),
    Case(
        name="0 and 1 of named labels",
        wrong=lambda _: byrote.from_hugging_face(LISTS.cast(NAMED), input="x", target="y"),
        says="dataset.cast_column(target, datasets.List(datasets.Value('int64')))",
        right=lambda _: byrote.from_hugging_face(
            LISTS.cast(NAMED).cast_column("y", datasets.List(datasets.Value("int64"))), input="x", target="y"
        ),
    ),
)


@each(*OBJECTS)
def test_hints_of_datasets_of_others_are_followed(case, tmp_path):
    follow(case, tmp_path)


HALF = "half \ud83d here"
LINES = '{"text": "one"}\n{"text": "two"}\n'

DOCUMENTS = (
    Case(
        name="half a character",
        wrong=lambda _: corpus_from_texts([HALF]),
        says="text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')",
        right=lambda _: corpus_from_texts([HALF.encode("utf-16", "surrogatepass").decode("utf-16", "replace")]),
    ),
    Case(
        name="bytes",
        wrong=lambda _: corpus_from_texts([b"a text"]),
        says=".decode()",
        right=lambda _: corpus_from_texts([b"a text".decode()]),
    ),
    Case(
        name="an empty document",
        wrong=lambda _: corpus_from_texts(["a", ""]),
        says="remove empty documents",
        right=lambda _: corpus_from_texts(["a"]),
    ),
    Case(
        name="ids twice",
        wrong=lambda _: corpus_from_texts(["a", "b"], ids=["1", "1"]),
        says="leave out the ids",
        right=lambda _: corpus_from_texts(["a", "b"]),
    ),
    Case(
        name="too few groups",
        wrong=lambda _: corpus_from_texts(["a", "b"], groups=["1"]),
        says="leave out",
        right=lambda _: corpus_from_texts(["a", "b"]),
    ),
    Case(
        name="a suffix",
        wrong=documents("one\n", "texts.md"),
        says=".txt",
        right=documents("one\n", "texts.txt"),
    ),
    Case(
        name="lines that are no objects",
        wrong=documents("1\n2\n", "texts.jsonl"),
        says='{"text": "…"}',
        right=documents(LINES, "texts.jsonl"),
    ),
    Case(
        name="lines that are no objects, of a named column",
        wrong=documents("1\n2\n", "texts.jsonl", column="body"),
        says='{"body": "…"}',
        right=documents('{"body": "one"}\n', "texts.jsonl", column="body"),
    ),
    Case(
        name="lines that are no JSON",
        wrong=documents("one\ntwo\n", "texts.jsonl"),
        says='{"text": "…"}',
        right=documents(LINES, "texts.jsonl"),
    ),
    Case(
        name="a column of another name",
        wrong=documents(LINES.replace("text", "body"), "texts.jsonl"),
        says="--column",
        right=documents(LINES.replace("text", "body"), "texts.jsonl", column="body"),
    ),
    Case(
        name="an id of some documents only",
        wrong=documents('{"text": "one", "id": "1"}\n{"text": "two"}\n', "texts.jsonl"),
        says="to none",
        right=documents(LINES, "texts.jsonl"),
    ),
    Case(
        name="a message that is not read",
        wrong=documents('{"messages": [{"who": "user", "what": "one"}]}\n', "texts.jsonl"),
        says='"role" and "content"',
        right=documents('{"messages": [{"role": "user", "content": "one"}]}\n', "texts.jsonl"),
    ),
    Case(
        name="a message of the other form",
        wrong=documents('{"conversations": [{"who": "user", "what": "one"}]}\n', "texts.jsonl"),
        says='"from" and "value"',
        right=documents('{"conversations": [{"from": "user", "value": "one"}]}\n', "texts.jsonl"),
    ),
    Case(
        name="a file of no document",
        wrong=documents("\n\n", "texts.txt"),
        says="by empty lines",
        right=documents("\n\none\n\ntwo\n", "texts.txt"),
    ),
    Case(
        name="an older Windows",
        wrong=documents("a caf\u00e9\n\nand another one\n".encode("cp1252"), "texts.txt"),
        says="iconv -f cp1252 -t utf-8",
        right=documents(iconv("a caf\u00e9\n\nand another one\n".encode("cp1252"), "cp1252"), "texts.txt"),
    ),
    Case(
        name="UTF-16 without a mark",
        wrong=documents("a text\n\nand another one\n".encode("utf-16-le"), "texts.txt"),
        says="iconv -f utf-16le -t utf-8",
        right=documents(iconv("a text\n\nand another one\n".encode("utf-16-le"), "utf-16le"), "texts.txt"),
    ),
    Case(
        name="held-out documents that are trained on",
        wrong=lambda _: refuse_overlap(corpus_from_texts(TEXTS), corpus_from_texts(TEXTS[:1])),
        says="remove them from one of the two files",
        right=lambda _: refuse_overlap(corpus_from_texts(TEXTS[1:]), corpus_from_texts(TEXTS[:1])),
    ),
    Case(
        name="a search for no word",
        wrong=lambda _: index_texts(TEXTS).count(""),
        says="a letter or a digit",
        right=lambda _: index_texts(TEXTS).count("one"),
    ),
    Case(
        name="likeness",
        wrong=lambda _: near_duplicates(TEXTS, similarity=0),
        says="0.8",
        right=lambda _: near_duplicates(TEXTS, similarity=0.8),
    ),
)


@each(*DOCUMENTS)
def test_hints_of_documents_are_followed(case, tmp_path):
    follow(case, tmp_path)


def words(texts: Any) -> list[list[int]]:
    """Every word a token."""
    return [[hash(word) % 1000 for word in text.split()] for text in texts]


CANARIES = (
    Case(name="no kind", wrong=planted(("digits",)), says="random_digits", right=planted(("random_digits",))),
    Case(name="no level", wrong=planted(level=0), says="level=1", right=planted(level=1)),
    Case(
        name="controls by name",
        wrong=planted(repeat=(0, 1)),
        says="repeat=(1, 4, 16)",
        right=planted(repeat=(1, 4, 16)),
    ),
    Case(
        name="repetitions twice",
        wrong=planted(repeat=(4, 4)),
        says="repeat=(1, 4, 16)",
        right=planted(repeat=(1, 4, 16)),
    ),
    Case(
        name="more kinds than canaries",
        wrong=planted(("random_digits", "key"), level=1),
        says="plant 2 or more at each",
        right=planted(("random_digits", "key"), level=2),
    ),
    Case(
        name="short secrets",
        wrong=planted(digits=1),
        says="plant fewer, or longer secrets",
        right=planted(digits=6),
    ),
    Case(
        name="random tokens",
        wrong=planted(("random_tokens",)),
        says="choose another kind",
        right=planted(("random_digits",)),
    ),
    Case(
        name="no space", wrong=lambda _: secret_space("digits"), says=KINDS[0], right=lambda _: secret_space(KINDS[0])
    ),
    Case(
        name="no digits",
        wrong=lambda _: secret_space("random_digits", digits=0),
        says="6 digits",
        right=lambda _: secret_space("random_digits", digits=6),
    ),
    Case(
        name="too few words",
        wrong=lambda _: secret_space("random_tokens", words=["one"]),
        says="single_token_words(encode, texts)",
        right=lambda _: secret_space("random_tokens", words=single_token_words(words, TEXTS)),
    ),
)


@each(*CANARIES)
def test_hints_of_canaries_are_followed(case, tmp_path):
    follow(case, tmp_path)
