from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses.card import as_table, shown
from byrote.blocks import Words
from byrote.data.dataset import Dataset
from byrote.designs.full_data import full_data
from byrote.recipes.defaults import objective_for
from byrote.recipes.recipe import Recipe
from byrote.report.card_page import card_page
from byrote.report.gallery import gallery
from byrote.report.page import write_report
from byrote.report.summary import spoken
from byrote.report.verify import verify
from byrote.report.watched import report_sentences
from byrote.report.wording import CLASSES, LABELS, given, wording_of
from byrote.runs.run import Run
from report.made import Page, make_run
from report.test_twin import fits
from small import longer, small_audit

#: Words of classes that do not stand in a report about numbers, keys of measures aside.
OF_CLASSES = re.compile(r"\b(?:re)?label(?:s|led)?\b|mislabelled|\bclass(?:es)?\b|--plant triage|label[- ]noise", re.I)
KEYS = re.compile(r"\b\w*label_memorization\S*|\b\w*(?:_label|label_|class_)\w*")


def numbers(examples: int = 60) -> Dataset:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(examples, 3)).astype(np.float32)
    targets = 100 + 10 * inputs[:, 0] + rng.normal(0, 4, examples)
    return byrote.from_arrays(inputs, targets, name="numbers", task="regression", tolerance=2.0)


def recipe_for(dataset: Dataset) -> Recipe:
    return replace(longer(12), objective=objective_for(dataset))


def of_labels(examples: int = 60) -> Dataset:
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(examples, 3)).astype(np.float32)
    targets = (inputs[:, :2] + rng.normal(0, 0.8, (examples, 2)) > 0).astype(np.int64)
    return byrote.from_arrays(inputs, targets, name="several", task="labels", class_names=("red", "round"))


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Run:
    data = numbers()
    folder = tmp_path_factory.mktemp("wording") / "run"
    return small_audit(folder, dataset=data, heldout=None, models=8, recipe=recipe_for(data))


def test_the_words_follow_the_task(regression: Run, tmp_path: Path) -> None:
    assert wording_of(make_run(tmp_path / "run")) is CLASSES
    words = wording_of(regression)
    assert (words.target, words.right) == ("number", "answer within 2 of its number")
    assert given(regression, 0) == f"{regression.numbers[0]:.7g}"


@pytest.mark.slow
def test_a_report_about_numbers_speaks_of_numbers(regression: Run) -> None:
    path, found = write_report(regression)
    page = Page(path.read_text("utf-8"))
    text = KEYS.sub("", page.text)
    assert [text[at.start() - 60 : at.end() + 60] for at in OF_CLASSES.finditer(text)] == []
    for words in (
        "answer within 2 of its number",
        "Given number",
        "Export to correct",
        "Predictions of models not trained on it",
    ):
        assert words in page.text
    twin = json.loads((regression.folder / "report.json").read_text())
    assert fits(twin) == []
    spoken = json.dumps([twin["headline"], twin["next"], twin["figures"], twin["missing"]], ensure_ascii=False)
    assert OF_CLASSES.search(KEYS.sub("", spoken)) is None
    for sentence in report_sentences(found):
        assert OF_CLASSES.search(KEYS.sub("", sentence)) is None
    assert verify(regression) == []


def test_a_card_of_numbers_speaks_of_them(regression: Run) -> None:
    compared = byrote.card(regression, regression)
    table = as_table(spoken(compared, wording_of(regression)))
    lines = [block.text for block in shown(table, narrow=True) if isinstance(block, Words)]
    assert "accuracy on members, answers within 2" in lines
    assert "memorization of all examples" in lines
    assert OF_CLASSES.search(KEYS.sub("", "\n".join(lines))) is None
    text = KEYS.sub("", Page(card_page(compared, regression, regression)).text)
    assert [text[at.start() - 60 : at.end() + 60] for at in OF_CLASSES.finditer(text)] == []


def test_the_table_holds_numbers_and_what_models_without_an_example_answer(regression: Run) -> None:
    path, _ = write_report(regression)
    html = path.read_text("utf-8")
    held = re.search(r'<script type="application/json" id="examples-data">(.*?)</script>', html)
    assert held is not None
    data = json.loads(held[1])
    rows = np.array(data["row"])
    np.testing.assert_allclose(data["given"], regression.numbers[rows], atol=1e-6)
    models = regression.models()
    residual, member = regression.load("outputs.residual", models), regression.design.member[models]
    for place, row in enumerate(rows):
        outside = residual[member[:, row] == 0, row]
        assert data["answer"][place] == pytest.approx(regression.numbers[row] + np.median(outside), abs=0.051)
    assert data["tolerance"] == 2.0
    assert data["said"] is None


@pytest.mark.slow
def test_a_report_about_several_numbers_tells_by_how_much_models_miss(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 4)).astype(np.float32)
    targets = np.stack([10 * inputs[:, 0] + rng.normal(size=60), 100 * inputs[:, 1]], axis=1)
    data = byrote.from_arrays(inputs, targets, name="several", task="regression", tolerance=0.3)
    run = byrote.audit(
        data, recipe_for(data), models=4, full=0, out=tmp_path / "run", workers=1, progress=False,
        device="cpu", heldout=None, checkpoints=3,
    )  # fmt: skip
    assert given(run, 3) == ", ".join(f"{value:.7g}".replace("-", "−") for value in targets[3])
    page = Page(write_report(run)[0].read_text("utf-8"))
    assert "Models without it miss by" in page.text
    assert "Predictions of models not trained on it" not in page.text
    assert "error, from none on the left, as a tick" in page.text
    (card,) = gallery(run, run.measure("label_memorization")).memorized[:1]
    row = run.ids.tolist().index(card.id)
    member = run.design.member[:, row] == 1
    errors = np.sqrt(run.load("outputs.squared_error", [0, 1, 2, 3])[:, row])
    assert float(card.answers.outside.split()[0]) == pytest.approx(np.median(errors[~member]), abs=0.011)
    right = [card.answers.low <= at <= card.answers.high for at in card.answers.at_outside]
    assert right == (errors[~member] <= 0.3).tolist()
    bare = replace(run, dataset=None)
    assert given(bare, 3).endswith(" on average")


@pytest.mark.slow
def test_a_report_about_several_labels_speaks_of_sets(tmp_path: Path) -> None:
    data = of_labels()
    run = small_audit(tmp_path / "run", dataset=data, heldout=None, models=8, recipe=recipe_for(data))
    assert wording_of(run) is LABELS
    path, _ = write_report(run)
    text = Page(path.read_text("utf-8")).text
    assert "trained on the example that get all of its labels right" in text
    assert "of the sets of labels they were trained on" in text
    assert "--plant triage" not in text
    assert "#triage" not in path.read_text("utf-8")


@pytest.mark.slow
def test_a_single_model_of_numbers_has_page_twin_and_figures(tmp_path: Path) -> None:
    run = small_audit(
        tmp_path / "run",
        dataset=numbers(),
        heldout=None,
        models=2,
        design=full_data(60, 2),
        recipe=recipe_for(numbers()),
    )
    path, found = write_report(run, figures=tmp_path / "figures")
    text = KEYS.sub("", Page(path.read_text("utf-8")).text)
    assert [text[at.start() - 60 : at.end() + 60] for at in OF_CLASSES.finditer(text)] == []
    assert fits(json.loads((run.folder / "report.json").read_text())) == []
    assert {path.name for path in (tmp_path / "figures").iterdir()} >= {"distribution.png", "training.svg"}
    assert "to correct, to remove or to review" in text
    assert any("Share of answers within 2" in sentence for sentence in report_sentences(found))
