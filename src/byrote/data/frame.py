"""Data frames of pandas: what they hold means what the same table means in a file of Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from byrote.data.parquet import refuse_repeated_names, refuse_wide
from byrote.data.split import HELD_OUT, Split
from byrote.data.table import rows_of, split_of, typed_rows
from byrote.data.targets import Target
from byrote.data.task import Task
from byrote.data.text_table import split_of_texts
from byrote.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

#: What a frame is called unless it has a name.
NAME: Final = "frame"


def from_pandas(
    frame: pd.DataFrame,
    *,
    target: Target,
    text: str | None = None,
    group: str | None = None,
    id: str | None = None,  # noqa: A002  # as the option is called
    heldout: float = HELD_OUT,
    seed: int = 0,
    task: Task | None = None,
    tolerance: float | None = None,
    name: str = NAME,
) -> Split:
    """Make a dataset of a data frame: the column `target` holds the class, the others become features.

    Everything is as in `from_table` for a file of Parquet, or, with `text`, as in `from_text_table`. The index names
    rows and is not learned from: `id` may name it, after `frame.rename_axis("row")` also where it has no name. Other
    frames are taken where they give Arrow, as those of Polars do.

    Args:
        frame: a row per example.
        target: the column of the class or of the number that is to be predicted, or several columns.
        text: the column of the texts; all other columns are then left out.
        group: a column that says which rows belong to one person or document.
        id: a column, or the index, that names the rows; they are numbered unless given.
        heldout: the share of each class that no model trains on; whole groups where there are any.
        seed: fixes which rows these are.
        task: "classes", "labels" or "regression"; guessed from the column unless given, and the notes say so.
        tolerance: by how much a prediction of a regression may miss and still count as right.
        name: what the data are called.

    Raises:
        BadInput: a column does not exist, or holds what cannot be used.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"age": [30.5, 41, 28.5, 52] * 10, "kind": ["a", "b"] * 20}).iloc[::-1]
        >>> split = from_pandas(frame.rename_axis("row"), target="kind", id="row")
        >>> len(split.training), split.training.display.feature_names, str(split.training.ids[0])
        (32, ('age',), '38')
    """
    table = _arrow(frame, name, index=id is not None)
    refuse_wide(name, table.num_columns)
    columns = (target,) if isinstance(target, str) else tuple(target)
    rows = typed_rows(rows_of(table, name), name, written=(text, group, id), target=columns, task=task)
    how: dict[str, Any] = {"target": target, "group": group, "id": id, "task": task, "tolerance": tolerance}
    if text is not None:
        return split_of_texts(rows, name, text=text, heldout=heldout, seed=seed, **how)
    return split_of(rows, name, heldout=heldout, seed=seed, **how)


def _arrow(frame: Any, name: str, *, index: bool) -> pa.Table:
    """The frame as a table of Arrow, with what pandas says of its index; with `index` that is a column in any case."""
    of_pandas = hasattr(frame, "reset_index")
    if not of_pandas and not hasattr(frame, "__arrow_c_stream__"):
        raise BadInput(
            f"The table {name!r} must be a data frame. Got {type(frame).__name__}.",
            hint="pandas.DataFrame(…) makes one of columns; byrote.from_table reads a file.",
        )
    if of_pandas:
        refuse_repeated_names(name, [str(column) for column in frame.columns])
    try:
        return pa.Table.from_pandas(frame, preserve_index=index or None) if of_pandas else pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        said = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise BadInput(
            f"The table {name!r} cannot be read: {said}.",
            hint="give each column values of one type, as with frame.astype({'column': str}).",
        ) from error
