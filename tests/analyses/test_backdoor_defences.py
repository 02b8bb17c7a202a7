"""Defences: suspects without knowledge of the poisons, their recall, and what is left of the attack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byrote.analyses.backdoor_defences import LISTS, NONE, OF_POISONS, _count, _suspects, backdoor_defences
from byrote.analyses.lab import Lab
from byrote.analyses.pattern_or_rote import poisons_of
from byrote.errors import BadInput
from byrote.runs.run import Run
from poisoned import BY_ROTE, poisoned_audit

LAB = Lab(workers=1, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return poisoned_audit(folder, "backdoor=0.1,target=b", models=8, probes=("poison_signatures",))


def test_how_many_are_removed_follows_from_what_is_expected() -> None:
    assert _count(0.05, 120) == 9
    for wrong in (0.0, 0.001, 0.4, 1.0, -0.1):
        with pytest.raises(BadInput, match="The 'expected' share of poisons must remove some examples"):
            _count(wrong, 120)


def test_the_highest_by_a_measure_are_suspects_and_recall_is_the_share_of_the_poisons(run: Run) -> None:
    poisons = poisons_of(run)
    found, refused = _suspects(run, "spectral_signature; random;spectral_signature", 18, poisons, 0)
    assert list(found) == ["spectral_signature", "random"]
    assert not refused
    values = run.measure("spectral_signature").values
    suspects = found["spectral_signature"]
    assert values[suspects.rows].min() >= np.sort(values)[-18]
    assert suspects.recall.value == np.isin(poisons, suspects.rows).mean()
    assert suspects.recall.value > 3 * 18 / 120
    assert suspects.recall.stderr > 0
    assert found["random"].recall.value == np.isin(poisons, LISTS["random"](run, 0)[:18]).mean()


def test_issues_are_taken_in_the_order_of_their_list(run: Run) -> None:
    rows = LISTS["issues"](run, 0)
    assert len(rows) == len(set(rows.tolist()))
    kept = list(dict.fromkeys(run.issues().arrays["example"].tolist()))
    assert run.ids[rows].tolist() == kept


def test_what_cannot_be_had_is_said_and_nothing_at_all_is_refused(run: Run) -> None:
    found, refused = _suspects(run, "random;triage;lira[augmented];noisy_label_memorization", 9, poisons_of(run), 0)
    assert list(found) == ["random"]
    assert [one.partition(". ")[0] for one in refused] == [
        "Not tried: triage",
        "Not tried: lira[augmented]",
        "Not tried: noisy_label_memorization",
    ]
    with pytest.raises(BadInput, match="No defence of 'triage' can be tried"):
        _suspects(run, "triage", 9, poisons_of(run), 0)


class Untrained(Lab):
    """Gives the run itself instead of a changed one, and keeps where that would have been put."""

    def change(self, run: Run, change: Any, **settings: Any) -> Run:
        OUT.append(settings["out"].name)
        return run


OUT: list[str] = []


def test_each_row_has_how_many_were_removed_and_what_chance_finds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LISTS, "issues", lambda run, seed: np.arange(4))
    found = backdoor_defences(Untrained(workers=1), run, by="random;issues", expected=0.1, epochs=0)
    assert [one.value for one in found.figures["removed"]] == [0, 18, 4]
    none, *chance = found.figures["recall by chance"]
    assert none is None
    assert [one.value for one in chance] == [18 / 120, 4 / 120]
    assert OF_POISONS not in found.notes
    assert "fine-tuned" not in " ".join(found.notes)


def test_other_suspects_and_another_seed_have_a_folder_of_their_own(run: Run) -> None:
    def folders(by: str, **settings: Any) -> list[str]:
        OUT.clear()
        backdoor_defences(Untrained(workers=1), run, by=by, expected=0.1, **settings)
        return OUT[:]

    first, other = folders("random"), folders("spectral_signature")
    assert folders("random") == first
    assert len({*first, *other, *folders("random", seed=1)}) == 3 + 2 + 3  # all poisons are the same of both
    assert first[0].startswith("random-0-")
    assert other[1].startswith("fine-tuned-5-spectral_signature-0-")


def test_an_empty_list_removes_nothing_and_is_not_tried(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LISTS, "issues", lambda run, seed: np.empty(0, np.int64))
    found, refused = _suspects(run, "issues;random", 9, poisons_of(run), 0)
    assert list(found) == ["random"]
    assert refused == ["Not tried: issues. Its list is empty."]


@pytest.mark.slow
def test_what_is_left_of_the_attack_and_what_it_costs(run: Run) -> None:
    found = backdoor_defences(LAB, run, by="spectral_signature;random", expected=0.25, epochs=2)
    names = found.rows["defence"]
    assert names == (
        NONE,
        "without the highest by spectral_signature",
        "without the highest by random",
        "fine-tuned without the highest by spectral_signature",
        "fine-tuned without all poisons",
    )
    success = dict(zip(names, found.figures["attack success"], strict=True))
    accuracy = found.figures["held-out accuracy"]
    recall = found.figures["recall of poisons"]
    assert recall[0] is None
    assert recall[1].value == recall[3].value > recall[2].value
    assert recall[1].value > 0.9
    assert success[names[1]].value < 0.3 < success[NONE].value
    assert recall[4].value == 1
    assert all(one.value > 0.8 for one in accuracy)
    assert found.notes[0].startswith(
        "A defence removes 45 of 120 examples, 1.5 times the share that is expected (0.25)"
    )
    assert OF_POISONS in found.notes


@pytest.mark.slow
def test_triage_ranks_what_is_probably_mislabelled(tmp_path: Path) -> None:
    plants = ("label-noise=0.2", "ambiguous-examples=0.3", "backdoor=0.05,target=b")
    run = poisoned_audit(tmp_path / "run", *plants, models=16, recipe=BY_ROTE)
    (found,) = _suspects(run, "triage", 20, poisons_of(run), 0)[0].values()
    assert 0 < len(found.rows) <= 20
    assert np.isnan(found.recall.stderr)
