from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from byrote.changes.settings import split_settings, typed, value_of
from byrote.errors import BadInput


def test_values_are_of_their_types() -> None:
    kinds = {"n": int, "x": float, "on": bool, "file": Path, "word": str, "way": Literal["up", "down"], "k": int | None}
    told = split_settings("n=3,x=0.5,on=no,file=a/b.txt,word=w,way=down,k=none")[1]
    assert typed(kinds, told, "it") == {
        "n": 3, "x": 0.5, "on": False, "file": Path("a/b.txt"), "word": "w", "way": "down", "k": None
    }  # fmt: skip
    assert value_of(Sequence[int], "1; 2", "n", "it") == [1, 2]
    assert value_of(tuple[str, ...], "one; two", "words", "it") == ("one", "two")
    assert value_of(float | Path, "0.1", "forget", "it") == 0.1
    assert value_of(str | Path, "a.txt", "file", "it") == Path("a.txt")


@pytest.mark.parametrize(
    ("kind", "text"),
    [(int, "1.5"), (float, "nan"), (float, "inf"), (bool, "maybe"), (Literal["up"], "left"), (list, "1")],
)
def test_a_value_of_another_type_is_refused(kind: object, text: str) -> None:
    with pytest.raises(BadInput, match=f"Got '{text}'"):
        value_of(kind, text, "x", "the change 'y'")
