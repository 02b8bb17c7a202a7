"""Texts in a table: one column the text, one its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from byrote.data.arrays import from_arrays
from byrote.data.features import is_named, named
from byrote.data.problems import counted, rows_said
from byrote.data.split import HELD_OUT, Split, held_out, split
from byrote.data.table import Rows, facts_of, read_table, refuse_unknown
from byrote.data.targets import Target
from byrote.data.task import Task
from byrote.data.vocabulary import LONGEST, MOST_WORDS, TextDisplay, Vocabulary, words_of
from byrote.errors import BadInput


def from_text_table(
    path: Path | str,
    *,
    text: str,
    target: Target,
    group: str | None = None,
    id: str | None = None,  # noqa: A002  # as the option is called
    words: int = MOST_WORDS,
    length: int = LONGEST,
    heldout: float = HELD_OUT,
    seed: int = 0,
    task: Task | None = None,
    tolerance: float | None = None,
) -> Split:
    r"""Read the texts of a CSV or Parquet file as rows of word numbers, as `BagOfEmbeddings` takes them.

    Words are in lower case, without punctuation. The vocabulary holds the `words` most frequent words of the training
    texts; any other is unknown. A text of more than `length` words is cut, an empty one is kept as one without words.
    `target`, `group`, `id`, `heldout`, `seed`, `task` and `tolerance` are as in `from_table`.

    Raises:
        BadInput: the file cannot be read, a column does not exist, or its content cannot be used.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / 't.csv'
        >>> _ = path.write_text('says,kind\n' + 'I like it,good\nso so,bad\n' * 5)
        >>> from_text_table(path, text='says', target='kind').training.class_names
        ('bad', 'good')
    """
    rows = read_table(path, written=(text, group, id), target=target, task=task)
    how: dict[str, Any] = {"target": target, "group": group, "id": id, "task": task, "tolerance": tolerance}
    return split_of_texts(rows, path, text=text, words=words, length=length, heldout=heldout, seed=seed, **how)


def split_of_texts(
    rows: Rows,
    path: Path | str,
    *,
    text: str,
    target: Target,
    group: str | None,
    id: str | None,  # noqa: A002  # as the option is called
    heldout: float,
    seed: int,
    task: Task | None,
    tolerance: float | None,
    words: int = MOST_WORDS,
    length: int = LONGEST,
) -> Split:
    """Rows as `from_text_table` makes a dataset of them; `path` names the table.

    Raises:
        BadInput: a column does not exist, or its content cannot be used.
    """
    table = rows.table
    refuse_unknown(table, path, {"text": text, "target": target, "group": group, "id": id})
    facts = facts_of(rows, path, target=target, group=group, id=id, task=task, tolerance=tolerance)
    if not is_named(table.column(text).type):
        raise BadInput(
            f"The column {text!r} of {str(path)!r} holds no texts but {str(table.column(text).type)!r}.",
            hint="name the column of the texts with --text, or leave it out to learn from numbers.",
        )
    texts: list[str] = pc.fill_null(named(table.column(text)), "").to_pylist()
    held = held_out(facts.targets.kinds, facts.groups, share=heldout, seed=seed)
    known = Vocabulary.fitted((one for one, out in zip(texts, held, strict=True) if not out), words=words)
    if not known.words:
        raise BadInput(f"The column {text!r} of {str(path)!r} holds no word.", hint="name the column of the texts.")
    lengths = np.array([len(words_of(one)) for one in texts])
    whole = from_arrays(
        known.apply(texts, length=min(length, int(lengths.max()))),
        facts.targets.values,
        name=facts.name,
        ids=facts.ids,
        groups=facts.groups,
        class_names=facts.targets.class_names,
        display=TextDisplay(vocabulary=known, texts=dict(zip(facts.ids.tolist(), texts, strict=True))),
        task=facts.targets.task,
        tolerance=tolerance,
    )
    notes = _notes(lengths, length, table.column_names, [text, *facts.targets.columns, group, id])
    return split(whole, held, notes=(*facts.targets.notes, *rows.noted(facts.targets.columns), *notes), encoding=known)


def _notes(lengths: np.ndarray, length: int, columns: list[str], used: list[str | None]) -> tuple[str, ...]:
    notes = []
    if (lengths > length).any():
        are = counted(int((lengths > length).sum()), "text is", "texts are")
        notes.append(f"{are} longer than {length} words, and read up to there.")
    empty = np.flatnonzero(lengths == 0)
    if len(empty):
        have = counted(len(empty), "text has", "texts have")
        notes.append(f"{have} no word and {'is' if len(empty) == 1 else 'are'} kept ({rows_said(empty)}).")
    unused = [column for column in columns if column not in used]
    if unused:
        are = counted(len(unused), "other column is", "other columns are")
        notes.append(f"{are} left out: the network reads the text alone.")
    return tuple(notes)
