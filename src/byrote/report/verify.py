"""Verification of a run folder: every digest, and whether all that byrote derives follows from the evidence."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from byrote.analyses.calibration import Calibration, calibrate
from byrote.analyses.catalog import TOLERANCE, Analysis, about_of, analysis_of, different, not_following
from byrote.errors import BadInput, ByroteError, DamagedShard, MissingEvidence
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.manifest import FILE as MANIFEST
from byrote.evidence.manifest import OPTIONS, Manifest, ModelEntry
from byrote.evidence.schema import find_kind, kind_of
from byrote.evidence.seals import KEY, has_seal, is_broken, sealed
from byrote.evidence.shards import read_header, read_shard
from byrote.evidence.store import Evidence
from byrote.evidence.tables import (
    CONTROLS,
    DESIGN,
    EXAMPLES,
    read_controls,
    read_design,
    read_examples,
    read_table,
    refuse_changed,
)
from byrote.measures.catalog import catalog
from byrote.report.card_page import FILE as CARD
from byrote.report.findings import findings
from byrote.report.language_facts import language_facts, report_sizes
from byrote.report.language_figures import figures_of
from byrote.report.language_page import language_page
from byrote.report.language_twin import language_twin
from byrote.report.page import FILE as REPORT
from byrote.report.page import has_contents, rendered
from byrote.report.redact import FORGOTTEN
from byrote.report.sections import sections
from byrote.report.twin import FILE as TWIN
from byrote.report.twin import twin, twin_text
from byrote.results import Scalar
from byrote.runs.folder import TABLES
from byrote.runs.run import READ_FROM, OnProgress, Run, no_progress, table

#: About this share of the time goes into reading shards.
READING = 0.3
#: What says of a figure that its error is about models, examples or both.
VARIES = "varies_over"
CALIBRATION, LOCK = "calibration.json", ".lock"
#: What of a report's twin is learned from distances between inputs, where the data are at hand.
OF_INPUTS = "triage"
#: Tables that rest on more than the run, with columns of theirs.
OF_MORE = {
    "estimated_label_memorization.parquet": ("example", "value", "low", "high"),
    "onion.parquet": ("figure", "arm", "examples", "models", "value"),
}
RELEASED = re.compile(r"[a-z_0-9]+[.].+\.parquet")
#: What byrote writes into a run beside the evidence and what is derived from it, and into what was recorded.
ROOT = frozenset({MANIFEST, EXAMPLES, CONTROLS, DESIGN, REPORT, TWIN, CARD, CALIBRATION, LOCK, OPTIONS})
OF_TEXT = frozenset(TABLES) - ROOT
FOLDERS = frozenset({"evidence", "results", "recorded"})
RECORDED = re.compile(
    r"(given|controls)\.parquet|m\d{5}(/(settings\.r\d{5}\.json|closed\.r\d{5}|tally\.safetensors|[a-z]+\.r\d{5}[a-z0-9.]*\.safetensors))?"
)
#: A shard by its name under `evidence/`.
LINKED = re.compile(r"[a-z_0-9]+/[\w.]+\.safetensors")
STRANGE = "byrote writes no such file"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A file of a run, and what of it is not as it should be, or could not be checked."""

    where: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What is wrong with a run folder, and what nobody could check."""

    faults: tuple[Fault, ...]
    unchecked: tuple[Fault, ...] = ()


class _Unchecked(Exception):
    """A file that could not be held against the evidence, and why."""


def folder_digest(folder: Path) -> str:
    """One SHA-256 of a whole run: that of the lines `<SHA-256 of a file>  <its name>`, in the order of the names.

    Names are relative to the folder, with slashes, and ordered by their bytes; the lock is left out. So does
    `sha256sum` on a sorted list of all files.
    """
    digest = hashlib.sha256()
    files = {path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape"): path for path in _files(folder)}
    for name, path in sorted(files.items()):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").hexdigest().encode() + b"  " + name + b"\n")
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.relative_to(folder).as_posix() != LOCK:
            yield path


def verify(run: Run, on_progress: OnProgress = no_progress) -> list[Fault]:
    """What is wrong with a run folder, as `examine` finds it; an empty list where nothing is."""
    return list(examine(run, on_progress).faults)


def examine(run: Run, on_progress: OnProgress = no_progress) -> Verified:
    """What is wrong with a run folder, and what could not be checked. Nothing is written.

    Every shard is read whole against its checksum and must be where its header says; every model must have its shards;
    tables must be those that the manifest names, and say of the examples what the data say, where these are at hand.
    Every table under `results/`, the calibration and the report must come out of the evidence again and fit the digests
    that they carry; there must be no file that byrote does not write. Of what rests on more than the run, such as the
    card of two runs, the digest is checked, and of a page that shows data which are not at hand.
    """
    faults = damage(run.folder, run.manifest, on_progress)
    if faults:
        return Verified(faults=tuple(faults))  # what is computed from damaged evidence says nothing
    run = replace(run, keeps=False)
    found, unchecked = list[Fault](), list[Fault]()
    checks = [*_checks(run)]
    for number, (where, check) in enumerate(checks, start=1):
        try:
            problem = check()
        except _Unchecked as error:
            unchecked.append(Fault(where=where, problem=str(error)))
            continue
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            problem = f"it cannot be read: {str(error) or type(error).__name__}"
        except ByroteError as error:
            problem = f"it cannot be computed again: {error.message}"
        found += [Fault(where=where, problem=problem)] if problem else []
        on_progress(READING + (1 - READING) * number / len(checks))
    on_progress(1.0)
    return Verified(faults=tuple(found), unchecked=tuple(unchecked))


def damage(folder: Path, manifest: Manifest, on_progress: OnProgress = no_progress) -> list[Fault]:
    """What can be told of a run folder without opening it: files that are damaged, missing, or none of byrote's."""
    faults = [*_strange_faults(folder, manifest), *_damaged_tables(folder, manifest)]
    shards = sorted(path for path in (folder / "evidence").glob("*/*") if path.is_file() and not path.is_symlink())
    for number, path in enumerate(shards, start=1):
        if _has_shards(path.parent.name):
            faults += _shard_faults(folder, manifest, path)
        on_progress(READING * number / len(shards))
    return [*faults, *_relinked(folder, manifest), *_missing(folder, manifest)]


