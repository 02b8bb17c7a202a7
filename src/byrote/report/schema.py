"""A JSON Schema from types: what a program may rely on is written once, as the types of what is written out."""

from __future__ import annotations

from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from byrote.blocks import Block, Named
from byrote.report.block_facts import told
from byrote.report.figure_facts import FigureFacts
from byrote.results import Scalar

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def schema_of(kind: type, title: str, description: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a typed dictionary; those that it holds stand under `$defs` by their names.

    Example:
        >>> from typing import TypedDict
        >>> class Counted(TypedDict):
        ...     models: int
        >>> made = schema_of(Counted, "counts", "How many.")
        >>> made["properties"], made["required"], made["additionalProperties"]
        ({'models': {'type': 'integer'}}, ['models'], False)
    """
    defined: dict[str, Any] = {}
    whole = _object(kind, defined)
    return {"$schema": DIALECT, "title": title, "description": description, **whole, "$defs": defined}


def _schema(kind: Any, defined: dict[str, Any]) -> dict[str, Any]:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        return _schema(parts[0], defined)
    if origin is Annotated:
        return {**_schema(parts[0], defined), **parts[1]}
    if origin is Literal:
        return {"const": parts[0]} if len(parts) == 1 else {"enum": [*parts]}
    if origin in (Union, UnionType):
        return _any_of([_schema(one, defined) for one in parts])
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(parts[1], defined)}
    if origin is list or (origin is tuple and parts[1:] == (...,)):
        return {"type": "array", "items": _schema(parts[0], defined)}
    if origin is tuple:
        many = len(parts)
        inner = [_schema(one, defined) for one in parts]
        return {"type": "array", "prefixItems": inner, "minItems": many, "maxItems": many}
    if kind is Named:
        return {"type": "string"}
    if kind is Scalar:
        return _schema(FigureFacts, defined)
    if is_typeddict(kind) or is_dataclass(kind):
        if kind.__name__ not in defined:
            defined[kind.__name__] = {}  # a type may hold itself
            defined[kind.__name__] = _object(kind, defined)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    return {"type": _PLAIN[kind]}


def _object(kind: Any, defined: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    if is_typeddict(kind):
        required = sorted(name for name, hint in hints.items() if get_origin(hint) is not NotRequired)
        properties = {name: _schema(hint, defined) for name, hint in hints.items()}
    else:
        block = {"block": {"const": kind.__name__}} if kind in get_args(Block) else {}
        properties = {**block, **{name: _schema(hints[name], defined) for name in told(kind)}}
        required = sorted(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _any_of(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One of several; of plain types in one word."""
    if all(set(part) == {"type"} for part in parts):
        return {"type": [part["type"] for part in parts]}
    return {"anyOf": parts}
