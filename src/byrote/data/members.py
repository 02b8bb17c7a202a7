"""Who was a member of a training set, by example: a CSV with the columns `example` and `member`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from jaxtyping import Int8

from byrote.data.dataset import Dataset
from byrote.errors import CHECK_THE_PATH, BadInput

#: Which option takes which file, for a hint about one that stands in the other's place.
GO_WHERE: Final = "--weights takes a .safetensors file, and --members a CSV whose first line is example,member."


def read_members(path: str | Path, dataset: Dataset) -> Int8[np.ndarray, " example"]:
    """Membership by example from a CSV with the columns `example` and `member`; -1 where it names none.

    Raises:
        BadInput: the file, a column, an id or a value is not as it should be, or an id stands there twice.
    """
    path = Path(path)
    refuse_missing(path, "members")
    with path.open("rb") as file:
        if b"\0" in file.read(1024):
            raise BadInput(f"The file {str(path)!r} is not a table of members: it contains no text.", hint=GO_WHERE)
    try:
        text = pa.csv.ConvertOptions(column_types={"example": pa.string(), "member": pa.string()})
        table = pa.csv.read_csv(path, convert_options=text)
        named = {name: table[name].to_pylist() for name in ("example", "member") if name in table.column_names}
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise BadInput(
            f"The file {str(path)!r} cannot be read as CSV: {str(error).splitlines()[0]}.",
            hint="its first line is example,member, and each other an id and 1 or 0.",
        ) from None
    if not {"example", "member"} <= set(table.column_names):
        raise BadInput(
            f"The file {str(path)!r} has the columns {', '.join(table.column_names)}.",
            hint="it needs 'example' (the ids of the dataset) and 'member' (1 or 0).",
        )
    ids, values = (np.array(named[name], np.str_) for name in ("example", "member"))
    names, count = np.unique(ids, return_counts=True)
    if (count > 1).any():
        raise BadInput(
            f"The id {str(names[count > 1][0])!r} stands in {str(path)!r} {count[count > 1][0]} times.",
            hint="name every example once; the order of the rows does not matter.",
        )
    unknown = np.setdiff1d(ids, dataset.ids)
    if len(unknown):
        raise BadInput(
            f"{len(unknown)} ids of {str(path)!r} are not in the dataset {dataset.name!r}, as {str(unknown[0])!r}.",
            hint=f"ids look like {str(dataset.ids[0])!r}.",
        )
    wrong = np.flatnonzero(~np.isin(values, ("0", "1")))
    if len(wrong):
        raise BadInput(
            f"Membership must be 1 or 0. Got {str(values[wrong[0]])!r} in row {wrong[0] + 2} of {str(path)!r}.",
            hint="leave out the examples of which you do not know it.",
        )
    member = np.full(len(dataset), -1, np.int8)
    member[dataset.index_of(ids)] = values.astype(np.int8)
    return member


def refuse_missing(path: Path, what: str) -> None:
    """Refuse a path that leads to no file.

    Raises:
        BadInput: it does.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r} of {what}.", hint=CHECK_THE_PATH)
