"""`docs` of the command line, small: forty paragraphs, with few canaries and repeated paragraphs in them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from byrote.cli import language_sources
from byrote.data.python_docs import planted_docs, python_docs


def few_docs(patch: pytest.MonkeyPatch) -> None:
    """Commands find so many of them, and train a tiny GPT on documents for a tenth of the steps."""
    patch.setattr(language_sources, "python_docs", lambda: python_docs().subset(np.arange(40)))
    patch.setattr(language_sources, "planted_docs", partial(planted_docs, repeat=(1, 64), level=2, paragraphs=1))
    patch.setattr(language_sources, "STEPS", language_sources.STEPS // 10)
