"""Every hint of the source is followed by a test, or stands in a list with the reason why none can."""

from __future__ import annotations

from pathlib import Path

from followed import rows_of, table
from hinted import places

REASONS = rows_of(Path(__file__).parent / "not_followed.txt")


def test_every_hint_is_followed_or_has_a_reason_why_it_cannot_be():
    named = {place.name for place in places()}
    assert len(named) > 700
    assert named - {*table()} - {*REASONS} == set(), "follow them in a test, and run `python tools/hints.py`"
    assert {*table()} - named == set()
    assert {*REASONS} - named == set()
    assert {*REASONS} & {*table()} == set()


def test_every_reason_is_said():
    assert [name for name, reason in REASONS.items() if len(reason.split()) < 3] == []


def test_the_tests_of_the_table_exist(collected: set[str]):
    files = {name.partition("::")[0] for name in collected}
    assert {test for test in table().values() if test.partition("::")[0] in files} <= collected
