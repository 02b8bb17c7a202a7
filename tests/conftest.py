"""Checks shapes and types of calls into byrote, and lets tests import helpers from under tests/.

Calls into measures and statistics are checked in every run of the tests, the first of every function in every test
(see `checked.py`); with BYROTE_CHECK=all, as in `make test-all`, all calls into the whole package.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import jaxtyping
import pytest
import typer.main
from _pytest.doctest import DoctestModule
from hypothesis import settings
from jaxtyping import install_import_hook

sys.path.insert(0, str(Path(__file__).parent))

from checked import begin_test, sparing

# what is imported and collected stays: looking through its millions of objects for rubbish takes seconds each time
gc.disable()

assert not any(name.partition(".")[0] == "byrote" for name in sys.modules), "byrote came before its hook"
CHECKED = "byrote" if os.environ.get("BYROTE_CHECK") == "all" else ["byrote.measures", "byrote.stats", "byrote.results"]
if CHECKED != "byrote":
    jaxtyping.jaxtyped = sparing(jaxtyping.jaxtyped)
install_import_hook(CHECKED, "beartype.beartype")

# what commands print is laid out for this width, whatever the terminal that the tests run in
os.environ["COLUMNS"] = "120"

# which runs were made here is kept in a folder of the tests', and not in the home of whoever runs them
_state = tempfile.TemporaryDirectory(prefix="byrote-state-")
os.environ["BYROTE_STATE"] = _state.name

# what is written need not outlast a power cut: waiting for the disk takes longer than many a test
os.fsync = lambda _: None

# the commands are made of the same functions in every call
typer.main.get_command = functools.cache(typer.main.get_command)

# where the labels of a figure go is half of what drawing it takes, and is looked at in `make test-all`
if CHECKED != "byrote":
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    ConstrainedLayoutEngine.execute = lambda *_: None

# threads that wait for each other on two busy cores make small networks a hundred times slower
import torch  # noqa: E402

from quarters import quarter  # noqa: E402

torch.set_num_threads(1)

# examples of every property: more of them in `make test-all`
EXAMPLES = 25 if CHECKED == "byrote" else 10
settings.register_profile("byrote", deadline=None, max_examples=EXAMPLES, derandomize=True, database=None)
settings.load_profile("byrote")


def pytest_collection_finish() -> None:
    """Rubbish is looked for among what the tests make."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()


def pytest_runtest_setup() -> None:
    """The first calls of every function are checked in every test."""
    begin_test()


#: CPU seconds above which a test of the default run is named at its end, so that the run stays under five minutes.
COSTLY = 3.0


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure what a test costs, processes that it started and that ended included."""
    before = os.times()[:4]
    yield
    item.user_properties.append(("cpu", sum(os.times()[:4]) - sum(before)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name tests of the default run that cost much."""
    for report in terminalreporter.stats.get("passed", []):
        seconds = dict(report.user_properties).get("cpu", 0.0)
        if seconds > COSTLY and report.when == "call" and "slow" not in report.keywords:
            line = f"{report.nodeid} took {seconds:.1f} CPU seconds: make it cheaper, or mark it slow"
            terminalreporter.write_line(line, yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Tests have no examples in their docstrings: looking for some takes seconds."""
    return [found for found in (yield) if not isinstance(found, DoctestModule)]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow-quarter HASH` runs, of the slow tests, the quarter that a commit's hash chooses; all others as ever."""
    parser.addoption("--slow-quarter", metavar="HASH", help="of the slow tests run the quarter that HASH chooses")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests of the other quarters."""
    chosen = config.getoption("--slow-quarter")
    if chosen is None:
        return
    left = [i for i in items if i.get_closest_marker("slow") and quarter(i.nodeid) != quarter(chosen)]
    config.hook.pytest_deselected(items=left)
    gone = set(left)
    items[:] = [item for item in items if item not in gone]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With BYROTE_SKIPS=refuse a run of the tests fails where one was skipped that need not be."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("BYROTE_SKIPS") != "refuse" or hasattr(session.config, "workerinput") or reporter is None:
        return
    lines = (Path(__file__).parent / "may_be_skipped.txt").read_text("utf-8").splitlines()
    allowed = tuple(line.split("#")[0].strip() for line in lines if line.split("#")[0].strip())
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(allowed):
            reporter.write_line(f"{report.nodeid} was skipped, and need not be: {reason}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
