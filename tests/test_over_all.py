from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from over_all import over_all


def test_every_case_that_fails_is_named_and_the_others_run() -> None:
    seen = []

    @over_all("number", {"one": 1, "two": 2, "three": 3})
    def odd(number: int, other: int) -> None:
        seen.append((number, other))
        assert number % 2, "even"

    with pytest.raises(BaseExceptionGroup) as caught:
        odd(other=7)
    assert seen == [(1, 7), (2, 7), (3, 7)]
    (failed,) = caught.value.exceptions
    assert failed.__notes__ == ["This is so with number = two."]
    assert [*inspect.signature(odd).parameters] == ["other"]


def test_a_refusal_that_does_not_come_is_named_too() -> None:
    @over_all("divisor", {"none": 0, "some": 1})
    def refused(divisor: int) -> None:
        with pytest.raises(ZeroDivisionError):
            print(1 / divisor)

    with pytest.raises(BaseExceptionGroup) as caught:
        refused()
    assert [failed.__notes__ for failed in caught.value.exceptions] == [["This is so with divisor = some."]]


@over_all("name", {"a": "a", "b": "b"})
def test_each_case_has_a_folder_of_its_own(tmp_path: Path, name: str) -> None:
    assert not [*tmp_path.iterdir()]
    (tmp_path / name).touch()
