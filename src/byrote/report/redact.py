"""Contents taken out of a run folder: what is measured stays, what it was measured on goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

import numpy as np

from byrote.analyses.catalog import keep
from byrote.analyses.groups import GROUP_RISK, group_risk, keep_risk
from byrote.analyses.membership import ATTACKED, membership_attack
from byrote.data.canaries import FILE as CANARIES
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.evidence.kind import Columns, Kind
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.manifest import FILE as MANIFEST
from byrote.evidence.manifest import OPTIONS, Manifest
from byrote.evidence.schema import find_kind
from byrote.evidence.seals import is_broken
from byrote.evidence.shards import read_header, read_shard, write_shard
from byrote.evidence.tables import CONTROLS, DESIGN, EXAMPLES, Digests, read_table
from byrote.report.card_page import FILE as CARD
from byrote.report.language_report import write_language_report
from byrote.report.page import FILE as REPORT
from byrote.report.page import write_report
from byrote.report.twin import FILE as TWIN
from byrote.runs.folder import NUMBERED, forget_examples, hold, names_groups, now
from byrote.runs.run import OnProgress, Run, no_progress, without_names

#: The word in a shard's header that says that its tokens only tell which texts are the same.
FORGOTTEN = "forgotten"
#: What a run folder holds by itself; anything else in it was put there by somebody, and is theirs to remove.
OWN = frozenset(
    {
        MANIFEST,
        OPTIONS,
        EXAMPLES,
        CONTROLS,
        DESIGN,
        REPORT,
        TWIN,
        CANARIES,
        TOKENIZER,
        "calibration.json",
        CARD,
        ".lock",
    }
)
OWN_FOLDERS = frozenset({"evidence", "results", "recorded"})

#: What is wrong with which example; it names levels of columns.
ISSUES: Final = "results/issues.parquet"


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A place in a run folder that holds contents, and what they are."""

    where: str
    what: str


def holdings(run: Run) -> list[Holding]:
    """What of somebody's data a run folder holds; the report is named where there is one, whatever stands in it.

    A digest is no content, but it tells whoever has a guess whether it is right.
    """
    found = []
    examples = run.examples
    held = {"digests of the inputs": "content" in examples.column_names, "names of groups": names_groups(examples)}
    if any(held.values()):
        found.append(Holding(where=EXAMPLES, what=" and ".join(what for what, there in held.items() if there)))
    for path in _about_groups(run.folder):
        found.append(Holding(where=path.relative_to(run.folder).as_posix(), what="names of groups"))
    if _names_levels(run.folder / ISSUES):
        found.append(Holding(where=ISSUES, what="values of columns"))
    if _without_paths(run.manifest, run.groups) != run.manifest:
        found.append(Holding(where=MANIFEST, what="where the data and the run before lie, or notes on groups"))
    for kind in _there(run.folder):
        if kind.contents and any(_unforgotten(path) for path in _shards(run.folder, kind.name)):
            found.append(Holding(where=f"evidence/{kind.name}", what=kind.contents))
    for name, what in {
        TOKENIZER: "the tokenizer, whose vocabulary comes from the texts",
        CANARIES: "planted secrets",
        OPTIONS: "where the data lie, and the names of columns",
        REPORT: "the report, which is written again without contents",
        TWIN: "the same as JSON",
    }.items():
        if (run.folder / name).is_file():
            found.append(Holding(where=name, what=what))
    found += [
        Holding(where=path.relative_to(run.folder).as_posix(), what="what a killed process left half written")
        for path in sorted(run.folder.rglob("*.part"))
    ]
    return found


def kept(run: Run) -> list[Holding]:
    """What stays although it may tell of contents: weights, which may know them by rote, and files of others."""
    found = [Holding(where=f"evidence/{kind.name}", what=kind.weights) for kind in _there(run.folder) if kind.weights]
    if any((run.folder / "recorded").glob("m*/weights.*")):
        found.append(Holding(where="recorded", what=WEIGHTS_AT.weights))
    for path in sorted(run.folder.iterdir()):
        if path.name not in OWN | OWN_FOLDERS and not path.name.endswith(".part"):
            found.append(Holding(where=path.name, what="not written by an audit, and left as it is"))
    return found


