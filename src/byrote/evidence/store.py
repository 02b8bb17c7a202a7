"""The evidence of a run: shards by (kind, model, phase), verified before they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from byrote.errors import DamagedShard, MissingEvidence
from byrote.evidence.schema import RECORDED_BY, SCHEMA, quantity
from byrote.evidence.shards import read_columns, read_header, read_shard, write_shard

LOGITS = (
    "logits are kept while they fit: record again with fewer models or examples, or import them with import_arrays."
)
MAKE_AGAIN = "the same `byrote audit` command makes what is missing; restore any other run from a copy."
#: Kinds of which a block is cut along the first axis of a model's arrays; of all others along the last.
FIRST_AXIS = ("generations",)


class Evidence:
    """A folder of shards.

    Every model has one shard a kind and phase; `class_probability` has one a block, under its first model, and
    `corpus` one a run, under model 0 and phase 0.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._verified: set[Path] = set()

    def path(self, kind: str, model: int, phase: int) -> Path:
        """Where that shard stands, whether it exists or not."""
        return self.folder / kind / f"m{model:05d}.p{phase}.safetensors"

    def write(
        self, kind: str, model: int, phase: int, columns: Mapping[str, np.ndarray], header: Mapping[str, str]
    ) -> None:
        """Write a shard, unless a whole one is there already."""
        path = self.path(kind, model, phase)
        if path.exists():
            return
        dims = {name: "x".join(SCHEMA[kind][name].dims) for name in columns if name in SCHEMA.get(kind, {})}
        words = {"kind": kind, "model": str(model), "phase": str(phase), "columns": ",".join(columns)}
        write_shard(path, columns, {**{f"dims.{k}": v for k, v in dims.items()}, **words, **header})

    def verify(self, kind: str, model: int, phase: int) -> None:
        """Read a shard whole and hold it against its checksum, once.

        Raises:
            DamagedShard: see `read_shard`.
        """
        path = self.path(kind, model, phase)
        if path not in self._verified:
            read_shard(path)
            self._verified.add(path)

    def require(self, name: str, model: int, phase: int) -> None:
        """Make sure that a quantity's shard is there and whole.

        Raises:
            MissingEvidence: it is not there.
            DamagedShard: see `read_shard`.
        """
        kind = name.split(".")[0]
        if not self.has(kind, model, phase):
            raise MissingEvidence(
                f"{name!r} is not recorded for model {model}.",
                hint=f"{RECORDED_BY[kind]}."
                if kind in RECORDED_BY and not (self.folder / kind).exists()
                else MAKE_AGAIN,
            )
        self.verify(kind, model, phase)

    def header(self, kind: str, model: int, phase: int) -> dict[str, str]:
        """The header of a verified shard."""
        self.verify(kind, model, phase)
        return read_header(self.path(kind, model, phase))

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
        kind, column = name.split(".")
        stacked: np.ndarray | None = None
        for row, model in enumerate(models):
            self.require(name, model, phase)
            values = self._column(kind, column, model, phase, examples)
            if stacked is None:
                stacked = np.empty((len(models), *values.shape), values.dtype)
            if values.shape != stacked.shape[1:]:
                raise DamagedShard(
                    f"The shard {str(self.path(kind, model, phase))!r} holds {column!r} of shape {values.shape} where "
                    f"{stacked.shape[1:]} is wanted.",
                    hint=f"remove this file; {MAKE_AGAIN}",
                )
            stacked[row] = values
        if stacked is None:
            raise MissingEvidence(
                f"There is no model to read {name!r} from.", hint="name at least one model, or audit with more."
            )
        return stacked

    def _column(self, kind: str, column: str, model: int, phase: int, examples: slice) -> np.ndarray:
        path = self.path(kind, model, phase)
        stored = read_header(path).get("columns", "").split(",")
        if column in stored:
            return read_columns(path, [column], examples, axis=0 if kind in FIRST_AXIS else -1)[column]
        derived = quantity(f"{kind}.{column}").derived
        if derived is None or derived[0] not in stored:
            raise MissingEvidence(
                f"'{kind}.{column}' is not recorded in this run; '{kind}' holds {', '.join(sorted(stored))}.",
                hint=LOGITS
                if column == "logits"
                else "it was recorded by another version of byrote; audit again into another folder."
                if {"seed", "recorded"} & read_header(path).keys()
                else f"bring it along: byrote.import_arrays(…, evidence={{'{kind}.{column}': …}}); or outputs.logits, "
                "from which the others follow.",
            )
        with np.errstate(invalid="ignore"):  # of an answer that is not finite nothing finite follows
            return derived[1](read_columns(path, [derived[0]], examples)[derived[0]])
