"""The catalog of analyses: every question that is asked of runs, with what follows by itself from its answer.

An analysis is one function under `@analysis`. It returns a `Table`, or a result of its own that `table` turns into one.
Its command, its file under `results/`, its printer, its check by `byrote verify`, its place in the report and in
`report.json` come from here.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
import pyarrow as pa

from byrote.errors import BadInput, find, meant
from byrote.parts import load_package
from byrote.results import PARTS, Scalar, Table
from byrote.runs.run import Run

P = ParamSpec("P")
R = TypeVar("R")
#: Numbers that were computed again may differ by so much of themselves, on another processor.
TOLERANCE: Final = 1e-6
#: The word in a table's metadata under which title, notes and options stand.
ABOUT: Final = b"byrote"

Contents = Mapping[str, pa.Table | bytes]
_REGISTERED: dict[str, Analysis] = {}


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A question that is asked of runs, and what there is to know about it.

    `runs` names the runs that the function takes, in its order; one that begins with `*` stands for several. `needs`
    are measures or kinds of evidence; `section` is that of the survey (Wei et al. 2025). `table` turns the function's
    result into a `Table`, `contents` into the files under `results/` where these are not that table, and `variant`
    gives the options that a file's name stands for, None where it is not one of this analysis. `check` says what of a
    table that was kept does not follow from the run, where asking again is not the way to find out. One that `trains`
    is a procedure: its function takes a `Lab` before the runs.
    """

    name: str
    function: Callable[..., Any]
    asks: str
    needs: tuple[str, ...]
    section: str
    runs: tuple[str, ...]
    table: Callable[[Any], Table]
    contents: Callable[[Any], Contents] | None = None
    variant: Callable[[str], dict[str, Any] | None] | None = None
    check: Callable[[Run, pa.Table], str] | None = None
    trains: bool = False

    @property
    def several(self) -> bool:
        """Whether its answer rests on more than one run, so that one run alone cannot give it again."""
        return self.trains or len(self.runs) != 1

    def files(self, result: Any, *others: Run, options: Mapping[str, Any] | None = None) -> Contents:
        """What is kept of a result, by the names of the files under `results/`; `others` are further runs asked."""
        if self.contents is not None:
            return self.contents(result)
        about = {"options": dict(options or {}), "runs": [run.manifest.identifier for run in others]}
        return table_files(self.name, self.table(result), about)

    def options_of(self, file: str) -> dict[str, Any] | None:
        """The options that a file under `results/` is named after; None where it is of something else."""
        if self.variant is not None:
            return self.variant(file)
        stem = file.removesuffix(".parquet")
        return {} if file != stem and (stem == self.name or stem.startswith(f"{self.name}-by-")) else None

    def keep(self, run: Run, result: Any, *others: Run, options: Mapping[str, Any] | None = None) -> Path:
        """Write what is kept of a result under `results/` of the run, and say where the first file is."""
        paths = [
            run.keep(name, content) if isinstance(content, bytes) else run.keep_table(Path(name).stem, content)
            for name, content in self.files(result, *others, options=options).items()
        ]
        return paths[0]

    def ask(self, *runs: Run, lab: Any = None, **options: Any) -> Any:
        """The function's answer, about so many runs as it takes; a procedure trains in the `lab`.

        Raises:
            BadInput: it takes another number of runs, or has no such option.
        """
        least = sum(not name.startswith("*") for name in self.runs)
        if len(runs) < least or (len(runs) > least and least == len(self.runs)):
            raise BadInput(
                f"The analysis {self.name!r} takes {_runs(self.runs)}. Got {len(runs)}.",
                hint=f"byrote ask {' '.join([self.runs[0].upper().strip('*'), self.name, *_others(self.runs)])}",
            )
        unknown = sorted(options.keys() - self.options().keys())
        if unknown:
            raise BadInput(
                f"The analysis {self.name!r} has no option {unknown[0]!r}.",
                hint=f"{meant(unknown[0], self.options())}its options are {', '.join(self.options()) or 'none'}.",
            )
        for one in self.options().values():
            if one.default is inspect.Parameter.empty and one.name not in options:
                raise BadInput(
                    f"The analysis {self.name!r} needs the option {one.name!r}.",
                    hint=f"--set {one.name}=…; its options are {', '.join(self.options())}.",
                )
        return self.function(*((lab,) if self.trains else ()), *runs, **options)

    def options(self) -> dict[str, inspect.Parameter]:
        """The function's parameters after the runs."""
        found = list(inspect.signature(self.function).parameters.values())[len(self.runs) + self.trains :]
        return {one.name: one for one in found}


