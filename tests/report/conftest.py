from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from byrote.data.canaries import plant
from byrote.data.corpus import corpus_from_texts
from byrote.data.tokenizers import byte_pairs
from byrote.engine.language import audit_language
from byrote.recipes.optimizers import AdamW
from byrote.runs.run import Run
from documents import SUMMING
from report.made import HOSTILE, MAIL


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> Run:
    """Hostile texts and ids, a mail address, and canaries, learned by heart as far as a small network can."""
    texts = [f"{text} tail" for text in HOSTILE if len(text) < 1_000] + [MAIL, MAIL]
    ids = [f"{'mail' if text == MAIL else text}{number}" for number, text in enumerate(texts)]
    corpus = corpus_from_texts(texts, name=HOSTILE[0], ids=ids)
    made = plant(corpus, level=2, repeat=(1, 8), rng=np.random.default_rng(0))
    assert made.controls is not None
    heldout = made.controls.joined(corpus_from_texts(["never seen before this"], ids=["h"]), "heldout")
    recipe = replace(SUMMING, epochs=4, optimizer=AdamW(lr=0.05))
    return audit_language(
        made.corpus, recipe, heldout=heldout, canaries=made.canaries, tokenizer=byte_pairs(texts, vocabulary=280),
        length=96, generate=(2, 3), workers=1, progress=False, device="cpu", checkpoints=3,
        out=tmp_path_factory.mktemp("attacked") / "run", notes=[HOSTILE[4]],
    )  # fmt: skip
