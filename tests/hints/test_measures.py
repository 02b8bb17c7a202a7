"""Hints of measures are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from pathlib import Path
from typing import Any

import numpy as np

from byrote.measures._by_group import member_groups
from byrote.measures._confirmation import confirmation
from byrote.measures._windows import windows_of
from byrote.measures.approximate_extraction import approximate_extraction_within
from byrote.measures.discoverable_extraction import discoverable_extraction_by_prefix
from byrote.measures.exact_memorization import exact_memorization_epochs
from byrote.measures.extraction_threshold import exposure_threshold
from byrote.measures.forgetting_events import forgetting_events_checkpoint
from byrote.measures.influence import influence
from byrote.measures.k_eidetic_memorization import k_eidetic_memorization
from byrote.measures.lira import lira, lira_augmented, lira_offline
from byrote.measures.probabilistic_extraction import probabilistic_extraction_curve, probabilistic_extraction_top_k
from byrote.measures.rate_of_forgetting import forgotten_after
from byrote.measures.rmia import rmia, rmia_offline
from byrote.measures.second_split_forgetting_time import second_split_forgetting_time
from byrote.measures.secret_inference import secret_inference
from byrote.measures.text_attacks import dc_pdd_attack, min_k_attack
from byrote.results import Curve
from followed import Case, each, follow

RNG = np.random.default_rng(0)
HALF = np.array([RNG.permutation(20) < 10 for _ in range(4)])
MEMBER = np.stack([HALF, ~HALF], axis=1).reshape(8, 20).astype(np.int8)
ODDS = RNG.normal(size=(8, 20)) + MEMBER
PAIR = np.arange(8) // 2
CORRECT = ODDS[:, None] > np.zeros((3, 1))


def attack(made: Callable[..., Any], models: int = 8, **settings: Any) -> Callable[[Path], Any]:
    """An attack on so many models."""
    return lambda _: made(ODDS[:models], MEMBER[:models], PAIR[:models], **settings)


def windows(**settings: int) -> Callable[[Path], Any]:
    """The windows of two documents of 120 tokens."""
    lengths = {"prefix": 50, "suffix": 50, "stride": 0} | settings
    return lambda _: windows_of(np.array([0, 120, 240]), np.ones(240, bool), **lengths)


def forgotten(*epochs: int) -> Callable[[Path], Any]:
    """How often examples are forgotten between these epochs."""
    return lambda _: forgetting_events_checkpoint(CORRECT[:, : len(epochs)], np.array(epochs), MEMBER)


#: Two documents of 120 tokens, which two models of two read well or badly; three tokens said after ten.
OFFSETS, SCORED = np.array([0, 120, 240]), np.ones(240, bool)
TOKEN = RNG.integers(0, 9, 240).astype(np.int32)
HIT, TRAINED = RNG.random((2, 240)) < 0.5, np.ones((2, 2), np.int8)
SURE = np.log(RNG.uniform(0.2, 0.9, (2, 240)))
SAID = RNG.integers(0, 9, (2, 2, 3)).astype(np.int32)
TOLD = np.stack([TOKEN[10:13], TOKEN[130:133]])
#: A secret in the first models of three pairs, its log-perplexities and those of three others.
GAMES = (
    RNG.normal(20.0, 2.0, (6, 1)),
    RNG.normal(20.0, 2.0, (6, 1, 3)),
    np.array([4]),
    np.array([0]),
    np.array([[1], [0]] * 3, np.int8),
    np.arange(6) // 2,
)
#: The same secret, which was the first of its space.
RANKED = (*GAMES[:2], np.ones((6, 1)), np.ones((6, 1)), *GAMES[2:5])
RATES = {"values": np.array([[0.9, 0.5]]), "low": np.array([[0.8, 0.4]]), "high": np.array([[1.0, 0.54]])}
ASIDE = {"axis": "k", "at": np.array([1.0, 8.0]), "groups": ("canaries",), "counts": np.array([9]), "models": 2}
FORGOTTEN = Curve(stderr=np.full((1, 2), 0.02), **RATES, **ASIDE)


def of_tokens(measure: Callable[..., Any], *given: Any, **settings: Any) -> Callable[[Path], Any]:
    """A measure of the documents."""
    return lambda _: measure(*given, OFFSETS, SCORED, TRAINED, **settings)


def eidetic(**settings: Any) -> Callable[[Path], Any]:
    """How many documents could have taught a string."""
    return of_tokens(k_eidetic_memorization, HIT, TOKEN, **settings)


def likeliest(**settings: Any) -> Callable[[Path], Any]:
    """What comes out of the likeliest tokens."""
    return of_tokens(probabilistic_extraction_top_k, SURE, np.ones((2, 240), np.int32), **settings)


def confirmed(prefix: int) -> Callable[[Path], Any]:
    """Reading against what was generated after ten tokens."""
    return lambda _: confirmation(HIT, SURE, SAID, TOLD, OFFSETS, SCORED, prefix=prefix)


def influenced(**settings: int) -> Callable[[Path], Any]:
    """The influence of examples on five queries."""
    return lambda _: influence(CORRECT[:, 0, :5], MEMBER, **settings)


def grouped(group: np.ndarray) -> Callable[[Path], Any]:
    """Who was trained on whole groups."""
    return lambda _: member_groups(np.tile(np.array([[1, 1, 0, 0]], np.int8), (2, 1)), group)


def drawn(counts: int, pairs: bool) -> Callable[[Path], Any]:
    """An attack where every example is in half of the models, whose pairs are known or not."""
    return lambda _: lira(ODDS, MEMBER, PAIR if pairs else np.full(counts, -1))


def lost(*epochs: int) -> Callable[[Path], Any]:
    """When examples of a first phase are forgotten."""
    return lambda _: second_split_forgetting_time(CORRECT[:, : len(epochs)], np.array(epochs), MEMBER == 1)


MEASURES = (
    Case(
        name="a part of a group",
        wrong=grouped(np.array([0, 1, 1, 2])),
        says="every design then keeps them together",
        right=grouped(np.array([0, 0, 1, 1])),
    ),
    Case(name="another prefix", wrong=confirmed(118), says="the prefix", right=confirmed(10)),
    Case(name="no pairs", wrong=drawn(8, False), says="name the pairs", right=drawn(8, True)),
    Case(name="no side", wrong=likeliest(side=2), says="leave it out", right=likeliest()),
    Case(
        name="all may differ",
        wrong=lambda _: approximate_extraction_within(SAID, TOLD, TRAINED, tolerance=1.0),
        says="0.1",
        right=lambda _: approximate_extraction_within(SAID, TOLD, TRAINED, tolerance=0.1),
    ),
    Case(
        name="no prefixes",
        wrong=of_tokens(discoverable_extraction_by_prefix, HIT, TOKEN, prefixes=()),
        says="prefixes=(10, 25, 50)",
        right=of_tokens(discoverable_extraction_by_prefix, HIT, TOKEN, prefixes=(10, 25, 50)),
    ),
    Case(
        name="no tau",
        wrong=of_tokens(exact_memorization_epochs, np.full((2, 3, 2), 60), np.arange(3), tau=0.0),
        says="tau=0.9",
        right=of_tokens(exact_memorization_epochs, np.full((2, 3, 2), 60), np.arange(3), tau=0.9),
    ),
    Case(name="no top", wrong=influenced(top=0), says="top=10", right=influenced(top=10)),
    Case(name="no block", wrong=influenced(query_block=0), says="leave the block sizes out", right=influenced()),
    Case(name="rarer than once", wrong=eidetic(rare=0), says="1 asks", right=eidetic(rare=1)),
    Case(
        name="no variance",
        wrong=attack(unwrap(lira_offline), variance="global"),
        says="leave it out",
        right=attack(lira_offline),
    ),
    Case(
        name="no augmentation",
        wrong=lambda _: lira_augmented(ODDS[:, None][:, :0], MEMBER, PAIR),
        says="use lira",
        right=attack(lira),
    ),
    Case(name="no top k", wrong=likeliest(top_k=0), says="40 is common", right=likeliest(top_k=40)),
    Case(name="no queries", wrong=likeliest(queries=0.5), says="1, 100 or 1e6", right=likeliest(queries=1e6)),
    Case(
        name="no chance",
        wrong=of_tokens(probabilistic_extraction_curve, SURE, TOKEN, chance=1.0),
        says="chance=0.5",
        right=of_tokens(probabilistic_extraction_curve, SURE, TOKEN, chance=0.5),
    ),
    Case(
        name="alpha",
        wrong=lambda _: forgotten_after(FORGOTTEN, 0.0),
        says="0.55",
        right=lambda _: forgotten_after(FORGOTTEN, 0.55),
    ),
    Case(name="the end of a phase", wrong=lost(1, 2), says="as epoch 0", right=lost(0, 1, 2)),
    Case(name="few models", wrong=attack(lira, 4), says="6 models in pairs", right=attack(lira, 6)),
    Case(
        name="no share of a text",
        wrong=lambda _: min_k_attack(SURE, OFFSETS, SCORED, share=0.0),
        says="share=0.2",
        right=lambda _: min_k_attack(SURE, OFFSETS, SCORED, share=0.2),
    ),
    Case(
        name="one candidate",
        wrong=lambda _: secret_inference(*GAMES, candidates=1),
        says="candidates=50",
        right=lambda _: secret_inference(*GAMES, candidates=50),
    ),
    Case(
        name="less than one guess",
        wrong=lambda _: exposure_threshold(*RANKED, bits=-1.0),
        says="bits=10",
        right=lambda _: exposure_threshold(*RANKED, bits=10.0),
    ),
    Case(
        name="nothing counts",
        wrong=lambda _: dc_pdd_attack(SURE, TOKEN, OFFSETS, SCORED, most=0.0),
        says="most=0.01",
        right=lambda _: dc_pdd_attack(SURE, TOKEN, OFFSETS, SCORED, most=0.01),
    ),
    Case(name="gamma", wrong=attack(rmia, gamma=0.0), says="gamma=2", right=attack(rmia, gamma=2.0)),
    Case(name="a", wrong=attack(rmia_offline, a=3.0), says="a=0.3", right=attack(rmia_offline, a=0.3)),
    Case(name="no prefix", wrong=windows(prefix=-1), says="prefix=50, suffix=50", right=windows()),
    Case(name="no suffix", wrong=windows(suffix=0), says="prefix=50, suffix=50", right=windows()),
    Case(name="no stride", wrong=windows(stride=-1), says="stride=0", right=windows(stride=0)),
    Case(name="one epoch", wrong=forgotten(0, 3), says="more checkpoints", right=forgotten(0, 3, 6)),
)


@each(*MEASURES)
def test_hints_of_measures_are_followed(case, tmp_path):
    follow(case, tmp_path)
