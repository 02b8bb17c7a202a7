import codecs

import pytest

from byrote.data.corpus import read_corpus
from byrote.data.text_file import lines_of, text_of
from byrote.errors import BadInput

TEXT = "wörter – zwei\nnoch € eine\n\nअंत\n"


@pytest.mark.parametrize(
    ("mark", "form"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_every_form_with_its_mark_is_the_same_text(tmp_path, mark, form):
    path = tmp_path / "c.txt"
    path.write_bytes(mark + TEXT.replace("\n", "\r\n").encode(form))
    assert list(lines_of(path)) == [(1, "wörter – zwei"), (2, "noch € eine"), (3, ""), (4, "अंत")]
    assert read_corpus(path).texts == ("wörter – zwei\nnoch € eine", "अंत")
    assert text_of(path) == TEXT.rstrip("\n")


@pytest.mark.parametrize("form", ["utf-16-le", "utf-16-be"])
def test_a_form_without_its_mark_is_named_and_the_hint_mends_it(tmp_path, form):
    path = tmp_path / "c.txt"
    path.write_bytes("some plain words\n".encode(form))
    with pytest.raises(BadInput, match=r"is written in UTF-16[LB]E, without a mark") as refused:
        read_corpus(path)
    named = refused.value.hint.split("-f ")[1].split()[0]
    path.write_bytes(path.read_bytes().decode(named).encode())
    assert read_corpus(path).texts == ("some plain words",)


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "c.txt"
    path.write_bytes(b"PK some bytes \x00\x01\x02 of a packed file")
    with pytest.raises(BadInput, match="is not text: it contains bytes of 0"):
        list(lines_of(path))


def test_a_cut_file_is_refused(tmp_path):
    path = tmp_path / "c.txt"
    path.write_bytes("one\ntwo".encode("utf-16") + b"\x00")
    with pytest.raises(BadInput, match="begins as UTF-16 does and is not valid after line 1"):
        list(lines_of(path))
    path.write_bytes(b"one\n\xe4\n")
    with pytest.raises(BadInput, match=r"Line 2 of .* is not valid UTF-8: byte 1 is 0xe4"):
        list(lines_of(path))
