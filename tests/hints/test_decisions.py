"""Hints about decisions on examples are followed: each mends the case that brought it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import byrote
from byrote.changes.data.decided import Relabel, Review
from byrote.changes.registry import parse_change
from byrote.cli.files import apply
from byrote.data.dataset import Dataset
from byrote.data.decisions import Decision, apply_decisions, read_decisions
from followed import Case, each, follow
from made_once import copied
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


def applies(name: str, out: str, decisions: tuple[Decision, ...] = ONE) -> Any:
    """Applies decisions to a table."""
    table = file("x,y\n1,a\n2,b\n", name)
    return lambda folder: apply_decisions(table(folder), folder / out, decisions, target="y")


def of_numbers() -> Dataset:
    """Numbers to be predicted."""
    return byrote.from_arrays(np.eye(30, 3, dtype=np.float32), np.arange(30) / 7, task="regression")


def of_sets() -> Dataset:
    """Several labels an example."""
    return byrote.from_arrays(np.eye(30, 3, dtype=np.float32), np.arange(60).reshape(30, 2) // 7 % 2)


HEAD = "example,action,new_label\n"
NUMBER = of_numbers().ids[0]
CASES = (
    Case(
        name="no file",
        wrong=lambda folder: read_decisions(folder / "none.csv"),
        says="with a column `example` and one `action` an example",
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
        wrong=changes(Review, f"{HEAD}{of_sets().ids[0]},relabel,x\n", of_sets()),
        says="remove=FILE",
        right=changes(Review, f"{HEAD}{of_sets().ids[0]},remove,\n", of_sets()),
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
        name="a run of no file",
        wrong=lambda folder: apply(copied("classes", folder), file(f"{HEAD}{FIRST},remove,\n")(folder), folder / "out"),
        says="of other sources change the data where they are made",
        right=lambda folder: changes(Review, f"{HEAD}{FIRST},remove,\n")(folder),
    ),
)


@each(*CASES)
def test_hints_of_decisions_are_followed(case, tmp_path):
    follow(case, tmp_path)
