from __future__ import annotations

import numpy as np
import pytest
import torch

import byrote
from byrote.analyses.catalog import ask, kept_table
from byrote.analyses.issues import LABEL_ERROR, issues, judged
from byrote.analyses.label_errors import WRONG
from byrote.analyses.learned_late import LATE, learned_late
from byrote.errors import BadInput, MissingEvidence
from byrote.report.page import write_report
from byrote.report.watched import Watched
from byrote.runs.imported import import_arrays
from report.made import Page

EXAMPLES, TIMES = 12, 8


def imported(folder, loss, times, member=None, **others):
    """A run of models that are watched: `loss[model, example]` summed over `times[model, example]`."""
    loss, times = np.asarray(loss, np.float32), np.asarray(times, np.int32)
    labels = np.arange(loss.shape[1]) % 3
    return import_arrays(
        folder,
        labels=labels,
        member=np.ones(loss.shape, np.int8) if member is None else np.asarray(member, np.int8),
        evidence={
            "presentation.loss_sum": loss,
            "presentation.presentations": times,
            "presentation.logit_margin_sum": -loss,
            "presentation.forgetting_count": 0 * times,
            "presentation.first_learned": 0 * times,
        },
        class_names=("a", "b", "c"),
        **others,
    )


def test_the_score_is_one_less_the_geometric_mean_of_the_probability(tmp_path):
    probability = np.array([[0.9, 0.25, 0.5], [0.1, 0.25, 0.5]])  # at each of the times
    times = np.array([[8, 2, 5], [4, 2, 5]])
    member = np.array([[1, 1, 0], [0, 1, 0]])
    found = learned_late(imported(tmp_path / "run", -np.log(probability) * times, times, member))
    assert found.score[:2] == pytest.approx([1 - 0.9, 1 - 0.25], abs=1e-6)
    assert np.isnan(found.score[2])  # no model was trained on it
    assert found.shown[:2].tolist() == [8, 2]
    assert found.trainings == 2


def test_examples_are_gone_through_in_blocks(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    run = imported(tmp_path / "run", rng.gamma(1.0, 3.0, (4, 30)), rng.integers(0, 3, (4, 30)))
    whole = learned_late(run)
    monkeypatch.setattr("byrote.runs.run.BLOCK_BYTES", 8 * 4 * 4 * 7)
    assert len(list(run.blocks(16))) == 5
    again = learned_late(run)
    for name in ("score", "flagged", "shown"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


def one_training(folder, late):
    """A recorded training that gives each label a probability of .95, and those of the `late` ones .2 for long."""
    labels = torch.arange(EXAMPLES) % 3
    recorder = byrote.Recorder(folder, examples=EXAMPLES, class_names=("a", "b", "c"))
    for epoch in range(TIMES):
        probability = torch.full((EXAMPLES,), 0.95)
        probability[list(late)] = 0.2 if epoch < TIMES - 1 else 0.95
        logits = ((1 - probability) / 2).log()[:, None].repeat(1, 3)
        logits[torch.arange(EXAMPLES), labels] = probability.log()
        recorder.observe(torch.arange(EXAMPLES), logits, labels)
        recorder.epoch_end()
    return recorder.close()


def test_a_recorded_training_flags_the_labels_that_it_learned_late(tmp_path):
    run = one_training(tmp_path / "run", (3, 7))
    table = run.issues()
    assert table.arrays["issue"].tolist() == [LABEL_ERROR] * 2
    assert table.arrays["example"].tolist() == ["3", "7"]
    assert table.arrays["given"].tolist() == ["a", "b"]
    assert table.arrays["suggested"].tolist() == ["", ""]
    assert table.arrays["score"] == pytest.approx([1 - (0.2**7 * 0.95) ** (1 / 8)] * 2, abs=1e-5)
    assert set(table.arrays["score_is"].tolist()) == {LATE}
    assert "score and no probability" in " ".join(table.notes)
    assert "its probability was 24 % (geometric mean)" in table.arrays["why"][0]
    ask(run, "issues")
    kept = kept_table(run, "issues")
    assert kept is not None


def test_its_page_begins_with_them(tmp_path):
    path, found = write_report(one_training(tmp_path / "run", (3, 7)))
    assert isinstance(found, Watched)
    page = Page(path.read_text("utf-8"))
    assert "Can this training tell? Not all of it" in page.text
    assert "Look at these first" in page.text
    assert "was learned late: over the 8 times that it was shown" in page.text
    assert "95 % interval" not in page.text


def test_where_most_is_learned_late_nothing_is_flagged(tmp_path):
    late = issues(one_training(tmp_path / "many", range(5)))
    assert late.late is not None
    assert (late.late.score > WRONG).sum() == 5
    assert late.found == ()
    assert "These are too many to be called label errors" in " ".join(late.notes)


def test_a_kept_score_that_is_not_the_runs_is_noticed(tmp_path):
    run = one_training(tmp_path / "run", (3,))
    table = ask(run, "issues").to_arrow()
    assert judged(run, table) == ""
    place = table.column_names.index("score")
    assert judged(run, table.set_column(place, "score", [[0.7]]))


def test_it_takes_the_losses_of_a_training_about_classes(tmp_path):
    run = imported(tmp_path / "run", np.ones((1, 3)), np.ones((1, 3)))
    run.manifest.dataset["task"] = "labels"
    with pytest.raises(BadInput, match="one class per example"):
        learned_late(run)
    answers = {"outputs.log_odds": np.zeros((1, 3), np.float32), "outputs.logit_margin": np.ones((1, 3), np.float32)}
    ended = import_arrays(tmp_path / "ended", labels=np.arange(3), member=np.ones((1, 3), np.int8), evidence=answers)
    with pytest.raises(MissingEvidence, match="presentation"):
        learned_late(ended)
