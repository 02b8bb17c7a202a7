import base64
import dataclasses
import hashlib
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.data.dataset import Dataset, Display
from byrote.report.gallery import TYPICAL_SHOWN
from byrote.report.page import write_report
from byrote.runs.run import Run
from report.made import HOSTILE, NOISY, Page, make_run

FIGURES = ("distribution", "roc", "slices", "training", "fitted", "scores-map")


def read(run: Run) -> Page:
    path, _ = write_report(run)
    assert path == run.folder / "report.html"
    return Page(path.read_text("utf-8"))


def hostile(kind: str) -> Dataset:
    rng = np.random.default_rng(1)
    inputs = rng.random((40, 4, 5) if kind == "image" else (40, len(HOSTILE))).astype(np.float32)
    return byrote.from_arrays(
        inputs,
        np.arange(40) % len(HOSTILE),
        name=HOSTILE[0] + HOSTILE[1],
        ids=[f"{HOSTILE[i % len(HOSTILE)]}#{i}" for i in range(40)],
        class_names=HOSTILE,
        display=None if kind == "image" else Display("row", (len(HOSTILE),), HOSTILE),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def heard(run: Run) -> list[float]:
    """What is told while the report of the run is written."""
    told: list[float] = []
    write_report(run, told.append)
    return told


@pytest.fixture(scope="module")
def whole(run: Run, heard: list[float]) -> Page:
    return Page((run.folder / "report.html").read_text("utf-8"))


@pytest.fixture(scope="module", params=[pytest.param("image", marks=pytest.mark.slow), "row"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read(make_run(tmp_path_factory.mktemp("attacked") / "run", dataset=hostile(request.param)))


def test_says_what_was_found(whole: Page) -> None:
    # 5 of 40 were planted, and all are found
    assert "Raw share memorized, from 8 models: 12.5 % of the 40 examples" in whole.text
    for part in (
        "How precise is this?",
        "The most memorized examples",
        "planted label noise; the label was cat",
        "Comparison: typical examples",
        "All scores",
        "During training",
        "When wrong labels are fitted",
        "Planted label noise: 5 among 40 examples",
        "area_under_margin[checkpoint]",
        "Provenance",
        "imported from arrays",
        "measured with models trained on 50% of the examples",
    ):
        assert part in whole.text
    assert "Read these figures with care" not in whole.text


def test_the_ranking_says_how_many_models_its_figures_rest_on(whole: Page) -> None:
    assert "best first, by 8 models" in whole.text
    assert "more models scatter less, and put planted examples further up" in whole.text
    assert "Only cumulative_sample_loss was named before anything was measured" in whole.text


def test_tells_what_share_is_done(heard: list[float]) -> None:
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert 0.85 < heard[-2] < 0.95  # the page itself takes a part as well


def test_policy_allows_the_pages_own_style_script_and_pictures_and_nothing_else(whole: Page) -> None:
    (policy,) = [e.attributes["content"] for e in whole.all("meta") if "http-equiv" in e.attributes]
    own = [re.search(rf"<{tag}>(.*?)</{tag}>", whole.html, re.DOTALL) for tag in ("style", "script")]
    style, script = (base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode() for found in own if found)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not [e for e in whole.elements if "style" in e.attributes]


def check_inert(page: Page) -> None:
    allowed = "a abbr article aside bdi body caption code dd details div dl dt footer h1 h2 h3 head header html img li"
    allowed += " main meta nav ol p section span strong style summary table tbody td th thead time title tr ul"
    allowed += " svg g defs path use clippath rect text tspan"
    allowed += " script form fieldset legend label input select option button"
    assert {e.tag for e in page.elements} <= set(allowed.split())
    assert [e.attributes for e in page.all("script")] == [{"type": "application/json", "id": "examples-data"}, {}]
    for element in page.elements:
        assert not [name for name in element.attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            assert re.match(r"#|data:image/png;base64,|$", element.attributes.get(name, ""))
        for value in element.attributes.values():
            assert "url(" not in value or value.startswith("url(#")
    assert "@import" not in page.html
    assert "url(" not in page.html.partition("</style>")[0]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", page.html)


def test_hostile_names_are_inert_and_visible(attacked: Page) -> None:
    check_inert(attacked)
    assert HOSTILE[0] in attacked.text
    assert r"\u202egnp.exe\u202c" in attacked.text
    assert r"a\x00b\x1b[31m\x7f\x85c" in attacked.text
    assert "{{ 7 * 7 }} {% raw %}" in attacked.text
    assert "x" * 1_001 not in attacked.html
    assert len(attacked.all("title")) == 1 + len([e for e in attacked.all("svg") if "role" in e.attributes])


@pytest.mark.parametrize("attacked", ["image"], indirect=True)
def test_pictures_have_words(attacked: Page) -> None:
    pictures = attacked.all("img")
    assert len(pictures) == NOISY + TYPICAL_SHOWN
    assert all(e.attributes["src"].startswith("data:image/png;base64,") for e in pictures)
    assert all(e.attributes["alt"].startswith("example ") and ", labelled " in e.attributes["alt"] for e in pictures)


def test_is_built_for_keyboard_and_screen_reader(whole: Page) -> None:
    check_inert(whole)
    assert whole.all("html")[0].attributes["lang"] == "en"
    ids = [e.attributes["id"] for e in whole.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in whole.elements:
        for name in ("aria-labelledby", "href"):
            target = element.attributes.get(name, "").removeprefix("#")
            assert not target or target in ids
    levels = [int(e.tag[1]) for e in whole.elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels[:-1], levels[1:], strict=True))  # noqa: RUF007
    assert all("scope" in e.attributes for e in whole.all("th"))
    assert {"header", "main", "nav", "footer"} <= {e.tag for e in whole.elements}
    assert whole.elements[[e.tag for e in whole.elements].index("body") + 1].attributes == {
        "class": "skip",
        "href": "#main",
    }


def test_figures_are_xml_with_a_name_and_a_table(whole: Page) -> None:
    figures = re.findall(r'<div class="plot".*?>(<svg.*?</svg>)</div>', whole.html, re.DOTALL)
    assert [ElementTree.fromstring(text).get("aria-labelledby") for text in figures] == [
        f"{name}-title" for name in FIGURES
    ]
    assert whole.html.count("<summary>The same as a table</summary>") == len(FIGURES)
    assert "Mean probability of the given label by epoch" in whole.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("without", "sentence", "figures"),
    [
        ("trajectories", "No trajectories: 'trajectory.probability' is not recorded", {"training", "fitted"}),
        pytest.param("predictions", "What the models predict was not recorded", set(), marks=pytest.mark.slow),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, without: str, sentence: str, figures: set[str]) -> None:
    check_missing(read(make_run(tmp_path / "run", **{without: False})), sentence, figures)  # type: ignore[arg-type]


def check_missing(page: Page, sentence: str, figures: set[str]) -> None:
    """A page that says what is missing, and has all other figures."""
    check_inert(page)
    assert sentence in page.text
    drawn = re.findall(r'aria-labelledby="([\w-]+)-title"', page.html)
    assert drawn == [name for name in FIGURES if name not in figures]


@pytest.mark.slow
def test_without_controls_there_is_no_empty_section(tmp_path: Path, whole: Page) -> None:
    page = read(make_run(tmp_path / "run", controls=False))
    check_missing(page, "No controls were planted in this run", {"fitted"})
    assert 'id="ranking"' in whole.html
    assert "#ranking" in whole.html
    assert 'id="ranking"' not in page.html
    assert "#ranking" not in page.html


@pytest.mark.slow
def test_without_a_positive_score_there_is_no_card(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", controls=False, known=True)
    page = read(run)
    assert "No example has a label memorization above 0." in page.text
    assert "labelled" in page.text  # the typical ones


@pytest.mark.slow
def test_a_changed_run_says_how_it_was_changed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    change = {"slot": "WeightDecay", "name": "weight-decay", "stage": "recipe", "amount": 0.01}
    parent = {"folder": "/somebody/elses/before", "change": change, "forget": []}
    run.manifest = dataclasses.replace(run.manifest, parent=parent)
    page = read(run)
    assert "This run is 'before' after weight-decay, a change of the recipe (amount 0.01)." in page.text
    assert "/somebody" not in page.html
    assert " 0 examples" not in page.text


def test_without_the_data_ids_are_shown_and_the_reason(whole: Page) -> None:
    assert "Contents are not in the run folder" in whole.text
    assert "made-00" in whole.text
    assert not whole.all("img")


@pytest.mark.slow
def test_models_that_did_not_fit_are_the_headline_themselves(tmp_path: Path) -> None:
    page = read(make_run(tmp_path / "run", fit=0.05))
    assert "These models did not fit the data that they were trained on" in page.text
    assert "examples are memorized" not in page.text


@pytest.mark.slow
def test_a_report_over_an_old_one_replaces_it(run: Run, whole: Page) -> None:
    assert read(run).html == whole.html
    assert [path.name for path in run.folder.glob("*.html*")] == ["report.html"]


@pytest.mark.slow
def test_stays_small_with_large_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    inputs = rng.random((40, 3, 256, 256)).astype(np.float32)  # noise, the worst case for PNG
    dataset = byrote.from_arrays(inputs, np.arange(40) % 3, name="noise", class_names=("a", "b", "c"))
    path, _ = write_report(make_run(tmp_path / "run", dataset=dataset))
    assert path.stat().st_size < 10 * 2**20
