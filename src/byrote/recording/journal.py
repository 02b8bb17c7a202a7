"""The journal of a recording: files that each process writes whole and alone, and that anybody can add up.

Processes never talk to each other. What the processes of one model wrote is put in order by epoch, step and process,
so that an example which moves from one to another between epochs has one history.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from byrote.data.task import Task
from byrote.errors import BadInput, DamagedShard, RunMismatch
from byrote.evidence.manifest import RECORDED
from byrote.evidence.shards import read_header, read_shard, write_bytes, write_shard
from byrote.recording.tally import Shown, Tally

#: The folder, inside the run's, that holds what was recorded.
FOLDER = RECORDED
#: A model's journal of more bytes is added up while it goes on.
LARGE = 256 * 2**20
#: Seconds to wait for another process that is adding up.
PATIENCE = 600


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all processes of a model must agree on."""

    examples: int
    world: int
    repeats: bool
    name: str
    class_names: tuple[str, ...] | None
    task: Task = "classes"
    tolerance: float | None = None


class Journal:
    """What was recorded of one model."""

    def __init__(self, run: Path, model: int) -> None:
        self.run = run
        self.model = model
        self.folder = run / FOLDER / f"m{model:05d}"

    def settings_path(self, rank: int) -> Path:
        """Where a process tells what it was made with; it stands where the process has begun."""
        return self.folder / f"settings.r{rank:05d}.json"

    def begin(self, rank: int, settings: Settings) -> None:
        """Say that this process takes part."""
        write_bytes(self.settings_path(rank), json.dumps(asdict(settings)).encode())

    def settings(self, rank: int) -> Settings:
        """What the process was made with.

        Raises:
            BadInput: its file is missing or foreign.
        """
        path = self.settings_path(rank)
        try:
            found = json.loads(path.read_bytes())
            names = found.pop("class_names")
            return Settings(**found, class_names=None if names is None else tuple(names))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadInput(
                f"The file {str(path)!r} cannot be read as settings of a recorder: {error}.",
                hint="restore the folder from a copy, or record again into another one.",
            ) from error

    def close(self, rank: int) -> None:
        """Say that this process is done."""
        write_bytes(self.folder / f"closed.r{rank:05d}", b"")

    def closed(self, rank: int) -> bool:
        """Whether it said so."""
        return (self.folder / f"closed.r{rank:05d}").exists()

    def complete(self) -> bool:
        """Whether every process is done."""
        ranks = self.ranks("closed.*")
        return bool(ranks) and all(self.closed(rank) for rank in range(self.settings(ranks[0]).world))

    def ranks(self, pattern: str = "settings.*") -> list[int]:
        """The processes that left such a file."""
        return sorted({rank_of(path) for path in self.folder.glob(pattern)})

    def shown_paths(self, rank: int | None = None) -> list[Path]:
        """Files of presentations in the order in which they were written, of one process or of all."""
        return sorted(self.folder.glob("shown.*" if rank is None else f"shown.r{rank:05d}.*"))

    def write_shown(self, rank: int, shown: Shown, *, epochs: int, classes: int) -> None:
        """Write what a process saw since it last did; `epochs` of its epochs are over."""
        numbers = [int(path.name.split(".")[2][1:]) for path in self.shown_paths(rank)]
        path = self.folder / f"shown.r{rank:05d}.n{max(numbers, default=-1) + 1:06d}.safetensors"
        write_shard(path, shown.columns(), {"epochs": str(epochs), "classes": str(classes)})

    def shown(self, path: Path) -> tuple[Shown, dict[str, str]]:
        """What one file holds, and the words in its header."""
        return Shown(**read_shard(path)), read_words(path)

    def tally(self, *, below: int | None = None) -> Tally:
        """Everything that was seen, or what was seen before that epoch, added up.

        Raises:
            DamagedShard: a file does not fit its checksum.
        """
        settings = self.settings(self.ranks()[0])
        tally = self.added() or Tally(settings.examples, repeats=settings.repeats)
        tally.repeats = settings.repeats
        parts = []
        epochs = []
        for rank in self.ranks("shown.*"):
            read = [self.shown(file) for file in self.shown_paths(rank)]
            epochs += [int(words["epochs"]) for _, words in read]
            mine = Shown.joined([Shown.none(), *(shown for shown, _ in read)])
            # files that were added up but not yet removed when a process died count once
            wanted = mine.epoch >= tally.epochs
            parts.append(mine.where(wanted if below is None else wanted & (mine.epoch < below)))
        tally.add(parts)
        tally.epochs = max([tally.epochs, *epochs]) if below is None else below
        return tally

    def added(self) -> Tally | None:
        """What was added up before, if anything.

        Raises:
            DamagedShard: the file does not fit its checksum.
        """
        path = self.folder / "tally.safetensors"
        return Tally.restored(read_shard(path), read_words(path)) if path.exists() else None

    def epochs_of(self, rank: int) -> int:
        """How many epochs of a process are over, by what it wrote."""
        path = self.folder / "tally.safetensors"
        added = int(read_words(path)["epochs"]) if path.exists() else 0
        last = self.shown_paths(rank)[-1:]
        return max([added, *(int(self.shown(file)[1]["epochs"]) for file in last)])

    def add_up(self, *, finished: bool) -> None:
        """Put what all processes are through with into one file, and remove theirs; call it under the lock."""
        world = self.settings(self.ranks()[0]).world
        below = None if finished else min(self.epochs_of(rank) for rank in range(world))
        tally = self.tally(below=below)
        classes = self.classes()
        write_shard(self.folder / "tally.safetensors", tally.columns(), {**tally.words(), "classes": str(classes)})
        for path in self.shown_paths():
            shown, words = self.shown(path)
            if int(words["epochs"]) <= tally.epochs and (not len(shown) or shown.epoch.max() < tally.epochs):
                path.unlink()

    def bytes(self) -> int:
        """How much there is to add up."""
        return sum(path.stat().st_size for path in self.shown_paths())

    def classes(self) -> int:
        """How many logits the model gives; 0 where nothing was seen."""
        places = [*self.shown_paths()[:1], self.folder / "tally.safetensors", *sorted(self.folder.glob("clean.*"))[:1]]
        found = [int(read_words(path)["classes"]) for path in places if path.exists()]
        return max(found, default=0)

    def cut(self, epoch: int, rank: int, world: int) -> None:
        """Forget what was seen in that epoch and later, by the processes whose place this one of `world` takes.

        Raises:
            BadInput: what was seen before is not there, or cannot be told apart any more.
        """
        path = self.folder / "tally.safetensors"
        added = int(read_words(path)["epochs"]) if path.exists() else 0
        held = min((self.epochs_of(one) for one in self.ranks()), default=0)
        if not added <= epoch <= held:
            raise BadInput(
                f"The recording in {str(self.folder)!r} cannot go on at epoch {epoch}: it holds {held} epochs"
                + (f", of which the first {added} are added up." if added else "."),
                hint=f"resume from your checkpoint after {held if added == held else f'{added} to {held}'} epochs, or "
                "record again into another folder; flush() whenever you save a checkpoint keeps both together.",
            )
        for mine in [one for one in {*self.ranks(), *self.ranks("shown.*")} if one % world == rank]:
            for file in self.shown_paths(mine):
                shown, words = self.shown(file)
                kept = shown.where(shown.epoch < epoch)
                epochs = min(epoch, int(words["epochs"]))
                if len(kept) < len(shown) or epochs < int(words["epochs"]):
                    write_shard(file, kept.columns(), {**_own(words), "epochs": str(epochs)})
            for file in (
                path for kind in ("clean", "logits", "weights") for path in self.folder.glob(f"{kind}.r{mine:05d}.*")
            ):
                if int(read_words(file)["epochs"]) > epoch:
                    file.unlink()
            for name in ("closed.r{:05d}", "settings.r{:05d}.json"):
                (self.folder / name.format(mine)).unlink(missing_ok=mine >= world or name.startswith("closed"))

    def write_clean(self, rank: int, columns: dict[str, np.ndarray], *, epochs: int, classes: int) -> None:
        """Write a process's share of a clean pass; logits stand apart, and only those of the last pass."""
        words = {"epochs": str(epochs), "classes": str(classes)}
        if "logits" in columns:
            logits = {name: columns[name] for name in ("example", "logits")}
            write_shard(self.folder / f"logits.r{rank:05d}.safetensors", logits, words)
        signals = {name: column for name, column in columns.items() if name != "logits"}
        write_shard(self.folder / f"clean.r{rank:05d}.e{epochs:06d}.safetensors", signals, words)

    def clean(self) -> dict[int, list[dict[str, np.ndarray]]]:
        """The parts of each clean pass, by the number of epochs done before it."""
        found: dict[int, list[dict[str, np.ndarray]]] = {}
        for path in sorted(self.folder.glob("clean.*")):
            found.setdefault(int(read_words(path)["epochs"]), []).append(read_shard(path))
        return dict(sorted(found.items()))

    def logits(self, epochs: int) -> list[dict[str, np.ndarray]]:
        """The parts of the logits of that clean pass."""
        paths = sorted(self.folder.glob("logits.*"))
        return [read_shard(path) for path in paths if int(read_words(path)["epochs"]) == epochs]

    def weights_path(self, rank: int, epochs: int) -> Path:
        """Where the weights after so many epochs are kept."""
        return self.folder / f"weights.r{rank:05d}.e{epochs:06d}.safetensors"

    def weights(self) -> dict[int, Path]:
        """The weights that were kept, by the epochs done before."""
        return {int(path.name.split(".")[2][1:]): path for path in sorted(self.folder.glob("weights.r*"))}


