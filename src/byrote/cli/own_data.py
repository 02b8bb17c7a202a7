"""Options that say how data of one's own are read."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

SOURCE = (
    "digits, fashion-mnist, a table (.csv, .tsv, .parquet) with --target, an .npz file, a folder of images with a "
    "subfolder a class or of inputs.npy and targets.npy, or a Python file with dataset() and recipe()."
)
_PANEL = "Data of your own"

Source = Annotated[str, typer.Argument(help=SOURCE)]
Target = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of a table: the class, or a number to be predicted; given more than once, labels of yes and no, "
        "or with --task regression numbers.",
        rich_help_panel=_PANEL,
    ),
]
Task = Annotated[
    Literal["classes", "labels", "regression"] | None,
    typer.Option(
        help="What the target is: classes, labels or regression; guessed of a table unless given.",
        rich_help_panel=_PANEL,
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        help="Of a regression: how far off an answer may be and still be right; a quarter of the target's standard "
        "deviation unless given.",
        rich_help_panel=_PANEL,
    ),
]
Balanced = Annotated[
    bool,
    typer.Option(
        "--balanced", help="Weigh classes or labels that few examples have as much as others.", rich_help_panel=_PANEL
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How often each model goes over data of your own, or a tiny GPT over --corpus; as often as they suggest "
        "unless given.",
        rich_help_panel=_PANEL,
    ),
]
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
