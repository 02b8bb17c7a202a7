"""Decisions applied to documents, and to a saved dataset: a corpus or a dataset written again without some of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Int, Shaped

from byrote.data.applied import applied_to, refuse_taken, write_list
from byrote.data.chats import TEXT
from byrote.data.corpus import read_corpus, saved_dataset
from byrote.data.decisions import RELABEL, REMOVE, Decision, refuse_classes, refuse_strangers, without_labels
from byrote.data.parquet import read_parquet
from byrote.errors import BadInput

#: What a text begins with that says in which form it is; the longer ones first, of which others are the beginning.
_MARKS: Final = {
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\x00\x00\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
    b"\xef\xbb\xbf": "utf-8",
}
_PARAGRAPHS: Final = ".txt"


def remove_documents(
    source: Path | str,
    out: Path | str,
    decisions: Sequence[Decision],
    *,
    column: str = TEXT,
    skip: Callable[[str], bool] = lambda example: False,
) -> tuple[Decision, ...]:
    """Write a corpus (.txt, .jsonl, .parquet or a saved dataset) again without the documents that are to be removed.

    All other documents stay as they are written, and a list of what was applied is written beside `out`. `column` is
    how the corpus is read. Documents for which `skip` holds are left alone. The decisions that were applied are handed
    back.

    Raises:
        BadInput: a document is not in the corpus or is to be relabelled, the corpus cannot be read, or `out` is there
            already or would be of another kind.
    """
    source, out = Path(source), Path(out)
    refuse_taken(source, out)
    ending = "" if source.is_dir() else source.suffix.lower()
    if out.suffix.lower() != ending:
        raise BadInput(
            f"The corpus {source.name!r} is not written to {out.name!r}, which is of another kind.",
            hint=f"--out cleaned{ending}.",
        )
    mine = applied_to(decisions, skip)
    new = [one for one in mine if one.action == RELABEL]
    if new:
        raise without_labels(new)
    ids = read_corpus(source, column=column).ids
    refuse_strangers(mine, ids.tolist(), source.name)
    gone = np.isin(ids, [one.example for one in mine])
    if not ending:
        saved_dataset(source).select(np.flatnonzero(~gone)).save_to_disk(str(out))
    elif ending == ".parquet":
        pq.write_table(read_parquet(source, f"The corpus {str(source)!r}").filter(~gone), out)
    else:
        out.write_bytes(b"".join(_lines_left(source.read_bytes(), set(np.flatnonzero(gone)), ending == _PARAGRAPHS)))
    write_list(out, mine)
    return mine


def _lines_left(content: bytes, gone: set[int], paragraphs: bool) -> Iterator[bytes]:
    """The lines of a text but for those of documents that are gone, with the empty lines that follow these."""
    mark = next((one for one in _MARKS if content.startswith(one)), b"")
    form = _MARKS.get(mark, "utf-8")
    yield mark
    document, within = -1, False
    for line in io.StringIO(content[len(mark) :].decode(form), newline="\n"):
        text = bool(line.strip())
        document += text and not (within and paragraphs)
        within = text
        if document not in gone:
            yield line.encode(form)


def apply_to_saved(
    source: Path | str,
    out: Path | str,
    decisions: Sequence[Decision],
    *,
    ids: Shaped[np.ndarray, " example"],
    labels: Int[np.ndarray, " example"],
    class_names: Sequence[str],
    skip: Callable[[str], bool] = lambda example: False,
) -> tuple[Decision, ...]:
    """Write a dataset that Hugging Face's `save_to_disk` wrote again, with labels changed and examples left out.

    The saved dataset says nothing of ids. Its rows are those of `ids`, in their order, if as many of them have a column
    of classes that holds `labels`; planted examples, for which `skip` holds, may have another label. A list of what was
    applied is written beside `out`, and handed back.

    Raises:
        BadInput: its rows are others, an example or a new label is unknown, or `out` is there already.
    """
    source, out = Path(source), Path(out)
    refuse_taken(source, out)
    held = saved_dataset(source)
    column = _column_of(held, source, labels, class_names, np.array([skip(one) for one in ids.tolist()], bool))
    mine = applied_to(decisions, skip)
    refuse_strangers(mine, ids.tolist(), source.name)
    new = {one.example: one.new for one in mine if one.action == RELABEL}
    refuse_classes([one for one in mine if one.action == RELABEL], class_names, source.name)
    if new:
        number = {name: label for label, name in enumerate(class_names)}
        cells = [
            number[new[one]] if one in new else cell
            for one, cell in zip(ids.tolist(), held.with_format(None)[column], strict=True)
        ]
        place = held.column_names
        feature = held.features[column]
        held = held.remove_columns(column).add_column(column, cells, feature=feature).select_columns(place)
    gone = np.isin(ids, [one.example for one in mine if one.action == REMOVE])
    held.select(np.flatnonzero(~gone)).save_to_disk(str(out))
    write_list(out, mine)
    return mine


def _column_of(
    held: Any,
    source: Path,
    labels: Int[np.ndarray, " example"],
    class_names: Sequence[str],
    planted: Shaped[np.ndarray, " example"],
) -> str:
    """The one column of classes that holds these labels."""
    classes = [name for name, feature in held.features.items() if list(getattr(feature, "names", None) or ()) != []]
    found = [
        name
        for name in classes
        if held.features[name].names == list(class_names)
        and len(held) == len(labels)
        and np.array_equal(np.asarray(held.with_format(None)[name])[~planted], labels[~planted])
    ]
    if len(found) != 1:
        raise BadInput(
            f"No single column of {str(source)!r}, which has {len(held)} rows, holds the labels of the {len(labels)} "
            "examples of the run.",
            hint="give the dataset that the run was made from, as it was then, with its classes as a ClassLabel.",
        )
    return str(found[0])
