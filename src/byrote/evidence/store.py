"""The evidence of a run: shards by (kind, model, phase), verified before they are read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from byrote.axes import EXAMPLE, MODEL, QUERY, TOKEN
from byrote.data.inert import inert
from byrote.errors import DamagedShard, MissingEvidence
from byrote.evidence.kind import Quantity
from byrote.evidence.schema import SCHEMA, kind_of, quantity
from byrote.evidence.shards import Stored, read_columns, read_header, read_rows, read_shard, stored, write_shard

LOGITS = (
    "logits are kept while they fit: record again with fewer models or examples, or import them with import_arrays."
)
MAKE_AGAIN = "the same `byrote audit` command makes what is missing; restore any other run from a copy."
#: Axes along which a block of examples is cut.
_CUT = (EXAMPLE, TOKEN, QUERY)
#: How the entry of a shard's header begins that names the places of an axis.
COORDINATE = "coordinate."


class Evidence:
    """A folder of shards.

    Every model has one shard per kind and phase; `class_probability` has one per block, under its first model, and
    `corpus` one per run, under model 0 and phase 0.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[tuple[str, int, int], Path] = {}
        self._verified: dict[Path, _Whole] = {}

    def path(self, kind: str, model: int, phase: int) -> Path:
        """Where that shard stands, whether it exists or not."""
        key = kind, model, phase
        if key not in self._paths:
            self._paths[key] = self.folder / kind / f"m{model:05d}.p{phase}.safetensors"
        return self._paths[key]

    def write(
        self,
        kind: str,
        model: int,
        phase: int,
        columns: Mapping[str, np.ndarray],
        header: Mapping[str, str],
        coordinates: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Write a shard, unless a whole one is there already; `coordinates` name the places of an axis."""
        path = self.path(kind, model, phase)
        if path.exists():
            return
        dims = {name: "x".join(SCHEMA[kind][name].dims) for name in columns if name in SCHEMA.get(kind, {})}
        words = {"kind": kind, "model": str(model), "phase": str(phase), "columns": ",".join(columns)}
        named = {f"{COORDINATE}{axis}": json.dumps(list(names)) for axis, names in (coordinates or {}).items()}
        write_shard(path, columns, {**{f"dims.{k}": v for k, v in dims.items()}, **words, **named, **header})

    def verify(self, kind: str, model: int, phase: int) -> None:
        """Read a shard whole and hold it against its checksum, once.

        Raises:
            DamagedShard: see `read_shard`.
        """
        self._whole(self.path(kind, model, phase))

    def _whole(self, path: Path) -> _Whole:
        """What is known of a shard that is whole; one that was written again since is read again."""
        found, stamp = self._verified.get(path), _stamp(path)
        if found is None or found.stamp != stamp:
            read_shard(path)
            header = read_header(path)
            found = _Whole(stamp, header, frozenset(header.get("columns", "").split(",")), stored(path))
            self._verified[path] = found
        return found

    def require(self, name: str, model: int, phase: int) -> None:
        """Make sure that a quantity's shard is there and whole.

        Raises:
            MissingEvidence: it is not there.
            DamagedShard: see `read_shard`.
        """
        self._required(name, model, phase)

    def _required(self, name: str, model: int, phase: int) -> _Whole:
        kind = kind_of(name)
        path = self.path(kind.shards, model, phase)
        if _stamp(path) is None:
            raise MissingEvidence(
                f"{name!r} is not recorded for model {model}.",
                hint=f"{kind.recorded_by}."
                if kind.recorded_by and not (self.folder / kind.shards).exists()
                else MAKE_AGAIN,
            )
        return self._whole(path)

    def header(self, kind: str, model: int, phase: int) -> dict[str, str]:
        """The header of a verified shard."""
        return dict(self._whole(self.path(kind, model, phase)).header)

    def sweep(self, kind: str, model: int, phase: int) -> str:
        """Remove a shard that is damaged; returns what was wrong, or nothing where it is whole or missing."""
        path = self.path(kind, model, phase)
        if not path.exists():
            return ""
        try:
            self.verify(kind, model, phase)
        except DamagedShard as error:
            path.unlink()
            return error.message
        return ""

    def has(self, kind: str, model: int, phase: int) -> bool:
        """Whether the shard exists, and so is complete."""
        return self.path(kind, model, phase).exists()

    def block(self, kind: str, model: int, phase: int) -> dict[str, np.ndarray]:
        """All columns of one shard."""
        return read_shard(self.path(kind, model, phase))

    def load(self, name: str, models: Sequence[int], phase: int, examples: slice = slice(None)) -> np.ndarray:
        """A quantity of these models, stacked along the model axis, for a block of examples.

        Raises:
            MissingEvidence: a shard or column is not there.
            DamagedShard: see `read_shard`.
        """
        kind = kind_of(name).shards
        stacked: np.ndarray | None = None
        for row, model in enumerate(models):
            values = self._column(name, self.path(kind, model, phase), self._required(name, model, phase), examples)
            if stacked is None:
                stacked = np.empty((len(models), *values.shape), values.dtype)
            if values.shape != stacked.shape[1:]:
                raise DamagedShard(
                    f"The shard {str(self.path(kind, model, phase))!r} holds {name.split('.')[1]!r} of shape "
                    f"{values.shape} where {stacked.shape[1:]} is wanted.",
                    hint=f"remove this file; {MAKE_AGAIN}",
                )
            stacked[row] = values
        if stacked is None:
            raise MissingEvidence(
                f"There is no model to read {name!r} from.", hint="name at least one model, or audit with more."
            )
        return stacked

    def coordinates(self, kind: str, axis: str, model: int, phase: int) -> tuple[str, ...]:
        """The names of the places of an axis in a model's shard.

        Raises:
            MissingEvidence: the shard is not there.
            DamagedShard: it names none, or see `read_shard`.
        """
        self.require(f"{kind}.{axis}", model, phase)
        try:
            found = json.loads(self.header(kind, model, phase)[f"{COORDINATE}{axis}"])
            return tuple(inert(str(name)) for name in found)
        except (KeyError, ValueError, TypeError) as error:
            raise DamagedShard(
                f"The shard {str(self.path(kind, model, phase))!r} does not name the places of its axis {axis!r}.",
                hint=f"remove this file; {MAKE_AGAIN}",
            ) from error

    def _column(self, name: str, path: Path, whole: _Whole, examples: slice) -> np.ndarray:
        kind, column, header = kind_of(name).shards, name.split(".")[1], whole.header
        if column in whole.columns:
            return _read(path, whole, column, examples, cut_along(quantity(name)))
        derived = quantity(name).derived
        if derived is None or derived[0] not in whole.columns:
            raise MissingEvidence(
                f"{name!r} is not recorded in this run; {kind!r} holds {', '.join(sorted(whole.columns))}.",
                hint=LOGITS
                if column == "logits"
                else "it was recorded by another version of byrote; audit again into another folder."
                if {"seed", "recorded"} & header.keys()
                else f"bring it along: byrote.import_arrays(…, evidence={{{name!r}: …}}); or outputs.logits, "
                "from which the others follow.",
            )
        with np.errstate(invalid="ignore"):  # of an answer that is not finite nothing finite follows
            along = cut_along(quantity(f"{kind}.{derived[0]}"))
            return derived[1](_read(path, whole, derived[0], examples, along))


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Which file it is; None where there is none, which reading it tells."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


@dataclass(frozen=True, slots=True)
class _Whole:
    """A shard that was read whole against its checksum: which file, its header, its columns and where they lie."""

    stamp: tuple[int, ...] | None
    header: dict[str, str]
    columns: frozenset[str]
    stored: dict[str, Stored]


def _read(path: Path, whole: _Whole, column: str, examples: slice, along: int | None) -> np.ndarray:
    if along == 0 and examples.step in (None, 1) and column in whole.stored:
        return read_rows(path, whole.stored[column], examples)
    return read_columns(path, [column], examples, along)[column]


def cut_along(entry: Quantity) -> int | None:
    """The axis of a model's array along which a block of examples is cut; None where there is none.

    Example:
        >>> cut_along(quantity("outputs.logits")), cut_along(quantity("trajectory.loss"))
        (0, 1)
    """
    dims = [dim for dim in entry.dims if dim != MODEL]
    return next((dims.index(axis) for axis in _CUT if axis in dims), None)
