"""The public names: each is documented with an example that runs, and stands in the reference."""

from __future__ import annotations

import runpy
from pathlib import Path

import byrote

DOCS = Path(__file__).parents[1] / "docs"
#: These train, or need a run, a folder or a package: they have no example yet that costs as little as a test may.
NOT_YET = frozenset(
    [
        "Calibration",
        "Run",
        "ask",
        "attack_target",
        "audit",
        "audit_forgetting",
        "audit_language",
        "audit_model",
        "audit_privacy",
        "audit_privacy_in_many_runs",
        "audit_target",
        "calibrate",
        "card",
        "change",
        "compare",
        "compare_sizes",
        "counterfactual_memorization",
        "estimate",
        "fashion_mnist",
        "from_hugging_face",
        "from_image_folder",
        "import_arrays",
        "measure_forgetting",
        "membership_attack",
        "on_ray",
        "privacy_onion",
        "probe",
        "recover",
        "triage",
        "write_language_report",
        "write_report",
    ]
)


def test_every_name_has_an_example_that_runs() -> None:
    """Doctest runs them."""
    without = {name for name in byrote.__all__ if ">>> " not in (getattr(byrote, name).__doc__ or "")}
    assert without == NOT_YET


def test_the_reference_names_all_of_them() -> None:
    made = runpy.run_path(str(DOCS / "build_api.py"))
    assert (DOCS / "api.md").read_text("utf-8") == made["page"](), "run `make docs`"
