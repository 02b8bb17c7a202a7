from __future__ import annotations

import re

import numpy as np
import pytest

from byrote.data import personal
from byrote.data.personal import KINDS, Detectors, Found, masked, numbers_like_cards
from byrote.data.secret_spaces import secret_space
from byrote.errors import BadInput

ALONE = Detectors(kinds=("card", "email"))


def found(detectors: Detectors, text: str) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.stop]) for one in detectors.find(text)]


@pytest.fixture
def every() -> Detectors:
    pytest.importorskip("phonenumbers", reason="needs the extra personal-data")
    return Detectors()


@pytest.mark.parametrize("written", ["4000001234567899", "4000 0012 3456 7899", "4000-0012-3456-7899"])
def test_cards_are_found_as_people_write_them(written: str) -> None:
    assert found(ALONE, f"Pay with {written}, or not.") == [("card", written)]
    assert found(ALONE, f"in 2024 {written} 12 25") == [("card", written)]
    assert found(ALONE, f"{written[:-1]}8") == []  # Luhn


def test_a_card_of_fifteen_digits_is_written_in_its_own_way() -> None:
    assert found(ALONE, "3782 822463 10005") == [("card", "3782 822463 10005")]


@pytest.mark.parametrize("text", ["12345678901234567890123", "400000123456789", "4000 0012-3456 7899", "1234 5678"])
def test_what_is_too_long_too_short_or_of_mixed_form_is_no_card(text: str) -> None:
    assert found(ALONE, text) == []


def test_one_in_ten_numbers_passes_by_chance() -> None:
    rng = np.random.default_rng(0)
    text = " x ".join("".join(map(str, rng.integers(10, size=16))) for _ in range(1000))
    passed = [one for _, _, one in numbers_like_cards(text)]
    assert len(passed) == 1000
    assert 70 < sum(passed) < 130


def test_addresses_are_found_whole_and_no_more() -> None:
    text = "Ask ann.lee+news@mail.example.co.uk. Or not a@b, nor @home, nor x@example.c0m."
    assert found(ALONE, text) == [("email", "ann.lee+news@mail.example.co.uk")]
    assert found(ALONE, "a at b dot org") == []


def test_every_card_and_address_of_the_spaces_is_found() -> None:
    rng = np.random.default_rng(1)
    for kind in ALONE.kinds:
        for secret in secret_space(kind).draw(50, rng):
            assert found(ALONE, f"It is {secret}.") == [(kind, secret)]


def test_accounts_end_where_their_country_says(every: Detectors) -> None:
    text = "To DE89 3704 0044 0532 0130 00 AND NOT to DE88 3704 0044 0532 0130 00, or GB29NWBK60161331926819."
    assert found(every, text) == [("iban", "DE89 3704 0044 0532 0130 00"), ("iban", "GB29NWBK60161331926819")]


def test_telephones_are_found_at_home_and_abroad(every: Detectors) -> None:
    text = "Call (202) 456-1111, +33 1 99 00 12 34 or 030 12345678; order 4000 0012 3456 7899."
    assert found(every, text) == [
        ("phone", "(202) 456-1111"),
        ("phone", "+33 1 99 00 12 34"),
        ("phone", "030 12345678"),
        ("card", "4000 0012 3456 7899"),
    ]
    assert found(Detectors(kinds=("phone",), regions=("US",)), "030 12345678") == []
    assert found(Detectors(kinds=("phone",), regions=()), text) == [("phone", "+33 1 99 00 12 34")]


def test_what_was_masked_is_not_found_again(every: Detectors) -> None:
    rng = np.random.default_rng(2)
    text = " and ".join(secret_space(kind).draw(1, rng)[0] for kind in (*KINDS, *KINDS))
    once = masked(text, every.find(text))
    assert re.findall(r"\[(\w+)\]", once) == [*KINDS, *KINDS]
    assert every.find(once) == []
    assert masked(once, every.find(once)) == once


def test_masks_follow_the_places_in_any_order() -> None:
    assert masked("a bb c", [Found(5, 6, "phone"), Found(2, 4, "card")]) == "a [card] [phone]"


def test_kinds_and_regions_that_there_are_not_are_refused(every: Detectors) -> None:
    with pytest.raises(BadInput, match="no kind of personal data named 'name'"):
        Detectors(kinds=("name",))
    with pytest.raises(BadInput, match="There is no region 'XX' with telephone numbers"):
        Detectors(regions=("XX",))


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="takes the package stdnum, which is not installed"):
        Detectors()
    assert Detectors(kinds=("card", "email")).find("a@example.org") == [Found(0, 13, "email")]
