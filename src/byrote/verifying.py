"""Verification of a run folder: every checksum, and whether tables and report follow from the evidence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from byrote.comparing import as_table, compare
from byrote.errors import ByroteError, DamagedShard, MissingEvidence
from byrote.evidence.manifest import ModelEntry
from byrote.evidence.shards import read_header, read_shard
from byrote.measures.catalog import catalog
from byrote.membership import ATTACKED, By, membership_attack, plain
from byrote.report.findings import findings
from byrote.report.language_facts import language_facts, report_sizes
from byrote.report.language_figures import figures_of
from byrote.report.language_page import language_page
from byrote.report.language_twin import language_twin
from byrote.report.page import FILE as REPORT
from byrote.report.page import rendered
from byrote.report.sections import sections
from byrote.report.twin import FILE as TWIN
from byrote.report.twin import twin, twin_text
from byrote.results import Scalar
from byrote.run import Hear, Run, deaf, table

#: Numbers that were computed again may differ by so much of themselves, on another processor.
TOLERANCE = 1e-6
#: About this share of the time goes into reading shards.
READING = 0.3
#: Tables that take more than the run.
COMPARISON = "comparison.parquet"
#: What says of a figure that its error is about models, examples or both.
VARIES = "varies_over"
OF_COMMANDS = re.compile(r"(triage|group_risk|estimated_label_memorization|onion|target-.+|[a-z_0-9]+[.].+)\.parquet")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A file of a run that is not what it should be."""

    where: str
    problem: str


def verify(run: Run, hear: Hear = deaf, *, contents: bool = True) -> list[Fault]:
    """What is wrong with a run folder; an empty list where nothing is.

    Where the data that a page shows are not at hand (`contents`), only `report.json` is held against the evidence.

    Every shard is read whole against its checksum and must be where its header says; every model must have its shards;
    every table under `results/` of a measure of the catalog, of attacks and of the comparison of scores, and the
    report, must come out of the evidence again; there must be no file there that byrote does not write. Tables of
    measures that read texts are passed over where a run forgot them; so are those that took more than the run, such as
    of targets and of triage by another run, and `card.html`, which is about two runs.
    """
    faults: list[Fault] = []
    shards = sorted((run.folder / "evidence").glob("*/*"))
    for number, path in enumerate(shards, start=1):
        faults += _shard_faults(run, path)
        hear(READING * number / len(shards))
    faults += _missing(run)
    if faults:
        return faults  # what is computed from damaged evidence says nothing
    tables = sorted((run.folder / "results").glob("*"))
    for number, path in enumerate(tables, start=1):
        faults += _table_faults(run, path)
        hear(READING + (1 - READING) * number / (len(tables) + 1))
    faults += _report_faults(run, contents)
    hear(1.0)
    return faults


def _shard_faults(run: Run, path: Path) -> Iterator[Fault]:
    where = path.relative_to(run.folder).as_posix()
    if path.suffix != ".safetensors":
        yield Fault(where=where, problem="it is no shard; a killed process may have left it")
        return
    try:
        columns = read_shard(path)
        header = read_header(path)
    except DamagedShard as error:
        yield Fault(where=where, problem=error.message)
        return
    named = run.evidence.path(header.get("kind", ""), _number(header, "model"), _number(header, "phase"))
    if named != path:
        yield Fault(where=where, problem=f"its header says that it is {named.relative_to(run.folder).as_posix()!r}")
        return
    if set(columns) != set(header.get("columns", "").split(",")):
        yield Fault(where=where, problem=f"its header names other columns than {', '.join(sorted(columns))}")
    entries: dict[int, ModelEntry] = {entry.index: entry for entry in run.manifest.models}
    entry = entries.get(_number(header, "model"))
    if entry is None and header["kind"] != "corpus":
        yield Fault(where=where, problem="the manifest has no such model")
    elif entry is not None and "seed" in header and entry.seed is not None and header["seed"] != str(entry.seed):
        yield Fault(
            where=where,
            problem=f"it was trained with seed {header['seed']}, and the manifest says {entry.seed}",
        )


def _number(header: dict[str, str], name: str) -> int:
    text = header.get(name, "")
    return int(text) if text.isdecimal() else -1


def _missing(run: Run) -> Iterator[Fault]:
    """Kinds of which some of the models that can have a shard have none."""
    for folder in sorted(path for path in (run.folder / "evidence").glob("*") if path.is_dir()):
        if folder.name in ("corpus", "class_probability"):
            continue
        indices = {entry.index for entry in run.manifest.models if entry.can_have(folder.name)}
        there = {model for model in indices if run.evidence.has(folder.name, model, run.last_phase)}
        if there and there != indices:
            lacking = sorted(indices - there)
            yield Fault(
                where=f"evidence/{folder.name}",
                problem=f"{len(lacking)} of {len(indices)} models have no shard, the first of them model {lacking[0]}",
            )


