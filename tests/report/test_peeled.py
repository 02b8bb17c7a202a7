from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from byrote.analyses.catalog import keep
from byrote.analyses.onion import Layer, Onion
from byrote.report.page import write_report
from byrote.report.peeled import drawn, onion_words, peeled
from byrote.results import Scalar
from report.made import Page, make_run


def figure(value: float, half: float = 0.02) -> Scalar:
    return Scalar(value=value, stderr=half / 2, low=value - half, high=value + half, models=12, examples=30)


LAYER = Layer(
    name="mean membership risk of the layer below",
    before=figure(0.6),
    plain=figure(0.61),
    random=figure(0.62),
    riskiest=figure(0.7),
    over_plain=figure(0.09),
    over_random=figure(0.08),
)


@pytest.mark.slow
def test_what_the_command_kept_is_told_and_drawn(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert peeled(run) is None
    none = run.ids[:0]
    keep(run, "onion", Onion(layers=(LAYER,), removed=none, removed_at_random=none, runs={}, notes=()))
    found = peeled(run)
    assert found is not None
    assert found.shown
    assert repr(found.layers[LAYER.name]["riskiest"]) == repr(LAYER.riskiest)
    assert onion_words(found).startswith(
        "Removing the riskiest examples puts the layer below it at risk: its mean risk"
    )
    assert drawn(found).rows[0][1:5] == ("0.600 ± 0.010", "0.610 ± 0.010", "0.620 ± 0.010", "0.700 ± 0.010")
    path, _ = write_report(run)
    assert "Privacy onion: risk after removal" in Page(path.read_text("utf-8")).text
    assert 'aria-labelledby="onion-title"' in path.read_text("utf-8")


def test_without_an_excess_over_both_controls_nothing_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    layer = dataclasses.replace(LAYER, over_random=figure(0.01))
    none = run.ids[:0]
    keep(run, "onion", Onion(layers=(layer,), removed=none, removed_at_random=none, runs={}, notes=()))
    found = peeled(run)
    assert found is not None
    assert not found.shown
    assert "is not shown to put the layer below it at risk" in onion_words(found)
