import io
import re
import time

import pytest
from rich.console import Console

from byrote.engine.progress import measuring


def test_measuring_moves_a_bar_and_tells_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), force_terminal=True, width=120, get_time=lambda: now[0])
    with measuring(console) as hear:
        now[0] += 30.0
        hear(0.25)
    shown = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())  # type: ignore[attr-defined]
    assert "measuring and writing the report" in shown
    assert "25%" in shown
    assert "1:30 left" in shown  # a quarter took 30 seconds


def test_measuring_promises_no_time_before_it_knows_one() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with measuring(console):
        pass
    assert "left" not in console.file.getvalue()  # type: ignore[attr-defined]
