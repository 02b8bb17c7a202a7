"""Runs that cannot tell what was memorized have a report all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import byrote
from byrote.designs.full_data import full_data
from byrote.errors import MissingEvidence
from byrote.report.page import write_report
from byrote.report.watched import Watched, report_sentences
from byrote.runs.run import Run
from report.made import Page, make_run
from small import RECIPE, blobs


def recorded(folder: Path, passes: tuple[int, ...], epochs: int = 3, examples: int = 30) -> Run:
    """One training of a made-up loop, with clean passes after these epochs."""
    rng = np.random.default_rng(0)
    labels = torch.arange(examples) % 3
    recorder = byrote.Recorder(folder, examples=examples, class_names=("a", "b", "c"))
    batches = [
        (torch.zeros(10, 1), labels[start : start + 10], torch.arange(start, start + 10)) for start in (0, 10, 20)
    ]
    model = torch.nn.Linear(1, 3)
    for epoch in range(epochs):
        for inputs, targets, ids in batches:
            logits = torch.tensor(rng.normal(size=(len(inputs), 3)), dtype=torch.float32)
            recorder.observe(ids, logits, targets)
        recorder.epoch_end()
        if epoch + 1 in passes:
            recorder.clean_pass(model, batches)
    run = recorder.close()
    assert run is not None
    return run


@pytest.mark.parametrize(
    ("passes", "lead", "lacking"),
    [
        ((), "cumulative_sample_loss[presentation]", ("after the last epoch", "after two epochs or more")),
        ((3,), "cumulative_sample_loss[presentation]", ("after two epochs or more",)),
        ((1, 2, 3), "cumulative_sample_loss", ()),
    ],
)
def test_a_recorded_training_shows_what_it_can_and_says_what_the_rest_takes(
    tmp_path: Path, passes: tuple[int, ...], lead: str, lacking: tuple[str, ...]
) -> None:
    run = recorded(tmp_path / "run", passes)
    path, found = write_report(run)
    assert isinstance(found, Watched)
    assert found.lead.key == lead
    page = Page(path.read_text("utf-8"))
    for words in ("How training went for 30 examples", "It cannot be told from these models", "All examples"):
        assert words in page.text
    assert "byrote audit` command again" not in page.text
    notes = " ".join(found.notes)
    assert all(words in notes for words in lacking)
    assert "document" not in notes  # nothing of language models is missed
    assert (found.member_accuracy is None) == (not passes)
    assert ("No trajectories: they take clean passes" in page.text) == (len(passes) < 2)
    assert any("ordered by" in sentence for sentence in report_sentences(found))


def test_a_single_model_on_all_data_has_one_too(tmp_path: Path) -> None:
    run = byrote.audit(
        blobs(noise=0.1), RECIPE, design=full_data(60, 1), out=tmp_path / "run", workers=1, progress=False
    )
    path, found = write_report(run)
    assert isinstance(found, Watched)
    assert found.role == "full"
    page = Page(path.read_text("utf-8"))
    assert "no models of role 'reference'" in page.text
    assert "During training" in page.text
    assert "No trajectories" not in page.text


def test_a_run_of_nothing_by_example_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trajectories=False)
    run.design.phases[0].count[:] = 1
    again = Run(**{name: getattr(run, name) for name in ("folder", "manifest", "design", "ids", "labels", "controls")})
    with pytest.raises(MissingEvidence, match="Nothing can be measured by example"):
        write_report(again)
