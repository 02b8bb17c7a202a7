from __future__ import annotations

import dataclasses
import shlex

import pytest

from byrote.analyses.check import Condition
from byrote.changes.registry import parse_change
from byrote.report.attacks import Attacks, attacks
from byrote.report.facts import Facts, facts
from byrote.report.missing import Missing
from byrote.report.next_steps import Step, next_steps
from byrote.runs.run import Run, no_progress
from report.made import make_run

NONE = Missing(why="")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("steps") / "my run")


@pytest.fixture(scope="module")
def found(run: Run) -> Facts:
    return facts(run)


def at_risk(run: Run) -> Attacks:
    made = attacks(run, no_progress)
    assert isinstance(made, Attacks)
    figures = {**made.first.figures, "auc": dataclasses.replace(made.first.figures["auc"], low=0.9)}
    null = dataclasses.replace(made.first.null, high=0.6)
    return dataclasses.replace(made, found=(dataclasses.replace(made.first, figures=figures, null=null),))


def commands(steps: tuple[Step, ...]) -> list[str]:
    return [command for step in steps for command in step.commands]


def test_commands_are_ones_that_can_be_given(run: Run, found: Facts) -> None:
    reading = {"target": ["the kind"], "group": "person", "tolerance": 20.0, "id": None}
    source = {"name": "/home/me/my data.csv", "reading": reading}
    manifest = dataclasses.replace(run.manifest, source=source, origin="trained")
    run = dataclasses.replace(run, manifest=manifest)
    given = [shlex.split(command) for command in commands(next_steps(run, found, at_risk(run), NONE))]
    read = ["byrote", "audit", "my data.csv", "--target", "the kind", "--tolerance", "20", "--group", "person"]
    assert [*read, "--models", "64", "--out", "RUN-64"] in given
    assert [*read, "--plant", "triage", "--out", "RUN-triage"] in given
    changes = [words[-1] for words in given if words[:4] == ["byrote", "change", "RUN", "--with"]]
    assert len(changes) == 3  # two for the data, and one for the risk that these models show
    assert ["byrote", "apply", "RUN", "byrote-relabel.csv", "--out", "cleaned.csv"] in given
    for change in changes:
        parse_change(change)
    (check,) = [words for words in given if words[:2] == ["byrote", "check"]]
    Condition.parse(check[-1])


def test_a_run_made_from_python_is_changed_from_python(run: Run, found: Facts) -> None:
    assert not any("byrote.change" in command for command in commands(next_steps(run, found, NONE, NONE)))
    run = dataclasses.replace(run, manifest=dataclasses.replace(run.manifest, origin="trained"))
    given = commands(next_steps(run, found, NONE, NONE))
    assert 'byrote.change(run, byrote.parse_change("remove-most-memorized=0.02"))' in given
    assert not any("weight-decay" in command for command in given)  # nothing is known to be at risk


def test_models_that_did_not_fit_come_first(run: Run, found: Facts) -> None:
    low = dataclasses.replace(found.member_accuracy, value=0.5)
    steps = next_steps(run, dataclasses.replace(found, member_accuracy=low), NONE, NONE)
    assert steps[0].why.startswith("Train longer")


def test_whoever_brought_no_recipe_is_told_how_to_train_longer(run: Run, found: Facts) -> None:
    unfit = dataclasses.replace(
        found, member_accuracy=dataclasses.replace(found.member_accuracy, value=0.5, low=0.4, high=0.6)
    )
    reading = {"target": "kind", "heldout": 0.2, "balanced": True, "epochs": 30}
    made = {"name": "/home/me/data.csv", "reading": reading, "plants": ["label-noise=0.1"], "seed": 3}
    manifest = dataclasses.replace(run.manifest, source=made, identity={"recipe": {"epochs": 30}})
    first = commands(next_steps(dataclasses.replace(run, manifest=manifest), unfit, NONE, NONE))[0]
    assert first == (
        "byrote audit data.csv --target kind --balanced --plant label-noise=0.1 --seed 3 --epochs 60 --out RUN-longer"
    )
    own = dataclasses.replace(manifest, source={"name": "mine.py", "plants": [], "seed": 0})
    step = next_steps(dataclasses.replace(run, manifest=own), unfit, NONE, NONE)[0]
    assert step.why.startswith("Train longer")
    assert step.commands == ()
