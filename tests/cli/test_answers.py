"""`--json` says the same as the terminal, for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from byrote.cli.answers import answering, print_table, say, say_file
from byrote.cli.app import app
from byrote.errors import BadInput
from byrote.results import Scalar
from small import small_audit

RUNNER = CliRunner()


def asked(*words: object) -> tuple[int, dict]:
    """The status and the document of a command."""
    done = RUNNER.invoke(app, [*map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_audit(tmp_path_factory.mktemp("runs") / "run", models=8).folder


def test_sentences_tables_figures_and_files_stand_in_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    figure = Scalar(value=0.5, stderr=0.1, low=float("nan"), high=0.7, models=4, examples=9)
    with answering("anything"):
        say("One sentence [not markup].")
        say("")
        print_table(["name", "value", "count"], [["a", figure, 3], ["b", float("nan"), None]])
        say_file("Table", Path("runs/table.parquet"))
    found = json.loads(capsys.readouterr().out)
    assert found["said"] == ["One sentence [not markup]."]
    assert found["files"] == {"Table": "runs/table.parquet"}
    (table,) = found["tables"]
    assert table["columns"] == ["name", "value", "count"]
    first, second = table["rows"]
    assert (first[1]["value"], first[1]["low"], first[1]["models"]) == (0.5, None, 4)
    assert second == ["b", None, None]


def test_an_error_stands_in_the_document_and_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        say("Before.")
        raise BadInput("It is none.", hint="give one.")

    with pytest.raises(BadInput), answering("anything"):
        fail()
    found = json.loads(capsys.readouterr().out)
    assert (found["said"], found["error"], found["hint"]) == (["Before."], "It is none.", "give one.")


def test_every_command_that_answers_has_it() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert "json" in command.callback.__annotations__, command.callback.__name__


def test_commands_answer_as_json(run: Path) -> None:
    status, found = asked("measure", run, "label_memorization", "--top", 3)
    assert (status, found["command"]) == (0, "measure")
    assert [len(row) for row in found["tables"][0]["rows"]] == [len(found["tables"][0]["columns"])] * 3
    status, found = asked("attack", run)
    auc = dict(found["tables"][0]["rows"])["auc"]
    assert (status, auc["models"], 0 <= auc["value"] <= 1) == (0, 8, True)
    assert asked("verify", run)[1]["said"][-1].startswith("Every digest fits")


def test_the_status_is_that_of_the_command(run: Path) -> None:
    status, found = asked("check", run, "--fail-if", "label_memorization.mean > -2")
    assert (status, found["said"][0][:4]) == (1, "FAIL")
