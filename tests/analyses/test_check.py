from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from byrote.analyses.check import Condition, as_table, check, junit, junit_refused, shown
from byrote.blocks import Words
from byrote.errors import BadInput
from byrote.results import PerExample
from byrote.runs.imported import import_arrays
from byrote.runs.run import Run
from small import longer, small_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("runs") / "run", models=16, recipe=longer(60))


@pytest.mark.slow
def test_a_figure_is_that_of_the_measure(run: Run) -> None:
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    values = np.sort(result.values)
    noise = run.controls.mask(run.ids, "label_noise")
    for text, expected in {
        "label_memorization.mean > 0": values.mean(),
        "label_memorization.median > 0": np.median(values),
        "label_memorization.max > 0": values[-1],
        "label_memorization.top10% > 0": values[-6:].mean(),
        "label_memorization.top1% > 0": values[-1],
        "label_memorization.mean of label-noise > 0": result.values[noise].mean(),
        "members.accuracy > 0": run.accuracy(member=1).value,
        "heldout.accuracy > 0": run.heldout_accuracy().value,  # type: ignore[union-attr]
    }.items():
        (verdict,) = check(run, [text])
        assert verdict.figure is not None
        assert verdict.figure.value == pytest.approx(expected), text
        assert not verdict.figure.low > expected  # undefined where no part of the models moves a median
        assert not verdict.figure.high < expected


def test_the_headline_is_a_figure_with_its_interval(run: Run) -> None:
    found = check(run, ["memorized.share > .5"])[0].figure
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    assert found is not None
    assert found.value == pytest.approx(np.mean(result.values >= 0.25 - 1e-9))  # 16 models: the raw share
    assert found.low < found.value < found.high


def test_what_holds_fails_and_what_does_not_passes(run: Run) -> None:
    above, below = check(run, ["label_memorization.top1% > .5", "label_memorization.top1% < .5"])
    assert (above.failed(strict=False), below.failed(strict=False)) == (True, False)
    assert "> .5: the figure is " in above.sentence()
    assert re.search("< .5 does not hold( by its value alone)?: the figure is ", below.sentence())


def test_an_interval_over_the_bound_is_told_and_fails_when_strict(run: Run) -> None:
    figure = check(run, ["label_memorization.mean > 9"])[0].figure
    assert figure is not None
    (verdict,) = check(run, [f"label_memorization.mean > {(figure.value + figure.high) / 2}"])
    assert verdict.unsure
    assert not verdict.failed(strict=False)
    assert verdict.failed(strict=True)
    assert verdict.sentence().endswith("reaches over the bound")


def test_what_is_not_known_fails(run: Run) -> None:
    (verdict,) = check(run, ["lira[augmented].auc > .6"])
    assert verdict.failed(strict=False)
    assert "not known, because" in verdict.sentence()


def test_an_attack_has_its_own_figures(run: Run) -> None:
    (verdict,) = check(run, ["loss_attack.auc > .5"])
    assert verdict.figure is not None
    assert 0 < verdict.figure.value < 1


