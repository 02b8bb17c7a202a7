from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from byrote.data.corpus import corpus_from_texts
from byrote.data.tokenizers import byte_pairs
from byrote.engine.language import audit_language
from byrote.measures._confirmation import Confirmation
from byrote.report import language_page as module
from byrote.report.language_facts import language_facts
from byrote.report.language_figures import figures_of
from byrote.report.language_report import write_language_report
from byrote.report.language_summary import language_sentences, verdict
from byrote.report.language_words import title, warnings
from byrote.report.page_sections.presence import present
from byrote.report.passages import STEPS, answers, chosen, passages
from byrote.runs.run import Run
from documents import SUMMING
from report.made import HOSTILE, MAIL, Page, secrets


@pytest.fixture(scope="module")
def page(attacked) -> Page:
    return Page(page_of(attacked))


def page_of(run: Run, **shown: bool) -> str:
    found = language_facts(run)
    return module.language_page(run, found, figures_of(found), **shown)


def test_says_what_was_found(attacked, page):
    found = language_facts(attacked)
    assert title(found) in page.text
    assert "planted secret" in page.text
    assert "Next tokens predicted" in page.text
    for part in ("passages", "examples", "risk", "dependence", "secrets", "course", "origin"):
        assert [e for e in page.elements if e.attributes.get("id") == part]


def test_secrets_and_addresses_are_masked_unless_asked(attacked, page):
    assert len(secrets(attacked)) == 6
    assert not any(secret in page.html for secret in secrets(attacked))
    assert "••••••" in page.text
    assert "jane.roe" not in page.html
    shown = Page(page_of(attacked, show_secrets=True))
    assert all(secret in shown.html for secret in secrets(attacked))
    assert "--show-secrets" not in shown.text


def test_tokens_say_how_surprising_they_were(attacked):
    found = language_facts(attacked)
    shown, why = passages(attacked, found, None, show_secrets=True, redact=False)
    assert not why
    for passage in shown:
        assert len(passage.tokens) == found.lengths[1]
        assert passage.documents >= 1
        assert passage.occurrences >= passage.documents
        for token in passage.tokens:
            bits = float(token.bits)
            assert token.step == sum(bits >= step - 0.051 for step in STEPS) or token.step == sum(
                bits >= step + 0.051 for step in STEPS
            )
    row = int(chosen(found.recitation)[0])
    document = int(found.recitation.document[row])
    text = shown[0].given + "".join(token.text for token in shown[0].tokens)
    assert attacked.corpus.texts[document].startswith(text)


def test_policy_allows_the_pages_own_style_and_script_and_nothing_else(page):
    parts = {}
    for tag in ("style", "script"):
        (own,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.html, re.DOTALL)
        parts[tag] = f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()}'"
        assert "url(" not in own
    (policy,) = [e.attributes["content"] for e in page.all("meta") if "http-equiv" in e.attributes]
    assert policy == (
        f"default-src 'none'; {parts['style']}; {parts['script']}; img-src data:; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("show", [False, True])
def test_hostile_texts_are_inert_and_visible(attacked, show):
    page = Page(page_of(attacked, show_secrets=show))
    assert not {e.tag for e in page.elements} & {"img", "iframe", "link", "object"}
    assert [e.attributes for e in page.all("script")] == [{"type": "application/json", "id": "examples-data"}, {}]
    assert [e.attributes["id"] for e in page.all("form")] == ["examples-tools"]
    for element in page.elements:
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]
        assert re.match(r"#|$", element.attributes.get("href", ""))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", page.html)
    assert HOSTILE[0] in page.text
    assert len([e for e in page.all("title") if "id" not in e.attributes]) == 1


def test_is_built_for_keyboard_and_screen_reader(page):
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for name in ("aria-labelledby", "href"):
            target = element.attributes.get(name, "").removeprefix("#")
            assert not target or target in ids
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels[:-1], levels[1:], strict=True))  # noqa: RUF007
    assert page.all("html")[0].attributes["lang"] == "en"


def test_doubts_are_told(attacked):
    found = language_facts(attacked)
    disputed = Confirmation(
        confirmed=3, read_only=1, generated_only=1, neither=0, confirmed_margin=1.0, disputed_margin=2e-6
    )
    told = warnings(attacked, replace(found, confirmation=disputed, surprise=9.0))
    assert "no better than a uniform distribution" in told[0]
    assert "2 recitations were read off the probabilities or generated, and not both; 3 were both" in told[1]
    assert "within 2e-06 of a tie" in told[1]


def test_a_run_without_its_tokenizer_says_so(attacked):
    (attacked.folder / "tokenizer.json").rename(attacked.folder / "kept")
    try:
        page = Page(page_of(attacked))
    finally:
        (attacked.folder / "kept").rename(attacked.folder / "tokenizer.json")
    assert "No passage is shown. The run holds no tokenizer to write its tokens out with." in page.text


