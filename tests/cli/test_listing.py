from __future__ import annotations

from byrote.analyses.catalog import analyses
from byrote.cli.listing import analysis_names


def test_the_analyses_that_help_lists_are_those_of_the_catalog() -> None:
    own = {name for name, entry in analyses().items() if entry.function.__module__.startswith("byrote.")}
    assert sorted(analysis_names()) == sorted(own)
