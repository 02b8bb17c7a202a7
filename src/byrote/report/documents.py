"""All documents that a language model was trained on, as a table in its page: to filter, to select and to export."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.measures._repetitions import Copies, copies_of
from byrote.measures._windows import windows_of
from byrote.measures.exact_memorization import by_document
from byrote.report.examples import LONGEST_ID, STATIC_ROWS, Column, Examples, Row, fitting, rounded, script_json
from byrote.report.language_facts import LanguageFacts
from byrote.report.text import number, plain
from byrote.runs.run import Run

#: What became of a document, as the counts of the first screen name it.
STATES: Final = ("recited", "judged, not recited", "too short", "not scored")
_LEAD: Final = "next_tokens_predicted"
_TITLES: Final = {
    _LEAD: "Next tokens predicted",
    "copies": "Times in the corpus",
    "tokens": "Tokens",
    "counterfactual_memorization": "Own presence",
}
#: Digits behind the point, by column.
_PLACES: Final = {"copies": 0, "tokens": 0}


def documents(run: Run, found: LanguageFacts) -> Examples:
    """The table of the documents trained on, those first of which models predict the most tokens.

    Its columns are numbers by document: the share of its next tokens that models trained on it predict, their mean;
    how many documents hold the same tokens; how many tokens it has; and counterfactual memorization, if models with
    and without it are at hand.
    """
    made = _Documents(run=run, found=found)
    known = np.nan_to_num(made.columns[_LEAD][made.trained], nan=-1.0)
    order = np.flatnonzero(made.trained)[np.argsort(-known, kind="stable")]
    rows = fitting(order, made.json)
    return Examples(
        columns=tuple(Column(key=key, title=_TITLES[key]) for key in made.columns),
        rows=tuple(made.static(row) for row in order[:STATIC_ROWS].tolist()),
        data=made.json(rows),
        shown=len(rows),
        total=len(order),
        kinds=(),
        verdicts=(),
        votes=False,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Documents:
    run: Run
    found: LanguageFacts

    @cached_property
    def trained(self) -> Bool[np.ndarray, " document"]:
        """Which documents some model was trained on."""
        return np.asarray((self.run.design.member[self.run.models()] != 0).any(0))

    @cached_property
    def copies(self) -> Copies:
        """Documents of the same tokens."""
        names = ("corpus.token", "corpus.offsets", "design.member")
        return copies_of(*(self.run.load(name, self.run.models()) for name in names))

    @cached_property
    def state(self) -> Int[np.ndarray, " document"]:
        """What became of each document, of all copies of a text the same: a place in `STATES`."""
        offsets, scored = (self.run.load(name, self.run.models()) for name in ("corpus.offsets", "corpus.scored"))
        prefix, suffix = self.found.lengths
        text = self.found.recitation
        recited = self.copies.cluster[text.document[text.recited & text.trained]]
        state = np.where(np.diff(offsets) < prefix + suffix, 2, 3)
        judged = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0).example
        state[judged] = np.where(np.isin(self.copies.cluster[judged], recited), 0, 1)
        return state

    @cached_property
    def columns(self) -> dict[str, Float[np.ndarray, " document"]]:
        """The numbers by document."""
        found = {
            _LEAD: self._predicted(),
            "copies": self.copies.standing.astype(np.float64),
            "tokens": np.diff(self.run.offsets).astype(np.float64),
        }
        counterfactual = self.found.counterfactual
        return found if counterfactual is None else {**found, "counterfactual_memorization": counterfactual.values}

    def _predicted(self) -> Float[np.ndarray, " document"]:
        models = self.run.models()
        offsets, scored = (self.run.load(name, models) for name in ("corpus.offsets", "corpus.scored"))
        hits, member = np.zeros(len(self.trained)), self.run.design.member[models] != 0
        for row, model in enumerate(models.tolist()):
            mine, sizes = by_document(self.run.load("tokens.hit", [model]), offsets, scored)
            hits += mine[0] * member[row]
        tokens = sizes * member.sum(0)
        return np.where(tokens > 0, hits / np.maximum(tokens, 1), np.nan)

    def json(self, rows: Int[np.ndarray, " shown"]) -> str:
        """These rows, column by column, as the page's script takes them."""
        return script_json(
            {
                "noun": "document",
                "label_is": "state",
                "classes": STATES,
                "columns": list(self.columns),
                "places": [_PLACES.get(key, 2) for key in self.columns],
                "row": rows.tolist(),
                "id": [plain(self.run.ids[row], LONGEST_ID) for row in rows],
                "label": self.state[rows].tolist(),
                "numbers": [rounded(values[rows]) for values in self.columns.values()],
                "stderr": [None] * len(rows),
            }
        )

    def static(self, row: int) -> Row:
        """One document in words."""
        numbers = tuple(number(float(values[row]), _PLACES.get(key, 2)) for key, values in self.columns.items())
        return Row(id=str(self.run.ids[row]), label=STATES[self.state[row]], numbers=numbers, vote="", about="")


def commands(run: Run) -> tuple[str, ...]:
    """What takes an export: the command that writes the corpus again, and the one that trains again without."""
    made = run.manifest.source or {}
    file = "byrote-remove.csv"
    corpus = made.get("corpus")
    again = (f"byrote change RUN --with remove={file}",) if run.manifest.origin == "trained" and made else ()
    if not isinstance(corpus, str):
        return again
    ending = corpus[corpus.rfind(".") :] if "." in corpus.rpartition("/")[2] else ""
    return (f"byrote apply RUN {file} --out cleaned{ending}", *again)
