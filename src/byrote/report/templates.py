"""What pages are made with: templates that escape everything, and a policy that lets in a page's own parts only."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from byrote.blocks import Figure, TableBlock
from byrote.report.block_facts import cell_words, is_prose
from byrote.report.passages import STEPS
from byrote.report.text import count, cut, plain

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

#: Longer paragraphs are cut.
LONGEST_PARAGRAPH: Final = 2_000


def head(*styles: str, script: str = "") -> dict[str, Markup]:
    """Style, script and policy of a page, of files of this package; with a script it may show pictures, too."""
    from markupsafe import Markup

    style, code = "".join(map(_packaged, styles)), _packaged(script) if script else ""
    more = f" script-src '{_digest(code)}'; img-src data:;" if script else ""
    policy = f"default-src 'none'; style-src '{_digest(style)}';{more} base-uri 'none'; form-action 'none'"
    return {"style": Markup(style), "script": Markup(code), "policy": Markup(policy)}


def _packaged(name: str) -> str:
    return files("byrote.report").joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def environment_of(finalize: Callable[[Any], Any], filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Templates that escape markup by autoescape, and by `finalize` whatever else acts on a page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("byrote.report", "."),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["surprises"] = STEPS
    environment.filters |= {**BLOCK_FILTERS, **filters}
    return environment


def coded(text: object, limit: int = LONGEST_PARAGRAPH) -> Markup:
    """A text as `plain` has it, with what stands between backticks as code.

    Example:
        >>> print(coded("run `byrote ask <RUN>` now"), coded("one ` alone"))
        run <code>byrote ask &lt;RUN&gt;</code> now one ` alone
    """
    from markupsafe import Markup, escape

    parts = plain(text, limit).split("`")
    if not len(parts) % 2:
        return escape("`".join(parts))
    return Markup("").join(Markup("<code>{}</code>").format(one) if at % 2 else one for at, one in enumerate(parts))


def prose(table: TableBlock) -> list[bool]:
    """Which columns of a table are read as sentences."""
    return [any(is_prose(row[column]) for row in table.rows) for column in range(len(table.columns))]


def numbers_of(figure: Figure) -> TableBlock:
    """What a figure draws, as a table."""
    return TableBlock(title=figure.title, columns=figure.columns, rows=figure.rows)


#: What the macros of blocks are written with.
BLOCK_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "short": plain,
    "count": count,
    "coded": coded,
    "kind": lambda block: type(block).__name__,
    "prose": prose,
    "cell": cell_words,
    "numbers_of": numbers_of,
}


@cache
def environment() -> Environment:
    """Templates of pages that show texts at their full length, with their line breaks and tabs."""
    return environment_of(_inert, {"cut": cut})


def _inert(value: Any) -> Any:
    if hasattr(value, "__html__") or not isinstance(value, str):
        return value
    parts = re.split(r"([\n\t])", value.replace("\r\n", "\n"))
    return "".join(part if part in ("\n", "\t") else plain(part, limit=len(part)) for part in parts)
