from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from attacked_texts import attacked_texts, normal_texts
from byrote.analyses.blind_baseline import blind_baseline
from byrote.analyses.membership import membership_attack
from byrote.errors import MissingEvidence
from byrote.report.redact import forget_contents
from byrote.runs.run import Run
from made_once import opened


def test_random_halves_are_not_told_by_their_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mean, member, pair = normal_texts(rng, 6, 100, 0.0)
    run = attacked_texts(tmp_path, mean, member, pair, token=rng.integers(9, size=300))
    table = blind_baseline(run)
    found = table.figures["auc"][0]
    assert found is not None
    assert found.low < 0.5 < found.high
    assert "gives this away" not in table.notes[0]


def test_members_of_another_kind_are_told_and_copies_are_no_help(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    member = (np.arange(100) < 50).astype(np.int8)[None]
    token = np.where(np.arange(300) < 150, rng.integers(6, size=300), rng.integers(3, 9, size=300))
    run = attacked_texts(tmp_path / "a", np.zeros((1, 100)), member, token=token)
    assert "your test set gives this away by itself" in byrote.ask(run, "blind_baseline").notes[0]
    twice = np.tile(np.arange(50), 2).repeat(3)  # every text stands twice, and has a word of its own
    drawn = np.tile(rng.random(50) < 0.5, 2).astype(np.int8)[None]
    alone = blind_baseline(attacked_texts(tmp_path / "b", np.zeros((1, 100)), drawn, token=twice)).figures["auc"][0]
    assert alone is not None
    assert alone.value == 0.5


def test_words_that_were_forgotten_tell_nothing(tmp_path: Path) -> None:
    """What is left of them is different in every document, as if words told nobody."""
    forget_contents(opened("documents", tmp_path))
    run = Run.open(tmp_path / "run")
    with pytest.raises(MissingEvidence, match="'blind_baseline' reads texts"):
        blind_baseline(run)
    with pytest.raises(MissingEvidence, match="reads texts, and those of the run"):
        membership_attack(run, "text_loss_attack[dc_pdd]", draws=2)
    assert any("not known: the texts were forgotten" in note for note in membership_attack(run, draws=2).notes)


def test_a_run_of_no_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingEvidence, match="holds no texts that a bag of words could be of"):
        blind_baseline(opened("classes", tmp_path))
