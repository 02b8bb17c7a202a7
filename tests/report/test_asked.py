from __future__ import annotations

import json

import numpy as np
from jinja2 import Environment

from byrote.blocks import (
    Facts,
    Figure,
    Fold,
    Gallery,
    Item,
    Missing,
    Named,
    TableBlock,
    Tile,
    Tiles,
    Words,
    plain_blocks,
    section_of,
)
from byrote.cli.ask import print_block
from byrote.report.asked import Asked
from byrote.report.block_facts import block_facts
from byrote.report.page_sections.section import asked_section
from byrote.report.templates import environment, prose
from byrote.results import Scalar, Table

FIGURE = Scalar(value=-0.5, stderr=0.01, low=-0.52, high=-0.48, models=8, examples=60)
SHARE = Scalar(value=0.25, stderr=0.01, low=0.23, high=0.27, models=8, examples=60)
NOTHING = Scalar(value=np.nan, stderr=np.nan, low=np.nan, high=np.nan, models=8, examples=60, reason="too few")
EVERY = (
    Words(text="<i>plain</i>", tone="warning"),
    Words(text="read it so", tone="reading"),
    Tiles(tiles=(Tile(value="1", label="one", note="of two"),)),
    TableBlock(title="T", columns=("a", "b"), rows=((Named(text="the `x`", note="<u>"), FIGURE), ("y", NOTHING))),
    Figure(name="f", svg="<svg></svg>", title="F", columns=("a",), rows=(("z",),)),
    Gallery(items=(Item(name="first", lines=("line",)),)),
    Missing(why="no logits"),
    Facts(subjects=(("Run", (("seed", "7"),)),)),
    TableBlock(title="Bars", columns=("a", "b"), rows=(("x", SHARE), ("y", NOTHING)), bars="b", style="ranking"),
    Fold(summary="and more", blocks=(Words(text="one\n\ntwo", tone="list"), Words(text="head", tone="heading"))),
)


def page(engine: Environment) -> str:
    one = asked_section(Asked(name="x", title="X", order=1, asks="What?", blocks=EVERY))
    return str(engine.get_template("blocks.html.jinja").module.section(one))  # type: ignore[attr-defined]


def test_every_block_stands_on_the_page_and_markup_of_data_is_escaped() -> None:
    made = page(environment())
    assert "&lt;i&gt;plain&lt;/i&gt;" in made
    assert "<i>" not in made
    for part in ("read it so", "of two", "−0.500 ± 0.010", "undefined (too few)", "<svg></svg>", "first", "line"):
        assert part in made
    assert "Not shown: <bdi>no logits</bdi>" in made
    assert "the <code>x</code>" in made
    assert '<rect class="range" width="25.0"' in made  # a column of bars; of what is unknown there is none
    assert made.count('class="range"') == 1
    assert "<dt><bdi>seed</bdi></dt><dd><bdi>7</bdi></dd>" in made
    assert made.index("<summary>and more</summary>") < made.index("<li><bdi>two</bdi></li>") < made.index(">head</h3>")


def test_every_block_is_json_with_its_kind_and_unknown_numbers_are_null() -> None:
    facts = json.loads(json.dumps([block_facts(block) for block in EVERY], allow_nan=False))
    kinds = ["Words", "Words", "Tiles", "TableBlock", "Figure", "Gallery", "Missing", "Facts", "TableBlock", "Fold"]
    assert [one["block"] for one in facts] == kinds
    assert facts[3]["rows"][0][1]["value"] == -0.5
    assert facts[3]["rows"][1][1]["value"] is None
    assert facts[3]["rows"][1][1]["reason"] == "too few"
    assert facts[3]["rows"][0][0] == "the x"
    assert "svg" not in facts[4]
    assert facts[9]["blocks"][0] == {"block": "Words", "text": "one\n\ntwo", "tone": "list"}


def test_every_block_is_printed(capsys) -> None:
    for block in EVERY:
        print_block(block)
    told = capsys.readouterr().out
    for part in (
        "<i>plain</i>",
        "one: 1 (of two)",
        "-0.500 ± 0.010",
        "first: line",
        "Not shown: no logits",
        "seed: 7",
        "two",
    ):
        assert part in told


def test_a_table_without_a_section_is_shown_plainly() -> None:
    table = Table(title="T", rows={"of": ("a",)}, figures={"x": (FIGURE,), "y": (None,)}, notes=("n",))
    shown = section_of("no such analysis", "What?")
    assert shown.title == "What?"
    blocks = list(shown.blocks(table))
    assert blocks == list(plain_blocks(table))
    assert blocks[0] == TableBlock(title="T", columns=("of", "x", "y"), rows=(("a", FIGURE, "–"),))


def test_columns_of_sentences_are_set_from_the_left() -> None:
    figure = Scalar(value=0.5, stderr=0.1, low=0.3, high=0.7, models=2, examples=3)
    rows = (("O1", "It is said of networks that they learn patterns first.", figure), ("O2", "no", figure))
    block = TableBlock(title="claims", columns=("claim", "says", "effect"), rows=rows)
    assert prose(block) == [False, True, False]
