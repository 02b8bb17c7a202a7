"""Where the figures come from: data, recipe, design, seeds, machine, versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byrote.designs.design import ROLES
from byrote.report.text import amount, count, cut
from byrote.runs.run import Run

#: More seeds than this are left to the manifest.
MOST_SEEDS = 2_000
#: Longer names of classes are cut.
LONGEST_NAME = 80

_ORIGINS = {
    "trained": "trained by byrote",
    "imported": "imported from arrays",
    "observed": "trained outside of byrote",
}

#: What names of classes stand for where the targets are no classes.
_TARGETS = {"labels": "sets of labels", "regression": "fifths of the numbers"}

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Names and values, by subject."""

    sections: tuple[tuple[str, Rows], ...]
    seeds: Rows


def provenance(run: Run) -> Provenance:
    """What a reader needs to judge and to repeat a run, from its manifest; of paths the last name.

    A report is passed on, and where somebody's folders lie is nobody else's business.
    """
    manifest = run.manifest
    recipe = manifest.identity.get("recipe")
    sections = {
        "Run": _rows(
            origin=_ORIGINS.get(manifest.origin, manifest.origin),
            created=manifest.created,
            seed=manifest.identity.get("seed"),
        ),
        "Dataset": _data(manifest.dataset),
        "Held-out data": _data(manifest.heldout or {}),
        "Recipe": _recipe(recipe),
        "Design": _design(run),
        "Change": _change(manifest.parent),
        "Training": _rows(
            how=manifest.executor.get("reason"),
            device=manifest.executor.get("device"),
            threads_a_process=manifest.executor.get("threads"),
            seconds_a_model=_seconds(manifest.executor.get("seconds_a_model")),
            checkpoints=", ".join(map(str, manifest.checkpoints)),
            evidence=", ".join(manifest.evidence),
        ),
        "Machine and versions": _rows(
            python=manifest.environment.get("python"),
            **manifest.environment.get("packages", {}),
            system=" ".join(str(manifest.environment[k]) for k in ("system", "machine") if k in manifest.environment),
            cores=manifest.environment.get("cores"),
        ),
    }
    seeds = [entry for entry in manifest.models if entry.seed is not None][:MOST_SEEDS]
    return Provenance(
        sections=tuple((title, rows) for title, rows in sections.items() if rows),
        seeds=tuple((f"{entry.index}", f"{entry.seed}") for entry in seeds),
    )


def change_words(change: Mapping[str, Any]) -> str:
    """A change by its name, with its settings.

    Example:
        >>> change_words({"slot": "WeightDecay", "name": "weight-decay", "stage": "recipe", "amount": 0.01})
        'weight-decay, a change of the recipe (amount 0.01)'
    """
    if isinstance(change.get("changes"), list):
        return ", then ".join(change_words(one) for one in change["changes"])
    settings = {key: value for key, value in change.items() if key not in ("slot", "name", "stage")}
    words = ", ".join(f"{key} {compact(value)}" for key, value in settings.items())
    stage = str(change.get("stage", ""))
    what = f"{change.get('name', 'unknown')}, a change of the {'models' if stage == 'model' else stage}"
    return f"{what} ({words})" if words else what


def compact(value: Any) -> str:
    """A setting in one line; a slot as the call that makes it.

    Example:
        >>> compact({"slot": "MLP", "hidden": [256], "dropout": 0.0})
        'MLP(hidden=[256], dropout=0.0)'
    """
    if isinstance(value, Mapping):
        inner = {name: part for name, part in value.items() if name != "slot"}
        if "slot" in value:
            return f"{value['slot']}({', '.join(f'{name}={compact(part)}' for name, part in inner.items())})"
        return ", ".join(f"{name}: {compact(part)}" for name, part in inner.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(compact(part) for part in value)}]"
    return "none" if value is None else str(value)


def _short(names: Sequence[object]) -> Iterator[str]:
    return (cut(str(name), LONGEST_NAME) for name in names)


def _rows(**values: Any) -> Rows:
    return tuple((name.replace("_", " "), str(value)) for name, value in values.items() if value not in (None, ""))


def _data(described: Mapping[str, Any]) -> Rows:
    shape = described.get("input_shape")
    names = described.get("class_names")
    return _rows(
        name=described.get("name"),
        examples=None if "examples" not in described else f"{described['examples']:,}",
        input_shape=None if shape is None else " × ".join(map(str, shape)),
        **{
            _TARGETS.get(described.get("task", ""), "classes"): f"{len(names):,}: {', '.join(_short(names))}"
            if names
            else None
        },
        numbers=None if "tolerance" not in described else _numbers(described),
        held_out_documents=described.get("heldout_documents"),
        tokens=None
        if "tokens" not in described
        else f"{described['tokens']:,}, of a vocabulary of {described['vocabulary']:,}",
        fingerprint=described.get("fingerprint"),
    )


def _numbers(described: Mapping[str, Any]) -> str:
    mean, deviation, tolerance = (amount(float(described[name])) for name in ("mean", "deviation", "tolerance"))
    return f"mean {mean}, standard deviation {deviation}; an answer counts as right within {tolerance}"


def _recipe(recipe: Any) -> Rows:
    if not isinstance(recipe, Mapping):
        return () if recipe is None else (("recipe", compact(recipe)),)
    kind = () if "slot" not in recipe else (("kind", str(recipe["slot"])),)
    return kind + tuple((name.replace("_", " "), compact(part)) for name, part in recipe.items() if name != "slot")


def _design(run: Run) -> Rows:
    roles = ((role, len(run.design.models_of(role))) for role in ROLES)
    return _rows(
        name=run.design.name.replace("_", " "),
        models=", ".join(f"{number:,} {role}" for role, number in roles if number),
        parameters=compact(dict(run.design.parameters)),
        phases=", ".join(phase.name for phase in run.design.phases),
        controls=", ".join(count(int((run.controls.kind == k).sum()), k, k) for k in run.controls.kinds()),
        fingerprint=run.manifest.design.get("fingerprint"),
    )


def _change(parent: Mapping[str, Any] | None) -> Rows:
    if parent is None:
        return ()
    forget = parent.get("forget")
    return _rows(
        changed_form_of=Path(str(parent.get("folder", ""))).name,
        change=change_words(parent.get("change") or {}),
        about=count(len(forget), "example") if forget else None,
    )


def _seconds(value: Any) -> str | None:
    return None if value is None else f"{float(value):.3g}"