@pytest.mark.parametrize(
    ("log10", "words"),
    [
        (0.0, "in 1.0 answers"),
        (1.99, "in 97.7 answers"),
        (3.0, "in 1,000 answers"),
        (np.inf, "in no number of answers"),
    ],
)
def test_numbers_of_answers_are_words(log10, words):
    assert answers(log10) == words


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_chromium_shows_it_without_a_word_on_the_console(attacked, tmp_path: Path) -> None:
    path, found = write_language_report(attacked)
    assert CHROMIUM is not None
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --dump-dom"
    flags += " --enable-logging=stderr --disable-dev-shm-usage"
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", path.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert title(found) in done.stdout
    assert "CONSOLE" not in done.stderr


def test_the_verdict_says_what_is_missing_and_which_command_gives_it(attacked, page):
    assert "Unintended memorization: " in page.text
    assert "whether canaries change held-out loss is not known" in page.text
    assert "byrote change RUN --with redraw-secrets" in page.text
    assert str(attacked.folder) not in page.html
    foreign = replace(attacked, manifest=replace(attacked.manifest, origin="observed"))
    (_, said) = verdict(foreign, language_facts(attacked), "theirs")
    assert "`byrote card THAT_RUN theirs`" in said


def test_texts_by_the_number_of_tokens_given_are_drawn(attacked, page):
    found = language_facts(attacked)
    assert found.by_prefix is not None
    assert "prefix" not in figures_of(found)  # nothing is recited with any number of them
    some = replace(found, by_prefix=replace(found.by_prefix, values=found.by_prefix.values + 0.5))
    drawn = figures_of(some)
    assert drawn["prefix"].columns[0] == "tokens given"
    assert [row[0] for row in drawn["prefix"].rows] == ["1", "2"]
    shown = Page(module.language_page(attacked, some, drawn))
    assert "Texts recited, by how many of their first tokens are given" in shown.text


def test_exposures_of_secrets_of_several_sizes_are_shares(attacked, page):
    assert "exposure in bits" in page.text
    found = language_facts(attacked)
    mixed = replace(found, space_bits=(10.0, 20.0), by_repetitions=attacked.measure("exposure[share_by_repetitions]"))
    drawn = figures_of(mixed)
    assert "share of a secret's bits exposed" in drawn["exposure"].title.lower()
    shown = Page(module.language_page(attacked, mixed, drawn))
    assert "these have 10.0 to 20.0 bits" in shown.text
    (said,) = [line for line in language_sentences(attacked, mixed) if "secret's bits exposed" in line]
    assert "of 10.0 to 20.0." in said


def test_an_ensemble_shows_whose_own_presence_matters(tmp_path):
    from documents import letters, small_language_audit

    texts = ["abcabcabc", "hello", "hello", "defdefdef", "cabbage", "feedbag"]
    run = small_language_audit(tmp_path, models=6, full=0, corpus=letters(texts, ids=[f"id-{n}" for n in range(6)]))
    result = run.measure("counterfactual_memorization")
    found = language_facts(run)
    shown = present(run, found, None, show_secrets=False, redact=False)
    assert len(shown) == 5  # the text that stands there twice is one
    best = int(np.nanargmax(result.values))
    assert shown[0].document in (f"id-{best}", "id-1")
    assert {one.copies for one in shown} == {1, 2}
    page = Page(page_of(run))
    assert [e for e in page.elements if e.attributes.get("id") == "presence"]
    assert found.inside.models == 6
    assert title(replace(found, lengths=(2, 3), surprise=0.0)).startswith(("6 models recite", "None of"))


def test_texts_of_an_ensemble_are_masked_or_left_out(tmp_path):
    texts = [MAIL, "a text of its own", "another text that is long", "something else"]
    run = audit_language(
        corpus_from_texts(texts), SUMMING, tokenizer=byte_pairs(texts, vocabulary=280), length=96, models=4, full=0,
        generate=None, workers=1, progress=False, device="cpu", checkpoints=0, out=tmp_path / "run",
    )  # fmt: skip
    shown = {way: page_of(run, **{way: True}) for way in ("show_secrets", "redact")}
    assert "jane.roe" in shown["show_secrets"]
    assert "jane.roe" not in page_of(run)
    assert "a text of its own" in page_of(run)
    assert "a text of its own" not in shown["redact"]


def test_the_page_warns_where_what_was_held_out_is_known_better(attacked):
    found = language_facts(attacked)
    worse, better = (replace(found.inside, value=v, low=v - 0.1, high=v + 0.1) for v in (0.2, 0.8))
    for inside, outside, warned in ((worse, better, True), (better, worse, False), (better, better, False)):
        said = warnings(attacked, replace(found, inside=inside, outside=outside))
        assert warned == any(
            text.startswith("Documents that the model was trained on are predicted worse") for text in said
        )
