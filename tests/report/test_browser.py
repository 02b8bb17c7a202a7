"""The report in headless Chromium: what it shows and does, and that it asks nobody for anything."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byrote
from byrote.data.dataset import Dataset, Display
from byrote.data.inert import spreadsheet_cell
from byrote.recipes.defaults import objective_for
from byrote.report.language_report import write_language_report
from byrote.report.page import write_report
from byrote.runs.run import Run
from report.made import HOSTILE, NOISY, make_run
from report.test_watched import recorded
from small import longer, small_audit

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
#: A sheet of A4 within margins of a centimetre, in pixels of the page.
PAPER = {"width": 718, "height": 1047}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started, warnings.catch_warnings():
        launched = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, _ = write_report(make_run(tmp_path_factory.mktemp("shown") / "run"))
    return path


class Shown:
    """A page that is open, with what it said and asked for."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        self.context = browser.new_context(**{"viewport": WIDE, "accept_downloads": True, **settings})
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def ids(self) -> list[str]:
        """The ids in the rows that the table shows."""
        return self.page.locator("#examples-body th").all_text_contents()

    @property
    def tools(self) -> Any:
        """The filters and buttons of the table."""
        return self.page.locator("#examples-tools")

    def waits_for(self, start: str) -> None:
        """Wait until what the table says of itself begins so."""
        playwright.expect(self.page.locator("#examples-status")).to_have_text(re.compile(f"^{start}"))

    def status(self) -> str:
        """What the table says of itself."""
        return str(self.page.locator("#examples-status").text_content())


@pytest.fixture
def shown(browser: Any, report: Path) -> Iterator[Shown]:
    with Shown(browser, report) as one:
        yield one


def test_it_shows_and_asks_for_nothing(shown: Shown, report: Path) -> None:
    for words in ("How precise is this?", "What is at risk?", "What to do next", "All examples", "Provenance"):
        assert shown.page.get_by_text(words, exact=True).first.is_visible()
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= WIDE["width"]
    assert shown.said == []
    assert [url for url in shown.asked if not url.startswith("data:")] == [report.as_uri()]


def test_the_table_filters_sorts_and_turns_pages(shown: Shown) -> None:
    page = shown.page
    assert shown.status() == "40 examples of 40; 0 selected"
    assert len(shown.ids()) == 25
    assert set(shown.ids()[:NOISY]) == {f"made-{row:02d}" for row in range(NOISY)}
    page.get_by_role("button", name="Next").click()
    assert len(shown.ids()) == 15
    assert page.locator("#examples-page").text_content() == "Page 2 of 2"
    shown.tools.get_by_label("Given label").select_option(label="dog")
    assert shown.ids() == [f"made-{row:02d}" for row in (1, 4, *range(7, 40, 3))]
    shown.tools.get_by_label("Kind").select_option(label="planted label noise")
    assert shown.ids() == ["made-01", "made-04"]
    page.get_by_role("button", name="Clear filters").click()
    shown.waits_for("40 example")
    shown.tools.get_by_label("Id contains").fill("MADE-1")
    shown.waits_for("10 example")
    page.locator("#examples-head").get_by_role("button", name="Id", exact=True).click()
    assert shown.ids() == [f"made-{row}" for row in range(10, 20)]
    page.locator("#examples-head").get_by_role("button", name="Id", exact=True).click()
    assert shown.ids() == [f"made-{row}" for row in range(19, 9, -1)]
    assert page.locator("th[data-column=id]").get_attribute("aria-sort") == "descending"
    shown.tools.get_by_label("Id contains").fill("")
    shown.tools.get_by_label("Label memorization from").fill("0,5")
    shown.waits_for("5 example")
    shown.tools.get_by_label("Label memorization from").fill("7")
    assert page.get_by_text("No example fits these filters.").is_visible()
    assert shown.said == []


