from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from byrote.analyses.trace import Trace, trace
from byrote.data.corpus import corpus_from_texts
from byrote.report import trace_page as module
from byrote.report.trace_page import pieces_of, trace_page, write_trace
from report.made import HOSTILE, Page

SAYING = "all that glitters is not gold"
SECRET = "my number is 5550 0134 please"
TEXT = f"First, {SAYING.upper()}; then\r\n\r\n\t{SECRET} and the rest."


def found(text: str = TEXT) -> Trace:
    documents = [f"{SAYING} {number}" for number in range(7)] + [f"Call me, {SECRET}! Around it stands this."]
    return trace(text, corpus_from_texts(documents, name="train"), name="answer.txt")


def attacked() -> Trace:
    names = [name for name in HOSTILE if len(name) < 1_000]
    text = " ".join(f"{name} one two three four five {number}" for number, name in enumerate(names))
    corpus = corpus_from_texts([text, *(f"x{name}" for name in names)], name=HOSTILE[0], ids=[*names, "last"][:9])
    return trace(text, corpus, name=HOSTILE[1] + HOSTILE[4])


def test_says_what_was_found():
    page = Page(trace_page(found()))
    assert "of the words of this text occur in the corpus" in page.text
    assert "in 2 passages of 5 consecutive words or more" in page.text
    assert "8 documents searched" in page.text
    assert "6 words in 7 documents" in page.text
    assert "6 words in 1 document" in page.text
    assert "and 4 more documents" in page.text


def test_the_text_stands_there_whole_with_its_passages_marked():
    html = trace_page(found())
    (shown,) = re.findall(r'<div class="traced" dir="auto">(.*?)</div>', html, re.DOTALL)
    assert re.sub(r"<sup>\d+</sup>|<.*?>", "", shown) == TEXT.replace("\r\n", "\n")
    assert re.findall(r'<a class="(\w+)" href="#passage-(\d)" id="piece-\d"><bdi>(.*?)</bdi>', shown) == [
        ("common", "2", SAYING.upper()),
        ("rare", "1", SECRET),
    ]


def test_what_stands_around_in_the_corpus_is_shown_only_if_asked():
    assert "Around it stands this" not in trace_page(found())
    assert "left out" in trace_page(found())
    page = Page(trace_page(found(), context=True))
    assert f"Call me, {SECRET} ! Around it stands this." in page.text


def test_nothing_found():
    page = Page(trace_page(found("nothing of this was ever written")))
    assert "No passage of this text occurs in the corpus" in page.text
    assert not [e for e in page.elements if e.attributes.get("href") == "#passages"]
    assert "nothing of this was ever written" in page.text


def test_policy_allows_the_pages_own_style_and_nothing_else():
    html = trace_page(found())
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    (policy,) = [e.attributes["content"] for e in Page(html).all("meta") if "http-equiv" in e.attributes]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style[1]
    assert "@import" not in style[1]


@pytest.mark.parametrize("context", [False, True])
def test_hostile_texts_are_inert_and_visible(context):
    page = Page(trace_page(attacked(), context=context))
    assert not {e.tag for e in page.elements} & {"script", "img", "iframe", "form", "link", "object"}
    for element in page.elements:
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]
        assert re.match(r"#|$", element.attributes.get("href", ""))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", page.html)
    assert HOSTILE[0] in page.text
    assert r"\u202egnp.exe\u202c" in page.text
    assert r"a\x00b\x1b[31m\x7f\x85c" in page.text
    assert "{{ 7 * 7 }} {% raw %}" in page.text
    assert len(page.all("title")) == 1


@pytest.mark.parametrize("made", [found, attacked])
def test_is_built_for_keyboard_and_screen_reader(made):
    page = Page(trace_page(made(), context=True))
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
    assert page.elements[[e.tag for e in page.elements].index("body") + 1].attributes["class"] == "skip"


def test_long_texts_and_many_passages_are_cut_and_it_says_so(monkeypatch):
    monkeypatch.setattr(module, "TEXT_LETTERS", 45)
    monkeypatch.setattr(module, "MOST_SPANS", 1)
    page = Page(trace_page(found()))
    assert f"{len(TEXT) - 45} more letters are not shown" in page.text
    assert "1 shorter passage is left out" in page.text
    assert [piece.text for piece in pieces_of(found(), {0: 1})][1] == SAYING.upper()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_chromium_shows_it_without_a_word_on_the_console(tmp_path: Path) -> None:
    write_trace(attacked(), tmp_path / "page.html", context=True)
    assert CHROMIUM is not None
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --dump-dom"
    flags += " --enable-logging=stderr --disable-dev-shm-usage"
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "of the words of this text occur in the corpus" in done.stdout
    assert "CONSOLE" not in done.stderr
    assert not Page(done.stdout).all("script")