FOREIGN = "remove the file if a recorder did not write it; else restore the folder from a copy, or record again."


def read_words(path: Path) -> dict[str, str]:
    """The words in a file's header.

    Raises:
        DamagedShard: there are none.
    """
    try:
        return read_header(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedShard(f"The file {str(path)!r} cannot be read: {error}.", hint=FOREIGN) from error


def _own(words: dict[str, str]) -> dict[str, str]:
    return {name: words[name] for name in ("epochs", "classes")}


def rank_of(path: Path) -> int:
    """The process that wrote a file."""
    found = re.search(r"\.r(\d+)", path.name)
    if found is None:
        raise DamagedShard(f"The file {str(path)!r} was not written by byrote.Recorder.", hint=FOREIGN)
    return int(found[1])


def journals(run: Path) -> list[Journal]:
    """What was recorded in a run's folder, model by model."""
    return [Journal(run, int(path.name[1:])) for path in sorted((run / FOLDER).glob("m[0-9]*"))]


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the folder's lock, after waiting for whoever holds it.

    Raises:
        RunMismatch: it was not let go.
    """
    lock = FileLock(run / ".lock")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise RunMismatch(
            f"Another process is at work in the run folder {str(run)!r}.", hint="wait for it, or stop it."
        ) from None
    try:
        yield
    finally:
        lock.release()
