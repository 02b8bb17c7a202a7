"""Where a command trains: options of every command that trains, entered around it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from byrote.cli.answers import say
from byrote.errors import BadInput

if TYPE_CHECKING:
    from byrote.engine.part import Part

_WHERE = "Where it is trained"
Where = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="NAME",
        help="local: processes of this machine; ray: the nodes of a Ray cluster.",
        rich_help_panel=_WHERE,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Of the Ray cluster's head; the cluster that this machine belongs to unless given.",
        rich_help_panel=_WHERE,
    ),
]
PartOf = Annotated[
    str | None,
    typer.Option(
        "--part",
        metavar="K/N",
        help="Train the K-th of N parts alone, as a job of an array does; 0/N divides the models and trains none.",
        rich_help_panel=_WHERE,
    ),
]


def trains(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with `--executor` and `--address`, run on that executor."""
    return _with_options(command, {"executor": (Where, "local"), "address": (Address, None)})


def trains_in_parts(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same with `--part`, of a command that trains the models of one run."""
    options = {"executor": (Where, "local"), "address": (Address, None), "part": (PartOf, None)}
    return _with_options(command, options)


def _with_options(command: Callable[..., Any], options: dict[str, tuple[Any, Any]]) -> Callable[..., Any]:
    hints = get_type_hints(command, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        each.replace(annotation=hints[name], kind=keyword)
        for name, each in inspect.signature(command).parameters.items()
    ]
    added = [
        inspect.Parameter(name, keyword, default=usual, annotation=kind) for name, (kind, usual) in options.items()
    ]

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        where = {name: given.pop(name, usual) for name, (_, usual) in options.items()}
        return _run(functools.partial(command, **given), workers=given.get("workers"), **where)

    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]  # Typer reads it
    run.__annotations__ = {each.name: each.annotation for each in (*own, *added)}
    return run


def _run(
    command: Callable[[], Any], *, workers: int | None, executor: str, address: str | None, part: str | None = None
) -> Any:
    _refuse_unfit(executor, address, part)
    if executor == "local" and part is None:
        return command()
    with ExitStack() as stack:
        if executor == "ray":
            from byrote.engine.ray_cluster import on_ray

            stack.enter_context(on_ray(address, most=workers))
        if part is not None:
            from byrote.engine.part import part as part_of

            return _run_part(command, part_of(part))
        return command()


def _run_part(command: Callable[[], Any], part: Part) -> Any:
    from byrote.engine.completion import PartDone
    from byrote.engine.executing import executing

    try:
        with executing(part):
            return command()
    except PartDone as done:
        say(part.words(done.blocks, done.left))
        return None


def _refuse_unfit(executor: str, address: str | None, part: str | None) -> None:
    if executor not in ("local", "ray"):
        raise BadInput(f"There is no executor {executor!r}.", hint="the executors are local and ray.")
    if address is not None and executor != "ray":
        raise BadInput("--address names a Ray cluster.", hint="--executor ray goes with it.")
    if part is not None and executor == "ray":
        raise BadInput("A Ray cluster trains a run as a whole.", hint="leave out --part, or --executor ray.")
