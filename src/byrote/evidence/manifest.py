"""The manifest: what a run is, written before anything trains."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from byrote.errors import CHECK_THE_PATH, BadInput, RunMismatch
from byrote.evidence.schema import find_kind
from byrote.evidence.shards import SCHEMA_VERSION, write_bytes

FILE = "manifest.json"
#: What a command that audits was given, as a file that repeats it.
OPTIONS = "audit.toml"
#: The folder in which a recorder keeps what it saw.
RECORDED = "recorded"


#: The last entry of a manifest: the digest of all others.
CHECKSUM = "checksum"
#: What a run is known by, and what a file is.
_IDENTIFIER, _SHA256 = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{64}")
#: A digest, as it stands in JSON.
DIGEST = re.compile('"[0-9a-f]{32,}"')
DAMAGED = "restore the file from a copy, or audit again into another folder; it must not be edited by hand."


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model of a run: where it came from, what it is for, and what fixed it."""

    index: int
    origin: str
    role: str
    pair: int
    seed: int | None

    def can_have(self, kind: str) -> bool:
        """Whether there can be evidence of this kind: of a target that was brought trained there are answers only."""
        if self.role != "target" or self.origin != "observed":
            return True
        found = find_kind(kind)
        return found is not None and found.answers


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What must be known to resume, to interpret and to repeat a run.

    `identity` holds whatever makes two audits the same audit; `executor` how the models were divided into blocks,
    which a resume reuses; `source` how the command line builds the dataset and recipe again; `parent` the run that
    this one is a changed form of; `stopping` the looks that were planned, those that were reached, and where and why
    the audit stopped, where it was to stop by itself; `forgotten` when the run's contents were removed and what went;
    `parameters` how many weights a language model has; `id` what the run is known by where it was made; `tables` the
    SHA-256 of each table that results rest on. The last two are unknown of runs of version 0.1.0. `privacy` is what a
    private training guarantees of each model: the fields of `byrote.recipes.guarantee.Guarantee`, `says` its words.
    """

    byrote: str
    created: str
    origin: str
    dataset: dict[str, Any]
    heldout: dict[str, Any] | None
    identity: dict[str, Any]
    design: dict[str, Any]
    models: tuple[ModelEntry, ...]
    executor: dict[str, Any]
    checkpoints: tuple[int, ...]
    environment: dict[str, Any]
    evidence: tuple[str, ...]
    source: dict[str, Any] | None = None
    parent: dict[str, Any] | None = None
    stopping: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    forgotten: dict[str, Any] | None = None
    parameters: int | None = None
    id: str | None = None
    tables: dict[str, str] | None = None
    privacy: dict[str, Any] | None = None
    schema: str = field(default=SCHEMA_VERSION)

    @property
    def guaranteed(self) -> tuple[str, ...]:
        """What a private training guarantees, in a few notes; none of any other."""
        return tuple(str(one) for one in (self.privacy or {}).get("says", ()))

    @property
    def identifier(self) -> str:
        """What the run is known by: its id; of a run of version 0.1.0, which has none, the digest of its manifest."""
        return self.id or _digest({name: value for name, value in asdict(self).items() if value is not None})

    def write(self, folder: Path) -> None:
        """Put it into the run folder, with a digest of all that it says."""
        content = json.loads(json.dumps(asdict(self), allow_nan=False))
        text = json.dumps({**content, CHECKSUM: _digest(content)}, indent=1, ensure_ascii=False)
        write_bytes(folder / FILE, text.encode())

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a run folder.

        Raises:
            BadInput: there is none, or it is not one that this version can read.
        """
        path = folder / FILE
        try:
            content = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            if folder.is_file():
                raise BadInput(
                    f"{str(folder)!r} is a file, not a run folder.",
                    hint=f"{_meant(folder)}give the folder that `byrote audit` wrote.",
                ) from None
            if (folder / RECORDED).is_dir():
                raise BadInput(
                    f"The folder {str(folder)!r} contains a recording that was not closed, and no {FILE}.",
                    hint="call close() at the end of the training; if it ended before, "
                    f"byrote.recover({str(folder)!r}) makes a run of what was recorded.",
                ) from None
            raise BadInput(
                f"The folder {str(folder)!r} is not a run: it contains no {FILE}.",
                hint=f"{_meant(folder)}`byrote audit digits` makes one.",
            ) from None
        except OSError as error:
            raise BadInput(
                f"The run folder {str(folder)!r} cannot be read: {error.strerror}.", hint=CHECK_THE_PATH
            ) from error
        except (ValueError, RecursionError) as error:
            raise BadInput(f"The file {str(path)!r} cannot be read as a manifest: {error}.", hint=DAMAGED) from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA_VERSION:
            found = content.get("schema") if isinstance(content, dict) else type(content).__name__
            raise BadInput(
                f"The file {str(path)!r} has schema version {found!r}; this byrote reads version {SCHEMA_VERSION!r}.",
                hint="audit again into another folder, or read the run with the version of byrote that made it.",
            )
        try:
            written = content.pop(CHECKSUM, None)  # a run of version 0.1.0 has none
            if written is not None and written != _digest(content):
                raise BadInput(f"The file {str(path)!r} does not fit its checksum.", hint=DAMAGED)
            models = tuple(ModelEntry(**entry) for entry in content.pop("models"))
            for name in ("checkpoints", "evidence", "notes"):
                content[name] = tuple(content[name])
            manifest = cls(models=models, **content)
            _refuse_malformed(manifest)
        except (KeyError, TypeError, RecursionError) as error:
            raise BadInput(f"The file {str(path)!r} is not a manifest of byrote: {error}.", hint=DAMAGED) from error
        return manifest


