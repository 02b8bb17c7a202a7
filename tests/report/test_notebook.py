from __future__ import annotations

from dataclasses import replace

import pytest

from byrote import blocks as registry
from byrote.blocks import Tile, Tiles, Words, section
from byrote.report.notebook import section_html
from byrote.results import Scalar, Table

AUC = Scalar(value=0.75, stderr=0.02, low=0.7, high=0.8, models=8, examples=90)
TABLE = Table(rows={"of": ("<b>",)}, figures={"AUC": (AUC,)}, notes=("`code`",), of="of a test")


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))

    @section(of="of a test", title="T")
    def shown(table: Table) -> tuple[registry.Block, ...]:
        tiles = Tiles(tiles=(Tile(value="0.75", label="AUC"),))
        return (tiles, Words(text="Read `this`.", tone="reading"), *registry.plain_blocks(table))


def test_a_table_that_was_asked_for_is_the_section_of_its_analysis(entered: None) -> None:
    shown = TABLE._repr_html_()
    assert "<strong><bdi>0.75</bdi></strong>" in shown
    assert "Read <code>this</code>." in shown
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "<script" not in shown
    assert section_html(TABLE) == shown


def test_a_table_without_a_section_stays_a_table(entered: None) -> None:
    for name in ("", "no such analysis"):
        shown = replace(TABLE, of=name)._repr_html_()
        assert "<td>0.750 ± 0.020</td>" in shown
        assert "Read" not in shown
