from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from byrote.errors import BadInput, MissingEvidence
from byrote.runs.exporters.spreadsheet import write
from report.made import NOISY, make_run


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_line_an_example_with_all_its_scores(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    result = run.measure("label_memorization")
    assert write(run, tmp_path / "out.csv") == len(run.ids)
    rows = read(tmp_path / "out.csv")
    assert [row["example"] for row in rows] == run.ids.tolist()
    assert [row["label"] for row in rows] == [run.class_names[label] for label in run.labels]
    assert [row["planted label_noise"] for row in rows] == ["yes"] * NOISY + [""] * (len(rows) - NOISY)
    np.testing.assert_allclose([float(row["label_memorization"]) for row in rows], result.values, rtol=1e-8)
    np.testing.assert_allclose(
        [float(row["label_memorization standard error"]) for row in rows], result.stderr, rtol=1e-8
    )


def test_nothing_measured_and_damaged_tables_are_sentences(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(MissingEvidence, match="has no table of scores by example"):
        write(run, tmp_path / "out.csv")
    run.measure("label_memorization")
    (run.folder / "results" / "label_memorization.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match="cannot be read"):
        write(run, tmp_path / "out.csv")
