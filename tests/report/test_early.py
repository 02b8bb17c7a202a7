from __future__ import annotations

import json

import numpy as np
import pytest

from byrote.report.early import FIRST, SHARE, EarlyReport, told
from byrote.report.first_look import FirstLook
from report.made import Page
from small import blobs, longer, small_audit

MODELS = 8


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An audit of blobs of which some labels are wrong and not marked as planted."""
    folder = tmp_path_factory.mktemp("early") / "run"
    data = blobs(noise=0.1)
    data = data.replace(controls=type(data.controls)())
    return small_audit(folder, dataset=data, recipe=longer(40), models=MODELS, full=2)


def looked(run, models, **settings):
    """An early report of these models, and what it said."""
    heard = []
    early = EarlyReport(heard.append, **settings)
    early(run.so_far(models), 100.0)
    return early, heard


def test_a_training_that_was_watched_has_examples_and_says_what_it_cannot_tell(trained):
    early, heard = looked(trained, [MODELS])
    assert heard[0] == "This is a look after 1 training on all data; the others take about 100 seconds."
    assert heard[1] == "Look at these examples first:"
    first = [line for line in heard[2:-2] if line.startswith("  ")]
    assert 1 <= len(first) <= 5
    assert all("label error  0." in line or "label error  1." in line for line in first)
    assert not any("→" in line for line in first)
    assert heard[-2] == (
        "Not known yet: which label is right instead, and what is memorized (4 models); errors of figures (6 models)."
    )
    assert heard[-1] == f"The report so far: {early.page}. Ctrl-C keeps it; the same command then goes on."
    page = Page(early.page.read_text("utf-8"))
    assert "This is a look after 1 training on all data; the others are being trained" in page.text
    assert "Can this training tell?" in page.text
    assert json.loads((trained.folder / "report.json").read_text("utf-8"))["byrote"]


def test_four_models_suggest_labels_on_their_page(trained):
    early, heard = looked(trained, [0, 1, 2, 3, MODELS, MODELS + 1])
    assert heard[0] == "This is a look after 4 of 8 models; the others take about 100 seconds."
    assert any("→" in line and "label error" in line for line in heard)
    assert "Not known yet: errors of figures (6 models)." in heard
    page = Page(early.page.read_text("utf-8"))
    assert "This is a look after 4 of 8 models; the others are being trained" in page.text
    assert "4 models" in page.text
    assert not (trained.folder / "results").exists()


def test_a_look_tells_what_is_memorized_by_the_measure_that_was_named(trained):
    margin = "label_memorization[margin]"
    _, heard = looked(trained, [0, 1, 2, 3, 4, 5], estimate=margin)
    told = [line for line in heard if line.startswith("Memorized for sure (interval above 0.25) by")]
    assert len(told) == 1
    part = trained.so_far([0, 1, 2, 3, 4, 5])
    for key in (margin, "label_memorization"):
        found = part.measured_on(key, part.models())
        sure, error = int((found.low > 0.25).sum()), np.quantile(found.stderr, 0.9, method="inverted_cdf")
        assert f"by {key}: {sure} example{'' if sure == 1 else 's'} and errors of at most {error:.3f}" in told[0]
    _, heard = looked(trained, [MODELS], estimate=margin)  # one training tells nothing of it
    assert not any("Memorized for sure" in line for line in heard)


def test_a_look_that_would_take_long_is_left_out(trained):
    heard = []
    early = EarlyReport(heard.append)
    early(trained.so_far([MODELS]), 0.9 * FIRST / SHARE)
    assert (heard, early.page) == ([], None)
    early(trained.so_far([MODELS]), 1e6)
    assert heard
    spoken = len(heard)
    early.took = 30.0
    early(trained.so_far([0, 1, 2, 3, MODELS]), 299.0)
    assert len(heard) == spoken
    early(trained.so_far([0, 1, 2, 3, MODELS]), 301.0)
    assert len(heard) > spoken


def test_what_cannot_be_measured_yet_stops_no_training(trained, monkeypatch):
    from byrote.errors import TooFewModels

    def too_few(run, *_):
        raise TooFewModels("2 of 4 reference models diverged.", hint="train longer.")

    monkeypatch.setattr("byrote.report.early.findings", too_few)
    early, heard = looked(trained, [0, 1, 2, 3])
    assert early.page is None
    assert heard == [
        "This is a look after 4 of 8 models; the others are being trained, and will tell more. No report yet: 2 of 4 "
        "reference models diverged."
    ]


def test_what_fails_in_a_look_ends_no_training(trained, monkeypatch):
    monkeypatch.setattr("byrote.report.early.findings", lambda *_: np.linalg.cholesky(-np.eye(2)))
    early, heard = looked(trained, [0, 1, 2, 3])
    assert early.page is None
    assert heard[0].endswith("No report yet: LinAlgError: Matrix is not positive definite")


def test_contents_that_were_forgotten_do_not_come_back(trained, monkeypatch):
    monkeypatch.setattr(type(trained), "forgotten", property(lambda run: True))
    early, _ = looked(trained, [0, 1, 2, 3])
    assert "x0" not in Page(early.page.read_text("utf-8")).text


def test_redacted_it_shows_nothing_of_the_data(trained):
    early, _ = looked(trained, [0, 1, 2, 3], redact=True)
    assert "x0" not in Page(early.page.read_text("utf-8")).text


def test_where_nothing_stands_out_it_says_so(trained):
    look = FirstLook(can_tell="yes", verdict=(), counts=(), first=(), planted=0, notes=())
    assert "Nothing stands out so far." in list(told(trained.so_far([0, 1, 2, 3]), look, 5.0))
