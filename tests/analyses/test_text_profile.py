"""Traits of texts that are known, and traits that are drawn."""

from pathlib import Path

import numpy as np
import pytest

from byrote.analyses.catalog import ask
from byrote.analyses.text_profile import _band, _drawn, _script, _template, apart, traits_of
from byrote.errors import BadInput
from byrote.measures._localization import fifths
from byrote.report.verify import verify
from byrote.runs.run import Run
from documents import small_language_audit, words


def test_traits_are_those_of_the_texts() -> None:
    plain = [f"some plain words of a text, number {word}" for word in ("one", "two", "three", "four", "five", "six")]
    texts = [*plain, "SHOUTED words in HERE", "pin 1234 5678", "{a: <b>|c}", "привет мир", "привет друг"]
    found = {name: np.flatnonzero(has).tolist() for name, has in traits_of(texts).items()}
    assert 6 in found["many capitals"]
    assert found["many digits"] == [7]
    assert 8 in found["structure"]
    assert found["another script"] == [9, 10]
    assert found["by a template"] == []
    assert found["many capitals"] == [6]


def test_templates_leave_out_numbers_and_names() -> None:
    assert _template("Order 12 of Ann Lee is ready") == _template("Order 7 of Bob is ready")
    assert _template("Order 12 of Ann is ready") != _template("Order 12 of Ann is late")
    assert _template("AB 12") == "AB 12"
    assert _script("ab мир") == "CYRILLIC"


def test_lengths_alone_make_no_difference() -> None:
    rng = np.random.default_rng(0)
    length = rng.integers(10, 200, 400)
    trait = rng.random(400) < length / 250
    values = length / 200 + 0.01 * rng.normal(size=400)
    assert values[trait].mean() - values[~trait].mean() > 0.15
    assert abs(apart(values, trait, ~trait, length)) < 0.06


def test_against_a_slow_loop() -> None:
    rng = np.random.default_rng(1)
    length, values = rng.integers(10, 90, 120), rng.random(120)
    trait = rng.random(120) < 0.4
    cuts = np.quantile(length[trait], [0.2, 0.4, 0.6, 0.8])
    part = [sum(one >= cut for cut in cuts) for one in length]
    total = 0.0
    for row in np.flatnonzero(trait):
        like = [values[other] for other in np.flatnonzero(~trait) if part[other] == part[row]]
        total += values[row] - np.mean(like)
    assert apart(values, trait, ~trait, length) == pytest.approx(total / trait.sum())


def test_too_few_have_no_difference() -> None:
    trait = np.arange(50) < 19
    assert np.isnan(apart(np.ones(50), trait, ~trait, np.arange(50)))


@pytest.mark.slow
def test_traits_at_random_stand_out_in_one_of_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byrote.analyses.text_profile.DRAWS", 80)
    rng, out, documents = np.random.default_rng(2), 0, 120
    length = rng.integers(10, 200, documents)
    everyone = np.ones(documents, bool)
    for _ in range(200):
        traits = {str(number): rng.random(documents) < 0.4 for number in range(2)}
        values = rng.random(documents)
        found = [apart(values, trait, ~trait, length) for trait in traits.values()]
        drawn = _drawn(traits, fifths(length, length), everyone, rng)
        out += int(np.abs(found).max() > _band(values, drawn, everyone, length))
    assert 4 <= out <= 16, out


@pytest.mark.slow
def test_a_run_is_profiled(tmp_path: Path) -> None:
    corpus = words(48, name="words")
    run = small_language_audit(tmp_path / "run", corpus=corpus, models=4, full=0, generate=None)
    table = ask(run, "text_profile")
    assert table.rows["trait"] == ("many capitals", "many digits", "structure", "another script", "by a template")
    assert set(table.rows["documents"]) == {"0"}
    assert next(iter(table.figures.values()))[0] is None
    assert verify(run) == []
    with pytest.raises(BadInput, match="are not at hand"):
        ask(Run.open(run.folder), "text_profile")
