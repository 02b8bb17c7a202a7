"""Options that say how data of one's own are read."""

from __future__ import annotations

from typing import Annotated

import typer

SOURCE = (
    "digits, fashion-mnist, a table (.csv, .tsv, .parquet) with --target, an .npz file, a folder of images with a "
    "subfolder a class, or a Python file with dataset() and recipe()."
)
_PANEL = "Data of your own"

Source = Annotated[str, typer.Argument(help=SOURCE)]
Target = Annotated[str | None, typer.Option(help="Column of a table: the class.", rich_help_panel=_PANEL)]
Group = Annotated[
    str | None,
    typer.Option(
        help="Column of a table: the person or document a row belongs to; models train on whole groups.",
        rich_help_panel=_PANEL,
    ),
]
Id = Annotated[str | None, typer.Option("--id", help="Column of a table: names the rows.", rich_help_panel=_PANEL)]
Text = Annotated[
    str | None,
    typer.Option(help="Column of a table: texts, which then are all that is learned from.", rich_help_panel=_PANEL),
]
Size = Annotated[
    int | None,
    typer.Option(help="Pixels that a folder's images are brought to, in width and height.", rich_help_panel=_PANEL),
]
Heldout = Annotated[
    float,
    typer.Option(help="Share of such data that no model trains on; of whole groups.", rich_help_panel=_PANEL),
]
