from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from byrote.designs.design import observed
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.manifest import Manifest
from byrote.evidence.tables import CONTROLS, DESIGN, EXAMPLES
from byrote.runs.opening import Place, Tables, described, opened

DESIGN_OF_TWO = observed(np.array([[1, 0, 1], [0, 1, 0]]), np.array([0, 0]))
TABLES = Tables(ids=np.array(["a", "b", "c"]), labels=np.array([0, 1, 0]))
FACTS = {"name": "three", "examples": 3, "class_names": ["x", "y"], "fingerprint": None}


def manifest(**others: object) -> Manifest:
    return described(DESIGN_OF_TWO, origin="imported", dataset=FACTS, **others)


def place(
    folder: Path, tables: Tables = TABLES, identity: dict[str, object] | None = None, said: list[str] | None = None
) -> Place:
    say = None if said is None else said.append
    with opened(
        folder, DESIGN_OF_TWO, tables, lambda: manifest(identity=identity or {}), identity=identity, say=say
    ) as found:
        return found


def test_a_new_run_has_its_tables_and_a_manifest_that_names_them(tmp_path: Path) -> None:
    found = place(tmp_path / "run", replace(TABLES, files={"tokenizer.json": b"{}"}))
    assert found.new
    assert found.manifest == Manifest.read(tmp_path / "run")
    assert set(found.manifest.tables or {}) == {EXAMPLES, CONTROLS, DESIGN, "tokenizer.json"}
    assert [entry.origin for entry in found.manifest.models] == ["imported", "imported"]


def test_nothing_is_described_where_the_folder_is_not_free(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    asked = []

    def describe() -> Manifest:
        asked.append(True)
        return manifest()

    with (
        pytest.raises(BadInput, match=r"contains other files: 'thesis\.txt'"),
        opened(tmp_path, DESIGN_OF_TWO, TABLES, describe),
    ):
        pass
    assert not asked


def test_what_fails_while_it_is_described_leaves_no_folder(tmp_path: Path) -> None:
    def describe() -> Manifest:
        raise BadInput("The network does not fit.", hint="another one.")

    with pytest.raises(BadInput, match="does not fit"), opened(tmp_path / "run", DESIGN_OF_TWO, TABLES, describe):
        pass
    assert not (tmp_path / "run").exists()


def test_the_same_call_goes_on_and_mends_what_is_missing(tmp_path: Path) -> None:
    first = place(tmp_path, identity={"seed": 0})
    (tmp_path / EXAMPLES).unlink()
    said: list[str] = []
    again = place(tmp_path, identity={"seed": 0}, said=said)
    assert not again.new
    assert again.manifest == first.manifest
    assert said == [f"{EXAMPLES} was missing or damaged; it is written again."]
    assert (tmp_path / EXAMPLES).exists()


def test_another_call_is_refused_with_what_differs(tmp_path: Path) -> None:
    place(tmp_path, identity={"seed": 0})
    with pytest.raises(RunMismatch, match="seed was 0, now 1"):
        place(tmp_path, identity={"seed": 1})


def test_a_run_without_an_identity_cannot_go_on(tmp_path: Path) -> None:
    place(tmp_path)
    with pytest.raises(BadInput, match="already holds a run"):
        place(tmp_path)


def test_texts_that_were_forgotten_do_not_come_back(tmp_path: Path) -> None:
    first = place(tmp_path, identity={"seed": 0})
    replace(first.manifest, forgotten={"at": "2026-01-01"}).write(tmp_path)
    assert not place(tmp_path, identity={"seed": 0}).new
    with pytest.raises(RunMismatch, match="were forgotten"):
        place(tmp_path, replace(TABLES, of_text=True), identity={"seed": 0})


def test_two_processes_cannot_hold_one_folder(tmp_path: Path) -> None:
    with (
        opened(tmp_path, DESIGN_OF_TWO, TABLES, manifest, identity={}),
        pytest.raises(RunMismatch, match="Another process is at work"),
        opened(tmp_path, DESIGN_OF_TWO, TABLES, manifest, identity={}),
    ):
        pass
