from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

import byrote
from attacked_texts import attacked_texts, normal_texts
from byrote.analyses.membership import (
    AttackFigures,
    as_table,
    default_attack,
    membership_attack,
    memorization_tenths,
    plain,
    shown,
    tenths_again,
)
from byrote.blocks import TableBlock, Words
from byrote.data.controls import LABEL_NOISE, planted
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.measures.catalog import catalog, find
from byrote.measures.label_memorization import label_memorization_probability
from byrote.results import Scalar, decimal
from byrote.runs.run import Run
from byrote.stats.ranking import auroc
from documents import small_language_audit
from measures.attacks import gaussian
from measures.evidence import half_subset_pairs
from small import small_audit

ATTACKS = sorted(
    key
    for key, entry in catalog().items()
    if entry.suits("classes") and entry.function.__module__.endswith(("lira", "rmia", "baselines"))
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("membership") / "run", models=12)


def imported(folder: Path, log_odds: np.ndarray, member: np.ndarray, pair: np.ndarray | None, **more: object) -> Run:
    labels = np.arange(member.shape[1]) % 2
    given = {"outputs.log_odds": log_odds.astype(np.float32)}
    return byrote.import_arrays(
        folder, labels=labels, member=member.astype(np.int64), pair=pair, evidence=given, **more
    )


@pytest.mark.parametrize("key", [key for key in ATTACKS if key not in ("lira[augmented]", "lira[adversarial]")])
def test_every_attack_has_its_figures(run: Run, key: str) -> None:
    found = membership_attack(run, key, draws=3)
    entry, models = find(key), run.models()
    scores = entry.function(**{name: run.load(need, models) for name, need in entry.parameters.items()}).values
    member = run.design.member[models]
    assert found.attack == key
    assert found.figures["auc"].value == pytest.approx(auroc(scores.ravel(), member.ravel() == 1))
    assert found.references == (10 if key.startswith(("lira", "rmia")) else 0)
    assert (found.models, found.examples) == (12, 60)
    assert found.null.low <= 0.5 <= found.null.high
    assert "takes 10,000 scores of non-members" in found.figures["tpr_at_fpr_0.001"].reason
    assert repr(found).startswith(f"AttackFigures({key}: AUC Scalar(")


def test_slices_by_class_control_and_memorization(run: Run) -> None:
    found = membership_attack(run, draws=2)
    assert set(found.slices) == {"class", "control", "memorization"}
    assert set(found.slices["class"]) == {"a", "b", "c"}
    assert set(found.slices["control"]) == {LABEL_NOISE, "clean"}
    assert set(found.slices["memorization"]) == {str(number) for number in range(1, 11)}
    noise = run.controls.mask(run.ids, LABEL_NOISE)
    assert found.slices["control"][LABEL_NOISE]["auc"].examples == noise.sum()
    assert found.slices["control"][LABEL_NOISE]["auc"].value > found.slices["control"]["clean"]["auc"].value
    assert any("over each target's reference models" in note for note in found.notes)


@pytest.mark.slow
def test_groups_have_figures_where_the_data_have_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(40) % 2
    groups = ["ann"] * 12 + ["bob"] * 12 + [f"other {i // 2}" for i in range(16)]
    data = byrote.from_arrays(rng.normal(size=(40, 3)).astype(np.float32), targets, groups=groups)
    found = membership_attack(small_audit(tmp_path / "run", dataset=data, models=8, heldout=None), draws=2)
    assert set(found.slices["group"]) == {"ann", "bob"}
    assert found.slices["group"]["bob"]["auc"].examples == 12
    assert "figures by group are those of the largest, at most 50, with 10 examples or more: 2 of 10" in found.notes


@pytest.mark.slow
def test_a_private_model_shows_nothing_and_a_lookup_table_all(tmp_path: Path) -> None:
    member, pair = half_subset_pairs(np.random.default_rng(1), 12, 60)
    constant = np.tile(np.random.default_rng(2).normal(size=60), (12, 1))
    for key in ("lira", "rmia", "loss_attack"):
        private = membership_attack(imported(tmp_path / f"private {key}", constant, member, pair), key, draws=3)
        area = private.figures["auc"]
        assert area.value == pytest.approx(0.5, abs=1e-9 if key != "loss_attack" else 0.05)
        assert area.low < 0.5 < area.high
        table = np.where(member == 1, 8.0, -8.0)
        found = membership_attack(imported(tmp_path / f"table {key}", table, member, pair), key, draws=3)
        assert found.figures["auc"].value == found.figures["balanced_accuracy"].value == 1.0
        assert found.figures["auc"].low < 0.95


