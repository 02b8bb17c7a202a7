"""The notebooks of the documentation: as they are kept, and run anew."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
#: The second one reads the run that the first one makes.
IN_ORDER = ("table.ipynb", "finished_run.ipynb")


def cells(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", IN_ORDER)
def test_a_kept_notebook_was_run_from_top_to_bottom(name: str) -> None:
    assert [cell["execution_count"] for cell in cells(name)] == list(range(1, len(cells(name)) + 1))
    outputs = [output for cell in cells(name) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    said = json.dumps(outputs)
    assert "<script" not in said
    assert not re.search(r"/(home|root|tmp|work)/", said), "a path of the machine it ran on"


@pytest.mark.slow
def test_the_notebooks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("nbclient", "ipykernel", "pandas"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONWARNINGS", "default")
    for name in IN_ORDER:
        notebook = nbformat.read(FOLDER / name, as_version=4)
        NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "runs" / "tumours" / "results" / "issues.parquet").is_file()
