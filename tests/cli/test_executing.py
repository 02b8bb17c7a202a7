"""Where a command trains is an option, entered around it."""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from typing import Any

import pytest

from byrote.cli.executing import trains, trains_in_parts
from byrote.cli.language import refuse_unread
from byrote.engine import ray_cluster
from byrote.engine.completion import PartDone
from byrote.engine.executing import Here, chosen
from byrote.engine.part import Part
from byrote.errors import BadInput


def command(workers: int | None = None) -> Any:
    """The executor that a command sees."""
    return chosen()


def test_options_join_those_of_the_command() -> None:
    assert [*inspect.signature(trains(command)).parameters] == ["workers", "executor", "address"]
    assert [*inspect.signature(trains_in_parts(command)).parameters] == ["workers", "executor", "address", "part"]
    assert isinstance(trains(command)(workers=2), Here)


def test_ray_is_told_where_and_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    @contextmanager
    def on_ray(address: str | None, *, most: int | None) -> Any:
        told.append((address, most))
        yield

    monkeypatch.setattr(ray_cluster, "on_ray", on_ray)
    trains(command)(executor="ray", address="10.0.0.1:6379", workers=40)
    trains(command)(executor="ray")
    assert told == [("10.0.0.1:6379", 40), (None, None)]


def test_a_part_is_trained_and_its_end_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert trains_in_parts(command)(part="3/40") == Part(3, 40)

    def audit() -> None:
        raise PartDone(120, 37)

    assert trains_in_parts(audit)(part="3/40") is None
    assert "Part 3 of 40 is trained; 37 of 120 blocks of the run are still" in " ".join(capsys.readouterr().out.split())


def test_audits_of_language_models_take_them_too() -> None:
    """A model of somebody else is read and not trained, so it has no parts; its tokens are read on a cluster."""
    given = {"executor": "--executor", "address": "--address"}
    trained = {"source": "docs", "model": None, "heldout": "0.2"}
    refuse_unread(given | {"part": "--part"}, trained)
    refuse_unread(given, trained | {"source": None, "model": "gpt"})
    with pytest.raises(BadInput, match="--part is not for this audit"):
        refuse_unread(given | {"part": "--part"}, trained | {"source": None, "model": "gpt"})


def test_help_does_without_ray_and_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # type: ignore[arg-type]
    assert isinstance(trains(command)(executor="local"), Here)