def test_risk_is_not_uniform(tmp_path: Path) -> None:
    """The first 30 of 300 examples are memorized, by 3 standard deviations; the rest by nothing."""
    rng = np.random.default_rng(3)
    x, member, pair = gaussian(rng, 16, 300, gap=0.0)
    x[:, :30] += 3.0 * (member[:, :30] == 1) - 1.5
    controls = planted(LABEL_NOISE, [str(i) for i in range(30)], [""] * 30)
    found = membership_attack(imported(tmp_path / "run", x, member, pair, controls=controls), draws=2)
    assert found.slices["control"][LABEL_NOISE]["auc"].low > 0.9
    assert found.slices["control"]["clean"]["auc"].low < 0.5 < found.slices["control"]["clean"]["auc"].high
    assert found.slices["memorization"]["10"]["auc"].value > 0.85


@pytest.mark.parametrize("strata", [1, 2])
def test_tenths_from_sums_are_those_of_the_models_that_are_left(strata: int) -> None:
    x, member, pair = gaussian(np.random.default_rng(6), 12, 230, gap=1.0)
    p = (1 / (1 + np.exp(-x))).astype(np.float32)
    p[:, :30] = np.linspace(0.0, 1.0, 30, dtype=np.float32)  # all models agree: ties go by place
    stratum = np.broadcast_to((pair % strata)[:, None], member.shape).astype(np.int16)
    again = tenths_again(p, member, pair, stratum)
    for gone in (-1, 0, 4):
        kept = pair != gone
        np.testing.assert_array_equal(
            again(kept), memorization_tenths(p[kept], member[kept], pair[kept], stratum[kept])
        )


def test_a_target_does_not_choose_its_own_tenth(tmp_path: Path) -> None:
    """Where nothing is memorized, no tenth shows anything, not even the one that looks memorized most."""
    x, member, pair = gaussian(np.random.default_rng(4), 8, 4000, gap=0.0)
    tenths = memorization_tenths(1 / (1 + np.exp(-x)), member, pair)
    np.testing.assert_array_equal(np.bincount(tenths.ravel(), minlength=11)[1:], 8 * 400)
    for tenth in (1, 10):
        chosen = tenths == tenth
        assert auroc(x[chosen], member[chosen] == 1) == pytest.approx(0.5, abs=0.03)
    own = label_memorization_probability(1 / (1 + np.exp(-x)), member, pair).values
    top = own >= np.quantile(own, 0.9)
    assert auroc(x[:, top].ravel(), member[:, top].ravel() == 1) > 0.6


def test_options_reach_the_attack(run: Run) -> None:
    plain = membership_attack(run, "rmia", draws=2)
    other = membership_attack(run, "rmia", options={"gamma": 3.0}, draws=2)
    assert plain.figures["auc"].value != other.figures["auc"].value
    with pytest.raises(BadInput, match="'gamma' argument"):
        membership_attack(run, "rmia", options={"gamma": -1.0})


def test_the_same_seed_gives_the_same_null(run: Run) -> None:
    first, again, other = (membership_attack(run, "loss_attack", draws=3, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.null.replicates, again.null.replicates)
    assert not np.array_equal(first.null.replicates, other.null.replicates)
    assert isinstance(first, AttackFigures)


def test_what_cannot_be_attacked_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"'label_memorization' is no membership attack.* Hint: the attacks are .*lira, .*rmia, "
    ):
        membership_attack(run, "label_memorization")
    with pytest.raises(BadInput, match=r"There is no attack 'lyra'\. Hint: did you mean 'lira'\? the attacks are "):
        membership_attack(run, "lyra")
    with pytest.raises(MissingEvidence, match="augmented"):
        membership_attack(run, "lira[augmented]")
    few = small_audit(tmp_path / "few", models=6)
    with pytest.raises(TooFewModels, match=r"Got 2 of 6 models\. Hint: train at least 8"):
        membership_attack(few)


