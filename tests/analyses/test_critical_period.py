"""Critical period: parts of equal length in both arms, and shuffled labels that do harm if nothing follows."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses import critical_period as module
from byrote.analyses.critical_period import blurred, critical_period, of_copies, parts, with_blurred
from byrote.analyses.lab import Lab
from byrote.errors import BadInput
from small import RECIPE, blobs, small_audit

LAB = Lab(workers=1, progress=False)


def test_parts_have_the_same_epochs_with_and_without_other_labels() -> None:
    labels = np.arange(12) % 3
    with_window, without = parts(12, 3, 5, 2, 4, labels), parts(12, 3, 5, 2, 4, None)
    assert [one.epochs for one in with_window.phases] == [one.epochs for one in without.phases] == [5, 2, 4]
    assert [one.labels is None for one in with_window.phases] == [True, False, True]
    assert all(one.labels is None for one in without.phases)
    assert [one.epochs for one in parts(12, 3, 0, 2, 4, labels).phases] == [2, 4]
    assert with_window.member.all()


def test_blurred_images_against_a_slow_mean_over_blocks() -> None:
    """Between the middles of two blocks it goes from the mean of one to that of the other in a straight line."""
    rng = np.random.default_rng(0)
    image = rng.random((2, 3, 12, 8)).astype(np.float32)
    found = blurred(image)
    for x, weight in enumerate([1, 1, 7 / 8, 5 / 8, 3 / 8, 1 / 8, 0, 0]):
        first, second = (image[1, 2, :4, part].mean() for part in (slice(0, 4), slice(4, 8)))
        assert found[1, 2, 0, x] == pytest.approx(weight * first + (1 - weight) * second, abs=1e-6)
    assert np.abs(np.diff(found, axis=-1)).max() < np.abs(np.diff(image, axis=-1)).max()
    np.testing.assert_allclose(blurred(np.full((1, 9, 9), 0.3)), 0.3)


def test_blurred_copies_are_shown_in_the_window_alone() -> None:
    dataset = byrote.digits()[0].subset(np.arange(6))
    both = with_blurred(dataset)
    assert len(both) == 12
    assert both.targets[6:].tolist() == dataset.targets.tolist()
    np.testing.assert_allclose(both.inputs[6:], blurred(dataset.inputs), atol=1e-6)
    design = parts(12, 3, 5, 2, 4, None)
    sharp = np.r_[np.ones(6), np.zeros(6)]
    for arm, window in ((True, 1 - sharp), (False, sharp)):
        found = of_copies(design, blur=arm).phases
        assert [one.epochs for one in found] == [5, 2, 4]
        for phase, shown in zip(found, (sharp, window, sharp), strict=True):
            assert (phase.count == shown).all()


@pytest.mark.slow
def test_a_time_of_blurred_images_does_harm_at_the_end(tmp_path: Path) -> None:
    train, held = byrote.digits()
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(32,)), optimizer=byrote.SGD(lr=0.05, momentum=0.9))
    run = small_audit(
        tmp_path / "run", dataset=train.subset(np.arange(300)), heldout=held, recipe=recipe, models=4, full=0
    )
    table = critical_period(LAB, run, onsets="6", window=8, after=1, deficit="blur", models=5)
    assert table.figures["harm"][0].low > 0
    assert table.notes[0] == "In the window images are blurred."


def test_deficits_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInput, match=r"one of labels, blur\. Got 'noise'"):
        module._known("noise")
    with pytest.raises(BadInput, match=r"blurs images of at least 4 by 4\. The inputs are 2"):
        with_blurred(blobs())


@pytest.mark.slow
def test_a_window_just_before_the_end_does_harm(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, optimizer=byrote.SGD(lr=0.05, momentum=0.0))
    run = small_audit(tmp_path / "run", dataset=blobs(), recipe=recipe, models=4, full=0, checkpoints=2)
    table = critical_period(LAB, run, onsets="6", window=8, after=1, models=3)
    assert table.rows["window begins after"] == ("6 epochs",)
    loss, without, harm = (table.figures[name][0] for name in ("held-out loss", "without the window", "harm"))
    assert harm.value == pytest.approx(loss.value - without.value)
    assert harm.low > 0
    with pytest.raises(BadInput, match="takes numbers of epochs. Got onsets 'early'".replace(".", r"\.")) as told:
        critical_period(LAB, run, onsets="early", models=3)
    assert "onsets=0;10;30" in told.value.hint
    with pytest.raises(BadInput, match="is judged by held-out loss") as told:
        critical_period(LAB, dataclasses.replace(run, heldout=None), models=3)
    assert "--heldout 0.2" in told.value.hint
