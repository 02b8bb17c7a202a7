"""What byrote finds by the entry points, asked here, before the tests import any of these modules themselves."""

from __future__ import annotations

import pytest

from byrote.analyses.catalog import analyses
from byrote.changes.registry import changes
from byrote.measures.catalog import catalog
from byrote.probes.registry import probes
from byrote.studies.catalog import studies

NAMES = {
    "measures": [*catalog()],
    "probes": [*probes()],
    "analyses": [*analyses()],
    "studies": [*studies()],
    "changes": [*changes()],
}


@pytest.fixture(scope="session")
def found() -> dict[str, list[str]]:
    """The names of all parts, by their kind."""
    return NAMES
