"""What a change is about: the examples to forget, named by a person, by a file, or by their scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from jaxtyping import Int, Shaped

from byrote.data.problems import quoted
from byrote.data.text_file import text_of
from byrote.errors import CHECK_THE_PATH, BadInput
from byrote.evidence.tables import read_table

#: The usual share of the examples that is forgotten.
FORGET_SHARE = 0.05
#: A share of the examples, the most memorized; ids; or a file of ids.
Forget = float | str | Path | Sequence[str] | np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Named:
    """Examples that a person named, by their rows."""

    rows: Int[np.ndarray, " forgotten"]
    digest: str

    def record(self) -> dict[str, Any]:
        """What a manifest says of them: how many, and a digest of their ids."""
        return {"given": len(self.rows), "digest": self.digest}


def share_or_file(text: str) -> float | Path:
    """What a person names on the command line: a share, or else a file of ids.

    Example:
        >>> share_or_file("0.1"), share_or_file("ids.txt").name
        (0.1, 'ids.txt')
    """
    try:
        return float(text)
    except ValueError:
        return Path(text)


def share_of(forget: Forget) -> float | None:
    """The share that it names; None where it names examples.

    Raises:
        BadInput: a share outside of (0, 1).
    """
    if isinstance(forget, int | float):
        refuse_share("The share of examples to forget", float(forget))
        return float(forget)
    return None


def named(forget: Forget, known: Shaped[np.ndarray, " example"], where: str) -> Named:
    """The examples that ids, or a file of ids, name among the `known` ones; `where` says in errors what these are.

    Raises:
        BadInput: the file cannot be read; none are named, one twice, or one that is not there.
    """
    ids = (
        read_ids(Path(forget)) if isinstance(forget, str | Path) else np.array([str(one) for one in np.asarray(forget)])
    )
    if not len(ids):
        raise BadInput("There are no examples to forget.", hint="name at least one id, or a share as forget=0.05.")
    names, count = np.unique(ids, return_counts=True)
    if (count > 1).any():
        raise BadInput(
            f"The example {str(names[count > 1][0])!r} is named twice among those to forget.", hint="name each once."
        )
    missing = np.setdiff1d(names, known)
    if len(missing):
        raise BadInput(
            f"{len(missing)} of the {len(names)} examples to forget are not in {where}: {quoted(missing.tolist())}.",
            hint=f"its ids are such as {quoted(known[:3].tolist())}.",
        )
    digest = hashlib.sha256("\n".join(names.tolist()).encode()).hexdigest()
    return Named(rows=np.flatnonzero(np.isin(known, names)).astype(np.int64), digest=digest)


def read_ids(path: Path) -> Shaped[np.ndarray, " id"]:
    """Ids from a file: the column `example` of a table (.parquet, .csv), or one per line.

    Raises:
        BadInput: there is no such file, or it has no such column.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r} of examples to forget.", hint=f"{CHECK_THE_PATH} Or a share.")
    if path.suffix == ".parquet":
        found = read_table(path, hint="write the ids into a text file, one per line.")
    elif path.suffix == ".csv":
        found = _csv(path)
    else:
        lines = [line.strip() for line in text_of(path).splitlines()]
        return np.array([line for line in lines if line], np.str_)
    if "example" not in found.column_names:
        raise BadInput(
            f"The file {str(path)!r} has no column 'example'; it has {quoted(found.column_names)}.",
            hint="name the column of the ids 'example', or write one id per line into a .txt file.",
        )
    return np.array([str(one) for one in found["example"].to_pylist()], np.str_)


def _csv(path: Path) -> pa.Table:
    try:
        text = pa.csv.ConvertOptions(column_types={"example": pa.string()})
        return pa.csv.read_csv(path, convert_options=text)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise BadInput(
            f"The file {str(path)!r} cannot be read as CSV: {str(error).splitlines()[0]}.",
            hint="its first line is example, and each other an id.",
        ) from None


def refuse_share(what: str, share: float) -> None:
    """Refuse a share outside of (0, 1).

    Raises:
        BadInput: it is one.
    """
    if not 0 < share < 1:
        raise BadInput(f"{what} must lie in (0, 1). Got {share}.", hint="0.05 is the 5 % that are most memorized.")
