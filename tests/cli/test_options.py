from __future__ import annotations

import inspect
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from byrote.cli.app import app
from byrote.cli.options import Ensemble, OwnData, spread
from byrote.errors import BadInput


def test_a_group_reaches_the_command_whole() -> None:
    seen = []

    @spread
    def command(name: Annotated[str, typer.Argument()], *, fast: bool = False, ensemble: Ensemble) -> None:
        seen.append((name, fast, ensemble))

    inner = typer.Typer()
    inner.command()(command)
    done = CliRunner().invoke(inner, ["digits", "--models", "8", "--fast"])
    assert done.exit_code == 0, done.output
    assert seen == [("digits", True, Ensemble(models=8))]


def options_of(name: str) -> dict[str, inspect.Parameter]:
    (command,) = [one for one in app.registered_commands if getattr(one.callback, "__name__", "") == name]
    return dict(inspect.signature(command.callback).parameters)


def test_a_plan_takes_what_its_audit_takes() -> None:
    """Whatever changes time, disk or error of an audit is an option of both, and means the same."""
    audit, plan = options_of("audit"), options_of("plan")
    assert set(plan) <= set(audit)
    shared = set(plan) - {"source"}
    assert len(shared) > 20
    assert {name: plan[name].default for name in shared} == {name: audit[name].default for name in shared}
    others = {
        "design",
        "out_folder",
        "redact",
        "looks",
        "executor",
        "part",
        "address",
        "config",
        "weights",
        "members",
        "attack",
        "epsilon",
        "epsilon_canaries",
        "delta",
    }
    language = {"model", "corpus", "column", "heldout_documents", "canaries", "context", "bos", "width"}
    assert set(audit) - set(plan) == others | language


def test_a_share_that_is_none() -> None:
    assert OwnData(heldout="0.3", target=["sex"]).reading().heldout == 0.3
    with pytest.raises(BadInput, match=r"The option --heldout takes a number\. Got 'others.jsonl'"):
        OwnData(heldout="others.jsonl").reading()