def _table_faults(run: Run, path: Path) -> Iterator[Fault]:
    """What is wrong with a file under `results/`."""
    where = path.relative_to(run.folder).as_posix()
    check: Callable[[], str]
    if attack := ATTACKED.fullmatch(path.name):
        by: By = "group" if attack["by"] else "example"
        check = partial(_attack_problem, run, path, attack["key"], by)
    elif path.name == COMPARISON:
        check = partial(_comparison_problem, run, path)
    elif OF_COMMANDS.fullmatch(path.name) or not run.design.models:
        return
    elif path.suffix == ".parquet" and path.stem.partition("@")[0] in catalog():
        check = partial(_measure_problem, run, path)
    else:
        yield Fault(where=where, problem="byrote writes no such file")
        return
    try:
        problem = check()
    except (pa.ArrowException, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        problem = f"it cannot be read: {error}"
    except ByroteError as error:
        problem = f"it cannot be computed again: {error.message}"
    if problem:
        yield Fault(where=where, problem=problem)


def _measure_problem(run: Run, path: Path) -> str:
    """What of the table of a measure does not follow; texts that a run forgot cannot be measured again."""
    key, _, role = path.stem.partition("@")
    kept, models = pq.read_table(path), run.models(role or "reference")
    sizes = report_sizes(run, key)
    for options in ({}, sizes) if sizes else ({},):
        try:
            result = run.measured_on(key, models, **options)
        except MissingEvidence:
            if run.forgotten:
                return ""
            raise
        different = [] if isinstance(result, Scalar) else _different(kept, table(result, run.ids))
        if not different:
            return ""
    return f"{_not_following(different)}, unless it was made with options of its own"


def _attack_problem(run: Run, path: Path, key: str, by: By) -> str:
    kept = json.loads(path.read_bytes())
    again = json.loads(json.dumps(plain(membership_attack(run, key, by=by))))
    if isinstance(kept, dict) and not any(VARIES in figure for figure in kept.get("figures", {}).values()):
        kept, again = _without_errors(kept), _without_errors(again)
    place = next(_differences(kept, again, ""), None)
    return "" if place is None else _not_following([place.lstrip(".")])


def _without_errors(figures: Any) -> Any:
    """Figures without what is said of their errors, which version 0.1.0 took of models alone."""
    if not isinstance(figures, dict):
        return figures
    errors = ("stderr", "low", "high", "notes", VARIES)
    return {name: _without_errors(value) for name, value in figures.items() if name not in errors}


def _comparison_problem(run: Run, path: Path) -> str:
    kept, again = pq.read_table(path), as_table(compare(run))
    if VARIES not in kept.column_names:  # of version 0.1.0, whose errors are of models alone
        kept, again = (
            each.select([n for n in ("score", "figure", "value") if n in each.column_names]) for each in (kept, again)
        )
    different = _different(kept, again)
    return _not_following(different) if different else ""


def _not_following(what: Sequence[str]) -> str:
    return f"its {', '.join(what)} {'does' if len(what) == 1 else 'do'} not follow from the evidence"


def _different(kept: pa.Table, again: pa.Table) -> Sequence[str]:
    """The columns that differ by more than rounding."""
    if kept.column_names != again.column_names or len(kept) != len(again):
        return ["shape"]
    return [name for name in again.column_names if not _alike(kept[name], again[name])]


def _alike(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    if pa.types.is_floating(one.type) and pa.types.is_floating(other.type):
        a, b = one.to_numpy(), other.to_numpy()
        return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    return bool(one.equals(other))


def _report_faults(run: Run, contents: bool) -> Iterator[Fault]:
    page, twin = run.folder / REPORT, run.folder / TWIN
    if run.of_text:
        yield from _language_faults(run, page, twin)
        return
    if not page.is_file() and not twin.is_file():
        return
    made = _reports(run)
    whole, first = next(made)
    if page.is_file() and contents:
        html, kept = page.read_bytes(), first
        while html != whole:
            whole, kept = next(made, (html, {}))
        if not kept:
            yield _not_of_evidence(REPORT)
        first = kept or first
    if twin.is_file():
        different = _twin_difference(twin.read_bytes(), first)
        if different:
            yield Fault(where=TWIN, problem=different)


def _not_of_evidence(where: str) -> Fault:
    return Fault(
        where=where,
        problem="it is not what this version of byrote makes of the evidence; `byrote report` writes it again",
    )


def _reports(run: Run) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The pages that this version makes, with contents and without, each with its twin."""
    for one in (run, run.without_contents()):
        found = findings(one)
        shown = sections(one, found)
        yield rendered(one, found, shown).encode(), twin(one, found, shown)


def _twin_difference(kept: bytes, again: dict[str, Any]) -> str:
    """What a twin has that does not follow from the evidence; the folder may have another name now."""
    try:
        found = json.loads(kept)
    except ValueError as error:
        return f"it cannot be read: {error}"
    expected = json.loads(twin_text(again))
    if not isinstance(found, dict) or not isinstance(found.get("run"), dict):
        return "it is no report"
    for each in (found, expected):
        each["run"].pop("name", None)
    where = next(_differences(found, expected, ""), None)
    return "" if where is None else f"its {where.lstrip('.')} does not follow from the evidence"


def _differences(one: Any, other: Any, where: str) -> Iterator[str]:
    """The places where two JSON values differ by more than rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            if name not in one or name not in other:
                yield f"{where}.{name}"
            else:
                yield from _differences(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _differences(a, b, f"{where}[{number}]")
    elif isinstance(one, int | float) and isinstance(other, int | float) and type(one) is type(other):
        if not np.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE):
            yield where
    elif one != other or type(one) is not type(other):
        yield where


def _language_faults(run: Run, page: Path, twin: Path) -> Iterator[Fault]:
    """Of a language model, whose page may show its secrets, or not, or be without contents."""
    if not page.is_file() and not twin.is_file():
        return
    found = language_facts(run)
    drawn = figures_of(found)
    ways: tuple[dict[str, bool], ...] = ({}, {"show_secrets": True}, {"redact": True})
    if page.is_file():
        kept = page.read_bytes()
        if all(kept != language_page(run, found, drawn, **shown).encode() for shown in ways):
            yield _not_of_evidence(REPORT)
    if twin.is_file():
        different = _twin_difference(twin.read_bytes(), language_twin(run, found, drawn))
        if different:
            yield Fault(where=TWIN, problem=different)
