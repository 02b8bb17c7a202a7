"""Help that lists what stands behind an option, looked up when the help is asked for and not before."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from typer.core import TyperCommand


class ListsControls(TyperCommand):
    """Help that ends with the controls that can be planted."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, and the list below it."""
        from byrote.changes.names import names

        self.epilog = f"Controls for --plant: {', '.join(names(plants=True))}."
        super().format_help(ctx, formatter)


class ListsChanges(TyperCommand):
    """Help that ends with the changes that can be made."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, and the list below it."""
        from byrote.changes.names import names

        self.epilog = f"Changes for --with: {', '.join(names())}."
        super().format_help(ctx, formatter)


class ListsAnalyses(TyperCommand):
    """Help that ends with the analyses that there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, and the list below it."""
        others = [point.name for group in ("analyses", "procedures") for point in entry_points(group=f"byrote.{group}")]
        self.epilog = f"Analyses: {', '.join(sorted({*analysis_names(), *others}))}."
        super().format_help(ctx, formatter)


def analysis_names() -> Iterator[str]:
    """The names of this package's analyses and procedures, read off their files: to import them all takes torch."""
    for name, given in _decorated("analyses", "analysis", "procedure"):
        yield given.get("name", name)


def _decorated(folder: str, *decorators: str) -> Iterator[tuple[str, dict[str | None, Any]]]:
    """The functions of a package under one of these decorators, with the constants that it is given by keyword."""
    for file in (Path(__file__).parents[1] / folder).glob("*.py"):
        functions = [one for one in ast.parse(file.read_text("utf-8")).body if isinstance(one, ast.FunctionDef)]
        for node in functions:
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") in decorators:
                    words = call.keywords
                    yield node.name, {one.arg: one.value.value for one in words if isinstance(one.value, ast.Constant)}


class ListsStudies(TyperCommand):
    """Help that ends with the claims that can be tried."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, and the list below it."""
        others = [point.name for point in entry_points(group="byrote.studies")]
        self.epilog = f"Claims: {', '.join(sorted({*study_claims(), *others}, key=lambda one: (len(one), one)))}."
        super().format_help(ctx, formatter)


def study_claims() -> Iterator[str]:
    """The claims of this package's studies, read off their files: to import them all takes torch."""
    for _, given in _decorated("studies", "study"):
        yield given["claim"]