def _relinked(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    """Shards that a run shares with the one before it, and that are others now; texts that were forgotten are."""
    linked = (manifest.parent or {}).get("linked")
    for name, digest in sorted((linked if isinstance(linked, dict) else {}).items()):
        path = folder / "evidence" / name
        if not LINKED.fullmatch(name) or path.is_symlink() or not path.is_file():
            if manifest.forgotten is None:
                yield Fault(where=f"evidence/{name}", problem="it was linked from the run before, and is not there")
        elif manifest.forgotten is None or FORGOTTEN not in read_header(path):
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    yield Fault(
                        where=f"evidence/{name}", problem="it is not the one that was linked from the run before"
                    )


def _strange_faults(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    for path in sorted(folder.rglob("*")):
        where = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield Fault(where=where, problem="it is a link, and byrote writes none")
        elif not path.is_dir() and not path.is_file():
            yield Fault(where=where, problem="it is no plain file")
        elif where.endswith(".part"):
            yield Fault(where=where, problem="a killed process left it half written")
        elif not _is_own(path, where, manifest):
            yield Fault(where=where, problem=STRANGE if path.is_file() else "byrote makes no such folder")


def _is_own(path: Path, where: str, manifest: Manifest) -> bool:
    """Whether byrote writes a file or folder of that name there; of results the tables are told apart later."""
    top, _, rest = where.partition("/")
    if not rest:
        files = ROOT | (OF_TEXT if manifest.tables is None else frozenset(manifest.tables))
        return where in (FOLDERS if path.is_dir() else files)
    if top == "evidence":
        kind, _, name = rest.partition("/")
        return _has_shards(kind) and (path.is_dir() if not name else path.is_file() and "/" not in name)
    if top == "recorded":
        return bool(RECORDED.fullmatch(rest))
    return top == "results" and path.is_file() and "/" not in rest


def _has_shards(name: str) -> bool:
    """Whether there is a kind of evidence of that name, and shards of it."""
    kind = find_kind(name)
    return kind is not None and kind.shards == name


def _damaged_tables(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    """Tables that are missing, or not those that the manifest names; sealed files that were changed since."""
    readers: dict[str, Callable[..., object]] = {
        EXAMPLES: read_examples,
        CONTROLS: read_controls,
        DESIGN: read_design,
    }
    for name in dict.fromkeys((*readers, *(manifest.tables or {}))):
        try:
            refuse_changed(folder / name, manifest.tables)
            if name in readers:
                readers[name](folder, manifest.tables)
        except BadInput as error:
            yield Fault(where=name, problem=error.message)
    for where in (REPORT, TWIN, CARD, CALIBRATION, *(f"results/{path.name}" for path in _results(folder))):
        path = folder / where
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if is_broken(content):
                yield Fault(where=where, problem="it does not fit the digest that it carries")
            elif manifest.tables is not None and not has_seal(content) and _may_be_derived(where):
                yield Fault(where=where, problem="it carries no digest of byrote's")


def _may_be_derived(where: str) -> bool:
    return not where.startswith("results/") or where.endswith((".parquet", ".json"))


def _results(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "results").glob("*") if path.is_file() and not path.is_symlink())


def _checks(run: Run) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each file that is derived, and what tells whether it follows from the evidence."""
    if run.dataset is not None:
        yield CONTROLS, partial(_controls_problem, run)
    for path in _results(run.folder):
        yield f"results/{path.name}", partial(_result_problem, run, path)
    for name, check in ((CALIBRATION, _calibration_problem), (CARD, _card_problem)):
        if (run.folder / name).is_file():
            yield name, partial(check, run, run.folder / name)
    yield from _language_checks(run) if run.of_text else _report_checks(run)


def _shard_faults(folder: Path, manifest: Manifest, path: Path) -> Iterator[Fault]:
    where = path.relative_to(folder).as_posix()
    if path.suffix != ".safetensors":
        yield Fault(where=where, problem="it is no shard; a killed process may have left it")
        return
    try:
        columns = read_shard(path)
        header = read_header(path)
    except DamagedShard as error:
        yield Fault(where=where, problem=error.message)
        return
    named = Evidence(folder / "evidence").path(
        header.get("kind", ""), _number(header, "model"), _number(header, "phase")
    )
    if named != path:
        yield Fault(where=where, problem=f"its header says that it is {named.relative_to(folder).as_posix()!r}")
        return
    if set(columns) != set(header.get("columns", "").split(",")):
        yield Fault(where=where, problem=f"its header names other columns than {', '.join(sorted(columns))}")
    entries: dict[int, ModelEntry] = {entry.index: entry for entry in manifest.models}
    entry = entries.get(_number(header, "model"))
    if entry is None and kind_of(header["kind"]).per != "run":
        yield Fault(where=where, problem="the manifest has no such model")
    elif entry is not None and "seed" in header and entry.seed is not None and header["seed"] != str(entry.seed):
        yield Fault(
            where=where,
            problem=f"it was trained with seed {header['seed']}, and the manifest says {entry.seed}",
        )


def _number(header: dict[str, str], name: str) -> int:
    text = header.get(name, "")
    return int(text) if text.isdecimal() else -1


def _missing(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    """Kinds of which some of the models that can have a shard have none."""
    evidence, last = Evidence(folder / "evidence"), len(manifest.design.get("phases", ())) - 1
    for kind in sorted(path.name for path in (folder / "evidence").glob("*") if path.is_dir()):
        if not _has_shards(kind) or kind_of(kind).per != "model" or kind_of(kind).sampled:
            continue
        indices = {entry.index for entry in manifest.models if entry.can_have(kind)}
        there = {model for model in indices if evidence.has(kind, model, last)}
        if any(_is_of_kept_weights(evidence, kind, model, last) for model in there if there != indices):
            indices &= {model for model in indices if evidence.has(WEIGHTS_AT.name, model, last)}
        if there and there != indices:
            lacking = sorted(indices - there)
            yield Fault(
                where=f"evidence/{kind}",
                problem=f"{len(lacking)} of {len(indices)} models have no shard, the first of them model {lacking[0]}",
            )


def _is_of_kept_weights(evidence: Evidence, kind: str, model: int, phase: int) -> bool:
    """Whether a probe read a shard from weights at checkpoints after the training; a damaged shard does not tell."""
    try:
        return READ_FROM in evidence.header(kind, model, phase)
    except DamagedShard:
        return False


def _result_problem(run: Run, path: Path) -> str:
    """What is wrong with a file under `results/`."""
    if path.name not in OF_MORE and run.design.models and (asked := analysis_of(path.name)) is not None:
        return _analysis_problem(run, path, *asked)
    if path.suffix == ".parquet" and (run.design.models == 0 or RELEASED.fullmatch(path.name) or path.name in OF_MORE):
        return _table_of_more_problem(run, path)
    if path.suffix == ".parquet" and path.stem.partition("@")[0] in catalog():
        return _measure_problem(run, path)
    return STRANGE


def _controls_problem(run: Run) -> str:
    """Whether the controls are those that were planted in the data, where no change altered these since."""
    assert run.dataset is not None
    if run.manifest.parent is not None:
        return ""
    planted = run.dataset.controls.to_table().to_pydict()
    return "" if run.controls.to_table().to_pydict() == planted else "it names other controls than the data have"


def _measure_problem(run: Run, path: Path) -> str:
    """What of the table of a measure does not follow; texts that a run forgot cannot be measured again."""
    key, _, role = path.stem.partition("@")
    kept, models = read_table(path), run.models(role or "reference")
    sizes = report_sizes(run, key)
    for options in ({}, sizes) if sizes else ({},):
        try:
            result = run.measured_on(key, models, **options)
        except MissingEvidence as error:
            if run.forgotten:
                raise _Unchecked(f"it cannot be computed again: {error.message}") from None
            raise
        wrong = [] if isinstance(result, Scalar) else different(kept, table(result, run.ids))
        if not wrong:
            return ""
    return f"{not_following(wrong)}, unless it was made with options of its own"


def _without_errors(figures: Any) -> Any:
    """Figures without what is said of their errors, which version 0.1.0 took of models alone."""
    if not isinstance(figures, dict):
        return figures
    errors = ("stderr", "low", "high", "notes", VARIES)
    return {name: _without_errors(value) for name, value in figures.items() if name not in errors}


def _analysis_problem(run: Run, path: Path, entry: Analysis, options: dict[str, Any]) -> str:
    """What of a file of an analysis does not follow; of one that rests on more than the run, its digest counts."""
    kept: pa.Table | Any = read_table(path) if path.suffix == ".parquet" else json.loads(path.read_bytes())
    if entry.check is not None:
        problem = entry.check(run, kept)
        if problem or not entry.several:
            return problem
    if isinstance(kept, pa.Table):
        options = {**options, **about_of(kept).get("options", {})}
    if entry.several:
        raise _Unchecked("it rests on more than this run, so that only its digest was checked")
    again = entry.files(entry.ask(run, **options), options=options).get(path.name)
    if again is None:
        return "the analysis gives no such file"
    if isinstance(again, bytes):
        again = json.loads(again)
        place = next(_differences(*_comparable_trees(kept, again), ""), None)
        return "" if place is None else not_following([place.lstrip(".")])
    return not_following(different(*_comparable(kept, again)))


def _comparable(kept: pa.Table, again: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Both without columns that an earlier version did not keep, or, of errors, took of models alone (0.1.0)."""
    lacking = set(again.column_names) - set(kept.column_names)
    if not lacking or not lacking <= {VARIES, "models", "examples", "reason"}:
        return kept, again
    shared = [name for name in again.column_names if name not in lacking]
    if VARIES in lacking:
        shared = [name for name in shared if name not in ("stderr", "low", "high")]
    return kept.select([name for name in kept.column_names if name in shared]), again.select(shared)


def _comparable_trees(kept: Any, again: Any) -> tuple[Any, Any]:
    """The same of figures in JSON."""
    for each in (kept, again):
        if isinstance(each, dict):
            each.pop(KEY, None)
    if isinstance(kept, dict) and not any(VARIES in figure for figure in kept.get("figures", {}).values()):
        return _without_errors(kept), _without_errors(again)
    return kept, again


def _table_of_more_problem(run: Run, path: Path) -> str:
    kept = read_table(path)
    lacking = sorted(set(OF_MORE.get(path.name, ("example",))) - set(kept.column_names))
    if lacking:
        return f"it lacks the column {', '.join(lacking)}"
    if "example" in kept.column_names and not set(kept["example"].to_pylist()) <= set(run.ids.tolist()):
        return "it is about other examples"
    raise _Unchecked("it rests on more than this run, so that only its digest was checked")


def _calibration_problem(run: Run, path: Path) -> str:
    kept = Calibration.load(path)
    again = calibrate(run, kept.proxy)
    place = next(_differences(json.loads(kept.text()), json.loads(again.text()), ""), None)
    return "" if place is None else not_following([place.lstrip(".")])


def _card_problem(run: Run, path: Path) -> str:
    if not re.search(r'<meta name="generator" content="byrote [^"]*">', path.read_text("utf-8")):
        return "it is no card of byrote's"
    raise _Unchecked("it is about two runs, so that only its digest was checked")


NOT_OF_EVIDENCE = "it is not what this version of byrote makes of the evidence; `byrote report` writes it again"


def _report_checks(run: Run) -> Iterator[tuple[str, Callable[[], str]]]:
    tried = list[tuple[bytes, dict[str, Any]]]()

    def page() -> str:
        kept = (run.folder / REPORT).read_bytes()
        _pass_over_earlier(run, kept)
        for one in _reports(run, has_contents(kept.decode("utf-8", "replace"))):
            tried.append(one)
            if one[0] == kept:
                tried.insert(0, one)
                return ""
        if run.dataset is None:
            raise _Unchecked("it may show the data, which are not at hand, so that only its digest was checked")
        return NOT_OF_EVIDENCE

    def text() -> str:
        made_again = (tried[0] if tried else next(_reports(run)))[1]
        kept = (run.folder / TWIN).read_bytes()
        found = _compared(run, kept, made_again)
        if found and run.dataset is None and not _twin_difference(kept, made_again, but=OF_INPUTS):
            raise _Unchecked("its triage may have learned from the data, which are not at hand; all else in it follows")
        return found

    yield from ((name, check) for name, check in ((REPORT, page), (TWIN, text)) if (run.folder / name).is_file())


def _reports(run: Run, contents: bool = True) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The pages that this version makes with contents, also where the data are not at hand, or without; with twins."""
    bare = [] if run.dataset is None else [replace(run, dataset=None, heldout=None, recipe=None)]
    for one in (run, *bare) if contents else (run.without_contents(),):
        found = findings(one)
        shown = sections(one, found)
        yield sealed(rendered(one, found, shown).encode()), twin(one, found, shown)


def _compared(run: Run, kept: bytes, again: dict[str, Any]) -> str:
    """As `_twin_difference`; a report of an earlier version that differs is not a fault."""
    found = _twin_difference(kept, again)
    if found:
        _pass_over_earlier(run, kept)
    return found


def _pass_over_earlier(run: Run, kept: bytes) -> None:
    """Say of a page or report that carries no digest, in a run of version 0.1.0, that it was not compared.

    Raises:
        _Unchecked: it is such a one. Its figures have other errors than this version gives them.
    """
    if run.manifest.tables is None and not has_seal(kept):
        raise _Unchecked(
            f"version {run.manifest.byrote} wrote it, and this version gives some figures other errors and words, so "
            "that it was not compared; `byrote report` writes it again"
        )


def _twin_difference(kept: bytes, again: dict[str, Any], but: str = "") -> str:
    """What a twin has that does not follow from the evidence, `but` apart; the folder may have another name now."""
    try:
        found = json.loads(kept)
    except ValueError as error:
        return f"it cannot be read: {error}"
    expected = json.loads(twin_text(again))
    if not isinstance(found, dict) or not isinstance(found.get("run"), dict):
        return "it is no report"
    for each in (found, expected):
        each["run"].pop("name", None)
        each.pop(KEY, None)
        each.pop(but, None)
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


def _language_checks(run: Run) -> Iterator[tuple[str, Callable[[], str]]]:
    """Of a language model, whose page may show its secrets, or not, or be without contents."""
    if not (run.folder / REPORT).is_file() and not (run.folder / TWIN).is_file():
        return
    found = cache(lambda: language_facts(run))
    drawn = cache(lambda: figures_of(found()))
    ways: tuple[dict[str, bool], ...] = ({}, {"show_secrets": True}, {"redact": True})

    def page() -> str:
        kept = (run.folder / REPORT).read_bytes()
        made = (sealed(language_page(run, found(), drawn(), **shown).encode()) for shown in ways)
        if kept in made:
            return ""
        _pass_over_earlier(run, kept)
        return NOT_OF_EVIDENCE

    def text() -> str:
        return _compared(run, (run.folder / TWIN).read_bytes(), language_twin(run, found(), drawn()))

    yield from ((name, check) for name, check in ((REPORT, page), (TWIN, text)) if (run.folder / name).is_file())