def test_selected_examples_are_exported(shown: Shown, tmp_path: Path) -> None:
    page = shown.page
    assert page.get_by_role("button", name="Export to relabel").is_disabled()
    shown.tools.get_by_label("Kind").select_option(label="planted label noise")
    page.get_by_role("button", name="Select these 5").click()
    page.get_by_role("checkbox", name="select made-03").uncheck()
    assert shown.status() == "5 examples of 40; 4 selected"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export to relabel").click()
    assert saved.value.suggested_filename == "byrote-relabel.csv"
    saved.value.save_as(tmp_path / "relabel.csv")
    with (tmp_path / "relabel.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["example"] for row in rows] == ["made-00", "made-01", "made-02", "made-04"]
    assert {row["action"] for row in rows} == {"relabel"}
    assert [row["row"] for row in rows] == ["0", "1", "2", "4"]
    assert [(row["label"], row["models_without_it_say"]) for row in rows][:2] == [("cat", "dog"), ("dog", "emu")]
    assert all(float(row["label_memorization"]) == 1 for row in rows)
    assert {row["planted"] for row in rows} == {"label noise"}
    assert shown.said == []


def test_it_is_used_by_keyboard(shown: Shown) -> None:
    page = shown.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    shown.tools.get_by_label("Id contains").focus()
    page.keyboard.type("made-07")
    shown.waits_for("1 example")
    page.get_by_role("checkbox", name="select made-07").focus()
    page.keyboard.press("Space")
    assert shown.status() == "1 example of 40; 1 selected"
    page.locator("#examples-head").get_by_role("button", name="Given label").focus()
    page.keyboard.press("Enter")
    assert page.locator("th[data-column=label]").get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desktop", "phone"])
def test_axe_finds_nothing(browser: Any, report: Path, scheme: str, viewport: dict[str, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with Shown(browser, report, color_scheme=scheme, viewport=viewport) as shown:
        found = axe.Axe().run(shown.page)
        assert found.response["violations"] == [], found.generate_report()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert shown.said == []


def test_without_its_script_the_first_rows_are_there(browser: Any, report: Path) -> None:
    with Shown(browser, report, java_script_enabled=False) as shown:
        assert shown.page.locator("#examples-body tr").count() == 10
        assert shown.page.get_by_text("script does not run here").is_visible()
        assert not shown.page.locator("#examples-tools").is_visible()


def hostile(kind: str) -> Dataset:
    rng = np.random.default_rng(1)
    inputs = rng.random((40, 4, 5) if kind == "image" else (40, len(HOSTILE))).astype(np.float32)
    return byrote.from_arrays(
        inputs,
        np.arange(40) % len(HOSTILE),
        name=HOSTILE[0] + HOSTILE[1],
        ids=["=HYPERLINK(1)#0", *(f"{HOSTILE[row % len(HOSTILE)]}#{row}" for row in range(1, 40))],
        class_names=HOSTILE,
        display=None if kind == "image" else Display("row", (len(HOSTILE),), HOSTILE),
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["image", "row"])
def test_hostile_names_do_nothing(browser: Any, tmp_path: Path, kind: str) -> None:
    path, _ = write_report(make_run(tmp_path / "run", dataset=hostile(kind)))
    with Shown(browser, path) as shown:
        page = shown.page
        shown.tools.get_by_label("Rows").select_option("100")
        text = "".join(shown.ids())
        assert HOSTILE[0] in text
        assert r"\u202egnp.exe\u202c" in text
        assert not set(text) & set("\x00\x1b\x7f\u0085\u202e\u202c\u2028\u2066")
        assert page.locator("script").count() == 2
        assert page.locator("img[src=x]").count() == 0
        page.get_by_role("button", name="Select all 40").click()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Export to review").click()
        saved.value.save_as(tmp_path / "review.csv")
        with (tmp_path / "review.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 40
        assert {row["row"]: row["example"] for row in rows}["0"] == "'=HYPERLINK(1)#0"
        assert not any(
            cell.lstrip(" \"'").startswith(tuple("=+@")) and cell[0] != "'" for r in rows for cell in r.values()
        )
        assert shown.said == []
        assert [url for url in shown.asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]


@pytest.mark.slow
def test_a_recorded_training_is_as_good_to_read(browser: Any, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    path, _ = write_report(recorded(tmp_path / "run", (1, 2, 3)))
    with Shown(browser, path, viewport=NARROW) as shown:
        found = axe.Axe().run(shown.page)
        assert found.response["violations"] == [], found.generate_report()
        shown.tools.get_by_label("Given label").select_option(label="b")
        shown.waits_for("10 examples of 30")
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        assert shown.said == []


@pytest.mark.slow
def test_the_page_of_a_language_model_is_as_good_to_read(browser: Any, attacked: Run) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    path, _ = write_language_report(attacked)
    for scheme, viewport in itertools.product(("light", "dark"), (WIDE, NARROW)):
        with Shown(browser, path, color_scheme=scheme, viewport=viewport) as shown:
            shown.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            found = axe.Axe().run(shown.page)
            assert found.response["violations"] == [], found.generate_report()
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            assert shown.said == []
    with Shown(browser, path, viewport=PAPER) as shown:
        shown.page.emulate_media(media="print")
        beyond = (
            "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right - 1 > innerWidth)"
        )
        assert shown.page.evaluate(f"{beyond}.map(e => e.outerHTML.slice(0, 80))") == []


FORMULAS = (
    "=1",
    "+1",
    "-1",
    "@a",
    " =1",
    "'=1",
    '"=1',
    "|x",
    "\uff1d1",
    "\u22121",
    "\u00a0=1",
    "a=1",
    "a,b",
    'a"b',
)


@pytest.mark.slow
def test_a_table_of_numbers_is_sorted_filtered_and_exported_by_them(browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(60, 3)).astype(np.float32)
    targets = 100 * inputs[:, 0] + rng.normal(0, 4, 60)
    people = np.array([f"Ada {row % 20:02d}" for row in range(60)])
    data = byrote.from_arrays(inputs, targets, name="numbers", task="regression", tolerance=2.0, groups=people)
    recipe = dataclasses.replace(longer(12), objective=objective_for(data))
    run = small_audit(tmp_path / "run", dataset=data, heldout=None, models=8, recipe=recipe)
    path, _ = write_report(run)
    with Shown(browser, path) as shown:
        head = shown.page.locator("#examples-head")
        head.get_by_role("button", name="Given number").click()
        assert shown.ids()[0] == str(run.ids[run.numbers.argmax()])
        head.get_by_role("button", name="Given number").click()
        assert shown.ids()[0] == str(run.ids[run.numbers.argmin()])
        shown.tools.get_by_label("Kind").select_option(label="models without it say otherwise")
        models = run.models()
        outside = np.where(run.design.member[models] == 0, run.load("outputs.residual", models), np.nan)
        off = np.abs(np.round(np.nanmedian(outside, axis=0) + run.numbers, 1) - run.numbers) > 2.0
        shown.waits_for(f"{off.sum()} example")
        shown.tools.get_by_role("button", name="Select these").click()
        with shown.page.expect_download() as download:
            shown.tools.get_by_role("button", name="Export to correct").click()
        assert download.value.suggested_filename == "byrote-correct.csv"
        rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8").splitlines()))
        assert len(rows) == off.sum()
        number = {str(name): value for name, value in zip(run.ids, run.numbers, strict=True)}
        for row in rows:
            assert float(row["number"]) == pytest.approx(number[row["example"]], abs=1e-6)
            assert abs(float(row["models_without_it_say"]) - float(row["number"])) > 2.0
        assert shown.said == []
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with Shown(browser, path, color_scheme="dark", viewport=NARROW) as shown:
        found = axe.Axe().run(shown.page)
        assert found.response["violations"] == [], found.generate_report()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


@pytest.mark.slow
def test_exports_hold_no_formula(browser: Any, tmp_path: Path) -> None:
    ids = [*FORMULAS, *map(str, range(40 - len(FORMULAS)))]
    inputs = np.zeros((40, 2), np.float32)
    data = byrote.from_arrays(inputs, np.arange(40) % 3, name="cells", ids=ids, class_names=("=a", "b", "c"))
    path, _ = write_report(make_run(tmp_path / "run", dataset=data))
    with Shown(browser, path) as shown:
        shown.page.get_by_role("button", name="Select all 40").click()
        with shown.page.expect_download() as saved:
            shown.page.get_by_role("button", name="Export to remove").click()
        saved.value.save_as(tmp_path / "remove.csv")
    with (tmp_path / "remove.csv").open(newline="", encoding="utf-8") as file:
        rows = {int(row["row"]): row for row in csv.DictReader(file)}
    assert [rows[row]["example"] for row in range(40)] == [spreadsheet_cell(one) for one in ids]
    assert {row["label"] for row in rows.values()} == {"'=a", "b", "c"}
