from dataclasses import replace
from pathlib import Path

import pytest

from byrote.report.facts import NAMED, Facts, facts
from byrote.report.summary import percent, sentences
from byrote.results import Scalar
from report.made import make_run


@pytest.mark.parametrize(
    ("value", "stderr", "shown"),
    [
        (0.128, 0.0058, "12.8 ± 0.6 %"),
        (0.99107, 0.00032, "99.11 ± 0.03 %"),
        (0.5, 0.2, "50.0 ± 20.0 %"),
        (0.9513, float("nan"), "95.1 %"),
    ],
)
def test_a_share_shows_the_first_digit_of_its_error(value: float, stderr: float, shown: str) -> None:
    assert percent(Scalar(value=value, stderr=stderr, low=0.0, high=1.0, models=4, examples=9)) == shown


def test_an_undefined_share_says_why() -> None:
    nan = float("nan")
    undefined = Scalar(value=nan, stderr=nan, low=nan, high=nan, models=4, examples=9, reason="no members")
    assert percent(undefined) == "an undefined share (no members)"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return facts(make_run(tmp_path_factory.mktemp("summary") / "run"))


def of(value: float) -> Scalar:
    return Scalar(value=value, stderr=0.01, low=0.0, high=1.0, models=8, examples=40)


def with_precision(found: Facts, named: float, others: float) -> Facts:
    changed = [
        replace(d, average_precision=of(named if d.measure.key == NAMED else others), auroc=of(0.9))
        for d in found.detections
    ]
    return replace(found, detections=tuple(sorted(changed, key=lambda d: -d.average_precision.value)))


def test_the_score_named_beforehand_is_quoted_first(found: Facts) -> None:
    lines = sentences(with_precision(found, 0.8, 0.9))
    (first,) = [
        i for i, line in enumerate(lines) if "planted wrong labels: cumulative_sample_loss (chosen beforehand)" in line
    ]
    assert "average precision 0.800 ± 0.010, AUROC 0.900 ± 0.010. Both rise with more models." in lines[first]
    tied = len(found.detections) - 1
    best = f"Best of {tied + 1} scores for planted wrong labels: consistency_score and {tied - 1} others, "
    assert lines[first + 1].startswith(best)
    assert lines[first + 1].endswith(f"(best of {tied + 1}: biased upwards).")


def test_where_the_named_score_is_the_best_it_is_quoted_once(found: Facts) -> None:
    lines = sentences(with_precision(found, 0.95, 0.9))
    assert f"It is also the best of {len(found.detections)} scores." in lines
    assert sum("average precision" in line for line in lines) == 1


def test_ties_at_the_top_are_told(found: Facts) -> None:
    others = len(found.detections) - 1
    line = f"It is also the best of {others + 1} scores, with consistency_score and {others - 1} others."
    assert line in sentences(with_precision(found, 0.9, 0.9))


def test_scores_at_chance_find_nothing(found: Facts) -> None:
    chance = [replace(d, average_precision=of(0.15 + i / 100), auroc=of(0.55)) for i, d in enumerate(found.detections)]
    lines = sentences(replace(found, detections=tuple(chance)))
    assert any(line.startswith("No score detects planted wrong labels better than chance: the best") for line in lines)
    assert not any("chosen beforehand" in line or "biased upwards" in line for line in lines)


def test_without_controls_there_is_nothing_to_set_apart(tmp_path: Path) -> None:
    lines = sentences(facts(make_run(tmp_path / "run", controls=False)))
    assert any(line.startswith("Mean label memorization: ") and line.endswith(" for all examples.") for line in lines)
    assert not any("planted" in line for line in lines)


def test_figures_of_4_models_say_that_their_error_is_unknown(tmp_path: Path) -> None:
    lines = sentences(facts(make_run(tmp_path / "run", models=4)))
    assert "Figures without ± have no known error: it takes 6 models, in pairs." in lines


def test_where_it_was_not_measured_the_best_keeps_its_caveat(tmp_path: Path) -> None:
    lines = sentences(facts(make_run(tmp_path / "run", trajectories=False)))
    assert not any("chosen beforehand" in line for line in lines)
    assert any(line.endswith(": biased upwards).") for line in lines)


def test_the_corrected_share_is_told_with_the_plain_one(found: Facts) -> None:
    assert (
        "Raw share memorized (label memorization >= 0.25): 12.5 % of 40 examples, from 8 models. It is not corrected"
        in sentences(found)[0]
    )
    assert "It takes 32 models" in sentences(found)[0]
    first = sentences(replace(found, memorized=of(0.14), memorized_corrected=of(0.12)))[0]
    assert first.startswith(
        "Memorized (label memorization >= 0.25): 12.0 ± 1.0 % of 40 examples, from 8 models. Raw share, before noise "
        "correction: 14.0 ± 1.0 %."
    )
