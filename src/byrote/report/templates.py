"""What pages are made with: templates that escape everything, and a policy that lets in a page's own parts only."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from byrote.report.text import count, cut, plain

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


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
    environment.filters |= filters
    return environment


@cache
def environment() -> Environment:
    """Templates of pages that show texts at their full length, with their line breaks and tabs."""
    return environment_of(_inert, {"short": plain, "count": count, "cut": cut})


def _inert(value: Any) -> Any:
    if hasattr(value, "__html__") or not isinstance(value, str):
        return value
    parts = re.split(r"([\n\t])", value.replace("\r\n", "\n"))
    return "".join(part if part in ("\n", "\t") else plain(part, limit=len(part)) for part in parts)