def forget_contents(run: Run, on_progress: OnProgress = no_progress) -> Run:
    """Remove contents from a run's folder, and write its report again without them.

    The manifest says so first, so that a run whose removal was stopped is never taken for one that holds its texts;
    the same call goes on from there. Of texts stays which of them are the same, and whether what a model went on with
    was the text's own: measures that ask for no more go on giving what they gave.

    Raises:
        RunMismatch: another process works in the folder.
    """
    with hold(run.folder):
        manifest = Manifest.read(run.folder)
        if manifest.forgotten is None:
            what = [holding.where for holding in holdings(run)]
            manifest = replace(manifest, forgotten={"at": now(), "from": what}, tables=_left(manifest.tables))
        named = _about_groups(run.folder)
        _without_paths(manifest, run.groups).write(run.folder)
        for path in run.folder.rglob("*.part"):
            path.unlink()
        for name in (TOKENIZER, CANARIES, OPTIONS, ISSUES):
            (run.folder / name).unlink(missing_ok=True)
        forget_examples(run.folder)
        for path in named:
            path.unlink()
        for kind in _there(run.folder):
            if kind.forget is not None:
                for path in _shards(run.folder, kind.name):
                    _rewrite(path, kind.forget)
        reports = [run.folder / name for name in (REPORT, TWIN)]
        there = any(path.is_file() for path in reports)
        for path in reports:
            path.unlink(missing_ok=True)
    left = Run.open(run.folder)
    for path in named:
        _measured_again(left, path)
    if there and left.of_text:
        write_language_report(left, on_progress)
    elif there:
        write_report(left.without_contents(), on_progress)
    return left


def _left(tables: Digests) -> dict[str, str] | None:
    """The digests of the tables that stay."""
    return None if tables is None else {name: one for name, one in tables.items() if name not in (TOKENIZER, CANARIES)}


def _names_levels(issues: Path) -> bool:
    """Whether a table of issues says which values of columns rare groups share."""
    return issues.is_file() and any(read_table(issues)["group"].to_pylist())


def _about_groups(folder: Path) -> list[Path]:
    """Results that name groups."""
    risk = folder / "results" / GROUP_RISK
    found = [risk] if risk.is_file() and names_groups(read_table(risk)) else []
    for path in sorted((folder / "results").glob("attack-*.json")):
        names = _names_of_groups(path.read_bytes())
        if names is None or not all(map(NUMBERED.fullmatch, names)):
            found.append(path)
    return found


def _names_of_groups(content: bytes) -> list[str] | None:
    """The groups that a file of an attack names; None where it is damaged, so that nobody knows."""
    try:
        return None if is_broken(content) else list(json.loads(content).get("slices", {}).get("group", {}))
    except (ValueError, AttributeError, TypeError):
        return None


def _measured_again(run: Run, path: Path) -> None:
    """Write a result with numbers for the names of groups, whose order is another."""
    attack = ATTACKED.fullmatch(path.name)
    if attack is None:
        keep_risk(run, *group_risk(run))
    else:
        keep(run, "membership", membership_attack(run, attack["key"], by="group" if attack["by"] else "example"))


def _without_paths(manifest: Manifest, groups: np.ndarray | None) -> Manifest:
    """The manifest with the names of files for their paths, and without names of groups in its notes."""
    source, parent = (_named_only(part) for part in (manifest.source, manifest.parent))
    return replace(manifest, source=source, parent=parent, notes=without_names(manifest.notes, groups))


def _named_only(part: Any) -> Any:
    """Settings in which absolute paths are cut to the name of the file or folder.

    Example:
        >>> _named_only({"name": "/home/ann/people.csv", "plants": ["label-noise=0.1"]})
        {'name': 'people.csv', 'plants': ['label-noise=0.1']}
    """
    if isinstance(part, dict):
        return {name: _named_only(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_named_only(value) for value in part]
    if isinstance(part, str) and any(kind(part).is_absolute() for kind in (PurePosixPath, PureWindowsPath)):
        return PureWindowsPath(part).name or PurePosixPath(part).name
    return part


def _there(folder: Path) -> list[Kind]:
    """The kinds of evidence that a run folder has shards of."""
    named = sorted(path.name for path in (folder / "evidence").glob("*") if path.is_dir())
    found = [find_kind(name) for name in named]
    return [kind for kind in found if kind is not None and _shards(folder, kind.name)]


def _shards(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / "evidence" / kind).glob("*.safetensors"))


def _unforgotten(path: Path) -> bool:
    return FORGOTTEN not in read_header(path)


def _rewrite(path: Path, forget: Callable[[Columns], Columns]) -> None:
    columns = read_shard(path)
    header = read_header(path)
    if FORGOTTEN not in header:
        words = {name: word for name, word in header.items() if name not in ("checksum", "schema")}
        write_shard(path, forget(columns), {**words, FORGOTTEN: "true"})
