"""Help that lists what stands behind an option, looked up when the help is asked for and not before."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class ListsControls(TyperCommand):
    """Help that ends with the controls that can be planted."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, and the list below it."""
        from byrote.changes.registry import CONTROLS

        self.epilog = f"Controls for --plant: {_listed(control.name for control in CONTROLS)}."
        super().format_help(ctx, formatter)


class ListsChanges(TyperCommand):
    """Help that ends with the changes that can be made."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, and the list below it."""
        from byrote.changes.registry import changes

        self.epilog = f"Changes for --with: {_listed(changes())}."
        super().format_help(ctx, formatter)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