def ask(run: Run, name: str, *others: Run, lab: Any = None, **options: Any) -> Table:
    """The answer of an analysis, by its name, as a table; the run keeps it. One that trains takes a `byrote.Lab`.

    Raises:
        BadInput: there is no such analysis or option, it takes other runs, or it gives a run and no table.

    Example:
        >>> run = byrote.Run.open("runs/tiny")
        >>> byrote.ask(run, "comparison").rows
        {'score': ('consistency_score',)}
    """
    entry = find_analysis(name)
    if entry.trains and lab is None:
        raise BadInput(
            f"The analysis {name!r} trains models, so it needs a Lab.",
            hint=f"byrote.ask(run, {name!r}, lab=byrote.Lab(), …)",
        )
    result = entry.ask(run, *others, lab=lab, **options)
    if isinstance(result, Run):
        raise BadInput(
            f"The analysis {name!r} gives a run, {str(result.folder)!r}, and no table.",
            hint=f"byrote.Run.open({str(result.folder)!r})",
        )
    entry.keep(run, result, *others, options=options)
    return replace(entry.table(result), of=entry.name)


def keep(run: Run, name: str, result: Any, *others: Run) -> Path:
    """Keep the result of the analysis of that name under `results/` of the run, as `Analysis.keep`."""
    return find_analysis(name).keep(run, result, *others)


def _runs(names: Sequence[str]) -> str:
    return f"the {'run' if len(names) == 1 else 'runs'} {', '.join(name.strip('*') for name in names)}"


def _others(names: Sequence[str]) -> list[str]:
    return [f"{name[1:].upper()}…" if name.startswith("*") else name.upper() for name in names[1:]]


def _itself(result: Any) -> Table:
    assert isinstance(result, Table), "an analysis gives a Table, or says how its result becomes one"
    return result


