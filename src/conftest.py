"""Examples in docstrings run in a folder of their own; the runs that they open are those that other examples make."""

from __future__ import annotations

import doctest
import gzip
import inspect
import shutil
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

#: The runs that examples open, and the function whose own example makes each.
MAKERS = {
    "runs/toy": "audit",
    "runs/tiny": "import_arrays",
    "runs/hamlet": "audit_language",
    "runs/small-target": "audit_target",
}
#: Those that hand back a run that is there already.
RESUMED = {"audit", "audit_language"}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, with four files in the form of Fashion-MNIST."""
    folder = tmp_path_factory.mktemp("examples")
    pictures = folder / "fashion-mnist"
    pictures.mkdir()
    for part in ("train", "t10k"):
        for what, array in (("images-idx3", np.zeros((10, 28, 28), np.uint8)), ("labels-idx1", np.arange(10))):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            packed = gzip.compress(header + array.astype(np.uint8).tobytes())
            (pictures / f"{part}-{what}-ubyte.gz").write_bytes(packed)
    return folder


@pytest.fixture(autouse=True)
def _made(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    place: Path,
    doctest_namespace: dict[str, object],
) -> None:
    """Make the runs that an example opens and nobody has made yet."""
    import byrote

    monkeypatch.chdir(place)
    doctest_namespace["byrote"] = byrote
    test = request.node.dtest if isinstance(request.node, pytest.DoctestItem) else None
    for run, maker in MAKERS.items() if test else ():
        if test.name.endswith(f".{maker}") and maker not in RESUMED:
            shutil.rmtree(run, ignore_errors=True)
        elif f'"{run}"' in test.docstring and not Path(run).exists():
            run_example(getattr(byrote, maker), byrote)


def run_example(function: Any, byrote: ModuleType) -> None:
    """Run the lines of a function's example, among the names of its module."""
    names = {**vars(sys.modules[function.__module__]), "byrote": byrote}
    for line in doctest.DocTestParser().get_examples(inspect.getdoc(function) or ""):
        exec(line.source, names)
