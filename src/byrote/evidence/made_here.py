"""Which runs were made here: kept in the person's own state folder, and never in a run, which may come from others."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from byrote.errors import BadInput, ByroteError
from byrote.evidence.seals import has_seal, is_broken
from byrote.evidence.shards import write_bytes

#: The variable that names the state folder; else it is that of the system's user.
VARIABLE = "BYROTE_STATE"
#: The entries of a source that name files and folders.
_PATHS = ("name", "data_dir", "corpus", "heldout", "canaries", "model")

#: Files that a run was made from, by absolute path: the digest of a program, None of data, which are only read.
Files = Mapping[str, str | None]


def state_folder() -> Path:
    """The folder: `BYROTE_STATE`, or byrote's own in `XDG_STATE_HOME`, or in `~/.local/state`."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "byrote"


def files_of(source: Mapping[str, Any]) -> dict[str, str | None]:
    """The files that a source names, with the digests of those that are programs."""
    paths = (Path(str(source[name])) for name in _PATHS if source.get(name) is not None)
    there = (path.resolve() for path in paths if path.exists())
    return {str(path): digest_of(path) if is_program(str(path)) else None for path in there}


def is_program(name: str) -> bool:
    """Whether what a source is called is run, and not only read."""
    return name.endswith(".py")


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def remember(identifier: str, source: Mapping[str, Any]) -> str:
    """Keep that this run was made here from these files; a sentence where it cannot be kept, which stops nothing."""
    return _keep(identifier, {**known_files(identifier), **files_of(source)})


def pass_on(parent: str, child: str) -> str:
    """Keep of a child that it was made from what its parent is known to have been made from."""
    return _keep(child, known_files(parent))


def known_files(identifier: str) -> dict[str, str | None]:
    """The files that a run was made from here; none of a run of others.

    An entry that cannot be read is none: the person is asked for the source again.
    """
    try:
        found = json.loads(_entry(identifier).read_bytes())
        return {str(path): digest for path, digest in found["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_own(path: Path, content: bytes) -> None:
    """Write a file outside of a run; over an earlier one only if byrote wrote that, and nobody changed it since.

    What byrote wrote is known by the seal that a page carries, or by its digest, which is kept in the state folder.

    Raises:
        BadInput: the file is somebody else's.
        NotWritable, NotEnoughRoom: as `write_bytes`.
    """
    if os.path.lexists(path) and not _is_own(path):
        raise BadInput(
            f"The file {str(path)!r} is there already, and byrote did not write it, or it was changed since.",
            hint="give another name, or remove the file.",
        )
    write_bytes(path, content)
    with contextlib.suppress(ByroteError):  # nothing is kept of it then, so that it is not written over
        write_bytes(_note(path), hashlib.sha256(content).hexdigest().encode())


def _is_own(path: Path) -> bool:
    if not path.is_file():
        return False
    content = path.read_bytes()
    if has_seal(content) and not is_broken(content):
        return True
    note = _note(path)
    return note.is_file() and note.read_bytes() == hashlib.sha256(content).hexdigest().encode()


def _note(path: Path) -> Path:
    """Where it is kept what byrote wrote into a file of that path."""
    return state_folder() / "written" / hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()


class SourceGone(BadInput):
    """The file or folder that a run was made from is not there."""


class SourceForeign(SourceGone):
    """What a run was made from is named by somebody else, and so is neither run nor looked for."""


def admitted(path: Path, known: Files) -> Path:
    """The path, or where it is known to be now, if it is there and may be opened for a manifest's sake.

    A program must be one that the run is known to have been made from here, or that was given for it, and still be the
    same. Data may also lie in the current folder, whoever names them; of what is elsewhere and not known nobody asks
    whether it is there.

    Raises:
        SourceForeign: it may not.
        SourceGone: it is not there.
    """
    where = os.path.abspath(path)
    named = [where] if where in known else [one for one in known if Path(one).name == path.name]
    if is_program(path.name):
        given = [one for one in known if is_program(one)]
        return _program(path, known, [*named, *given[::-1]])
    for one in (*map(Path, named), path, Path(path.name)):
        if (os.path.abspath(one) in known or _is_here(one)) and os.path.exists(one):
            return one
    if named:
        raise _gone(path)
    raise SourceForeign(
        f"This run was not made here, so byrote looks for {path.name!r}, which it names, in this folder only. There is "
        "none.",
        hint="--source FILE reads the data from there.",
    )


def _program(path: Path, known: Files, candidates: Sequence[str]) -> Path:
    if not candidates:
        raise SourceForeign(
            f"This run was not made here, so byrote does not run {path.name!r}, the program that it names.",
            hint="read the program first; --source FILE runs it.",
        )
    there = [Path(one) for one in candidates if Path(one).is_file()]
    if not there:
        raise _gone(path)
    same = [one for one in there if digest_of(one) == known[str(one)]]
    if not same:
        raise SourceForeign(
            f"The program {str(there[0])!r} is not what this run was made from any more, so byrote does not run it.",
            hint="--source FILE runs it, and compares what it builds with the run.",
        )
    return same[0]


def _is_here(path: Path) -> bool:
    """Whether it lies in the current folder, by its name and behind every link."""
    here = Path.cwd()
    return Path(os.path.abspath(path)).is_relative_to(here) and path.resolve().is_relative_to(here)


def _gone(path: Path) -> SourceGone:
    return SourceGone(
        f"What this run was made from is gone: there is no {str(path)!r}.",
        hint="work in the folder it is in, or say where it is with --source FILE.",
    )


def _keep(identifier: str, files: Files) -> str:
    if not files or files == known_files(identifier):
        return ""
    try:
        write_bytes(_entry(identifier), json.dumps({"files": files}, indent=1).encode())
    except (ByroteError, OSError) as error:
        return (
            f"That this run was made here could not be kept in {str(state_folder())!r}, so that commands will ask for "
            f"its source with --source: {error}"
        )
    return ""


def _entry(identifier: str) -> Path:
    return state_folder() / "runs" / f"{identifier}.json"