def new_id() -> str:
    """What a new run is known by."""
    return uuid.uuid4().hex


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _meant(folder: Path) -> str:
    """A question that names the run whose name is closest, beside what is none or in `runs`, where audits go."""
    found = [path.parent for place in ("runs/*", "*") for path in folder.parent.glob(f"{place}/{FILE}")]
    named = {run.name: run for run in found}
    close = get_close_matches(folder.stem if folder.is_file() else folder.name, named, n=1)
    return f"did you mean {str(named[close[0]])!r}? " if close else ""


def _refuse_malformed(manifest: Manifest) -> None:
    """Refuse a part that is no table of settings, as an edit by hand may leave it.

    Raises:
        TypeError: there is one.
    """
    for name in ("dataset", "identity", "design", "executor", "environment"):
        if not isinstance(getattr(manifest, name), dict):
            raise TypeError(f"its {name!r} is no table")
    for name in ("heldout", "source", "parent", "stopping", "forgotten", "tables", "privacy"):
        if not isinstance(getattr(manifest, name), dict | None):
            raise TypeError(f"its {name!r} is no table")
    if not isinstance(manifest.parameters, int | None):
        raise TypeError("its 'parameters' are no number")
    if not isinstance(manifest.dataset.get("name"), str):
        raise TypeError("its dataset has no name")
    if not isinstance(manifest.id, str | None) or not _IDENTIFIER.fullmatch(manifest.id or 32 * "0"):
        raise TypeError("its 'id' is none")
    for name, digest in (manifest.tables or {}).items():
        if Path(name).name != name or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise TypeError("its 'tables' are no digests of files in the folder")
    if not isinstance(manifest.design.get("phases", []), list):
        raise TypeError("its design's phases are no list")
    if not all(type(entry.index) is int and type(entry.pair) is int for entry in manifest.models):
        raise TypeError("its 'models' have no numbers")


def refuse_mismatch(folder: Path, found: dict[str, Any], asked: dict[str, Any]) -> None:
    """Refuse to go on with a run folder of another audit, and name what differs."""
    changed = differences(found, json.loads(json.dumps(asked)))
    if changed:
        plain = [each for each in changed if "fingerprint" not in each.partition(" was ")[0]] or changed
        raise RunMismatch(
            f"The run folder {str(folder)!r} belongs to another audit: {'; '.join(plain)}.",
            hint="give another folder with --out, or remove this one.",
        )


def differences(found: Any, asked: Any, where: str = "") -> list[str]:
    """The places at which two trees of settings differ, each as "name was this, now that"."""
    return [f"{place} was {short(one)}, now {short(other)}" for place, one, other in differing(found, asked, where)]


def differing(found: Any, asked: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places at which two trees of settings differ, with both values; None where a tree has no such place."""
    if isinstance(found, dict) and isinstance(asked, dict):
        for name in sorted({*found, *asked}):
            yield from differing(found.get(name), asked.get(name), f"{where}.{name}" if where else name)
    elif found != asked:
        yield where, found, asked


def short(value: Any) -> str:
    """A value as it stands in an error sentence; of a digest its beginning."""
    text = json.dumps(value, ensure_ascii=False)
    if DIGEST.fullmatch(text):
        return text[1:9]
    return text if len(text) <= 40 else text[:12] + "…" + text[-8:]
