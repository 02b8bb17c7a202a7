"""What each page exports, by its own buttons in headless Chromium, is taken by changes as it is."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import byrote
from byrote.changes.registry import parse_change
from byrote.data.applied_corpus import remove_documents
from byrote.data.decisions import read_decisions
from byrote.recipes.defaults import objective_for
from byrote.report.language_report import write_language_report
from byrote.report.page import write_report
from byrote.runs.run import Run
from report.made import NOISY, make_run
from report.test_browser import CHROMIUM, Shown, pytestmark  # noqa: F401  # the same is needed here
from report.test_watched import recorded
from small import blobs, longer, small_audit

CONTEXT: Any = SimpleNamespace(rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        launched = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield launched
        launched.close()


def exported(browser: Any, page: Path, chosen: list[str], *ends: str) -> dict[str, Path]:
    """The files that the page's buttons write of these examples, by what they are to."""
    files = {}
    with Shown(browser, page) as shown:
        shown.tools.get_by_label("Rows").select_option("100")
        for name in chosen:
            shown.page.get_by_role("checkbox", name=f"select {name}", exact=True).check()
        for end in ends:
            with shown.page.expect_download() as saved:
                shown.page.get_by_role("button", name=f"Export to {end}", exact=True).click()
            files[end] = page.parent / saved.value.suggested_filename
            saved.value.save_as(files[end])
        assert shown.said == []
    return files


def made(files: dict[str, Path], stage: Any, *, review: str = "") -> list[Any]:
    """The data after the change that each file is for; `review` is the action that a person writes into that one."""
    found = []
    for end, file in files.items():
        if end == "review":
            file.write_text(file.read_text("utf-8").replace(",review,", f",{review},"), "utf-8")
        name = {"correct": "relabel"}.get(end, end)
        found.append(parse_change(f"{name}={file}").apply(stage, CONTEXT))
    return found


def test_of_classes(browser: Any, tmp_path: Path) -> None:
    data = byrote.from_arrays(np.eye(40, 3, dtype=np.float32), np.arange(40) % 3, name="made")
    run = make_run(tmp_path / "run", dataset=data)
    page, _ = write_report(run)
    chosen = data.ids[1:4].tolist()
    files = exported(browser, page, chosen, "relabel", "remove", "review")
    relabelled, removed, reviewed = made(files, data, review="remove")
    assert relabelled.targets[1:4].tolist() == [(row % 3 + 1) % 3 for row in range(1, 4)]  # what models without it say
    assert relabelled.targets[NOISY:].tolist() == data.targets[NOISY:].tolist()
    for left in (removed, reviewed):
        assert left.ids.tolist() == [one for one in data.ids.tolist() if one not in chosen]


def test_of_a_recorded_training(browser: Any, tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", (1,))
    data = byrote.from_arrays(np.eye(30, 3, dtype=np.float32), run.labels, ids=run.ids.tolist(), name="mine")
    page, _ = write_report(run)
    files = exported(browser, page, data.ids[:2].tolist(), "remove", "review")
    for left in made(files, data, review="remove"):
        assert left.ids.tolist() == data.ids[2:].tolist()


@pytest.mark.slow
def test_of_sets_of_labels(browser: Any, tmp_path: Path) -> None:
    plain = blobs(40)
    targets = np.stack([plain.targets > 0, plain.targets == 1], axis=1).astype(np.int64)
    targets[:2] = 1 - targets[:2]
    data = byrote.from_arrays(plain.inputs, targets, name="sets", class_names=("red", "round"))
    recipe = dataclasses.replace(longer(20), objective=objective_for(data))
    run = small_audit(tmp_path / "run", dataset=data, heldout=None, models=8, recipe=recipe)
    page, _ = write_report(run)
    files = exported(browser, page, data.ids[:2].tolist(), "relabel", "remove", "review")
    with files["relabel"].open(newline="", encoding="utf-8") as file:
        said = {row["example"]: row["models_without_it_say"] for row in csv.DictReader(file)}
    relabelled, removed, reviewed = made(files, data, review="remove")
    names = data.scale.kind_names(data.class_names)
    assert [names[kind] for kind in relabelled.kinds[:2]] == [said[one] for one in data.ids[:2].tolist()]
    assert (relabelled.targets[2:] == data.targets[2:]).all()
    assert len(removed) == len(reviewed) == 38


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True])
def test_of_numbers(browser: Any, tmp_path: Path, several: bool) -> None:
    inputs = np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)
    targets = 100 * inputs[:, :2] if several else 100 * inputs[:, 0]
    data = byrote.from_arrays(inputs, targets, name="numbers", task="regression")
    recipe = dataclasses.replace(longer(5), objective=objective_for(data))
    run = small_audit(tmp_path / "run", dataset=data, heldout=None, models=4, recipe=recipe)
    page, _ = write_report(run)
    chosen = data.ids[:2].tolist()
    ends = ("remove", "review") if several else ("correct", "remove", "review")
    files = exported(browser, page, chosen, *ends)
    found = made(files, data, review="remove")
    if several:
        assert "Export to correct" not in page.read_text("utf-8")
    else:
        new = [float(one.new) for one in read_decisions(files["correct"])]
        assert found[0].targets[:2] == pytest.approx(new)
        assert (found[0].targets[2:] == data.targets[2:]).all()
    for left in found[-2:]:
        assert left.ids.tolist() == data.ids[2:].tolist()


def test_of_documents(browser: Any, attacked: Run, tmp_path: Path) -> None:
    page, _ = write_language_report(attacked)
    corpus = attacked.corpus
    assert corpus is not None
    plain = [one for one in corpus.ids.tolist() if one.startswith("canary")][:2]
    files = exported(browser, page, plain, "remove", "review")
    for left in made(files, corpus, review="remove"):
        assert left.ids.tolist() == [one for one in corpus.ids.tolist() if one not in plain]
    assert [one.given for one in read_decisions(files["remove"])] == ["", ""]
    written = [f'{{"id": "{name}", "text": "it is {row}"}}\n' for row, name in enumerate([*plain, "other"])]
    (tmp_path / "train.jsonl").write_text("".join(written), "utf-8")
    remove_documents(tmp_path / "train.jsonl", tmp_path / "out.jsonl", read_decisions(files["remove"]))
    assert (tmp_path / "out.jsonl").read_text("utf-8") == written[-1]
