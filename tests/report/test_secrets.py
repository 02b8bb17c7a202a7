import pytest

from byrote.report.secrets import masked


@pytest.mark.parametrize(
    "personal",
    ["ann.lee+x@mail.example.org", "+49 30 1234567", "4111-1111-1111-1111", "020 7946 0958", "AKIA1234567890ABCDEFGH"],
)
def test_what_looks_like_personal_data_is_hidden(personal):
    (shown,) = masked([f"Ask {personal} today"])
    assert shown.startswith("Ask •")
    assert shown.endswith("• today")
    assert not any(letter.isalnum() for letter in shown[4:-6])


@pytest.mark.parametrize("plain", ["in 1984 and 2001", "see 3.11.4", "a@b", "supercalifragilisticexpialidocious"])
def test_what_does_not_is_shown(plain):
    assert masked([plain]) == [plain]


def test_secrets_are_hidden_across_pieces_and_each_time():
    pieces = ["code 1", "23", "4 or ", "1234", "!"]
    shown = masked(pieces, ["1234", ""])
    assert shown == ["code •", "••", "• or ", "••••", "!"]
    assert [len(piece) for piece in shown] == [len(piece) for piece in pieces]
    assert masked([], ["1234"]) == []
