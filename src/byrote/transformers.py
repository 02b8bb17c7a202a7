"""Fine-tunes of language models by transformers' Trainer and by TRL: canaries planted, checked, audited, on a page."""

from __future__ import annotations

from pathlib import Path

from byrote.analyses.catalog import ask
from byrote.data.planted_rows import plant as plant
from byrote.recording.fine_tune import FineTune
from byrote.recording.transformers import RecorderCallback as RecorderCallback
from byrote.report.language_report import write_language_report
from byrote.report.language_summary import language_sentences
from byrote.runs.run import Run

__all__ = ("AuditCallback", "RecorderCallback", "plant")


class AuditCallback(FineTune):
    """Audits a fine-tune of a language model by transformers' `Trainer` or TRL's `SFTTrainer`.

    Before the training it checks that every planted canary and every different document reaches the loss, whole and as
    often as it stands there: masked labels, packing, truncation, chat templates and frozen weights may keep it away. It
    warns, or with `strict` stops, and says which and why. After the training it reads the model and its base, which is
    the same model with the adapter switched off or, where there is no adapter, the model before the training. It
    writes two run folders and the page of the trained model. An error at the end is a warning, so that the model can
    still be saved.

    Args:
        documents: what the model trains on, before it is cut into tokens: the dataset that `plant` gave, a Hugging
            Face dataset, a list of texts or rows, a `Corpus`, or the path of one. Rows have `text`, `messages`, or
            `prompt` and `completion`.
        heldout: documents of the same kind that the model does not train on; figures are compared with them.
        canaries: those that `plant` gave.
        out: the folder of the trained model's run; that of the base has the same name with `-base`.
        strict: stop before the training where something does not reach the loss.
        column: the one that holds texts.
        context: tokens that the model sees at once; see `audit_model`.
        generate: how many tokens to give and to generate; see `audit_model`.
        progress: False for silence.

    `run`, `base`, `page` and `unreached` are there after the training.

    Example:
        >>> AuditCallback(["to be", "or not"], heldout=["that is"]).out.name
        'fine-tune'
    """

    page: Path | None = None

    def finished(self, run: Run, base: Run | None) -> None:
        """Write the page of the run, with what its base says of the same texts, and say what was found."""
        if base is not None:
            ask(run, "fine_tune", base)
        self.page, found = write_language_report(run)
        for sentence in language_sentences(run, found):
            self._listener.say(sentence)
        self._listener.say(f"Report: {self.page}")
