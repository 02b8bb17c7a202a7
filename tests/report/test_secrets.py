import random
import string
import time

import pytest

from byrote.report.secrets import masked

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIB\nqqq\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "personal",
    [
        "ann.lee+x@mail.example.org",
        "+49 30 1234567",
        "4111-1111-1111-1111",
        "020 7946 0958",
        "AKIA1234567890ABCDEFGH",
        "10.1.0.7",
        "192.168.178.23",
        "fe80::1",
        "2001:db8::8a2e:370:7334",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "DE89 3704 0044 0532 0130 00",
        "GB29NWBK60161331926819",
        "fr14 2004 1010 0505 0001 3m02 606",
        "AKIAJQZPVWLKXEXAMPLE",
        "xoxb-qwert-asdfgh-Yxcv",
        "sk-proj-Qw_ertyuiopasdf",
        "ghp_qwertyuiopasdfghjkl",
        "eyJhbGciOiJub25lIn0.eyJhIjoiYiJ9.",
        "wJ4lrXUtnF/K7MD+G/bPx9f-CYzz",
        "b25lIHR3byB0aHJlZSBmb3Vy42==",
        PEM,
    ],
)
def test_what_looks_like_personal_data_or_a_key_is_hidden(personal):
    (shown,) = masked([f"Ask {personal} today"])
    assert shown.startswith("Ask •")
    assert shown.endswith(" today")
    assert not any(letter.isalnum() for letter in shown[4:-6])
    assert len(shown) == len(f"Ask {personal} today")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password: letmein", "password: •••••••"),
        ("Password is letm3in now", "Password is ••••••• now"),
        ("pwd=letmein", "pwd=•••••••"),
        ('API_KEY = "letmein"', 'API_KEY = "•••••••"'),
        ("DB_PASSWORD=letmein", "DB_PASSWORD=•••••••"),
        ("Passwort: geheim", "Passwort: ••••••"),
        ("https://bob:letmein@host/x", "https://•••••••••••@host/x"),
    ],
)
def test_what_follows_the_word_for_a_password_is_hidden(text, shown):
    assert masked([text]) == [shown]


@pytest.mark.parametrize(
    "plain",
    [
        "in 1984 and 2001",
        "see 3.11.4",
        "a@b",
        "supercalifragilisticexpialidocious",
        "src/byrote/recipes/networks/layer2.py",
        "state-of-the-art-2020-results-table",
        "std::vector and a::b",
        "from 12:30:45 on, at 1:2:3",
        "the password is wrong",
        "the token of the model",
        "secretary: me",
    ],
)
def test_what_does_not_is_shown(plain):
    assert masked([plain]) == [plain]


def test_nearly_every_random_key_in_base64_is_hidden():
    draw, letters = random.Random(0), string.ascii_letters + string.digits + "+/"
    keys = ["".join(draw.choice(letters) for _ in range(40)) for _ in range(500)]
    assert sum(not masked([key])[0].strip("•") for key in keys) > 490


def test_secrets_are_hidden_across_pieces_and_each_time():
    pieces = ["code 1", "23", "4 or ", "1234", "!"]
    shown = masked(pieces, ["1234", ""])
    assert shown == ["code •", "••", "• or ", "••••", "!"]
    assert [len(piece) for piece in shown] == [len(piece) for piece in pieces]
    assert masked([], ["1234"]) == []


@pytest.mark.parametrize(
    "part", ["a", "a.", "0:", "-----BEGIN PRIVATE KEY-----", "password is ", "://a", "aa11 ", "(1)"]
)
def test_long_texts_take_no_long_time(part):
    """Each takes half a second; where every letter starts a search to the end of the text, minutes."""
    text = (part * 200_000)[:200_000]
    started = time.perf_counter()
    masked([text])
    assert time.perf_counter() - started < 20
