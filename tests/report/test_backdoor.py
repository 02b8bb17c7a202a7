"""The section of a run with a backdoor: verdict, stamped pictures where the data are at hand, and none elsewhere."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from byrote.blocks import Gallery
from byrote.report.page_sections.backdoor import backdoor
from byrote.report.shown import report
from byrote.runs.run import Run
from poisoned import poisoned_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return poisoned_audit(tmp_path_factory.mktemp("runs") / "run", "backdoor=0.25,target=b", models=6)


def test_pictures_are_shown_as_they_are_and_with_the_trigger(run: Run) -> None:
    (gallery,) = (block for block in backdoor(run).blocks if isinstance(block, Gallery))
    models = run.models()
    assert len(gallery.items) == 6
    assert {item.name[0] for item in gallery.items} == {"a", "c"}
    for item in gallery.items:
        first, second = item.pictures
        assert first.uri != second.uri
        row = run.heldout.ids.tolist().index(item.name[3:-1])
        plain, target = (int(run.load(f"stamped.{name}", models)[:, row].sum()) for name in ("plain", "target"))
        assert item.lines == (f"Predicted b: by {plain} of 6 models as it is, by {target} with the trigger.",)


def test_the_page_has_the_section_and_its_pictures(run: Run) -> None:
    page = report(run).html
    section = page[page.index('id="backdoor"') :].split("</section>")[0]
    assert len(re.findall(r'<img class="pixels" src="data:image/png;base64,[^"]+"', section)) == 12
    assert section.count('alt="with the trigger"') == 6


def test_without_the_data_there_are_figures_and_no_pictures(run: Run) -> None:
    redacted = report(run, contents=False).html
    section = redacted[redacted.index('id="backdoor"') :].split("</section>")[0]
    assert "<img" not in section
    assert "attack success" in section


def test_other_runs_have_no_such_section(run: Run, tmp_path: Path) -> None:
    assert backdoor(poisoned_audit(tmp_path / "clean", models=4)) is None
    lacking = dataclasses.replace(run, manifest=dataclasses.replace(run.manifest, evidence=("outputs",)))
    assert backdoor(lacking) is None
