from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from byrote.cli.app import app

RUNNER = CliRunner()


def test_scan_counts_by_kind_and_shows_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("Ann pays with 4000 0012 3456 7899.\n\nWrite to ann.lee@example.org.\n", "utf-8")
    done = RUNNER.invoke(app, ["scan", str(corpus), "--kind", "card", "--kind", "email"])
    assert done.exit_code == 0, done.output
    words = " ".join(done.output.split())
    assert "Personal data in 2 documents:" in words
    assert "card 1 1 0.50" in words
    assert "email spelled out 0.000" in words
    assert "Names, postal addresses" in words
    assert "ann.lee" not in words
    assert "4000" not in words
