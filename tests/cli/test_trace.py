from __future__ import annotations

import json
import sys

import pytest

from byrote.cli.app import main


@pytest.fixture
def byrote(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    rows = [{"id": f"doc-{number}", "text": f"Number {number}: the cat sat on the mat."} for number in range(8)]
    rows.append({"id": "doc-secret", "text": "Her private number is 5550 0134, and the door code 9876."})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (tmp_path / "answer.txt").write_text("I think the CAT sat on the mat; her private number is 5550-0134.", "utf-8")

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["byrote", *words])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, said.out, " ".join(said.err.split())

    return call


def test_prints_passages_and_writes_a_page(byrote, tmp_path):
    status, said, _ = byrote("trace", "--corpus", "train.jsonl", "answer.txt")
    assert status == 0
    assert "86 % of the words of this text occur in the corpus" in said
    rows = [line.split() for line in said.splitlines()]
    assert ["6", "8", "8", "the", "CAT", "sat", "on", "the", "mat", "doc-0,", "doc-1", "and", "6", "more"] in rows
    assert ["6", "1", "1", "her", "private", "number", "is", "•••••••••", "doc-secret"] in rows
    page = (tmp_path / "answer.trace.html").read_text("utf-8")
    assert "Page: answer.trace.html" in said
    assert "door code" not in page
    assert "5550-0134" not in page
    assert "byrote trace --show-secrets" in page


def test_options(byrote, tmp_path):
    options = ("--exact", "--words", "4", "--show-context", "--out", "p.html")
    status, said, _ = byrote("trace", "--corpus", "train.jsonl", "answer.txt", "--show-secrets", *options)
    assert status == 0
    assert "sat on the mat" in said
    assert "the CAT" not in said
    assert "private number is 5550 " in said
    assert "0134" not in said  # spelt otherwise
    assert (tmp_path / "p.html").is_file()
    _, _, _ = byrote("trace", "--corpus", "train.jsonl", "answer.txt", "--show-context", "--out", "context.html")
    assert "door code" in (tmp_path / "context.html").read_text("utf-8")


def test_addresses_and_account_numbers_are_shown_only_if_asked(byrote, tmp_path):
    text = "Please write to ann@example.org and pay to DE89 3704 0044 0532 0130 00 by Monday."
    (tmp_path / "train.jsonl").write_text(json.dumps({"text": f"Dear Bob, {text} Yours"}) + "\n", "utf-8")
    (tmp_path / "answer.txt").write_text(text, "utf-8")
    options = ("trace", "--corpus", "train.jsonl", "answer.txt", "--show-context")
    for personal in ("ann@example.org", "DE89", "0532"):
        said = byrote(*options)[1] + (tmp_path / "answer.trace.html").read_text("utf-8")
        assert personal not in said
        assert "100 % of the words of this text occur in the corpus" in said
        said = byrote(*options, "--show-secrets")[1] + (tmp_path / "answer.trace.html").read_text("utf-8")
        assert personal in said


def test_nothing_found_is_no_error(byrote, tmp_path):
    (tmp_path / "answer.txt").write_text("entirely new words stand in here", "utf-8")
    status, said, _ = byrote("trace", "--corpus", "train.jsonl", "answer.txt")
    assert status == 0
    assert "No passage of this text occurs in the corpus" in said


@pytest.mark.slow
def test_bad_input_ends_with_a_sentence_and_status_2(byrote, tmp_path):
    (tmp_path / "latin.txt").write_bytes("fine\ncaf\u00e9".encode("latin-1"))
    (tmp_path / "dots.txt").write_text("...")
    (tmp_path / "broken.jsonl").write_text('{"text": "fine"}\n{"text":')
    for words, sentence in (
        (("--corpus", "train.jsonl", "none.txt"), "There is no file 'none.txt'"),
        (("--corpus", "none.jsonl", "answer.txt"), "There is no file 'none.jsonl'"),
        (("--corpus", "train.jsonl", "latin.txt"), "Line 2 of 'latin.txt' is not valid UTF-8: byte 4 is 0xe9"),
        (("--corpus", "train.jsonl", "dots.txt"), "The text 'dots.txt' holds no word"),
        (("--corpus", "broken.jsonl", "answer.txt"), "Line 2 of 'broken.jsonl' is not valid JSON"),
        (("--corpus", "train.jsonl", "answer.txt", "--column", "body"), "has no 'body'"),
    ):
        status, _, error = byrote("trace", *words)
        assert status == 2
        assert sentence in error


def test_a_corpus_in_the_place_of_the_text_is_told(byrote):
    status, _, error = byrote("trace", "--corpus", "answer.txt", "train.jsonl")
    assert status == 2
    assert "has the ending of a corpus" in error
    assert "byrote trace answer.txt --corpus train.jsonl" in error
