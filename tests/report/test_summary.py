import pytest

from byrote.report.summary import percent
from byrote.results import Scalar


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
