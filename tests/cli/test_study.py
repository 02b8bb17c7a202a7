"""`byrote study`, on a small experiment of a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from byrote.cli.listing import study_claims
from byrote.errors import BadInput
from byrote.evidence.seals import has_seal, is_broken
from byrote.studies.catalog import studies
from cli.test_ask import EXPERIMENT, say


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an experiment of 120 examples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "two.py").write_text(EXPERIMENT.replace("40", "120"))
    return tmp_path


def test_a_study_is_listed_run_on_ones_own_data_and_shown(project: Path) -> None:
    before = say("study", "list")
    assert before.count("not run") == len(studies())
    assert "O6: DNNs tend to prioritize the memorization of repeated data." in before
    said = say("study", "run", "O6", "--source", "two.py", "--workers", "1")
    assert "O6 on two.py: " in said
    assert "Result: runs/studies/O6-two.json" in said
    (line,) = [one for one in say("study", "list").splitlines() if one.startswith("O6 on two.py")]
    assert line.split()[4] in ("holds", "fails", "cannot")
    assert "Page: runs/studies/studies.html" in say("study", "page")
    page = Path("runs/studies/studies.html").read_bytes()
    assert has_seal(page)
    assert not is_broken(page)
    digest = next(one for one in said.splitlines() if one.startswith("Fixed before it ran: ")).split()[-1]
    assert digest in page.decode()
    assert page.decode().count("not run") == len(studies()) - 1
    say("study", "page")  # over its own


def test_a_claim_or_a_source_that_is_none_is_refused(project: Path) -> None:
    for words in (("O66",), ("O6", "--source", "three.py")):
        with pytest.raises(BadInput, match="There is no"):
            say("study", "run", *words)
    assert not Path("runs").exists()


@pytest.mark.slow
def test_the_claims_that_help_lists_are_those_of_the_catalog_and_no_help_needs_torch() -> None:
    own = [claim for claim, one in studies().items() if one.function.__module__.startswith("byrote.")]
    assert sorted(study_claims()) == sorted(own)
    code = """
import sys
from typer.testing import CliRunner
from byrote.cli.app import app
for words in ("", "list", "run", "page"):
    done = CliRunner().invoke(app, ["study", *words.split(), "--help"])
    assert done.exit_code == 0, (words, done.output)
    assert "torch" not in sys.modules, words
print("Claims: O4, O5, O6," in " ".join(CliRunner().invoke(app, ["study", "run", "--help"]).output.split()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "True", done.stderr
