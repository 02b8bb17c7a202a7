"""A CSV of every example with all its scores, which no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from byrote.data.inert import spreadsheet_cell
from byrote.errors import MissingEvidence
from byrote.evidence.made_here import write_own
from byrote.runs.run import Run


def write(run: Run, path: str | Path) -> int:
    """Write a line per example: its id, given label, what was planted, and the scores under `results/`; how many lines.

    Scores are the values of the tables by example, each with its standard error where one is known. Ids and names that
    a spreadsheet would take for formulas begin with an apostrophe; numbers are left as they are, and an undefined one
    is an empty cell.

    Raises:
        MissingEvidence: nothing was measured yet.
        BadInput: a table cannot be read, or a file of somebody else is where this one is to be.
    """
    scores = dict(_scores(run))
    if not scores:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} has no table of scores by example.",
            hint=f"byrote report {run.folder} measures all, byrote measure {run.folder} label_memorization one.",
        )
    planted = {kind: run.controls.mask(run.ids, kind) for kind in run.controls.kinds()}
    labelled = {} if run.of_text else {"label": [run.class_names[label] for label in run.labels.tolist()]}
    columns = {"example": run.ids.tolist(), **labelled}
    columns |= {f"planted {kind}": ["yes" if one else "" for one in mask] for kind, mask in planted.items()}
    columns |= scores
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([spreadsheet_cell(name) for name in columns])
    writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))
    write_own(Path(path), text.getvalue().encode())
    return len(run.ids)


def _scores(run: Run) -> Iterator[tuple[str, list[float | None]]]:
    for path in sorted((run.folder / "results").glob("*.parquet")):
        table = run.kept_table(path.name)
        if "value" not in table.column_names or "example" not in table.column_names:
            continue
        if table["example"].to_pylist() != run.ids.tolist():
            continue  # a table of some examples, or of pairs of them
        yield path.stem, table["value"].to_pylist()
        errors = table["stderr"].to_pylist() if "stderr" in table.column_names else []
        if any(error is not None and not math.isnan(error) for error in errors):
            yield f"{path.stem} standard error", errors


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return spreadsheet_cell(value)
    return "" if value is None or math.isnan(value) else f"{value:.9g}"
