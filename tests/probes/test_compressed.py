from __future__ import annotations

import zlib
from types import SimpleNamespace

import numpy as np
from torch import nn

from byrote.probes.compressed import Compressed
from documents import letters


def test_sizes_are_those_of_zlib() -> None:
    corpus, shares = letters(["a" * 200, "to", "abcdefghij"]), list[float]()
    block = SimpleNamespace(corpus=corpus)
    found = Compressed().read(nn.Identity(), block, shares.append)["size"]
    assert found.dtype == np.int32
    assert [len(zlib.decompress(zlib.compress(text.encode()))) for text in corpus.texts] == [200, 2, 10]
    assert found.tolist() == [len(zlib.compress(text.encode())) for text in corpus.texts]
    assert found[0] < 20  # said in few words
    assert shares == [1.0]
