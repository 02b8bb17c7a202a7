"""Hints about decisions on examples are followed: each mends the case that brought it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import byrote
from byrote.changes.data.decided import Relabel, Review
from byrote.changes.registry import parse_change
from byrote.cli.files import apply
from byrote.data.applied import apply_decisions
from byrote.data.applied_corpus import apply_to_saved, remove_documents
from byrote.data.dataset import Dataset
from byrote.data.decisions import Decision, read_decisions
from followed import Case, each, follow
from made_once import copied, opened
from small import blobs

CONTEXT = SimpleNamespace(rng=np.random.default_rng(0))
FIRST = blobs().ids[0]
ONE = (Decision(example="t-0000", action="remove"),)


def file(text: str, name: str = "d.csv") -> Any:
    """Writes a file of that text, and gives its path."""

    def write(folder: Path) -> Path:
        (folder / name).write_text(text, "utf-8")
        return folder / name

    return write


def reads(text: str) -> Any:
    """Reads decisions of that text."""
    return lambda folder: read_decisions(file(text)(folder))


def changes(kind: Any, text: str, dataset: Dataset | None = None) -> Any:
    """Changes a dataset by decisions of that text."""
    return lambda folder: kind(file(text)(folder)).apply(dataset or blobs(), CONTEXT)


def applies(
    name: str, out: str, decisions: tuple[Decision, ...] = ONE, text: str = "x,y\n1,a\n2,b\n", **how: Any
) -> Any:
    """Applies decisions to a table."""
    table = file(text, name)
    return lambda folder: apply_decisions(table(folder), folder / out, decisions, **{"target": "y", **how})


def applies_to_numbers(kind: pa.DataType) -> Any:
    """Gives a number of a Parquet file, of that type, a half."""

    def apply_to(folder: Path) -> Any:
        pq.write_table(pa.table({"x": [1, 2], "y": pa.array([7, 9], kind)}), folder / "t.parquet")
        new = (Decision(example="t-0000", action="relabel", new="7.5"),)
        return apply_decisions(folder / "t.parquet", folder / "out.parquet", new, target="y", task="regression")

    return apply_to


def applies_to_images(out: str) -> Any:
    """Leaves an image of a folder out."""

    def apply_to(folder: Path) -> Any:
        for name in ("cat", "dog"):
            (folder / "in" / name).mkdir(parents=True, exist_ok=True)
            (folder / "in" / name / "1.png").touch()
        return apply_decisions(folder / "in", folder / "in" / out, (Decision(example="cat/1.png", action="remove"),))

    return apply_to


def applies_to_arrays(out: str, new: str) -> Any:
    """Gives a whole number of an .npz file another value."""

    def apply_to(folder: Path) -> Any:
        np.savez(folder / "t.npz", inputs=np.eye(4, dtype=np.float32), targets=np.arange(4))
        one = (Decision(example="t-0000", action="relabel", new=new),)
        return apply_decisions(folder / "t.npz", folder / out, one, task="regression")

    return apply_to


def of_numbers() -> Dataset:
    """Numbers to be predicted."""
    return byrote.from_arrays(np.eye(30, 3, dtype=np.float32), np.arange(30) / 7, task="regression")


def of_several() -> Dataset:
    """Several numbers an example."""
    return byrote.from_arrays(np.eye(30, 3, dtype=np.float32), np.arange(60).reshape(30, 2) / 7, task="regression")


def bytes_of(folder: Path, content: bytes) -> Path:
    """Writes a file of these bytes, and gives its path."""
    (folder / "d.csv").write_bytes(content)
    return folder / "d.csv"


def documents(out: str, *decisions: Decision) -> Any:
    """Applies decisions to a corpus of two documents."""
    corpus = file('{"text": "one"}\n{"text": "two"}\n', "t.jsonl")
    return lambda folder: remove_documents(corpus(folder), folder / out, decisions or ONE)


def saved(*, turned: int = 0, run: bool = False) -> Any:
    """Applies decisions to a saved dataset: that of a run, `turned` by so many rows."""

    def apply_to(folder: Path) -> Any:
        made = opened("classes", folder, f"run-{turned}-{run}")
        classes = datasets.Features({"y": datasets.ClassLabel(names=list(made.class_names))})
        rows = datasets.Dataset.from_dict({"y": np.roll(made.labels, turned).tolist()}, features=classes)
        rows.save_to_disk(str(folder / "saved"))
        if run:
            decided = file(f"{HEAD}{FIRST},remove,\n")(folder)
            return apply(made.folder, decided, folder / "out-of-a-run", source=folder / "saved")
        how = {"ids": made.ids, "labels": made.labels, "class_names": made.class_names}
        return apply_to_saved(folder / "saved", folder / "out", (Decision(example=FIRST, action="remove"),), **how)

    return apply_to


TWO = "x,y,z\n1,0.5,1\n2,1.5,0\n"
NUMBERS: dict[str, Any] = {"target": ["y", "z"], "task": "regression"}
HEAD = "example,action,new_label\n"
NUMBER = of_numbers().ids[0]
CASES = (
    Case(
        name="no file",
        wrong=lambda folder: read_decisions(folder / "none.csv"),
        says="with a column `example` and one `action` per example",
        right=reads(f"{HEAD}a,remove,\n"),
    ),
    Case(
        name="no column",
        wrong=reads("id,action\na,remove\n"),
        says="with a column `example`",
        right=reads("example,action\na,remove\n"),
    ),
    Case(
        name="twice",
        wrong=reads(f"{HEAD}a,remove,\na,remove,\n"),
        says="leave one line for each",
        right=reads(f"{HEAD}a,remove,\n"),
    ),
    Case(
        name="an unknown action",
        wrong=reads(f"{HEAD}a,delete,\n"),
        says="remove",
        right=reads(f"{HEAD}a,remove,\n"),
    ),
    Case(
        name="no new label",
        wrong=reads(f"{HEAD}a,relabel,\n"),
        says="'new_label'",
        right=reads(f"{HEAD}a,relabel,b\n"),
    ),
    Case(
        name="a stranger",
        wrong=applies("t.csv", "out.csv", (Decision(example="x", action="remove"),)),
        says="its ids are such as 't-0000'",
        right=applies("t.csv", "out.csv"),
    ),
    Case(
        name="a file that is there",
        wrong=applies("t.csv", "t.csv"),
        says="--out ANOTHER",
        right=applies("t.csv", "out.csv"),
    ),
    Case(
        name="another kind of file",
        wrong=applies("t.xlsx", "out.xlsx"),
        says=".csv",
        right=applies("t.csv", "out.csv"),
    ),
    Case(
        name="a file of decisions of no text",
        wrong=lambda folder: read_decisions(bytes_of(folder, b"example,action\n\xff\xfe,remove\n")),
        says="save it as CSV UTF-8",
        right=lambda folder: read_decisions(bytes_of(folder, "example,action\né,remove\n".encode())),
    ),
    Case(
        name="no source",
        wrong=lambda folder: apply_decisions(folder / "none.csv", folder / "out.csv", ONE, target="y"),
        says="check",
        right=applies("t.csv", "out.csv"),
    ),
    Case(
        name="an ending of another kind",
        wrong=applies("t.csv", "out.parquet"),
        says="--out cleaned.csv",
        right=applies("t.csv", "cleaned.csv"),
    ),
    Case(
        name="rows of one id",
        wrong=applies("t.csv", "out.csv", (Decision(example="k", action="remove"),), "i,x,y\nk,1,a\nk,2,b\n", id="i"),
        says="give each row an id of its own",
        right=applies("t.csv", "out.csv", (Decision(example="k", action="remove"),), "i,x,y\nk,1,a\nl,2,b\n", id="i"),
    ),
    Case(
        name="several columns",
        wrong=applies("t.csv", "o.csv", (Decision(example="t-0000", action="relabel", new="1"),), TWO, **NUMBERS),
        says="decide only to remove",
        right=applies("t.csv", "o.csv", ONE, TWO, **NUMBERS),
    ),
    Case(
        name="arrays in a table",
        wrong=applies_to_arrays("out.csv", "2"),
        says="--out cleaned.npz",
        right=applies_to_arrays("cleaned.npz", "2"),
    ),
    Case(
        name="half a target",
        wrong=applies_to_arrays("out.npz", "1.5"),
        says="write whole numbers",
        right=applies_to_arrays("whole.npz", "2"),
    ),
    Case(
        name="half a whole number",
        wrong=applies_to_numbers(pa.int64()),
        says="float64",
        right=applies_to_numbers(pa.float64()),
    ),
    Case(
        name="a folder in the folder",
        wrong=applies_to_images("cleaned"),
        says="--out ../cleaned",
        right=applies_to_images("../cleaned"),
    ),
    Case(
        name="another action than the change's",
        wrong=changes(Relabel, f"{HEAD}{FIRST},remove,\n"),
        says="--with review=FILE",
        right=changes(Review, f"{HEAD}{FIRST},remove,\n"),
    ),
    Case(
        name="nothing decided",
        wrong=changes(Review, f"{HEAD}{FIRST},review,\n"),
        says="write relabel or remove",
        right=changes(Review, f"{HEAD}{FIRST},remove,\n"),
    ),
    Case(
        name="several targets",
        wrong=changes(Review, f"{HEAD}{of_several().ids[0]},relabel,x\n", of_several()),
        says="decide only to remove",
        right=changes(Review, f"{HEAD}{of_several().ids[0]},remove,\n", of_several()),
    ),
    Case(
        name="an unknown class",
        wrong=changes(Relabel, f"{HEAD}{FIRST},relabel,z\n"),
        says="its classes are 'a', 'b', 'c'",
        right=changes(Relabel, f"{HEAD}{FIRST},relabel,c\n"),
    ),
    Case(
        name="a number with its unit",
        wrong=changes(Relabel, f"{HEAD}{NUMBER},relabel,12 kg\n", of_numbers()),
        says="12.5, without a unit",
        right=changes(Relabel, f"{HEAD}{NUMBER},relabel,12.5\n", of_numbers()),
    ),
    Case(
        name="no file named",
        wrong=lambda folder: parse_change("relabel"),
        says="relabel=FILE",
        right=lambda folder: parse_change("relabel=decisions.csv"),
    ),
    Case(
        name="a corpus of another kind",
        wrong=documents("out.txt"),
        says="--out cleaned.jsonl",
        right=documents("cleaned.jsonl"),
    ),
    Case(
        name="a label of a document",
        wrong=documents("out.jsonl", Decision(example="t-0000", action="relabel", new="a")),
        says="decide to remove them",
        right=documents("out.jsonl"),
    ),
    Case(
        name="a saved dataset of other rows",
        wrong=saved(turned=1),
        says="the dataset that the run was made from",
        right=saved(),
    ),
    Case(
        name="a run of a saved dataset",
        wrong=lambda folder: apply(copied("classes", folder), file(f"{HEAD}{FIRST},remove,\n")(folder), folder / "out"),
        says="--source FOLDER",
        right=saved(run=True),
    ),
    Case(
        name="a run of no file",
        wrong=lambda folder: apply(copied("classes", folder), file(f"{HEAD}{FIRST},remove,\n")(folder), folder / "out"),
        says="of other sources change the data where they are made",
        right=lambda folder: changes(Review, f"{HEAD}{FIRST},remove,\n")(folder),
    ),
)


@each(*CASES)
def test_hints_of_decisions_are_followed(case, tmp_path):
    follow(case, tmp_path)
