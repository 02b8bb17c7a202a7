"""The public names: each is documented with an example that runs, and stands in the reference."""

from __future__ import annotations

import runpy
from pathlib import Path

import byrote

DOCS = Path(__file__).parents[1] / "docs"
#: Its example needs a cluster; tests/engine/test_ray_cluster.py has one.
OF_CLUSTERS = ["on_ray"]


def test_every_name_has_an_example_that_runs() -> None:
    """Doctest runs them."""
    assert [name for name in byrote.__all__ if ">>> " not in (getattr(byrote, name).__doc__ or "")] == OF_CLUSTERS


def test_the_reference_names_all_of_them() -> None:
    made = runpy.run_path(str(DOCS / "build_api.py"))
    assert (DOCS / "api.md").read_text("utf-8") == made["page"](), "run `make docs`"
