import html
import re
from pathlib import Path

import pytest

from byrote.errors import BadInput
from byrote.report.page import write_report
from made_once import opened


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return opened("classes", tmp_path_factory.mktemp("shown"))


def test_a_notebook_shows_the_page_that_is_written(run):
    shown = run.report()
    framed = re.fullmatch(r'<iframe sandbox="([^"]*)" [^>]* srcdoc="([^"]*)"></iframe>', shown._repr_html_())
    assert framed is not None
    assert framed[1] == "allow-scripts allow-downloads"  # and no allow-same-origin: it sees nothing of the notebook
    assert html.unescape(framed[2]) == shown.html
    assert not (run.folder / "report.html").exists()
    path, _ = write_report(run)
    assert shown.html == path.read_text("utf-8")


def test_the_page_is_saved_where_one_says(run, tmp_path):
    shown = run.report(contents=False)
    assert shown.html == shown.save(tmp_path / "page.html").read_text("utf-8")
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(BadInput):
        shown.save(tmp_path / "mine.html")
    assert len(repr(shown)) < 200


@pytest.mark.slow
def test_the_page_of_a_language_model(tmp_path: Path):
    run = opened("documents", tmp_path)
    assert "<html" in run.report().html
    assert run.report(contents=False).html != run.report().html
