"""Deduplication: of documents that stand in a corpus again and again, keep one copy, or a few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from jaxtyping import Int

from byrote.data.controls import HasRng
from byrote.data.corpus import Corpus
from byrote.data.dataset import Dataset
from byrote.data.index.near_duplicates import Clusters, exact_duplicates, near_duplicates
from byrote.errors import BadInput

Data = TypeVar("Data", Corpus, Dataset)


@dataclass(frozen=True)
class RemoveExactDuplicates:
    """Keep the first `amount` copies of every document; of a dataset, of every input with its label.

    A document with other spacing or case is another one. Which copies stay does not depend on chance.

    Source: Kandpal, Wallace & Raffel 2022, arXiv:2202.06539; Lee et al. 2022, arXiv:2107.06499.
    Differs: they remove repeated substrings of documents, too.
    """

    amount: int = 1
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "remove-exact-duplicates"
    any_target: ClassVar[bool] = True
    aimed: ClassVar[bool] = False
    of_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.amount < 1:
            raise BadInput(
                f"The amount of {self.name} must be a whole number of at least 1. Got {self.amount}.",
                hint=f"{self.name}=1 keeps one copy of each document.",
            )

    def apply(self, stage: Data, context: HasRng) -> Data:
        """The corpus, or the dataset, without the other copies; what stays keeps its order, ids and controls."""
        if isinstance(stage, Corpus):
            clusters = exact_duplicates(stage.texts)
        else:
            learned: list[str] = [str(target) for target in stage.targets.tolist()]
            clusters = exact_duplicates([*zip(stage.contents().tolist(), learned, strict=True)])
        return stage.subset(first_of_each(clusters, self.amount))


@dataclass(frozen=True)
class RemoveNearDuplicates:
    """Keep the first document of every cluster of near duplicates.

    Two documents are near duplicates where the Jaccard similarity of their runs of five words is at least
    `similarity`; a cluster is a chain of such pairs, found with MinHash and each verified.

    Source: Lee et al. 2022, arXiv:2107.06499, section 4.2 (NearDup).
    Differs: they verify by edit similarity, `near_duplicates(…, verify="edit")`.
    """

    similarity: float = 0.8
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "remove-near-duplicates"
    any_target: ClassVar[bool] = True
    aimed: ClassVar[bool] = False
    of_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1:
            raise BadInput(
                f"The similarity of {self.name} must lie in (0, 1]. Got {self.similarity}.",
                hint=f"{self.name}=0.8 finds copies with small changes; at 1 texts must hold the same words in a row.",
            )

    def apply(self, stage: Data, context: HasRng) -> Data:
        """The corpus without the other documents of each cluster; what stays keeps its order, ids and controls.

        Raises:
            BadInput: the data are no texts, or a package is missing.
        """
        if not isinstance(stage, Corpus):
            raise BadInput(
                f"The change {self.name!r} is for texts, and {stage.name!r} holds none.",
                hint=f"{RemoveExactDuplicates.name} is for any data.",
            )
        return stage.subset(first_of_each(near_duplicates(stage.texts, similarity=self.similarity), 1))


def first_of_each(clusters: Clusters, amount: int) -> Int[np.ndarray, " kept"]:
    """The first so many documents of each cluster, ascending.

    Example:
        >>> first_of_each(exact_duplicates("abaaba"), 2)
        array([0, 1, 2, 4])
    """
    order = np.argsort(clusters.cluster, kind="stable")
    sizes = np.unique(clusters.cluster, return_counts=True)[1]
    number = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[number < amount])
