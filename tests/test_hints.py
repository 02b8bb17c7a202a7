"""Hints name what there is: attributes of byrote, options and commands, extras; and some are followed."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import typer

import byrote
from byrote.changes.registry import changes, parse_change
from byrote.cli.app import app
from byrote.designs.named import named_design
from byrote.errors import BadInput, MissingEvidence
from byrote.measures.catalog import find
from byrote.stats.privacy_bounds import many_runs_epsilon
from small import blobs

SOURCE = Path(byrote.__file__).parent
ROOT = Path(__file__).parent.parent
#: Options of other programs.
FOREIGN = frozenset({"--head", "--logdir", "--nproc-per-node", "--num-cpus"})
#: Changes that take a file, any text being the name of one.
OF_FILES = frozenset({"relabel", "remove", "review"})


@cache
def hints() -> dict[str, str]:
    """Every literal text of a hint, by where it stands."""
    return dict(_hints())


def _hints() -> Iterator[tuple[str, str]]:
    """Every literal text of a hint, and where it stands; constants that hints are made of count as such."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
    values = {
        (path, node.lineno): keyword.value
        for path, tree in trees.items()
        for node in ast.walk(tree)
        for keyword in getattr(node, "keywords", ())
        if keyword.arg == "hint"
    }
    constants = {one.id for value in values.values() for one in ast.walk(value) if isinstance(one, ast.Name)}
    for path, tree in trees.items():
        for node in tree.body:
            targets = {getattr(target, "id", "") for target in getattr(node, "targets", ())}
            if isinstance(node, ast.Assign) and targets & constants:
                values[path, node.lineno] = node.value
    for (path, line), value in values.items():
        texts = [one.value for one in ast.walk(value) if isinstance(one, ast.Constant)]
        yield f"{path.relative_to(SOURCE)}:{line}", " ".join(map(str, texts))


def named(pattern: str) -> dict[str, str]:
    """What the pattern finds in hints, and where."""
    return {name: where for where, text in hints().items() for name in re.findall(pattern, text)}


def test_hints_name_attributes_that_there_are():
    found = named(r"\bbyrote\.([A-Za-z_][\w.]*\w)")
    assert len(hints()) > 400
    assert {"from_arrays", "Recipe", "WithIds"} <= {*found}
    for name, where in found.items():
        thing, path = byrote, "byrote"
        for part in name.split("."):
            path = f"{path}.{part}"
            thing = getattr(thing, part) if hasattr(thing, part) else importlib.import_module(path)
        assert thing is not None, where


def test_hints_name_options_commands_and_extras_that_there_are():
    group = typer.main.get_command(app)
    everything = [group]
    for command in everything:
        everything += getattr(command, "commands", {}).values()
    options = {option for command in everything for one in command.params for option in one.opts + one.secondary_opts}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for pattern, known in (
        (r"(?<![\w-])--[a-z][a-z-]+", options | FOREIGN),
        (r"`byrote ([a-z-]+)", {*group.commands}),
        (r"byrote\[([\w-]+)\]", {*extras}),
    ):
        found = named(pattern)
        assert found
        assert {name: where for name, where in found.items() if name not in known} == {}


OF_NUMBERS = [
    name
    for name, kind in changes().items()
    if {*[*get_type_hints(kind).values()][:1]} & {int, float} and name not in OF_FILES
]


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_amounts_in_hints_are_taken(name):
    for wrong in (f"{name}=much", f"{name}=-1"):
        with pytest.raises(BadInput) as told:
            parse_change(wrong)
        assert told.value.hint.startswith(f"{name}=")
        parse_change(told.value.hint)


@pytest.mark.parametrize(
    ("design", "models"),
    [(name, models) for name in ("two-splits", "ratio-grid", "half-subset-pairs") for models in (0, 1, 2, 3, 5, 37)]
    + [("iid-subsets", 1), ("full-data", 0)],
)
def test_numbers_of_models_in_hints_are_taken(design, models):
    with pytest.raises(BadInput) as told:
        named_design(design, blobs(), models=models)
    named_design(design, blobs(), models=int(re.search(r"--models (\d+)", told.value.hint)[1]))


def test_numbers_of_runs_in_a_hint_suffice_and_fewer_do_not():
    def bound(runs: int) -> None:
        joined = np.arange(runs) % 2 == 0
        many_runs_epsilon(joined + 0.0, joined, threshold=0.5, delta=1e-5, confidence=0.95)

    with pytest.raises(BadInput, match=r"cannot show any ε") as told:
        bound(4)
    least = int(re.search(r"at least (\d+) runs", told.value.hint)[1])
    bound(least)
    with pytest.raises(BadInput, match=r"cannot show any ε"):
        bound(least - 2)
    drawn = int(re.search(r"by a fair coin, (\d+)", told.value.hint)[1])
    for seed in range(20):
        joined = np.random.default_rng(seed).integers(2, size=drawn) == 1
        many_runs_epsilon(joined + 0.0, joined, threshold=0.5, delta=1e-5, confidence=0.95)


def test_an_imported_run_is_told_to_bring_what_it_lacks(tmp_path):
    rng = np.random.default_rng(0)
    member = np.repeat([[1, 0] * 10, [0, 1] * 10], 2, axis=0)
    given = {"labels": np.arange(20) % 2, "member": member}
    odds = rng.normal(size=(4, 20))
    run = byrote.import_arrays(tmp_path / "run", evidence={"outputs.log_odds": odds}, **given)
    with pytest.raises(MissingEvidence, match=r"'outputs\.correct' is not recorded") as told:
        run.measure("label_memorization")
    assert "evidence={'outputs.correct': …}" in told.value.hint
    evidence = {"outputs.log_odds": odds, "outputs.correct": odds > 0}
    assert (
        byrote.import_arrays(tmp_path / "again", evidence=evidence, **given).measure("label_memorization").models == 4
    )


def test_a_proxy_that_does_not_suit_points_to_one_that_does(tmp_path):
    odds = np.random.default_rng(0).normal(size=(4, 20))
    member = np.repeat([[1, 0] * 10, [0, 1] * 10], 2, axis=0)
    given = {"labels": np.arange(20) % 2, "member": member, "evidence": {"outputs.log_odds": odds}}
    run = byrote.import_arrays(tmp_path / "run", **given)
    run.manifest.dataset["task"] = "regression"
    with pytest.raises(MissingEvidence, match=r"'cumulative_sample_loss' is not for the targets") as told:
        byrote.calibrate(run)
    proxy = re.search(r"--proxy (\w+)", told.value.hint)[1]
    assert all(find(proxy).suits(task) for task in ("classes", "labels", "regression"))
