"""An audit's options in a file: `byrote.toml`, or what `--config` names; each audit leaves one that repeats it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from byrote.cli.consoles import err
from byrote.errors import CHECK_THE_PATH, BadInput, meant
from byrote.evidence.manifest import OPTIONS

#: The file that is read where none is named, and the table in it and in the one that an audit writes.
USUAL: Final = "byrote.toml"
TABLE: Final = "audit"
#: Options that are about the call and not about the audit.
NOT_REPEATED: Final = frozenset({"config", "json", "redact", "executor", "address", "part"})


def read(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """What a file says of these options, spelled as on the command line.

    Raises:
        BadInput: there is no such file, it is no TOML, or it names another option.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r} of options.", hint=CHECK_THE_PATH)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The file {str(path)!r} cannot be read as TOML: {error}.",
            hint="its lines are like models = 32, under [audit].",
        ) from None
    options = table.get(TABLE)
    if not isinstance(options, dict):
        raise BadInput(f"The file {str(path)!r} has no table [{TABLE}].", hint=f"begin it with [{TABLE}].")
    known = {*names}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise BadInput(
            f"The file {str(path)!r} names {unknown[0]!r}, which is not an option of an audit.",
            hint=f"{meant(unknown[0], known)}they are {', '.join(sorted(known))}.",
        )
    _refuse_brought(path, options.get("source"))
    return options


def _refuse_brought(path: Path, source: object) -> None:
    """Refuse a program that a run folder names, unless the run was made here from it as it is."""
    from byrote.evidence.made_here import digest_of, is_program, known_files
    from byrote.evidence.manifest import FILE, Manifest

    if not isinstance(source, str) or not is_program(source) or not (path.parent / FILE).exists():
        return
    program = Path(source).resolve()
    known = known_files(Manifest.read(path.parent).identifier)
    if not program.is_file() or known.get(str(program)) != digest_of(program):
        raise BadInput(
            f"The file {str(path)!r} came with a run and names the program {source!r}, which is not run for that.",
            hint=f"look at the program, and name it yourself: byrote audit {source} --config {path}",
        )


def text_of(options: Mapping[str, Any]) -> str:
    r"""Options as a file.

    Example:
        >>> print(text_of({"source": "a.csv", "target": ["sex"], "models": 8, "balanced": True}))
        # byrote audit --config audit.toml
        [audit]
        source = "a.csv"
        target = ["sex"]
        models = 8
        balanced = true
    """
    lines = [f"{name} = {_toml(value)}" for name, value in options.items()]
    return "\n".join([f"# byrote audit --config {OPTIONS}", f"[{TABLE}]", *lines])


def _toml(value: object) -> str:
    """A value as TOML writes it, which is as JSON does but for one character."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    plain = value if isinstance(value, bool | int | float) else str(value)
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")


def write(folder: Path, options: Mapping[str, Any]) -> None:
    """Leave the options in a run folder, as `audit.toml`."""
    from byrote.evidence.shards import write_bytes

    write_bytes(folder / OPTIONS, f"{text_of(options)}\n".encode("utf-8", "backslashreplace"))


def spelled(name: str, declared: str) -> str:
    """How a parameter is called in a file: as its option, without dashes before; an argument by its name.

    Example:
        >>> spelled("out_folder", "--out"), spelled("source", "source")
        ('out', 'source')
    """
    return declared.lstrip("-") if declared.startswith("-") else name


def _configured(ctx: typer.Context, value: Path | None) -> Path | None:
    """Take the options of a file as defaults, before any other option is read."""
    path = value or (Path(USUAL) if Path(USUAL).is_file() else None)
    if path is not None:
        names = {spelled(str(one.name), one.opts[0]): str(one.name) for one in ctx.command.params}
        options = read(path, names.keys() - {"help"} - NOT_REPEATED)
        ctx.default_map = {names[name]: option for name, option in options.items()}
        err.print(f"Options of {path} are taken where the command gives none.", highlight=False, markup=False)
    return value


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        callback=_configured,
        is_eager=True,
        help=f"A file of these options, {USUAL} of this folder unless given; every audit leaves one in its run folder.",
    ),
]
