"""Every reader of foreign bytes, fed with spoiled files: what comes out is a result or an error of byrote's own."""

from __future__ import annotations

import random
import shutil
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from byrote.errors import ByroteError
from faults.foreign import KINDS, spoil

#: A small file must not cost more memory than this, whatever it declares.
MOST_BYTES = 64 * 2**20
FEW, FEWER, MANY = 12, 4, 600
ACTIVE = set(map(chr, range(32))) - {"\n"} | {"\x7f", "\x9b", "\u202e"}


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Valid files of every kind."""
    made = {}
    for name, kind in KINDS.items():
        folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
        made[name] = kind.make(folder)
    return made


def copied(path: Path, folder: Path) -> Path:
    """A copy of a file or folder."""
    target = folder / path.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copy(path, target)
    return target


@pytest.mark.parametrize("name", sorted(KINDS))
def test_valid_files_are_read(name: str, valid: dict[str, Path], tmp_path: Path) -> None:
    KINDS[name].read(copied(valid[name], tmp_path / "in"), tmp_path / "out")


def fed(name: str, valid: dict[str, Path], tmp_path: Path, seed: int) -> None:
    """Read a spoiled copy; anything but a result or an error of byrote's, and too much memory, fails."""
    path = copied(valid[name], tmp_path / "in")
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    spoil(path, random.Random(seed), KINDS[name].only)
    tracemalloc.start()
    try:
        KINDS[name].read(path, tmp_path / "out")
    except ByroteError as error:
        said = str(error)
    else:
        said = "a result"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_BYTES
    assert said
    assert not set(said) & ACTIVE, "what a file says must not act on a terminal"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_spoiled_files(name: str, valid: dict[str, Path], tmp_path: Path) -> None:
    @settings(max_examples=FEW if KINDS[name].quick else FEWER, deadline=None, database=None, derandomize=True)
    @given(st.integers(0, 2**32 - 1))
    def run(seed: int) -> None:
        fed(name, valid, tmp_path, seed)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KINDS))
def test_many_spoiled_files(name: str, valid: dict[str, Path], tmp_path: Path) -> None:
    @settings(max_examples=MANY, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32 - 1))
    def run(seed: int) -> None:
        fed(name, valid, tmp_path, seed)

    run()