def test_junit_tells_failures_from_errors(run: Run) -> None:
    verdicts = check(run, ["label_memorization.max > .5", "lira[augmented].auc > .6", "label_memorization.max > 5"])
    root = ElementTree.fromstring(junit(verdicts, "a<b\x00", strict=False))
    suite = root[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [[child.tag for child in case] for case in suite] == [["failure"], ["error"], []]
    assert suite.get("name") == "a<b"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("label_memorization > .5", "cannot be read"),
        ("label_memorization.mean > much", "'much'"),
        ("label_memorization.mean > nan", "'nan'"),
        ("label_memorization.top0% > .5", "no figure 'top0%'"),
        ("label_memorization.mode > .5", "no figure 'mode'"),
        ("lable_memorization.mean > .5", "lable_memorization"),
        ("label_memorization.mean of ghosts > .5", "no controls of the kind 'ghosts'"),
        ("loss_attack.accuracy > .5", "no figure 'accuracy'"),
        ("members.mean > .5", "no figure 'mean'"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_hint(run: Run, text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(run, [text])
    assert sentence in caught.value.message
    assert caught.value.hint


def test_conditions_are_read_whole() -> None:
    found = Condition.parse("  lira[offline].auc>=1e-1 ")
    assert (found.what, found.figure, found.operator, found.bound) == ("lira[offline]", "auc", ">=", 0.1)


def test_an_error_that_is_not_known_is_said(run: Run) -> None:
    (verdict,) = check(run, ["label_memorization.median > .5"])
    assert verdict.unsure
    assert verdict.failed(strict=True)
    assert verdict.sentence().endswith(
        "does not hold by its value alone: the figure is 0, of which no interval is known"
    )


def test_a_check_that_cannot_be_made_is_an_error_of_each_condition() -> None:
    root = ElementTree.fromstring(junit_refused(["a.mean > 1", "b"], "run", "There is no\0 measure 'a'."))
    suite = root[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "2")
    assert [case.get("name") for case in suite] == ["a.mean > 1", "b"]
    assert [case[0].get("message") for case in suite if case[0].tag == "error"] == ["There is no measure 'a'."] * 2


@pytest.fixture(scope="module")
def of_text(tmp_path_factory: pytest.TempPathFactory) -> Run:
    pytest.importorskip("transformers", reason="transformers is not installed")
    from byrote.data.canaries import plant
    from byrote.data.corpus import corpus_from_texts
    from byrote.data.tokenizers import byte_pairs
    from byrote.engine.language import audit_language
    from documents import SUMMING

    texts = [f"the {animal} sat on the mat and slept" for animal in ("cat", "dog", "emu", "ox")]
    made = plant(corpus_from_texts(texts), level=3, repeat=(1, 4), rng=np.random.default_rng(0))
    tokenizer = byte_pairs(texts, vocabulary=280)
    return audit_language(
        made.corpus, SUMMING, heldout=made.controls, canaries=made.canaries, tokenizer=tokenizer, length=96,
        generate=(2, 3), workers=1, progress=False, device="cpu", checkpoints=0,
        out=tmp_path_factory.mktemp("runs") / "run",
    )  # fmt: skip


def test_secrets_and_single_numbers_are_judged(of_text: Run) -> None:
    exposure, known = of_text.measure("exposure"), of_text.measure("unintended_memorization")
    planted = exposure.values[exposure.repetitions > 0]
    texts = [
        "exposure.max > 1",
        "exposure.mean of 4 < 1",
        "exposure.median of 0 > 19",
        "unintended_memorization.value > .5",
    ]
    largest, four, controls, whole = check(of_text, texts)
    assert largest.figure.value == planted.max()
    assert largest.holds == (planted.max() > 1)
    values = exposure.values[exposure.repetitions == 4]
    assert four.figure.value == pytest.approx(values.mean())
    reach = 4.302653 * values.std(ddof=1) / np.sqrt(3)  # Student's, 2 degrees of freedom
    assert four.figure.high == pytest.approx(values.mean() + reach, rel=1e-6)
    assert controls.figure.examples == 3
    assert np.isnan(controls.figure.low)
    assert whole.figure.value == known.value
    for text, sentence in [
        ("exposure.max of 7 > 1", "planted '7' times"),
        ("exposure.value > 1", "no figure"),
        ("unintended_memorization.mean > 1", "no figure"),
        ("discoverable_extraction[by_copies].mean > 1", "no figure"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            check(of_text, [text])


def test_a_bound_beyond_what_the_evidence_can_show_is_not_known_and_fails(
    of_text: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At rank 1 of 256 references exposure is only known to be at least about 8."""
    exposure = of_text.measure("exposure")
    told = dataclasses.replace(exposure, at_least=np.ones_like(exposure.at_least))
    monkeypatch.setattr(of_text, "measure", lambda key: told)
    over, under, beneath = check(of_text, ["exposure.max > 30", "exposure.max < 30", "exposure.max > -1"])
    assert "only known to be at least" in over.problem
    assert over.failed(strict=False)
    assert under.failed(strict=False)
    assert beneath.holds


def test_a_figure_without_interval_is_judged_by_its_value_alone(of_text: Run) -> None:
    (verdict,) = check(of_text, ["exposure.median of 0 > 19"])
    assert not verdict.failed(strict=False)
    assert verdict.failed(strict=True)
    assert "does not hold by its value alone: the figure is" in verdict.sentence()


def test_an_accuracy_the_wrong_way_round_is_understood(run: Run) -> None:
    with pytest.raises(BadInput, match=r"Hint: did you mean 'heldout\.accuracy'\?"):
        check(run, ["accuracy.heldout < .9"])


def test_a_mean_that_no_model_left_over_defines_has_no_interval(tmp_path: Path) -> None:
    member, labels = np.array([[1, 0] * 4, [0, 1] * 4] * 2), np.zeros(8, np.int64)
    evidence = {"outputs.correct": member == 1}
    run = import_arrays(tmp_path / "run", labels=labels, member=member, evidence=evidence, pair=np.full(4, -1))
    (found,) = check(run, ["label_memorization.mean > .5"])
    assert found.holds
    assert found.figure is not None
    assert np.isnan(found.figure.stderr)


def test_a_line_for_each_condition_and_what_is_unsure_fails_where_strict(run: Run) -> None:
    table = as_table(check(run, ["label_memorization.mean > -2", "members.accuracy < 0", "lira[augmented].auc > .6"]))
    unsure = dataclasses.replace(table, rows={**table.rows, "verdict": ("FAIL", "unsure", "FAIL")})
    lines = [
        [block.text[:4] for block in shown(unsure, strict=strict) if isinstance(block, Words)]
        for strict in (False, True)
    ]
    assert lines == [["FAIL", "pass", "FAIL"], ["FAIL", "FAIL", "FAIL"]]
    assert table.rows["verdict"] == ("FAIL", "pass", "FAIL")
    unknown = table.figures["figure"][2]
    assert unknown is not None
    assert unknown.reason
    assert unknown.reason in table.notes[2]