def analysis(
    *,
    asks: str,
    needs: Sequence[str] = (),
    section: str = "",
    runs: Sequence[str] = ("run",),
    name: str = "",
    table: Callable[[Any], Table] = _itself,
    contents: Callable[[Any], Contents] | None = None,
    variant: Callable[[str], dict[str, Any] | None] | None = None,
    check: Callable[[Run, pa.Table], str] | None = None,
    trains: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter a function into the catalog and hand it back as it is.

    The function takes the runs by position, in the order of `runs`, and its options by keyword. The analysis has the
    function's name, or `name` where that is given.
    """

    def register(function: Callable[P, R]) -> Callable[P, R]:
        called = name or function.__name__
        _REGISTERED[called] = Analysis(
            name=called,
            function=function,
            asks=asks,
            needs=tuple(needs),
            section=section,
            runs=tuple(runs),
            table=table,
            contents=contents,
            variant=variant,
            check=check,
            trains=trains,
        )
        return function

    return register


def procedure(
    *,
    asks: str,
    needs: Sequence[str] = (),
    section: str = "",
    name: str = "",
    table: Callable[[Any], Table] = _itself,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter a function that trains more: its first parameter is a `Lab`, its second the run, its keywords the options.

    It gives a `Table`, or what `table` turns into one, which the run before keeps; or a `Run`, which keeps itself.
    """
    return analysis(asks=asks, needs=needs, section=section, name=name, table=table, trains=True)


@cache
def _load_all() -> None:
    load_package("byrote.analyses", "byrote.analyses", "byrote.procedures")


def analyses() -> dict[str, Analysis]:
    """Every analysis by name, sorted; with those of the entry point groups `byrote.analyses`, `byrote.procedures`."""
    _load_all()
    return dict(sorted(_REGISTERED.items()))


def find_analysis(name: str) -> Analysis:
    """The analysis of that name.

    Raises:
        BadInput: no analysis has that name; the hint names the closest.
    """
    return find(analyses(), name, "analysis", "analyses")


def analysis_of(file: str) -> tuple[Analysis, dict[str, Any]] | None:
    """The analysis that keeps a file of that name under `results/`, and the options that the name stands for."""
    for entry in analyses().values():
        options = entry.options_of(file)
        if options is not None:
            return entry, options
    return None


def table_files(name: str, table: Table, about: Mapping[str, Any] | None = None) -> dict[str, pa.Table]:
    """A table as Arrow's, by file: the figures one per row with their parts, and the arrays as columns."""
    about = {"title": table.title, "across": table.across, "notes": list(table.notes), **(about or {})}
    found = {}
    if table.figures:
        found[f"{name}.parquet"] = _with_about(table.to_arrow(), about)
    if table.arrays:
        unit = next(iter(table.arrays))
        file = f"{name}-by-{unit}.parquet" if table.figures else f"{name}.parquet"
        found[file] = _with_about(Table(arrays=table.arrays).to_arrow(), about)
    return found


def _with_about(made: pa.Table, about: Mapping[str, Any]) -> pa.Table:
    return made.replace_schema_metadata({ABOUT: json.dumps(about, default=str).encode()})


def about_of(kept: pa.Table) -> dict[str, Any]:
    """Title, notes and options of a table that was kept; empty of one that has none, as those of version 0.1.0."""
    found = json.loads((kept.schema.metadata or {}).get(ABOUT, b"{}"))
    return found if isinstance(found, dict) else {}


def kept_table(run: Run, name: str) -> Table | None:
    """The table that an analysis left in a run's folder, as far as it is there.

    Raises:
        BadInput: it is damaged.
    """
    folder = run.folder / "results"
    figures = folder / f"{name}.parquet"
    if not figures.is_file():
        return None
    first = run.kept_table(figures.name)
    about = about_of(first)
    across = about.get("across", "figure")
    parts = [path.name for path in sorted(folder.glob(f"{name}-by-*.parquet"))]
    shared: dict[str, Any] = {"title": str(about.get("title", "")), "notes": tuple(map(str, about.get("notes", ())))}
    if across not in first.column_names or not {"value", "stderr"} <= set(first.column_names):
        return Table(**shared, arrays=_arrays(first))
    rows, found = _wide(first, across)
    return Table(
        **shared, across=across, rows=rows, figures=found, arrays=_arrays(run.kept_table(parts[0])) if parts else {}
    )


def _arrays(kept: pa.Table) -> dict[str, np.ndarray]:
    return {
        name: np.array(kept[name].to_pylist(), np.str_)
        if pa.types.is_string(kept[name].type)
        else kept[name].to_numpy()
        for name in kept.column_names
    }


#: Where rows were named by "examples", earlier versions kept the numbers of examples in the place of the names.
_LOST: Final = {"examples": "number of examples"}


def _wide(kept: pa.Table, across: str) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[Scalar | None, ...]]]:
    """Rows and figures of a table in the long form."""
    lines = kept.to_pylist()
    axes = kept.column_names[: kept.column_names.index(across)]
    rows = list(dict.fromkeys(tuple(line[axis] for axis in axes) for line in lines))
    cells = {(tuple(line[axis] for axis in axes), line[across]): _scalar(line) for line in lines}
    figures = dict.fromkeys(line[across] for line in lines)
    return (
        {_LOST.get(axis, axis): tuple(str(row[number]) for row in rows) for number, axis in enumerate(axes)},
        {figure: tuple(cells.get((row, figure)) for row in rows) for figure in figures},
    )


def _scalar(line: Mapping[str, Any]) -> Scalar:
    known = {"models": 0, "examples": 0, **line}
    return Scalar(**{part: known[part] for part in PARTS if part in known})


def different(kept: pa.Table, again: pa.Table) -> list[str]:
    """The columns in which two tables differ by more than rounding; "shape" where columns or rows are others."""
    if kept.column_names != again.column_names or len(kept) != len(again):
        return ["shape"]
    return [name for name in again.column_names if not _alike(kept[name], again[name])]


def not_following(what: Sequence[str]) -> str:
    """A sentence about what of a file does not follow from the evidence; empty of nothing.

    Example:
        >>> not_following(["value", "stderr"])
        'its value, stderr do not follow from the evidence'
    """
    return f"its {', '.join(what)} {'does' if len(what) == 1 else 'do'} not follow from the evidence" if what else ""


def _alike(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    if pa.types.is_floating(one.type) and pa.types.is_floating(other.type):
        a, b = one.to_numpy(), other.to_numpy()
        return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    return bool(one.equals(other))
