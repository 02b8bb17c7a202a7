"""A flipped bit anywhere in a run folder is found: refused in a sentence, and never read as something else."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from byrote.analyses import comparison as comparing
from byrote.analyses import membership
from byrote.analyses.calibration import Calibration
from byrote.analyses.catalog import keep
from byrote.errors import ByroteError
from byrote.evidence.manifest import FILE, Manifest
from byrote.evidence.seals import has_seal, is_broken
from byrote.evidence.tables import is_the_named
from byrote.report.page import write_report
from byrote.report.verify import _shard_faults, damage
from byrote.runs.run import Run
from small import small_audit

QUICK = 400
#: Bytes of a file of which every one is flipped; of a larger one those of a kilobyte at its beginning and its end.
SMALL, KILOBYTE = 8_000, 1_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its report, tables of measures, figures of an attack, and a calibration."""
    run = small_audit(tmp_path_factory.mktemp("runs") / "run", models=8)
    write_report(run)
    keep(run, "membership", membership.membership_attack(run, "loss_attack"))
    keep(run, "comparison", comparing.compare(run))
    some = np.array([0.0, 0.5, 1.0])
    Calibration(
        proxy="loss",
        knots=some,
        levels=some,
        edges=some,
        below=some,
        above=some,
        coverage=some,
        examples=3,
        models=4,
        about={},
        proxy_sample=some,
    ).save(run.folder / "calibration.json")
    assert damage(run.folder, run.manifest) == []
    return run.folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]


def flips(path: Path, places: list[int], rng: random.Random) -> Iterator[int]:
    """Flip a bit at each of these places, one after another; the file is whole again in the end."""
    content = path.read_bytes()
    for at in places:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :])
        yield at
    path.write_bytes(content)


def found(folder: Path) -> bool:
    """Whether it is told that something is wrong: by name, or by a manifest that cannot be read."""
    try:
        return bool(damage(folder, Manifest.read(folder)))
    except ByroteError:
        return True


@pytest.mark.slow
def test_every_flipped_bit_is_found(folder: Path) -> None:
    rng = random.Random(0)
    every = files(folder)
    for path in every:
        size = path.stat().st_size
        for at in flips(path, [rng.randrange(size) for _ in range(-(-QUICK // len(every)))], rng):
            assert found(folder), f"{path.relative_to(folder)} at byte {at}"
    assert not found(folder)


@pytest.mark.slow
def test_nothing_is_read_as_something_else(folder: Path) -> None:
    """Whoever opens and measures a run gets what it said before, or a sentence."""
    rng, before = random.Random(1), Run.open(folder)
    values, ids = before.measure("label_memorization").values, before.ids.tolist()
    refused = 0
    for path in files(folder):
        if path.suffix in (".html", ".json") and path.name != "manifest.json":
            continue  # nothing that is measured rests on them
        size = path.stat().st_size
        for at in flips(path, [rng.randrange(size) for _ in range(6)], rng):
            try:
                run = Run.open(folder)
                again = run.measured_on("label_memorization", run.models())
            except ByroteError:
                refused += 1
                continue
            where = f"{path.relative_to(folder)} at byte {at}"
            assert run.ids.tolist() == ids, where
            np.testing.assert_array_equal(again.values, values, err_msg=where)
            np.testing.assert_array_equal(run.labels, before.labels, err_msg=where)
            assert run.controls.to_table().equals(before.controls.to_table()), where
    assert refused > 20


def told(folder: Path, manifest: Manifest, path: Path) -> bool:
    """As `found`, by what `damage` asks of this file alone; the test above asks it of all files together."""
    if path.name == FILE:
        return found(folder)
    if "evidence" in path.parts:
        return next(_shard_faults(folder, manifest, path), None) is not None
    if path.name in (manifest.tables or {}):
        return not is_the_named(path, manifest.tables)
    content = path.read_bytes()
    return is_broken(content) or not has_seal(content)


def places(path: Path, rng: random.Random) -> list[int]:
    """Every byte of a small file, and of a large one those of its first and last kilobyte and some between."""
    size = path.stat().st_size
    if size <= SMALL:
        return [*range(size)]
    return [*range(KILOBYTE), *sorted(rng.sample(range(KILOBYTE, size - KILOBYTE), 60)), *range(size - KILOBYTE, size)]


@pytest.mark.slow
def test_a_flipped_bit_of_every_byte_is_found(folder: Path) -> None:
    """Of shards of a kind, and of tables of results, one stands for all; the header of a shard is at its beginning."""
    rng, manifest = random.Random(2), Manifest.read(folder)
    alike = {path if path.parent == folder else (path.parent, path.suffix): path for path in files(folder)}
    assert len(alike) > 10
    for path in alike.values():
        assert not told(folder, manifest, path)
        for at in flips(path, places(path, rng), rng):
            assert told(folder, manifest, path), f"{path.relative_to(folder)} at byte {at}"
