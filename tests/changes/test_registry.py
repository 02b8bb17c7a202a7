from __future__ import annotations

import dataclasses

import pytest

from byrote.changes.change import Change
from byrote.changes.model.gradient_ascent import GradientAscent
from byrote.changes.registry import CONTROLS, REMEDIES, changes, parse_change
from byrote.errors import BadInput
from over_all import over_all

WHOLE = {
    "cutout",
    "early-stopping",
    "fine-tune-on-rest",
    "goldfish",
    "gradient-ascent",
    "gradient-difference",
    "ngram-guard",
    "random-shift",
    "remove-exact-duplicates",
    "scrub",
}
OF_FILES = {"relabel", "remove", "review"}
OF_NOTHING = {"mae", "retrain"}
OF_WORDS = {"mask-personal-data", "schedule"}
ALL = sorted(change.name for change in (*CONTROLS, *REMEDIES))
NAMES = [name for name in ALL if name not in OF_FILES | OF_NOTHING | OF_WORDS]
OF_AMOUNTS = {change.name: change for change in REMEDIES if change.name not in OF_FILES | {"dp-sgd"}}

every_name = over_all("name", dict(zip(NAMES, NAMES, strict=True)))
every_control = over_all("control", {control.name: control for control in CONTROLS})


def test_every_change_goes_by_its_own_name() -> None:
    assert list(changes()) == ALL
    assert len(set(ALL)) == len(CONTROLS) + len(REMEDIES)
    assert {change.stage for change in changes().values()} == {"dataset", "recipe", "model", "decoder"}
    assert {change.stage for change in CONTROLS} == {"dataset"}


@every_name
def test_an_amount_lands_in_the_first_field(name: str) -> None:
    text, amount = ("3", 3) if name in WHOLE else ("0.125", 0.125)
    made = parse_change(f"{name}={text}")
    assert isinstance(made, Change)
    assert type(made) is changes()[name]
    first = getattr(made, dataclasses.fields(type(made))[0].name)
    assert first == amount
    assert type(first) is type(amount)


@over_all("change", OF_AMOUNTS)
def test_a_remedy_has_an_amount_of_its_own(change: type) -> None:
    assert parse_change(change.name) == parse_change(f"{change.name}=") == change()


@pytest.mark.parametrize("name", sorted(OF_FILES))
def test_a_change_of_a_file_must_be_given_one(name: str) -> None:
    with pytest.raises(BadInput, match=f"^The change '{name}' needs a file. Hint: {name}=FILE$"):
        parse_change(name)


def test_an_epsilon_must_be_given_and_a_usual_one_is_named() -> None:
    with pytest.raises(BadInput, match=r"^The change 'dp-sgd' needs an amount\. Hint: dp-sgd=8\.0$"):
        parse_change("dp-sgd")


@pytest.mark.parametrize("name", sorted(OF_NOTHING))
def test_what_takes_no_amount_says_so(name: str) -> None:
    with pytest.raises(BadInput, match=rf"^The change '{name}' takes no amount\. Got '3'\. Hint: --with {name}$"):
        parse_change(f"{name}=3")


@every_control
def test_a_control_must_say_how_much(control: type) -> None:
    with pytest.raises(BadInput, match=f"^The change '{control.name}' needs an amount. Hint: {control.name}=0.05$"):
        parse_change(control.name)


@every_name
@pytest.mark.parametrize("amount", ["0", "-1"])
def test_amounts_are_positive(name: str, amount: str) -> None:
    with pytest.raises(BadInput, match=rf"^The amount of the change '{name}' must be positive.* Got '{amount}'\."):
        parse_change(f"{name}={amount}")


@every_name
@pytest.mark.parametrize("amount", ["much", "0.1.2", "nan", "inf", "1=2"])
def test_amounts_are_finite_numbers(name: str, amount: str) -> None:
    with pytest.raises(BadInput, match=rf"^The amount of the change '{name}' must be .* Got '{amount}'\."):
        parse_change(f"{name}={amount}")


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_epochs_and_pixels_are_whole(name: str) -> None:
    with pytest.raises(BadInput, match=r"must be a whole number\. Got '1\.5'"):
        parse_change(f"{name}=1.5")


@every_control
def test_a_rate_stays_below_one(control: type) -> None:
    with pytest.raises(BadInput, match=rf"argument of {control.name} must be a rate in \(0, 1\)\. Got 1\.0"):
        parse_change(f"{control.name}=1")


@pytest.mark.parametrize("text", ["", "=0.1", "cinnamon=0.1", "Label-Noise=0.1", " label-noise=0.1"])
def test_a_name_that_is_none_gets_the_valid_ones(text: str) -> None:
    with pytest.raises(
        BadInput,
        match=r"^There is no change .*Hint: (did you mean .label-noise.\? )?the changes are ambiguous-.*, weight-decay",
    ):
        parse_change(text)


def test_settings_follow_the_amount() -> None:
    assert parse_change("gradient-ascent=5,rate=0.1") == GradientAscent(epochs=5, rate=0.1)
    assert parse_change("gradient-ascent=rate=0.1") == GradientAscent(rate=0.1)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("gradient-ascent=5,speed=1", "The change 'gradient-ascent' has no setting 'speed'"),
        (
            "gradient-ascent=5,rate=fast",
            "The setting 'rate' of the change 'gradient-ascent' must be a number. Got 'fast'",
        ),
        ("gradient-ascent=5,0.1", "The setting '0.1' has no value"),
    ],
)
def test_settings_that_are_none_are_refused(text: str, part: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_change(text)
    assert part in str(error.value)
