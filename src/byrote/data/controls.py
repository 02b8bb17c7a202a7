"""Controls: examples whose trouble is known because it was planted, and what stood there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, Shaped

from byrote.data.problems import quoted
from byrote.errors import BadInput

LABEL_NOISE: Final = "label_noise"
EXACT_DUPLICATE: Final = "exact_duplicate"
NEAR_DUPLICATE: Final = "near_duplicate"
CONFLICTING_DUPLICATE: Final = "conflicting_duplicate"
OUT_OF_DISTRIBUTION: Final = "out_of_distribution"
RARE_SUBPOPULATION: Final = "rare_subpopulation"
AMBIGUOUS: Final = "ambiguous"
BACKDOOR: Final = "backdoor"
CLEAN_LABEL: Final = "clean_label_backdoor"
INPUT_NOISE: Final = "input_noise"

KINDS: Final = (
    LABEL_NOISE,
    EXACT_DUPLICATE,
    NEAR_DUPLICATE,
    CONFLICTING_DUPLICATE,
    OUT_OF_DISTRIBUTION,
    RARE_SUBPOPULATION,
    AMBIGUOUS,
    BACKDOOR,
    CLEAN_LABEL,
    INPUT_NOISE,
)
#: Kinds with a wrong label, whose `original` is the class name before.
WRONG_LABELS: Final = (LABEL_NOISE, BACKDOOR)
#: Kinds that carry a trigger.
POISONS: Final = (BACKDOOR, CLEAN_LABEL)
#: Kinds whose `original` is the id of the example that they copy.
DUPLICATES: Final = (EXACT_DUPLICATE, NEAR_DUPLICATE, CONFLICTING_DUPLICATE)
COLUMNS: Final = ("example", "kind", "original")


@runtime_checkable
class HasRng(Protocol):
    """What planting needs of its surroundings: a source of randomness."""

    @property
    def rng(self) -> np.random.Generator:
        """The generator that every draw comes from."""
        ...


def _no_text() -> np.ndarray:
    return np.empty(0, "U1")


@dataclass(frozen=True, eq=False)
class Controls:
    """Parallel columns, one row a planted fact; an example may carry several kinds.

    `original` is the class name before label noise or a backdoor, the id of the example that a duplicate copies, the
    example's own id in a rare subpopulation and under input noise, and empty for an example from elsewhere.

    Example:
        >>> noise = planted(LABEL_NOISE, example=["a"], original=["cat"])
        >>> both = noise.merged(planted(EXACT_DUPLICATE, example=["copy-of-b"], original=["b"]))
        >>> both.mask(np.array(["a", "b"]), LABEL_NOISE)
        array([ True, False])
    """

    example: Shaped[np.ndarray, " control"] = field(default_factory=_no_text)
    kind: Shaped[np.ndarray, " control"] = field(default_factory=_no_text)
    original: Shaped[np.ndarray, " control"] = field(default_factory=_no_text)

    def __post_init__(self) -> None:
        for column in COLUMNS:
            text = np.asarray(getattr(self, column)).astype(np.str_)
            text.flags.writeable = False
            object.__setattr__(self, column, text)
        assert len(self.example) == len(self.kind) == len(self.original), "columns are parallel"
        unknown = sorted(set(self.kind.tolist()) - set(KINDS))
        if unknown:
            raise BadInput(_unknown_kind(quoted(unknown)), hint=f"the kinds are {', '.join(sorted(KINDS))}.")

    def __len__(self) -> int:
        return len(self.example)

    def __repr__(self) -> str:
        counts = ", ".join(f"{np.count_nonzero(self.kind == kind)} {kind}" for kind in self.kinds())
        return f"Controls({counts or 'none'})"

    def kinds(self) -> tuple[str, ...]:
        """The kinds that occur, in the order of `KINDS`."""
        present = set(self.kind.tolist())
        return tuple(kind for kind in KINDS if kind in present)

    def mask(self, ids: Shaped[np.ndarray, " example"], kind: str) -> Bool[np.ndarray, " example"]:
        """Which of these examples carry a control of the kind.

        Raises:
            BadInput: there is no such kind.
        """
        if kind not in KINDS:
            raise BadInput(_unknown_kind(repr(kind)), hint=f"the kinds are {', '.join(sorted(KINDS))}.")
        return np.isin(ids, self.example[self.kind == kind])

    def true_labels(
        self, ids: Shaped[np.ndarray, " example"], labels: Int[np.ndarray, " example"], names: Sequence[str]
    ) -> Int[np.ndarray, " example"]:
        """The labels of these examples as they were before wrong ones were planted, -1 where that is no class.

        `names` are those of the classes.

        Example:
            >>> planted(LABEL_NOISE, ["b"], ["cat"]).true_labels(np.array(["a", "b"]), np.array([1, 1]), ("cat", "dog"))
            array([1, 0])
        """
        wrong = np.isin(self.kind, WRONG_LABELS)
        number = {name: label for label, name in enumerate(names)}
        before = dict(zip(self.example[wrong].tolist(), self.original[wrong].tolist(), strict=True))
        found = labels.astype(np.int64)
        for row in np.flatnonzero(np.isin(ids, self.example[wrong])):
            found[row] = number.get(before[str(ids[row])], -1)
        return found

    def merged(self, later: Controls) -> Controls:
        """These and later ones; planted twice, an example keeps the first original, which is the true one."""
        columns = [np.concatenate([getattr(self, name), getattr(later, name)]) for name in COLUMNS]
        seen: dict[tuple[str, str], int] = {}
        for row, key in enumerate(zip(columns[0].tolist(), columns[1].tolist(), strict=True)):
            seen.setdefault(key, row)
        keep = np.fromiter(seen.values(), np.int64, len(seen))
        return Controls(*(column[keep] for column in columns))

    def restricted_to(self, ids: Shaped[np.ndarray, " example"]) -> Controls:
        """Only the controls of these examples."""
        keep = np.isin(self.example, ids)
        return Controls(self.example[keep], self.kind[keep], self.original[keep])

    def to_table(self) -> pa.Table:
        """The content of `controls.parquet`."""
        return pa.table({name: pa.array(getattr(self, name).tolist(), pa.string()) for name in COLUMNS})

    @classmethod
    def from_table(cls, table: pa.Table) -> Controls:
        """Read what `to_table` wrote.

        Raises:
            BadInput: a column is missing, a cell is empty, or a kind is unknown.
        """
        missing = sorted(set(COLUMNS) - set(table.column_names))
        if missing:
            raise BadInput(
                f"The table of controls lacks {quoted(missing)}.",
                hint=f"its columns are {', '.join(COLUMNS)}.",
            )
        return cls(*(_texts(name, table.column(name).to_pylist()) for name in COLUMNS))


def planted(kind: str, example: Sequence[str] | np.ndarray, original: Sequence[str] | np.ndarray) -> Controls:
    """Controls of one kind.

    Example:
        >>> planted(OUT_OF_DISTRIBUTION, ["ood-0000"], [""])
        Controls(1 out_of_distribution)
    """
    return Controls(np.asarray(example, np.str_), np.full(len(example), kind), np.asarray(original, np.str_))


def _texts(name: str, cells: list[object]) -> np.ndarray:
    for row, cell in enumerate(cells):
        if not isinstance(cell, str):
            raise BadInput(
                f"The column {name!r} of the table of controls must hold text. Got {cell!r} in row {row}.",
                hint="write names as strings, as Controls takes them.",
            )
    return np.array(cells, np.str_)


def _unknown_kind(shown: str) -> str:
    return f"There is no kind of control named {shown}."
