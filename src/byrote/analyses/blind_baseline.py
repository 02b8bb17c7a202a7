"""Do the texts alone give away who was trained on? A bag of words that looks at no model is asked."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Int8
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from byrote.analyses.catalog import analysis
from byrote.errors import MissingEvidence
from byrote.measures._repetitions import copies_of
from byrote.results import Scalar, Table, decimal
from byrote.runs.run import Run
from byrote.stats.bag_of_words import bags, blind_auc


@analysis(
    asks="Do the texts alone give away who was trained on?",
    needs=("corpus.token", "design.member"),
    section="5.2",
)
def blind_baseline(run: Run, *, seed: int = 0) -> Table:
    """How well a bag of words tells members from others without any model; with random halves it cannot.

    Formula:
        AUC of naive Bayes on the counts of the run's tokens, cross-fitted on at most 10 folds, persons and copies
        whole; documents that all models of several have, or lack, do not count
    Undefined:
        nan with too few documents or persons of either kind to compare some of them within the folds.

    Source: Das, Zhang & Tramer 2024, arXiv:2406.16201.
    Differs:
        Their search over 130 settings fits words again on the test part and keeps the best, which flatters the
        baseline. Here one setting is fixed.

    Raises:
        MissingEvidence: the run is not of language models, its texts were forgotten, or no document tells models apart.
    """
    found = blind(run, run.models(), seed=seed)
    return Table(
        title="What the texts alone give away",
        rows={"attacker": ("a bag of words, without a model",)},
        figures={"auc": (found,)},
        notes=(blind_words(found),),
    )


def blind(run: Run, models: np.ndarray, *, seed: int = 0) -> Scalar:
    """The AUC of a bag of words for membership of these models.

    Raises:
        MissingEvidence: as `blind_baseline`.
    """
    if not run.of_text:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} holds no texts that a bag of words could be of.",
            hint="ask a run of language models, as of `byrote audit docs`.",
        )
    run.refuse_forgotten("blind_baseline", ("corpus.token",))
    member = attackable(run, models)
    bag = bags(run.load("corpus.token", [0]), run.offsets)
    return blind_auc(bag, member, run.load("design.pair", models), _whole(run), seed=seed)


def words_alone(run: Run, models: np.ndarray) -> str:
    """What a bag of words says of figures of membership; or that the texts, and with them their words, are gone."""
    if run.forgotten:
        return "whether the words alone give members away is not known: the texts were forgotten"
    return blind_words(blind(run, models))


def blind_words(found: Scalar) -> str:
    """What the AUC of a bag of words says of figures of membership."""
    if found.reason:
        return f"whether the words alone give members away is not known: {found.reason}"
    told = f"a bag of words, which looks at no model, tells members with an AUC of {decimal(found)}"
    if found.low > 0.5:
        return (
            f"{told}: your test set gives this away by itself, and figures of membership are confounded; they need "
            "documents of one kind, of which chance decides who is trained on"
        )
    return told


def attackable(run: Run, models: Int[np.ndarray, " model"]) -> Int8[np.ndarray, "model example"]:
    """The members of the documents that tell these models apart; -1 of others.

    Raises:
        MissingEvidence: there are none.
    """
    found = telling(run.load("design.member", models))
    if not (found >= 0).any():
        raise MissingEvidence(
            f"No document of the run {str(run.folder)!r} is known to be trained on by one model and not by another, "
            "and it has no held-out documents.",
            hint="audit again with --heldout-documents FILE: documents of the same kind that the model never saw.",
        )
    return found


def telling(member: Int8[np.ndarray, "model example"]) -> Int8[np.ndarray, "model example"]:
    """Membership, -1 of documents that several models all have or all lack: how hard they are says who is a member.

    Example:
        >>> telling(np.array([[1, 1, 0], [0, 1, 0]], np.int8))
        array([[ 1, -1, -1],
               [ 0, -1, -1]], dtype=int8)
    """
    told = (member == 1).any(0) & (member == 0).any(0)
    if len(member) == 1:
        told = np.full(member.shape[1], bool((member == 1).any() and (member == 0).any()))
    return np.where(told, member, np.int8(-1))


def _whole(run: Run) -> Int[np.ndarray, " example"]:
    """What is held out together: the documents of a person, and copies of a text."""
    size = len(run.ids)
    copies = copies_of(run.load("corpus.token", [0]), run.offsets, np.zeros((0, size), np.int8)).cluster
    edges = coo_array((np.ones(size), (copies, size + run.clusters(np.arange(size)))), shape=(2 * size, 2 * size))
    return np.asarray(connected_components(edges, directed=False)[1][copies], np.int64)
