from pathlib import Path

from byrote.report.gallery import gallery
from byrote.results import PerExample
from byrote.runs.run import Run
from report.made import NOISY, make_run


def scores(run: Run) -> PerExample:
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    return result


def test_the_planted_examples_come_first_with_what_models_without_them_say(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    shown = gallery(run, scores(run))
    first = shown.memorized[:NOISY]
    assert {card.name for card in first} == {f"made-{i:02d}" for i in range(NOISY)}
    for card in first:
        assert card.value == "1.00"
        assert (card.trained, card.untrained) == ((4, 4), (0, 4))
        assert card.votes is not None
        (vote,) = card.votes
        assert (vote.models, vote.share, vote.given) == (4, 1.0, False)
        assert card.planted == ("planted label noise; the label was cat",)
    assert len(shown.memorized) == NOISY  # all others have a score of 0


def test_typical_examples_are_right_everywhere_and_in_no_other_gallery(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    shown = gallery(run, scores(run))
    assert shown.typical
    assert all(card.untrained == (4, 4) == card.trained for card in shown.typical)
    assert not {card.name for card in shown.typical} & {card.name for card in shown.memorized}


def test_without_predictions_and_data_the_rest_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", predictions=False)
    shown = gallery(run, scores(run))
    assert (shown.votes, shown.contents) == (False, False)
    assert shown.memorized[0].votes is None
