import sys
import time
import types

import pytest

from byrote.engine.notebook import in_a_notebook
from byrote.engine.progress import Progress, Silent, Terminal, listening


class Handle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, html):
        self.shown.append(html)


@pytest.fixture
def shown(monkeypatch):
    """What a notebook shows, where this process is the kernel of one."""
    told: list[str] = []

    def display(html, display_id=False):
        told.append(html)
        return Handle(told) if display_id else None

    module = types.ModuleType("IPython")
    module.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    module.display = types.ModuleType("IPython.display")  # type: ignore[attr-defined]
    module.display.HTML = str
    module.display.display = display
    for name, one in {"IPython": module, "IPython.display": module.display, "ipykernel": module}.items():
        monkeypatch.setitem(sys.modules, name, one)
    return told


def test_a_notebook_gets_a_bar_of_its_own_that_moves(shown, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bar = listening(True)
    assert isinstance(bar, Progress)
    bar.say("a < b")
    bar.start(8, 2, 60.0)
    now[0] += 30.0
    bar.advance(5, 0.25)
    now[0] += 0.01
    bar.advance(6, 0.25)  # too soon to be shown
    bar.advance(8, 0.125)
    bar.stop()
    assert shown == [
        "<div>a &lt; b</div>",
        "<div>Resuming: 2 of 8 models are already trained.</div>",
        '<div>training <progress max="8" value="2"></progress> 2/8 models, 1:00 left</div>',
        '<div>training <progress max="8" value="5"></progress> 5/8 models, 0:30 left, ± 0.25 an example</div>',
        '<div>training <progress max="8" value="8"></progress> 8/8 models, 0:00 left, ± 0.12 an example</div>',
    ]


def test_elsewhere_the_terminal_listens_or_whom_one_names():
    silent = Silent()
    assert not in_a_notebook()
    assert isinstance(listening(True), Terminal)
    assert isinstance(listening(False), Silent)
    assert listening(silent) is silent
