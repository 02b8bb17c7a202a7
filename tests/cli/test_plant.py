"""`byrote plant`, by what a person sees and what it leaves behind."""

from __future__ import annotations

import sys

import pytest

from byrote.cli.app import main
from byrote.data.canaries import read_canaries
from byrote.data.corpus import read_corpus


def run(monkeypatch, *words) -> int:
    monkeypatch.setattr(sys, "argv", ["byrote", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("One paragraph.\n\nAnother paragraph.\n")
    return path


def test_a_planted_corpus_and_its_manifest_fit(monkeypatch, corpus, tmp_path, capsys):
    planted = tmp_path / "planted.jsonl"
    assert (
        run(monkeypatch, "plant", corpus, "--canaries", 9, "--repeat", "1,4", "--kind", "card", "--out", planted) == 0
    )
    canaries = read_canaries(tmp_path / "canaries.json")
    canaries.refuse_damaged(read_corpus(planted))
    assert [canary.repetitions for canary in canaries] == [0] * 3 + [1] * 3 + [4] * 3
    assert len(read_corpus(planted)) == 2 + 3 + 12
    shown = capsys.readouterr().out
    assert not any(canary.secret in shown for canary in canaries)


@pytest.mark.parametrize(
    "words",
    [
        ("--canaries", 2),
        ("--repeat", "often"),
        ("--repeat", "0,1"),
        ("--kind", "pin"),
        ("--kind", "card", "--kind", "iban", "--canaries", 8),
        ("--digits", 1, "--repeat", 1, "--canaries", 12),
        ("--out", "planted.txt"),
    ],
)
def test_what_cannot_be_planted_ends_with_status_2_and_leaves_nothing(monkeypatch, corpus, tmp_path, words):
    assert run(monkeypatch, "plant", corpus, "--out", tmp_path / "planted.jsonl", *words) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.txt"]


def test_fewer_than_asked_for_are_planted_and_it_says_so(monkeypatch, corpus, tmp_path, capsys):
    planted = tmp_path / "new" / "planted.jsonl"
    assert run(monkeypatch, "plant", corpus, "--canaries", 11, "--repeat", "1,4", "--out", planted) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "These are 9 and not 11, so that each of 3 numbers has as many." in said
    assert len(read_canaries(tmp_path / "new" / "canaries.json")) == 9


def test_with_coins_it_says_how_many_were_planted_how_often(monkeypatch, corpus, tmp_path, capsys):
    planted = tmp_path / "planted.jsonl"
    assert run(monkeypatch, "plant", corpus, "--canaries", 24, "--repeat", "1,4", "--coins", "--out", planted) == 0
    said = " ".join(capsys.readouterr().out.split())
    times = [canary.planted for canary in read_canaries(tmp_path / "canaries.json")]
    assert f"{times.count(1)} at 1, {times.count(4)} at 4 times." in said


def test_secrets_of_a_small_space_all_differ(monkeypatch, corpus, tmp_path):
    planted = tmp_path / "planted.jsonl"
    assert run(monkeypatch, "plant", corpus, "--canaries", 50, "--digits", 2, "--repeat", 1, "--out", planted) == 0
    secrets = [canary.secret for canary in read_canaries(tmp_path / "canaries.json")]
    assert len(set(secrets)) == 50
