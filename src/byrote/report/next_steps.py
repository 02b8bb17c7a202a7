"""What to do next, each with the command that does it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from byrote.analyses.memorized_share import MEMORIZED
from byrote.data.split import HELD_OUT
from byrote.report.attacks import Attacks
from byrote.report.facts import Facts
from byrote.report.missing import RUN, Missing
from byrote.report.text import count
from byrote.report.triaged import Triaged
from byrote.runs.run import Run

#: An audit of so many models is sure enough of single examples for most uses.
ENOUGH = 64
SHARE = 0.02
#: How a source is read, by the options of `byrote audit`.
_READING = ("target", "task", "tolerance", "group", "id", "text", "size", "heldout", "balanced", "epochs")
#: What they are where nothing was said.
_USUAL = {"heldout": HELD_OUT, "balanced": False}


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something to do, and the commands for it, which may be none."""

    why: str
    commands: tuple[str, ...] = ()


def next_steps(run: Run, found: Facts, attacks: Attacks | Missing, judged: Triaged | Missing) -> tuple[Step, ...]:
    """The steps that this run suggests, the first to take first."""
    return tuple(_steps(run, found, attacks, judged))


def _steps(run: Run, found: Facts, attacks: Attacks | Missing, judged: Triaged | Missing) -> Iterator[Step]:
    if found.collapsed:
        yield Step(
            why=f"Find out why training collapsed in {count(len(found.collapsed), 'model')}, and audit again: a "
            "smaller learning rate, or a slow start of it, usually helps.",
        )
    elif not found.interpolates:
        yield Step(
            why="Train longer or with a larger network, and audit again: these figures may be too low.",
            commands=_longer(run),
        )
    models = found.memorization.models
    if models < ENOUGH:
        yield Step(
            why=f"Be surer of single examples: {ENOUGH} models instead of {models} make errors about "
            f"{(ENOUGH / models) ** 0.5:.1f} times smaller.",
            commands=_trained(run, _audit(run, f"--models {ENOUGH} --out {RUN}-{ENOUGH}")),
        )
    if found.memorized.value > 0:
        yield Step(
            why=f"Look through what stands above {MEMORIZED} in the table below, and export the ids "
            f"{found.wording.export()}; then write your own file again with that, and see whether it helped.",
            commands=_decide(run, found.wording.mend),
        )
        if isinstance(judged, Missing) and found.wording.about_classes:
            yield Step(
                why="Find likely causes (triage).",
                commands=_trained(run, _audit(run, f"--plant triage --out {RUN}-triage")),
            )
        yield Step(
            why="See what the models lose without the most memorized, measured again on new models.",
            commands=_change(run, f"remove-most-memorized={SHARE}"),
        )
    if isinstance(attacks, Attacks) and attacks.first.figures["auc"].low > attacks.first.null.high:
        yield Step(
            why="Lower the risk: train with a recipe that memorizes less, and compare before and after.",
            commands=_change(run, "weight-decay=0.01"),
        )
    yield Step(
        why="Keep watch in your CI: fail where memorization grows.",
        commands=(f'byrote check {RUN} --fail-if "label_memorization.top1% > .5"',),
    )


def _decide(run: Run, mend: str) -> tuple[str, ...]:
    """The commands that apply what the page exports, to `mend` or else to remove: to the person's file, and to new
    models.
    """
    change, file = mend.replace("correct", "review") or "remove", f"byrote-{mend or 'remove'}.csv"
    again = _change(run, f"{change}={file}")
    made = run.manifest.source or {}
    if "reading" not in made:
        return again
    return (f"byrote apply {RUN} {file} --out cleaned{Path(str(made['name'])).suffix}", *again)


def _longer(run: Run) -> tuple[str, ...]:
    """The command that trains twice as long, where the recipe is not the user's own."""
    made = run.manifest.source or {}
    epochs = run.manifest.identity.get("recipe", {}).get("epochs")
    if "reading" not in made or epochs is None:
        return ()
    return (_audit(run, f"--epochs {2 * epochs} --out {RUN}-longer"),)


def _audit(run: Run, options: str) -> str:
    made = run.manifest.source or {}
    if made.get("name") is None:
        return f"byrote audit SOURCE {options}"
    reading = {name: value for name, value in (made.get("reading") or {}).items() if f"--{name} " not in options}
    given = [
        _option(name, value)
        for name in _READING
        if reading.get(name, _USUAL.get(name)) != _USUAL.get(name)
        for value in (reading[name] if isinstance(reading[name], list | tuple) else [reading[name]])
    ]
    if "--plant" not in options and run.manifest.parent is None and Path(str(made["name"])).suffix:
        given += [f"--plant {shlex.quote(plant)}" for plant in made.get("plants") or ()]
    given += [f"--seed {made['seed']}"] if made.get("seed") else []
    where = ["--data-dir", shlex.quote(made["data_dir"])] if made.get("data_dir") else []
    return " ".join(["byrote audit", shlex.quote(Path(str(made["name"])).name), *where, *given, options])


def _option(name: str, value: object) -> str:
    if value is True:
        return f"--{name}"
    return f"--{name} {shlex.quote(f'{value:g}' if isinstance(value, float) else str(value))}"


def _trained(run: Run, command: str) -> tuple[str, ...]:
    """The command; none where byrote did not train the models and so cannot train others."""
    return (command,) if run.manifest.origin == "trained" else ()


def _change(run: Run, change: str) -> tuple[str, ...]:
    if run.manifest.source is None:
        return _trained(run, f'byrote.change(run, byrote.parse_change("{change}"))')
    return _trained(run, f"byrote change {RUN} --with {change}")
