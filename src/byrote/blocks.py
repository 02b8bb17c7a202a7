"""What a section of a report is made of: typed blocks, which the page, `report.json` and the terminal each render.

A section is a function from an analysis's `Table` to blocks, entered with `@section`. It may stand beside the analysis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

from byrote.errors import ByroteError
from byrote.parts import load_entered
from byrote.results import Scalar, Table

#: A field that is for pages alone, and is not told to programs.
ON_PAGE: Final = {"page": True}


@dataclass(frozen=True, kw_only=True)
class Named:
    """The name of a row, and smaller words on what it is."""

    text: str
    note: str = ""


#: What stands in a table: words, a figure with its error, or a plain number; None is not known.
Cell = str | Named | Scalar | int | float | None
#: A run as errors name it: by its folder.
_NAMED = re.compile(r"""\b([Tt])he run ('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")


@dataclass(frozen=True, kw_only=True)
class Words:
    """Paragraphs, an empty line between two; what stands between backticks is code.

    As a `warning` they stand out, as `reading` they say how to read what is above, as `small` they are a remark, as
    `missing` they say what is not there, as `heading` they are the title of what follows, as `list` one point each.
    """

    text: str
    tone: Literal["", "warning", "reading", "small", "missing", "heading", "list"] = ""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A figure to be seen first, what it is, and a note."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Figures to be seen first, side by side."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An SVG element, what it shows in a sentence, its numbers, and what it was drawn on."""

    name: str
    svg: str = field(metadata=ON_PAGE)
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    canvas: Any = field(default=None, repr=False, compare=False, metadata=ON_PAGE)


@dataclass(frozen=True, kw_only=True)
class TableBlock:
    """Rows of words, figures and plain numbers under a title; the first column names the row.

    `style` names a look that the page has for it. The figures of the column `bars` are between 0 and 1, and drawn, too.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    style: str = field(default="", metadata=ON_PAGE)
    bars: str = field(default="", metadata=ON_PAGE)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing of a gallery: its name, and lines about it. Those with more to show are of classes of their own."""

    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Examples, texts or models side by side; numbered from `first` on, if that is not 0."""

    items: tuple[Item, ...]
    first: int = field(default=0, metadata=ON_PAGE)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names and values, by subject."""

    subjects: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Blocks that are shown when their summary is opened."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A part of the report that is not there, with the reason and the way to it."""

    why: str

    @classmethod
    def because(cls, error: ByroteError) -> Missing:
        """The sentence of an error, and its hint.

        Example:
            >>> from byrote.errors import MissingEvidence
            >>> Missing.because(MissingEvidence("'outputs.logits' is not recorded", hint="audit again.")).why
            "'outputs.logits' is not recorded. To get it: audit again."
        """
        message = f"{of_this_run(error.message).rstrip('.')}."
        return cls(why=f"{message} To get it: {of_this_run(error.hint).rstrip('.')}." if error.hint else message)


Block = Words | Tiles | Figure | TableBlock | Gallery | Facts | Fold | Missing


def of_this_run(sentence: str) -> str:
    """The sentence of an error, without the folder of the run that it is about.

    Example:
        >>> of_this_run("The run '/home/me/mine' has no groups.")
        'This run has no groups.'
    """
    return _NAMED.sub(r"\1his run", sentence)


#: From a table, and settings of how much of it is shown, which have defaults.
Blocks = Callable[..., Iterable[Block]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """How the table of an analysis is shown: a title, its place among the sections, and the blocks."""

    of: str
    title: str
    order: int
    blocks: Blocks


_REGISTERED: dict[str, Section] = {}


def section(*, of: str, title: str, order: int = 100) -> Callable[[Blocks], Blocks]:
    """Enter a function as the section of the analysis of that name; sections stand by their `order`."""

    def register(function: Blocks) -> Blocks:
        _REGISTERED[of] = Section(of=of, title=title, order=order, blocks=function)
        return function

    return register


@cache
def _load_others() -> None:
    load_entered("byrote.sections")


def section_of(name: str, title: str = "") -> Section:
    """The section of an analysis; where it has none, its table as it is with its notes below."""
    _load_others()
    return _REGISTERED.get(name) or Section(of=name, title=title or name, order=100, blocks=plain_blocks)


def plain_blocks(table: Table) -> Iterable[Block]:
    """A table and its notes.

    Example:
        >>> auc = Scalar(value=0.75, stderr=0.02, low=0.7, high=0.8, models=8, examples=90)
        >>> table = Table(rows={"attack": ("lira",)}, figures={"AUC": (auc,)}, notes=("One attack.",))
        >>> [type(block).__name__ for block in plain_blocks(table)]
        ['TableBlock', 'Words']
    """
    columns, cells = table.cells()
    rows = tuple(figure_rows(table, missing="–")) if table.figures else cells
    yield TableBlock(title=table.title, columns=columns, rows=rows)
    yield from notes_of(table)


def figure_rows(table: Table, *figures: str, missing: str | None = None) -> Iterator[tuple[Cell, ...]]:
    """The rows of a table's figures, or of those named: its names, then the figures, or what is `missing` there."""
    columns = [table.figures[name] for name in figures or table.figures]
    for names, values in zip(zip(*table.rows.values(), strict=True), zip(*columns, strict=True), strict=True):
        yield (*names, *(missing if one is None else one for one in values))


def notes_of(table: Table) -> Iterator[Words]:
    """Each note of a table."""
    for note in table.notes:
        yield Words(text=note)


def sentence(text: str) -> str:
    """The text with a capital at its beginning and one full stop.

    Example:
        >>> sentence("one of MNIST"), sentence("Two.")
        ('One of MNIST.', 'Two.')
    """
    return f"{capital(text).rstrip('.')}." if text else ""


def cut(passage: str, limit: int) -> str:
    """Beginning and end of a passage of more letters than that.

    Example:
        >>> cut("one two three four", 8)
        'one  … four'
    """
    return passage if len(passage) <= limit else f"{passage[: limit // 2]} … {passage[-limit // 2 :]}"


def capital(text: str) -> str:
    """The text with a capital at its beginning, and the rest as it is.

    Example:
        >>> capital("the digits of MNIST")
        'The digits of MNIST'
    """
    return text[:1].upper() + text[1:]
