"""Hints of inputs that are larger than memory, and of shards, are followed: each mends the case that brought it."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import byrote
from byrote.data import mapped, room
from byrote.data.mapped import place_of
from followed import Case, each, follow


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(room, "memory", lambda: 2**20)
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def large(folder: Path) -> Any:
    """Inputs that do not fit into that memory, in this folder."""
    os.environ["TMPDIR"] = str(folder)
    return byrote.from_arrays(np.zeros((2000, 300)), np.arange(2000) % 2)


def elsewhere(folder: Path) -> Any:
    """Inputs whose file this machine does not have."""
    place = place_of(np.lib.format.open_memmap(folder / "there.npy", "w+", np.float32, (3, 2)))
    (folder / "there.npy").rename(folder / "moved.npy")
    assert place is not None
    return place.opened()


def shared(folder: Path) -> Any:
    """The same, put on the path that was said."""
    (folder / "moved.npy").rename(folder / "there.npy")
    return np.load(folder / "there.npy", mmap_mode="r")


def too_small(folder: Path) -> Any:
    """A disk with less room than the inputs take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
        return large(folder)


def shards(name: str, labels: str = "ab", *, packed: bool = False, empty: int = 9) -> Any:
    """Shards of ten images, whose classes go round; the one of this number has none."""

    def make(folder: Path) -> Any:
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w") as shard:
            for number in range(8):
                picture = io.BytesIO()
                Image.new("L", (8, 8), 20 * number).save(picture, "PNG")
                content = {"png": picture.getvalue(), "cls": labels[number % len(labels)].encode()}
                for ending, part in content.items():
                    if number != empty or ending == "png":
                        member = tarfile.TarInfo(f"{number}.{ending}")
                        member.size = len(part)
                        shard.addfile(member, io.BytesIO(part))
        (folder / name).write_bytes(gzip.compress(written.getvalue()) if packed else written.getvalue())
        return byrote.from_tar_shards(folder / "pets.tar")

    return make


CASES = (
    Case(
        name="no folder to write to",
        wrong=lambda folder: large(folder / "none"),
        says="TMPDIR=FOLDER names one that you may write to",
        right=large,
    ),
    Case(name="a small disk", wrong=too_small, says="TMPDIR=FOLDER names a folder on a larger disk", right=large),
    Case(name="a file of another machine", wrong=elsewhere, says="put it on a path", right=shared),
    Case(name="no shard", wrong=shards("pet.tar"), says="check the path", right=shards("pets.tar")),
    Case(name="one class", wrong=shards("pets.tar", "a"), says="with its class in it", right=shards("pets.tar", "ab")),
    Case(name="no class", wrong=shards("pets.tar", empty=3), says="key.jpg and key.cls", right=shards("pets.tar")),
    Case(name="packed", wrong=shards("pets.tar", packed=True), says="gunzip", right=shards("pets.tar")),
)


@each(*CASES)
def test_hints_of_large_data_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
