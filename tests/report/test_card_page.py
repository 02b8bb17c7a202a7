from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import byrote
from byrote.analyses.card import Better, Card, Row, Tells, card
from byrote.cli.app import app
from byrote.evidence.seals import sealed
from byrote.report.card_page import WIDTH, answers, card_page, forests, side_by_side, title, write_card
from byrote.results import Scalar
from byrote.runs.run import Run
from byrote.stats.jackknife import difference, from_replicates
from documents import letters, small_language_audit
from report.made import HOSTILE, Page, make_run
from small import small_audit

RUNNER = CliRunner()


def figure(value: float, spread: float = 0.01) -> Scalar:
    replicates = value + spread * np.array([-1.0, 0.3, 0.7])
    return from_replicates(value, replicates, models=6, examples=10)


def row(name: str, before: float, after: float, better: Better, unit: str = "", tells: Tells = "gain") -> Row:
    was, now = figure(before), figure(after)
    return Row(
        name=name, before=was, after=now, better=better, unit=unit, tells=tells,
        difference=difference(now, was, paired=False),
    )  # fmt: skip


FELL = row("label memorization of the rest", 0.8, 0.2, "lower")
ROSE = row("label memorization of the rest", 0.2, 0.8, "lower")
LOST = row("accuracy on held-out data", 0.9, 0.5, "higher", tells="cost")
STAYED = row("accuracy on held-out data", 0.9, 0.9, "higher", tells="cost")
MOVED = row("accuracy on held-out data", 0.9, 0.91, "higher", tells="cost")
SANK = row("loss", 0.91, 0.9, "lower", "nats")
SANK = dataclasses.replace(SANK, difference=dataclasses.replace(SANK.difference, varies_over="models and examples"))


def of(*rows: Row) -> Card:
    return Card(change="made", stage="recipe", rows=rows, notes=("Intervals hold at once.",))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((FELL, STAYED), "It helped: 1 of 2 figures better, none worse"),
        ((FELL, LOST), "It helped and it cost: 1 of 2 figures better, 1 worse"),
        ((ROSE, LOST), "It did harm: 2 of 2 figures worse, none better"),
        ((STAYED,), "No change of accuracy on held-out data can be told from chance with 6 models"),
        ((MOVED,), "Accuracy on held-out data rose by 0.0100, which 6 models cannot tell from chance"),
        ((SANK,), "Loss fell by 0.0100 nats, which 10 examples and 6 models cannot tell from chance"),
        ((STAYED, STAYED), "No difference is shown in any of 2 figures"),
        ((), "No figure has a verdict"),
    ],
)
def test_the_verdict_in_plain_words(rows: tuple[Row, ...], said: str) -> None:
    assert title(of(*rows)).replace("\u00a0", " ") == said


def test_questions_are_answered_from_the_rows() -> None:
    said = dict(answers(of(FELL, LOST), ()))
    assert said["Is less memorized?"].startswith("Better: label memorization of the rest (−0.6000, 95 %")
    assert said["What did it cost?"].startswith("Worse: accuracy on held-out data (−0.4000, 95 %")
    assert said["How sure is that?"] == "Intervals hold at once."


def test_marks_stand_where_the_axis_says() -> None:
    """Zero, the difference and its ends lie on one line: places are a linear function of the difference."""
    rows = [FELL, LOST, row("cumulative_sample_loss", 3.0, 9.0, "", "nat", "measure")]
    first, second = forests(rows)
    assert [line.name for line in first.lines] == [FELL.name, LOST.name]
    assert second.unit == "nat"
    for forest, some in ((first, rows[:2]), (second, rows[2:])):
        places, values = [forest.zero], [0.0]
        for line, one in zip(forest.lines, some, strict=True):
            assert line.mark is not None
            places += [line.mark.value, line.mark.low, line.mark.high]
            values += [one.difference.value, one.difference.low, one.difference.high]
        slope, start = np.polyfit(values, places, 1)
        np.testing.assert_allclose(places, start + slope * np.array(values), atol=0.06)
        assert slope > 0
        assert min(places) >= 0
        assert max(places) <= WIDTH
        for at, text in forest.ticks:
            assert at == pytest.approx(start + slope * float(text.replace("−", "-")), abs=0.2)


def test_a_figure_without_an_interval_has_a_point_and_an_undefined_one_none() -> None:
    alone = dataclasses.replace(
        FELL, before=from_replicates(0.1, np.empty(0), models=1, examples=3), difference=from_replicates(
            0.5, np.empty(0), models=1, examples=3)
    )  # fmt: skip
    nothing = from_replicates(float("nan"), np.empty(0), models=1, examples=3)
    (forest,) = forests([alone, dataclasses.replace(FELL, after=nothing, difference=nothing)])
    assert forest.lines[0].mark is not None
    assert forest.lines[0].mark.low is None
    assert forest.lines[0].interval == ""
    assert forest.lines[1].mark is None
    assert forest.lines[1].change == "undefined"


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    run = small_audit(tmp_path_factory.mktemp("runs") / "run")
    return run, byrote.change(run, byrote.parse_change("weight-decay=0.1"), workers=1, progress=False)