def test_members_nobody_can_attack_are_refused(tmp_path: Path) -> None:
    x, member, _ = gaussian(np.random.default_rng(6), 8, 40, gap=1.0)
    with pytest.raises(TooFewModels, match=r"exactly 4 of 8 models and no pairs are known.* Hint: name the pairs"):
        membership_attack(imported(tmp_path / "balanced", x, member, None))
    alone = membership_attack(imported(tmp_path / "alone", x, member, None), "loss_attack", draws=2)
    assert "memorization" not in alone.slices  # its references would give membership away as well
    assert any("exactly 4 of 8 models" in note for note in alone.notes)
    everyone = imported(tmp_path / "everyone", x, np.ones_like(member), None)
    found = membership_attack(everyone, "loss_attack", draws=2)
    assert found.figures["auc"].reason == "there is no member or no non-member to score"
    assert np.isnan(found.figures["auc"].value)
    assert found.null.reason


def test_unknown_members_are_counted_out(tmp_path: Path) -> None:
    x, member, pair = gaussian(np.random.default_rng(7), 12, 50, gap=1.0)
    member[:, 0] = -1
    found = membership_attack(imported(tmp_path / "run", x, member, pair), draws=2)
    assert any(note.startswith("12 of 600 scores are undefined") for note in found.notes)


def test_without_log_odds_there_are_no_tenths(tmp_path: Path) -> None:
    x, member, pair = gaussian(np.random.default_rng(8), 8, 40, gap=1.0)
    loss = np.logaddexp(0, -x).astype(np.float32)
    given = {"outputs.loss": loss}
    run = byrote.import_arrays(
        tmp_path / "run", labels=np.arange(40) % 2, member=member.astype(np.int64), pair=pair, evidence=given
    )
    found = membership_attack(run, "loss_attack", draws=2)
    assert "memorization" not in found.slices
    assert any(
        note.startswith("no figures by memorization: 'outputs.log_odds' is not recorded") for note in found.notes
    )


def test_what_is_kept_has_null_for_the_unknown_and_leaves_names_alone(run, tmp_path):
    found = membership_attack(run, "loss_attack")
    figure = next(iter(found.slices["class"].values()))
    unknown = {name: dataclasses.replace(one, stderr=np.nan) for name, one in figure.items()}
    told = plain(dataclasses.replace(found, slices={"class": {"NaN": unknown}}))
    again = json.loads(json.dumps(told, allow_nan=False))
    assert list(again["slices"]["class"]) == ["NaN"]
    assert again["slices"]["class"]["NaN"]["auc"]["stderr"] is None


def test_its_section_gives_each_reason_once_and_the_best_found_slices(run: Run) -> None:
    found = membership_attack(run, "loss_attack")
    table = as_table(found)
    lead, figures, null, *more = shown(table)
    assert isinstance(lead, Words)
    assert (
        lead.text
        == f"loss_attack on {found.models} models, each with {found.references} reference models, over "
        + (f"{found.examples} examples.")
    )
    assert isinstance(figures, TableBlock)
    reasons = [cell.reason for _, cell in figures.rows if isinstance(cell, Scalar) and cell.reason]
    assert len(reasons) == len(set(reasons))
    assert len(figures.rows) == len(found.figures)
    assert isinstance(null, Words)
    assert f"the AUC is {decimal(found.null)}." in null.text
    axes = [block.text for block in more if isinstance(block, Words) and block.text.startswith("AUC by ")]
    assert len(axes) == len(found.slices)
    best = max(found.slices["class"].items(), key=lambda item: item[1]["auc"].value)
    (of_class,) = (text for text in axes if text.startswith("AUC by class"))
    assert of_class.startswith(f"AUC by class, highest first: {best[0]} {decimal(best[1]['auc'])}")


def test_texts_are_attacked_by_what_the_number_of_models_allows(tmp_path: Path) -> None:
    for models, expected in ((2, "text_loss_attack"), (8, "reference_attack"), (18, "lira[text]")):
        mean, member, pair = normal_texts(np.random.default_rng(models), models, 40, 1.0)
        assert default_attack(attacked_texts(tmp_path / str(models), mean, member, pair)) == expected


