"""Small folders in the layouts that other programs write, all about the same made-up ensemble."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

MODELS, EXAMPLES, CLASSES, QUERIES = 6, 60, 3, 9
RNG = np.random.default_rng(5)
LABELS = RNG.permutation(np.arange(EXAMPLES) % CLASSES)
OTHERS = LABELS[np.random.default_rng(1).permutation(EXAMPLES)]


def _answers(member):
    """Logits that lean to the label, more so for members; `[model, example, class]`."""
    own = np.eye(CLASSES)[LABELS]
    return (RNG.normal(size=(*member.shape, CLASSES)) + own * (1 + 2 * member[..., None])).astype(np.float32)


def balanced():
    """Every example in exactly half of the models, in no pairs."""
    return RNG.uniform(size=(MODELS, EXAMPLES)).argsort(0) < MODELS // 2


def halves():
    """Models 2i and 2i + 1 on complementary halves."""
    member = np.zeros((MODELS, EXAMPLES), bool)
    for first in range(0, MODELS, 2):
        order = RNG.permutation(EXAMPLES)
        member[first, order[: EXAMPLES // 2]] = member[first + 1, order[EXAMPLES // 2 :]] = True
    return member


BALANCED, HALVES = balanced(), halves()
LOGITS = {"balanced": _answers(BALANCED), "halves": _answers(HALVES)}
MIRRORED = _answers(BALANCED)


def probability(logits, labels=LABELS):
    """Of the label."""
    p = np.exp(log_softmax(logits.astype(np.float64), axis=-1))
    return np.take_along_axis(p, np.broadcast_to(labels[:, None], (*logits.shape[:-1], 1)), -1)[..., 0]


def log_odds(logits):
    """Of the label, by a slow loop."""
    found = np.empty(logits.shape[:-1])
    for at in np.ndindex(*found.shape):
        own = logits[at][LABELS[at[-1]]].astype(np.float64)
        found[at] = own - np.logaddexp.reduce(np.delete(logits[at].astype(np.float64), LABELS[at[-1]]))
    return found


def mi_lira(folder: Path, *, kinds=("logits", "scores"), epoch="0000000100") -> Path:
    """As train.py, inference.py and score.py leave it."""
    folder.mkdir()
    np.save(folder / "y_train.npy", LABELS)
    (folder / "y_train.npy.txt").write_text("something else")
    for model in range(MODELS):
        one = folder / f"experiment-{model}_{MODELS}"
        one.mkdir()
        (one / "hparams.json").write_text(json.dumps({"arch": "wrn28-2", "pkeep": 0.5}))
        np.save(one / "keep.npy", BALANCED[model])
        both = np.stack([LOGITS["balanced"][model], MIRRORED[model]], axis=1)
        for kind in kinds:
            (one / kind).mkdir()
            np.save(one / kind / "0000000050.npy", np.zeros(3))
            array = both[:, None] if kind == "logits" else log_odds(both.swapaxes(0, 1)).T
            np.save(one / kind / f"{epoch}.npy", array)
    return folder


def privacy_meter(folder: Path, *, population=True) -> Path:
    """As Privacy Meter 2 leaves its log folder."""
    (folder / "models").mkdir(parents=True)
    (folder / "signals").mkdir()
    np.save(folder / "models" / "memberships.npy", HALVES)
    told = {str(model): {"num_train": int(HALVES[model].sum()), "dataset": "cifar10"} for model in range(MODELS)}
    (folder / "models" / "models_metadata.json").write_text(json.dumps(told))
    signals = probability(LOGITS["halves"]).astype(np.float32).T
    np.save(folder / "signals" / "rmia_signals.npy", signals)
    np.save(folder / "signals" / "rmia_ramia_signals.npy", np.ones((EXAMPLES * 4, MODELS)))
    if population:
        np.save(folder / "signals" / "rmia_signals_pop.npy", signals[:QUERIES] / 2)
    return folder


#: The audited examples of LeakPro, a part of the population in an order of their own.
AUDITED = np.random.default_rng(2).permutation(EXAMPLES)[:50]


def leakpro(folder: Path, *, hashed="", single=False) -> Path:
    """LeakPro's cache of logits, with the indices brought into plain files."""
    folder.mkdir()
    np.save(folder / "audit_indices.npy", AUDITED)
    np.save(folder / "target_logits.npy", np.zeros((len(AUDITED), CLASSES)))
    for model in range(MODELS):
        logits = LOGITS["halves"][model][AUDITED]
        np.save(folder / f"sm_{model}{hashed}_logits.npy", logits[:, 1] - logits[:, 0] if single else logits)
        np.save(folder / f"train_indices_{model}.npy", np.flatnonzero(HALVES[model]))
    return folder


CORRECT = LOGITS["balanced"].argmax(2) == LABELS
TEST_CORRECT = RNG.uniform(size=(MODELS, QUERIES)) < 0.7


def aux_arrays(folder: Path, *, ratios=("0.5",)) -> Path:
    """Feldman & Zhang's held-out runs, whose evaluation goes through the examples in any order."""
    rng = np.random.default_rng(3)
    for row, (ratio, run) in enumerate((r, k) for r in ratios for k in range(MODELS // len(ratios))):
        one = folder / ratio / str(run)
        one.mkdir(parents=True)
        inside, outside = (
            rng.permutation(np.flatnonzero(BALANCED[row])),
            rng.permutation(np.flatnonzero(~BALANCED[row])),
        )
        test = rng.permutation(QUERIES)
        np.savez(
            one / "aux_arrays.npz",
            correctness_train=CORRECT[row][inside],
            index_train=inside,
            correctness_removed=CORRECT[row][outside],
            index_removed=outside,
            correctness_test=TEST_CORRECT[row][test],
            index_test=test,
            subsample_idx=rng.permutation(inside),
        )
    return folder


MEMORIZATION = RNG.uniform(size=EXAMPLES).astype(np.float32)
TEST_LABELS = np.arange(QUERIES) % CLASSES


def infl_matrix(path: Path, **changes) -> Path:
    """`cifar100_infl_matrix.npz`, of fewer classes."""
    arrays = {"tr_mem": MEMORIZATION, "tr_labels": LABELS, "tt_labels": TEST_LABELS}
    for label in range(CLASSES):
        rows, columns = np.flatnonzero(label == LABELS), np.flatnonzero(label == TEST_LABELS)
        infl = (rows[:, None] * 100 + columns) / 10000
        arrays |= {f"tr_classidx_{label}": rows, f"tt_classidx_{label}": columns, f"infl_matrix_class{label}": infl}
    np.savez(path, **{**arrays, **changes})
    return path


SCORES = RNG.uniform(size=EXAMPLES)


def c_scores(path: Path, **changes) -> Path:
    """`cifar10-cscores-orig-order.npz`."""
    np.savez(path, **{"labels": LABELS, "scores": SCORES, **changes})
    return path


ORDERS = {metric: RNG.permutation(EXAMPLES) for metric in ("adv", "agr", "priv")}


def rankings(folder: Path) -> Path:
    """Three of the rankings of Carlini et al. 2019, beside one of a test set."""
    folder.mkdir()
    for metric, order in ORDERS.items():
        np.save(folder / f"order_cifar_{metric}_train.npy", order)
    np.save(folder / "order_cifar_adv_test.npy", np.arange(7))
    return folder