def test_a_page_that_loads_nothing_and_runs_nothing(changed: tuple[Run, Run]) -> None:
    html = card_page(card(*changed), *changed)
    page = Page(html)
    assert not page.all("script")
    assert not [element for element in page.elements if "style" in element.attributes]
    style = re.search("<style>(.*)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in html
    assert "http" not in re.sub(r"http-equiv", "", html)
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    links = [element.attributes["href"] for element in page.all("a")]
    assert {link[1:] for link in links} <= set(ids)


def test_what_it_says_of_a_change(changed: tuple[Run, Run]) -> None:
    before, after = changed
    compared = card(before, after)
    page = Page(card_page(compared, before, after))
    assert "after weight-decay, a change of the recipe (amount 0.1). Everything else was left as it was." in page.text
    assert "No difference shown does not mean no effect." in page.text
    assert "It names no cause." not in page.text
    for found in compared.rows:
        assert found.name in page.text
    assert page.text.count("weight_decay=0.1") == 1


def test_two_runs_without_a_change_between_them(tmp_path: Path) -> None:
    runs = make_run(tmp_path / "one"), make_run(tmp_path / "other", fit=-3.0)
    text = Page(card_page(card(*runs), *runs)).text
    assert "was not made from the first by `byrote change`" in text
    assert "It names no cause." in text


def test_of_language_models(tmp_path: Path) -> None:
    texts = ["abcdefgh", "hgfedcba", "abcdabcd", "ghghabab", "abcdefgh"]
    runs = [
        small_language_audit(tmp_path / name, corpus=letters(texts, name="few"), generate=(2, 2), seed=seed)
        for seed, name in enumerate(("one", "other"))
    ]
    compared = card(*runs)
    path = write_card(compared, runs[0], runs[1])
    assert path == runs[1].folder / "card.html"
    page = Page(path.read_text())
    assert "extraction of texts trained on" in page.text
    assert "In nat per token" in page.text
    assert not any(text in page.text for text in texts)


def test_lines_that_differ_are_marked(changed: tuple[Run, Run]) -> None:
    unlike = {(subject, pair.name) for subject, pairs in side_by_side(*changed) for pair in pairs if not pair.same}
    assert ("Recipe", "optimizer") in unlike
    assert ("Dataset", "fingerprint") not in unlike


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    runs = make_run(tmp_path / "one"), make_run(tmp_path / "other")
    hostile = [
        dataclasses.replace(
            run,
            manifest=dataclasses.replace(
                run.manifest,
                dataset={**run.manifest.dataset, "name": name},
                identity={"recipe": {name: name}, "seed": 0},
            ),
        )
        for run, name in zip(runs, HOSTILE[:2], strict=True)
    ]
    compared = of(dataclasses.replace(FELL, name=HOSTILE[4], unit=HOSTILE[2]), STAYED)
    html = card_page(compared, *hostile)
    page = Page(html)
    assert {element.tag for element in page.elements} & {"script", "img", "iframe"} == set()
    assert not [element for element in page.elements if any(name.startswith("on") for name in element.attributes)]
    assert "\u202e" not in html


def test_the_commands_write_it(changed: tuple[Run, Run], tmp_path: Path) -> None:
    folders = [str(run.folder) for run in changed]
    done = RUNNER.invoke(app, ["card", *folders, "--out", str(tmp_path / "card.html")])
    assert done.exit_code == 0, done.output
    assert "Card:" in done.output
    assert (tmp_path / "card.html").read_bytes() == sealed(card_page(card(*changed), *changed).encode())


class Fitting(Run):
    """A run whose accuracy on what its models were trained on is said to be `value`."""

    value: float

    def share(self, name: str, keep: Any, **about: Any) -> Scalar:
        found = super().share(name, keep, **about)
        return dataclasses.replace(found, value=self.value) if name == "outputs.correct" else found


def fitting(run: Run, value: float) -> Run:
    other = Fitting(**{field.name: getattr(run, field.name) for field in dataclasses.fields(run) if field.init})
    other.value = value
    return other


def test_what_no_longer_fits_is_no_help(changed: tuple[Run, Run]) -> None:
    """The second run answers at random what it was trained on."""
    before, after = (fitting(run, value) for run, value in zip(changed, (0.99, 0.9), strict=True))
    assert not any("no longer fit" in note for note in card(before, before).notes)
    made = card(before, after)
    assert any(note.startswith("The models of the second run no longer fit") for note in made.notes)
    assert "no longer fit their training data" in title(dataclasses.replace(made, rows=(row("a", 0.5, 0.2, "lower"),)))
    assert "Could they still memorize?" in dict(answers(made, ()))
