from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from attacked_texts import attacked_texts, normal_texts
from byrote.analyses.text_risks import known, risk_words, shown, text_risks
from byrote.errors import MissingEvidence
from byrote.results import Scalar, Table
from made_once import opened

ROWS = ["AUC for membership", "share of members recognised while one in a hundred others is accused wrongly"]


def said(table: Table) -> list[str]:
    return [block.text for block in shown(table) if hasattr(block, "text")]


def test_members_are_told_beside_chance_and_what_was_not_tried(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    member = (np.arange(100) < 50).astype(np.int8)[None]
    run = attacked_texts(tmp_path, rng.normal(-30, 1, (1, 100)) + 4 * member, member, token=rng.integers(9, size=300))
    table = byrote.ask(run, "text_risks")
    assert list(table.rows["what"])[:2] == ROWS
    area, chance = table.figures["found"][0], table.figures["without memorization"][0]
    assert area is not None
    assert chance is not None
    assert area.low > 0.9 > 0.8 > chance.high
    text = said(table)
    first = text[0].partition("\n")[0]
    assert first.startswith("Documents, AUC for membership: ")
    assert first.endswith("This is more. The attacker has the text and the log-probability of its tokens.")
    assert any(one.startswith("Not tried: planted secrets") for one in text)
    assert any("no proof of privacy" in one for one in text)


def test_persons_are_at_risk_by_all_of_their_documents(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mean, member, pair = normal_texts(rng, 8, 20, 1.0)
    persons, whole = [f"person {number % 20}" for number in range(40)], np.tile(member, 2)
    run = attacked_texts(tmp_path, np.tile(mean, 2), whole, pair, groups=persons)
    table = text_risks(run)
    assert "and 6 other models, trained alike" in table.rows["access"][0]
    assert [*table.rows["who"]][:3] == ["documents", "documents", "persons, or groups of documents"]


def test_a_test_set_that_gives_itself_away_is_a_warning(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    member = (np.arange(100) < 50).astype(np.int8)[None]
    token = np.where(np.arange(300) < 150, rng.integers(6, size=300), rng.integers(3, 9, size=300))
    table = text_risks(attacked_texts(tmp_path, rng.normal(-30, 1, (1, 100)), member, token=token))
    (warned,) = [block for block in shown(table) if getattr(block, "tone", "") == "warning"]
    assert "your test set gives this away by itself" in warned.text


def test_where_nothing_tells_models_apart_the_notes_say_so(tmp_path: Path) -> None:
    run = attacked_texts(tmp_path, np.zeros((1, 9)), np.ones((1, 9), np.int8))
    assert any("not tried: No document of the run" in note for note in text_risks(run).notes)


@pytest.mark.parametrize(("high", "says"), [(0.65, "This is more."), (0.75, "The difference may be chance.")])
def test_the_verdict_is_about_the_range_of_the_null(high: float, says: str) -> None:
    found = Scalar(value=0.75, stderr=0.02, low=0.71, high=0.79, models=8, examples=90)
    null = Scalar(value=0.6, stderr=0.02, low=0.55, high=high, models=8, examples=90)
    assert f"it is 0.600 ± 0.020. {says}" in risk_words("documents", "AUC", "the text", found, null)
    assert "ithout memorization" not in risk_words("documents", "AUC", "the text", found, known(np.nan))


def test_a_run_of_no_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingEvidence, match="holds no texts that could be at risk"):
        text_risks(opened("classes", tmp_path))


def test_documents_are_judged_where_a_person_is_trained_on_and_held_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    member = (np.arange(60) < 30).astype(np.int8)[None]
    persons = [f"person {number % 4}" for number in range(60)]
    run = attacked_texts(tmp_path, rng.normal(-30, 1, (1, 60)) + 4 * member, member, groups=persons)
    table = text_risks(run)
    assert [*table.rows["who"]][:2] == ["documents", "documents"]
    (why,) = [note for note in table.notes if note.startswith("not tried: membership of persons")]
    assert "trained on a part of a group" in why
    assert not any("person 0" in note for note in table.notes)
