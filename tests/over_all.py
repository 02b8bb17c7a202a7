"""One test over many cases, which names those that fail: hundreds of tests cost more than what they ask."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from checked import begin_test

Test = Callable[..., None]


def over_all(name: str, cases: Mapping[str, Any]) -> Callable[[Test], Test]:
    """Run a test with each case as its argument `name`; a `tmp_path` is another folder each time."""

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def every(*, tmp_path: Path | None = None, **given: Any) -> None:
            failed = list[BaseException]()
            for number, (of, case) in enumerate(cases.items()):
                begin_test()
                try:
                    test(**{name: case}, **given, **_folder(tmp_path, number))
                except (Exception, pytest.fail.Exception) as error:
                    error.add_note(f"This is so with {name} = {of}.")
                    failed.append(error)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(cases)} cases of {test.__name__} fail", failed)

        signature = inspect.signature(test)
        others = [each for each in signature.parameters.values() if each.name != name]
        every.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return every

    return decorate


def _folder(tmp_path: Path | None, number: int) -> dict[str, Path]:
    if tmp_path is None:
        return {}
    (tmp_path / str(number)).mkdir()
    return {"tmp_path": tmp_path / str(number)}
