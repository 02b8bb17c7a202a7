from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

import pytest

from byrote.blocks import Block
from byrote.report.block_facts import block_facts
from byrote.report.figure_facts import FigureFacts, Many
from byrote.report.schema import schema_of
from report.test_asked import EVERY

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


class Held(TypedDict):
    blocks: list[Block]
    models: Many
    ways: dict[str, Literal["one", "two"]]
    pairs: NotRequired[list[tuple[str, float | None]]]
    figure: NotRequired[FigureFacts | None]
    share: NotRequired[Annotated[float, {"maximum": 1}]]


MADE = schema_of(Held, "held", "What is held.")
WHOLE = {"blocks": [block_facts(block) for block in EVERY], "models": 3, "ways": {"a": "one"}}


def fits(made: object) -> bool:
    return bool(jsonschema.Draft202012Validator(MADE).is_valid(made))


def test_it_is_a_schema_that_every_block_fits() -> None:
    jsonschema.Draft202012Validator.check_schema(MADE)
    assert fits(WHOLE)
    assert fits({**WHOLE, "pairs": [["a", None]], "figure": None, "share": 0.5})


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": -1},
        {"models": "3"},
        {"ways": {"a": "three"}},
        {"pairs": [["a"]]},
        {"share": 1.5},
        {"figure": {"value": 1.0}},
        {"unknown": 1},
        {"blocks": [{"block": "Words", "text": "t"}]},
        {"blocks": [{"block": "Missing", "text": "t", "tone": ""}]},
        {"blocks": [{"block": "Fold", "summary": "s", "blocks": [{"block": "Words", "text": "t", "tone": "loud"}]}]},
    ],
)
def test_whatever_differs_from_the_types_is_refused(wrong: dict[str, object]) -> None:
    assert not fits({**WHOLE, **wrong})


def test_a_key_that_is_needed_may_not_be_left_out() -> None:
    assert MADE["required"] == ["blocks", "models", "ways"]
    assert not any(fits({key: value for key, value in WHOLE.items() if key != name}) for name in WHOLE)


def test_what_is_for_pages_alone_is_told_to_no_program() -> None:
    assert set(MADE["$defs"]["Figure"]["properties"]) == {"block", "name", "title", "columns", "rows"}
    assert set(MADE["$defs"]["TableBlock"]["properties"]) == {"block", "title", "columns", "rows"}
