"""What every result can become: a table of Arrow or pandas, a drawing, and HTML in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from byrote.errors import BadInput
from byrote.parts import public

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.axes import Axes


class Tabular:
    """A result whose numbers stand in columns; each column is an array, the first ones name the rows."""

    def columns(self) -> Mapping[str, Any]:
        """Its columns by name, as in the file under `results/` of a run: names, values, errors, counts, reasons."""
        raise NotImplementedError

    def to_arrow(self) -> pa.Table:
        """Its columns as a table of Arrow.

        Example:
            >>> from byrote.results import Scalar
            >>> Scalar(value=0.5, stderr=0.1, low=0.3, high=0.7, models=8, examples=90).to_arrow()["high"].to_pylist()
            [0.7]
        """
        import pyarrow as pa

        return pa.table(dict(self.columns()))

    def to_pandas(self) -> pd.DataFrame:
        """Its columns as a data frame of pandas.

        Raises:
            BadInput: the package pandas is not installed.

        Example:
            >>> from byrote.results import Scalar
            >>> frame = Scalar(value=0.5, stderr=0.1, low=0.3, high=0.7, models=8, examples=90).to_pandas()
            >>> float(frame.loc[0, "value"])
            0.5
        """
        if find_spec("pandas") is None:
            raise BadInput(
                "A data frame needs the package pandas.",
                hint="pip install 'byrote[pandas]'; to_arrow() does without it.",
            )
        return self.to_arrow().to_pandas()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The same for whatever takes tables of Arrow, as `polars.DataFrame(result)` and DuckDB do."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it with Matplotlib, on `ax` or on axes of its own, and give the axes back.

        Values of examples become a histogram, curves become lines with their 95 % intervals, and figures become points
        with their 95 % intervals.

        Example:
            >>> from byrote.results import Scalar
            >>> type(Scalar(value=0.5, stderr=0.1, low=0.3, high=0.7, models=8, examples=90).plot()).__name__
            'Axes'
        """
        drawn: Axes = public("report.plots", "plot")(self, ax)
        return drawn
