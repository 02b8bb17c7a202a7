"""Blocks for programs: the fields of each in JSON's types; and the words of a cell, which all renderers share."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any, Final, get_args

from byrote.blocks import Block, Cell, Item, Named
from byrote.report.figure_facts import scalar
from byrote.results import Scalar, decimal, plain_number

#: A cell of more letters than a figure with its interval has is a text.
LONGEST_FIGURE: Final = 30


def told(kind: type) -> tuple[str, ...]:
    """The fields of a block that programs are told; what is for the page alone says so."""
    return tuple(each.name for each in fields(kind) if "page" not in each.metadata)


def block_facts(block: Block) -> dict[str, Any]:
    """A block for programs: its fields in JSON's types, and `block`, the name of its kind."""
    return {"block": type(block).__name__, **_fields(block, type(block))}


def _fields(holder: Any, kind: type) -> dict[str, Any]:
    return {name: _json(getattr(holder, name)) for name in told(kind)}


def _json(value: Any) -> Any:
    """What a field holds; of the items of a gallery the name and the lines."""
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    if isinstance(value, Named):
        return bare(value)
    if isinstance(value, Scalar):
        return scalar(value)
    if isinstance(value, Item):
        return _fields(value, Item)
    if isinstance(value, get_args(Block)):
        return block_facts(value)
    if is_dataclass(value):
        return _fields(value, type(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def bare(cell: Cell) -> str | Scalar | int | float | None:
    """A cell with the name of a row as its words alone.

    Example:
        >>> bare(Named(text="`lira`", note="an attack")), bare(3)
        ('lira', 3)
    """
    return cell.text.replace("`", "") if isinstance(cell, Named) else cell


def is_prose(cell: Cell) -> bool:
    """Whether a cell is read as a sentence, so that its column is set from the left."""
    return isinstance(cell, str) and len(cell) > LONGEST_FIGURE


def cell_words(cell: Cell) -> str:
    """A cell of a table block in words; an unknown number is a dash.

    Example:
        >>> [cell_words(cell) for cell in ("a-b", -0.12345, 1438, None)]
        ['a-b', '−0.123', '1438', '–']
    """
    cell = bare(cell)
    if isinstance(cell, str):
        return cell
    text = decimal(cell) if isinstance(cell, Scalar) else plain_number(cell)
    return text.replace("-", "−")
