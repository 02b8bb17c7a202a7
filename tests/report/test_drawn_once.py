"""What was drawn is drawn again only from other arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from byrote.report import drawn_once as module
from byrote.report.attack_drawings import curves
from byrote.report.drawn_once import MOST, drawn_once
from byrote.report.figures import distribution
from byrote.results import Scalar


@dataclass(frozen=True)
class Facts:
    values: np.ndarray
    names: tuple[str, ...]
    figure: Scalar


FACTS = Facts(np.arange(3.0), ("a", "b"), Scalar(value=1.0, stderr=0.1, low=0.8, high=1.2, models=4, examples=3))


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_DRAWN", type(module._DRAWN)())
    drawn = []

    @drawn_once
    def draw(found: Facts, name: str = "x", **others: object) -> tuple[int, str]:
        drawn.append((found, name))
        return len(drawn), name

    return draw, drawn


def test_the_same_is_drawn_once(drawing):
    draw, drawn = drawing
    first = draw(FACTS, name="x")
    assert draw(replace(FACTS, values=np.arange(3.0)), name="x") is first
    assert len(drawn) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(FACTS, values=np.array([0.0, 1.0, 2.0 + 1e-12])),
        replace(FACTS, values=np.arange(3.0, dtype=np.float32)),
        replace(FACTS, values=np.arange(3.0)[:, None]),
        replace(FACTS, names=("ab",)),
        replace(FACTS, names=("a", "b", "")),
        replace(FACTS, figure=replace(FACTS.figure, low=0.7)),
    ],
    ids=["value", "type", "shape", "name", "more", "interval"],
)
def test_whatever_differs_is_drawn(drawing, other):
    draw, drawn = drawing
    assert draw(FACTS) != draw(other)
    assert len(drawn) == 2


def test_keywords_count_and_old_drawings_are_forgotten(drawing):
    draw, drawn = drawing
    found = [draw(FACTS, name=str(number)) for number in range(MOST + 1)]
    assert len(set(found)) == len(drawn) == MOST + 1
    draw(FACTS, name=str(MOST))
    assert len(drawn) == MOST + 1
    draw(FACTS, name="0")
    assert len(drawn) == MOST + 2
    assert draw(FACTS, more=len) is draw(FACTS, more=len) != draw(FACTS, more=sum)


def test_figures_of_a_report_are_remembered():
    assert {distribution.__name__, curves.__name__} == {"distribution", "curves"}
    assert all(hasattr(each, "__wrapped__") for each in (distribution, curves))
