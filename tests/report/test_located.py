"""The section "When and where": what it says and draws of tables that are known."""

import numpy as np
import pytest

from byrote.analyses.where import CHANCE, FITTED, LOSS, STORED, VISIBLE, WHOLE, WRITTEN
from byrote.blocks import Figure, Missing, TableBlock, Tiles, Words
from byrote.report.asked import asked_facts
from byrote.report.located import Map, heat_map, shown
from byrote.results import Scalar, Table

EPOCHS = ("epoch 0", "epoch 5", "epoch 10", "epoch 20")
GROUP = "planted label noise"


def cell(value: float, stderr: float = 0.02, reason: str = "") -> Scalar:
    return Scalar(
        value=value, stderr=stderr, low=value - stderr, high=value + stderr, models=6, examples=50, reason=reason
    )


def table(stored: float = 0.7, *, reason: str = "") -> Table:
    written = [0.0, 0.1, 0.6, 1.0]
    lines = {
        (STORED, GROUP, "first"): [0.1, 0.2, 0.1, 0.0],
        (STORED, GROUP, "second"): [0.5, stored, 0.3, 0.0],
        (CHANCE, GROUP, WHOLE): [0.3] * 4,
        (WRITTEN, GROUP, WHOLE): written,
        (VISIBLE, GROUP, "inputs"): [-0.9] * 4,
        (VISIBLE, GROUP, "second"): [-0.9, -0.9, -0.2, 0.3],
        (FITTED, GROUP, WHOLE): [0.1, 0.2, 0.6, 0.9],
        (LOSS, "held-out examples", WHOLE): [1.1, 0.4, 0.5, 0.6],
    }
    nan = float("nan")
    return Table(
        title="When and where",
        rows={name: tuple(line[at] for line in lines) for at, name in enumerate(("map", "group", "layer"))},
        figures={
            epoch: tuple(cell(nan if reason else line[at], reason=reason) for line in lines.values())
            for at, epoch in enumerate(EPOCHS)
        },
        across="epoch",
        notes=("A note.",),
    )


def test_the_section_says_what_the_map_says():
    blocks = list(shown(table()))
    tiles = next(block for block in blocks if isinstance(block, Tiles))
    assert [tile.value for tile in tiles.tiles] == ["layer second", "epochs 5 to 20", "10.0 ± 2.0 %", "layer second"]
    said = next(block.text for block in blocks if isinstance(block, Words))
    assert "When that layer is set back to epoch 5, the network loses 70.0 ± 2.0 % of its correct predictions" in said
    assert "10.0 ± 2.0 % was written by epoch 5, where the validation loss was lowest" in said
    assert "then fitted 20.0 ± 2.0 % of the group, and 90.0 ± 2.0 % at the end" in said
    assert said.endswith("So some of it was memorized before overfitting began.")
    (rows,) = [block.rows for block in blocks if isinstance(block, TableBlock)]
    assert rows[0][:3] == (GROUP, "50", "second")
    assert [block.name for block in blocks if isinstance(block, Figure)] == ["where-stored-0", "where-visible-0"]
    assert any("does not mean" in block.text for block in blocks if isinstance(block, Words))
    assert blocks[-1] == Words(text="A note.")


def test_a_map_that_does_not_stand_out_says_so():
    blocks = list(shown(table(stored=0.2)))
    found = Map.of(table(stored=0.2))
    assert found.stands_out(GROUP), "0.5 at epoch 0 is beyond 0.3"
    weak = Table(
        title="",
        rows=table().rows,
        figures={epoch: tuple(cell(0.01) for _ in table().rows["map"]) for epoch in EPOCHS},
        across="epoch",
    )
    lines = dict(zip(zip(*weak.rows.values(), strict=True), range(8), strict=True))
    high = lines[CHANCE, GROUP, WHOLE]
    figures = {e: tuple(cell(0.3) if at == high else one for at, one in enumerate(c)) for e, c in weak.figures.items()}
    blocks = list(shown(Table(title="", rows=weak.rows, figures=figures, across="epoch")))
    assert blocks[0] == Words(
        text="No group stands out from chance: the map shows no place where one of them is stored."
    )
    (rows,) = [block.rows for block in blocks if isinstance(block, TableBlock)]
    assert rows[0][2] == "does not stand out from chance"


def test_a_group_that_is_too_small_says_why():
    blocks = list(shown(table(reason="fewer than 20 examples")))
    (rows,) = [block.rows for block in blocks if isinstance(block, TableBlock)]
    assert rows[0][2] == "fewer than 20 examples"
    assert [block.name for block in blocks if isinstance(block, Figure)] == ["where-visible-0"]


def test_no_group_to_compare_is_missing():
    rows = {"map": (FITTED,), "group": ("trained on",), "layer": (WHOLE,)}
    blocks = list(shown(Table(title="", rows=rows, figures={"epoch 0": (cell(1.0),)}, across="epoch")))
    assert [type(block) for block in blocks] == [Missing]


@pytest.mark.parametrize("name", [STORED, VISIBLE])
def test_the_heat_map_has_its_numbers_as_text_and_as_a_table(name):
    drawn = heat_map(Map.of(table()), name, GROUP, "where-test")
    assert "<title" in drawn.svg
    assert 'role="img"' in drawn.svg
    assert "style=" not in drawn.svg
    for row in drawn.rows:
        assert row[0] in drawn.svg
    assert drawn.columns == ("layer", *EPOCHS)
    assert "lowest validation loss, epoch 5" in drawn.title
    if name == STORED:
        assert "framed: beyond ±0.30" in drawn.title
        framed = [artist for artist in drawn.canvas.axes[0].patches if not artist.get_fill()]
        assert len(framed) == 3 - 1, "0.5 and 0.7, but not 0.3"
        assert ">0.70<" in drawn.svg


def test_page_and_json_take_it():
    from byrote.analyses.catalog import find_analysis
    from byrote.report.asked import asked

    one = asked(find_analysis("where"), table())
    facts = asked_facts((one,))["where"]
    assert facts["title"] == "When and where"
    assert [block["block"] for block in facts["blocks"]].count("Figure") == 2
    assert [type(block) for block in one.blocks][:2] == [Tiles, Words]
    assert np.isfinite([cell.value for cell in table().figures["epoch 0"] if cell]).all()