def test_texts_of_known_distance_have_the_area_that_theory_says(tmp_path: Path) -> None:
    """The target is held against 14 references: its distance is that of a normal with variance 1 + 1/14."""
    mean, member, pair = normal_texts(np.random.default_rng(0), 16, 400, 1.5)
    member[:, 0] = 0
    token = np.arange(1200) % 1197  # the last document is a copy of the first
    groups = ["held out", *(f"person {number // 4}" for number in range(399))]
    run = attacked_texts(tmp_path, mean, member, pair, token=token, groups=groups)
    found = membership_attack(run, draws=3)
    assert found.attack == "reference_attack"
    area = found.figures["auc"]
    assert area.low < ndtr(1.5 / np.sqrt(2 * (1 + 1 / 14))) < area.high
    assert found.examples == 399
    assert "1 of 400 documents are not attacked: every model was trained on them, or none, or it is not known" in (
        found.notes
    )
    assert not any("undefined" in note for note in found.notes)
    assert found.null.low < 0.5 < found.null.high
    assert set(found.slices) == {"copies", "memorization"}
    assert found.slices["copies"]["2 or more"]["auc"].examples == 2


def test_what_is_held_out_from_all_does_not_help_an_attack_without_references(tmp_path: Path) -> None:
    """Held-out documents are harder; counted as non-members they would give members away."""
    mean, member, pair = normal_texts(np.random.default_rng(1), 8, 200, 0.0)
    member[:, 100:], mean[:, 100:] = 0, -50.0
    area = membership_attack(attacked_texts(tmp_path, mean, member, pair), "text_loss_attack", draws=2).figures["auc"]
    assert area.low < 0.5 < area.high


def test_one_language_model_is_attacked_with_errors_about_documents(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    member = (np.arange(300) < 150).astype(np.int8)[None]
    run = attacked_texts(tmp_path, rng.normal(-30.0, 1.0, (1, 300)) + member, member)
    found = membership_attack(run, draws=10)
    area = found.figures["auc"]
    assert (found.attack, found.references, area.varies_over) == ("text_loss_attack", 0, "examples")
    assert area.value == pytest.approx(
        auroc(run.load("tokens.log_probability", [0])[0, 1::3].astype(float), member[0] == 1)
    )
    assert area.low < ndtr(1 / np.sqrt(2)) < area.high
    assert 0.02 < area.stderr < 0.035  # of 150 against 150, by DeLong
    assert found.null.low < 0.5 < found.null.high < area.low
    assert "balanced_accuracy" not in found.figures
    assert "± is about other examples, not about other models" in found.notes
    assert np.isfinite(found.curve.low).all()
    assert any(note.startswith("a bag of words, which looks at no model, tells members with") for note in found.notes)


def test_texts_of_persons_are_attacked_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    person, pair = np.repeat(np.arange(60), 4), np.repeat(np.arange(8), 2)
    of_person, _ = half_subset_pairs(rng, 16, 60)
    member = of_person[:, person]
    mean = rng.normal(-30.0, 1.0, 240) + rng.normal(size=member.shape) + 0.5 * member
    run = attacked_texts(tmp_path, mean, member, pair, groups=[f"person {number:02}" for number in person])
    one, together = (membership_attack(run, by=by, draws=2) for by in ("example", "group"))
    assert together.examples == 60
    assert together.figures["auc"].low < ndtr(1.0 / np.sqrt(2 * (1 + 1 / 14))) < together.figures["auc"].high
    assert together.figures["auc"].value > one.figures["auc"].value


def test_texts_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    mean = np.zeros((1, 9))
    with pytest.raises(MissingEvidence, match="and it has no held-out documents"):
        membership_attack(attacked_texts(tmp_path, mean, np.ones((1, 9), np.int8)))
    with pytest.raises(MissingEvidence, match="'lira' is not for the targets"):
        membership_attack(attacked_texts(tmp_path / "b", mean, np.ones((1, 9), np.int8)), "lira")


@pytest.mark.slow
def test_readings_of_texts_are_attacked(tmp_path: Path) -> None:
    names = ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay"]
    texts = [f"The Paragraph {number} Tells Of {name}" for number, name in enumerate(names * 3)]
    others = [f"Another {number} Tells Of {name}" for number, name in enumerate(names[:4] * 2)]
    run = small_language_audit(
        tmp_path / "run",
        corpus=byrote.corpus_from_texts(texts),
        heldout=byrote.corpus_from_texts(others, ids=[f"other {number}" for number in range(8)]),
        length=48,
        checkpoints=0,
        probes=("neighbours,number=2", "recall,before=6", "compressed", "document_gradients", "lowercase"),
    )
    for name in ("neighbours", "recall", "zlib", "gradient_norm", "lowercase"):
        found = membership_attack(run, f"text_loss_attack[{name}]", draws=2)
        assert found.examples == 26
        assert 0 <= found.figures["auc"].value <= 1
