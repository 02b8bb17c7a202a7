from __future__ import annotations

from pathlib import Path

import pytest

from byrote.cli.sources import DEFAULT_PLANTS, Experiment, experiment, rebuild
from byrote.errors import BadInput
from byrote.evidence.made_here import SourceGone, files_of
from small import small_audit

EXPERIMENT = """
import numpy as np
import byrote


def dataset():
    rng = np.random.default_rng(0)
    return byrote.from_arrays(rng.normal(size=(60, 2)).astype("float32"), np.arange(60) % 3, name="mine")


def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(4,)), epochs=2)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(EXPERIMENT)
    return path


def same(one: Experiment, other: Experiment) -> bool:
    heldouts = [e.heldout.fingerprint() if e.heldout else None for e in (one, other)]
    return (
        one.dataset.fingerprint() == other.dataset.fingerprint()
        and one.recipe.describe() == other.recipe.describe()
        and one.source == other.source
        and heldouts[0] == heldouts[1]
    )


@pytest.mark.parametrize("plants", [None, (), ("label-noise=0.1", "exact-duplicates=0.05")])
def test_the_digits_are_built_again(plants: tuple[str, ...] | None) -> None:
    made = experiment("digits", data_dir=None, plants=plants, seed=3)
    assert same(made, rebuild(made.source, {}))
    assert made.source["plants"] == list(DEFAULT_PLANTS["digits"] if plants is None else plants)


def test_a_file_is_built_again_from_anywhere(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = experiment("mine.py", data_dir=None, plants=("label-noise=0.1",), seed=0)
    monkeypatch.chdir("/")
    assert same(made, rebuild(made.source, files_of(made.source)))
    assert made.source["name"] == str(mine.resolve())
    assert made.heldout is None


def test_a_file_gets_no_controls_unless_asked(mine: Path) -> None:
    assert not experiment(str(mine), data_dir=None, plants=None, seed=0).dataset.controls.kinds()


def test_a_run_from_python_has_no_source() -> None:
    with pytest.raises(BadInput, match=r"made from Python.* Hint: run\.attach\(dataset, recipe\).*byrote\.change"):
        rebuild(None, {})


def test_a_file_that_is_gone_is_named(mine: Path) -> None:
    made = experiment(str(mine), data_dir=None, plants=None, seed=0)
    known = files_of(made.source)
    mine.unlink()
    with pytest.raises(SourceGone, match=r"^What this run was made from is gone: there is no '.*mine\.py'"):
        rebuild(made.source, known)


def test_a_run_is_no_source(tmp_path):
    run = small_audit(tmp_path / "run")
    with pytest.raises(BadInput, match=r"is a run already, and no data to audit\. Hint: byrote report"):
        experiment(str(run.folder), data_dir=None, plants=None, seed=0)
