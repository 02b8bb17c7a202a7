"""The names of evidence. A name means one thing everywhere: in shards, in a measure's needs, in imported arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from byrote.axes import (
    AUGMENTATION,
    BOUNDARY,
    CANARY,
    CHECKPOINT,
    CLASS,
    CONTEXT,
    EXAMPLE,
    MODEL,
    POSITION,
    QUERY,
    REFERENCE,
    TOKEN,
)
from byrote.errors import BadInput


@dataclass(frozen=True)
class Quantity:
    """What a named array holds. `derived` computes it from another of the same kind where it was not stored."""

    dims: tuple[str, ...]
    dtype: str
    unit: str
    meaning: str
    derived: tuple[str, Callable[[np.ndarray], np.ndarray]] | None = None


def loss_of(log_odds: np.ndarray) -> np.ndarray:
    """Cross-entropy from log-odds: -log p = log(1 + exp(-log_odds)), without overflow.

    Example:
        >>> loss_of(np.array([0.0])).round(4)
        array([0.6931])
    """
    loss: np.ndarray = np.logaddexp(0.0, -log_odds)
    return loss


def correct_of(logit_margin: np.ndarray) -> np.ndarray:
    """Correct where the label's logit is strictly the largest: a tie is no prediction."""
    correct: np.ndarray = logit_margin > 0
    return correct


def squared(residual: np.ndarray) -> np.ndarray:
    """The squared error."""
    error: np.ndarray = residual.astype(np.float64) ** 2
    return error


def size_of(residual: np.ndarray) -> np.ndarray:
    """The absolute error."""
    error: np.ndarray = np.abs(residual)
    return error


#: Units of what is measured in a regression's own numbers.
TARGET_UNIT, SQUARED_UNIT = "unit of the target", "unit of the target^2"


def _errors(dims: tuple[str, ...]) -> dict[str, Quantity]:
    """What a regression records; the rest of a kind is about classes."""
    return {
        "residual": Quantity(dims, "float32", TARGET_UNIT, "prediction less target, of a regression"),
        "squared_error": Quantity(dims, "float64", SQUARED_UNIT, "its square", ("residual", squared)),
        "absolute_error": Quantity(dims, "float32", TARGET_UNIT, "its size", ("residual", size_of)),
    }


def _outputs(example: str) -> dict[str, Quantity]:
    per_model = (MODEL, example)
    return {
        "logits": Quantity((*per_model, CLASS), "float32", "logit", "the network's outputs; kept while they fit"),
        "log_odds": Quantity(per_model, "float32", "nat", "z_y - logsumexp of the other logits"),
        "logit_margin": Quantity(per_model, "float32", "logit", "z_y - the largest other logit"),
        "entropy": Quantity(per_model, "float32", "nat", "entropy of the predicted distribution"),
        "top_confidence": Quantity(per_model, "float32", "probability", "largest predicted probability"),
        "prediction": Quantity(per_model, "int32", "class", "the class of the largest logit"),
        "correct": Quantity(
            per_model, "bool", "", "the label's logit is strictly the largest", ("logit_margin", correct_of)
        ),
        "probability": Quantity(per_model, "float32", "probability", "probability of the label", ("log_odds", expit)),
        "loss": Quantity(per_model, "float32", "nat", "cross-entropy of the label", ("log_odds", loss_of)),
        "label_accuracy": Quantity(per_model, "float32", "share of labels", "those right, where there are several"),
        **_errors(per_model),
    }


_TRAJECTORY = (MODEL, CHECKPOINT, EXAMPLE)
_PRESENTED = (MODEL, EXAMPLE)
_TOKENS = (MODEL, TOKEN)

# Of examples with several labels, a "label" below is the whole set of them: its probability is the product over the
# labels, and its logit the sum of those of the labels it has, so that every name keeps its meaning. Of a regression
# "correct" says that the prediction misses the target by no more than the run's tolerance, and "prediction" is the
# fifth of the training numbers in which it lies. Of several numbers an example errors are in standard deviations of
# each, and the mean over them is what is kept of residual, square and size.
SCHEMA: dict[str, dict[str, Quantity]] = {
    # the network's answers on the training examples (members or not), evaluation mode, at the end of a phase
    "outputs": _outputs(EXAMPLE),
    # the same on held-out examples
    "heldout": _outputs(QUERY),
    # answers on the training examples in evaluation mode at the checkpoints of the last phase
    "trajectory": {
        "log_odds": Quantity(_TRAJECTORY, "float32", "nat", "z_y - logsumexp of the other logits"),
        "logit_margin": Quantity(_TRAJECTORY, "float32", "logit", "z_y - the largest other logit"),
        "entropy": Quantity(_TRAJECTORY, "float32", "nat", "entropy of the predicted distribution"),
        "top_confidence": Quantity(_TRAJECTORY, "float32", "probability", "largest predicted probability"),
        "correct": Quantity(
            _TRAJECTORY, "bool", "", "the label's logit is strictly the largest", ("logit_margin", correct_of)
        ),
        "probability": Quantity(_TRAJECTORY, "float32", "probability", "of the label", ("log_odds", expit)),
        "loss": Quantity(_TRAJECTORY, "float32", "nat", "cross-entropy of the label", ("log_odds", loss_of)),
        **_errors(_TRAJECTORY),
        "epochs": Quantity(
            (CHECKPOINT,), "int64", "epoch", "epochs of the phase done at each checkpoint; 0 is its start"
        ),
    },
    # the same at the checkpoints of the first phase, which in most designs is the only one
    "first_phase": {
        "correct": Quantity(_TRAJECTORY, "bool", "", "the label's logit is strictly the largest"),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs of the phase done at each checkpoint"),
        "member": Quantity((MODEL, EXAMPLE), "int8", "", "1 shown in the first phase, 0 not, -1 unknown"),
    },
    # answers to augmented forms of the training examples, evaluation mode, at the end of a phase
    "augmented": {
        "log_odds": Quantity((MODEL, AUGMENTATION, EXAMPLE), "float32", "nat", "z_y - logsumexp of the other logits"),
    },
    # what the training step itself saw, before its update, in training mode, augmented; reduced while it streamed
    "presentation": {
        "presentations": Quantity(_PRESENTED, "int32", "", "how often the example was shown"),
        "loss_sum": Quantity(_PRESENTED, "float32", "nat", "sum of the loss over the presentations"),
        "logit_margin_sum": Quantity(_PRESENTED, "float32", "logit", "sum of the margin over the presentations"),
        "forgetting_count": Quantity(_PRESENTED, "int32", "", "times wrong right after being correct"),
        "first_learned": Quantity(_PRESENTED, "int32", "presentation", "first correct presentation, from 1; 0 = never"),
    },
    # what the weights at the end of training tell of each training example, evaluation mode; recorded where asked for
    "gradients": {
        "gradient_norm": Quantity(_PRESENTED, "float32", "nat", "norm of the loss's gradient over all trained weights"),
    },
    # the same of the last layer, against layers fitted to the same network's features of other examples
    "last_layer": {
        "displacement": Quantity(_PRESENTED, "float32", "logit", "z_y - mean of all z, less what such a layer gives"),
        "log_odds_displacement": Quantity(_PRESENTED, "float32", "nat", "log-odds, less what such a layer gives"),
        "gradient_norm": Quantity(_PRESENTED, "float32", "nat", "norm of the loss's gradient over the last layer"),
    },
    # what a language model says of each token of the corpus, given those before it; undefined where not `corpus.scored`
    "tokens": {
        "log_probability": Quantity(_TOKENS, "float32", "nat", "log-probability of the true token; nan if not scored"),
        "rank": Quantity(_TOKENS, "int32", "", "rank of the true token's logit, 1 = the largest; 0 if not scored"),
        "mean": Quantity(_TOKENS, "float32", "nat", "mean of the log-probability under the model's own distribution"),
        "variance": Quantity(_TOKENS, "float32", "nat^2", "variance of the log-probability under that distribution"),
        "entropy": Quantity(_TOKENS, "float32", "nat", "entropy of the predicted distribution"),
        "hit": Quantity(_TOKENS, "bool", "", "the true token's logit is strictly the largest"),
        "margin": Quantity(_TOKENS, "float32", "logit", "the true token's logit - the largest other logit"),
    },
    # the same at checkpoints of a phase, added up over the tokens of each document
    "document_trajectory": {
        "hits": Quantity(_TRAJECTORY, "int32", "token", "tokens whose logit is strictly the largest"),
        "log_probability": Quantity(_TRAJECTORY, "float32", "nat", "sum of the log-probabilities of the true tokens"),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs of the phase done at each checkpoint"),
    },
    # the same at the end of the first of several phases
    "first_document_phase": {
        "hits_before": Quantity(_PRESENTED, "int32", "token", "tokens whose logit is strictly the largest"),
    },
    # how a model goes on by itself after a document's first tokens, greedily, one token at a time
    "generations": {
        "token": Quantity((MODEL, EXAMPLE, POSITION), "int32", "", "the model's continuation; -1 where too short"),
        "truth": Quantity((EXAMPLE, POSITION), "int32", "", "the document's own; -1 where it is too short"),
    },
    # whether one and the same suffix of a document is extracted after few tokens before it or after many
    "contexts": {
        "reached": Quantity((MODEL, CONTEXT, EXAMPLE), "bool", "", "each suffix token's logit is strictly largest"),
        "length": Quantity((CONTEXT,), "int64", "token", "how many tokens before the suffix are given"),
        "asked": Quantity((EXAMPLE,), "bool", "", "the document has the longest of these and then the suffix"),
    },
    # what a language model says of each token where answers are drawn at another temperature, or from the likeliest
    "decoding": {
        "log_probability": Quantity(_TOKENS, "float32", "nat", "under the decoding distribution; nan if not scored"),
    },
    # the documents themselves, as the model's tokenizer cut them, end to end in the order of the examples
    "corpus": {
        "token": Quantity((TOKEN,), "int32", "", "number of the token in the tokenizer's vocabulary"),
        "offsets": Quantity((BOUNDARY,), "int64", "token", "where each document starts, and where the last one ends"),
        "scored": Quantity(
            (TOKEN,), "bool", "", "a model predicts the token; False for a document's first, without BOS"
        ),
    },
    # planted secrets, judged over the tokens of the secret only: the blank before it counts where its token has it, too
    "canaries": {
        "log_perplexity": Quantity((MODEL, CANARY), "float32", "bit", "sum of -log2 p over the secret's tokens"),
        "reference_log_perplexity": Quantity(
            (MODEL, CANARY, REFERENCE), "float32", "bit", "the same of secrets drawn from the canary's space"
        ),
        "repetitions": Quantity((CANARY,), "int64", "", "how often the canary stands in the corpus; 0 = a control"),
        "space_bits": Quantity((CANARY,), "float64", "bit", "log2 of the number of secrets in the space it came from"),
        "rank_least": Quantity(
            (MODEL, CANARY), "float64", "", "its rank in the space is at least this; nan: no search"
        ),
        "rank_most": Quantity((MODEL, CANARY), "float64", "", "its rank in the space is at most this; nan: no search"),
        "document": Quantity((EXAMPLE,), "int32", "canary", "the canary that a document holds; -1 = none"),
    },
    # class probabilities summed over a block of models, where logits are too many to keep
    "class_probability": {
        "sum_in": Quantity((EXAMPLE, CLASS), "float32", "probability", "summed over the block's members"),
        "sum_out": Quantity((EXAMPLE, CLASS), "float32", "probability", "summed over the block's non-members"),
        "count_in": Quantity((EXAMPLE,), "int32", "", "members in the block"),
        "count_out": Quantity((EXAMPLE,), "int32", "", "non-members in the block"),
    },
    # facts of the design and the data, by the same door
    "design": {
        "member": Quantity((MODEL, EXAMPLE), "int8", "", "1 trained on, 0 not, -1 unknown"),
        "pair": Quantity((MODEL,), "int64", "", "complementary pair that the model belongs to; -1 = none"),
        "ratio": Quantity((MODEL,), "float64", "share", "share of the examples that the design meant to train on"),
        "stratum": Quantity((MODEL, EXAMPLE), "int16", "", "models of one number are compared; see `designs.strata`"),
        "withdrawn": Quantity((MODEL, EXAMPLE), "bool", "", "shown in an earlier phase and not in the last one"),
        "repetitions": Quantity((EXAMPLE,), "int64", "", "the most times that any epoch of any model shows it"),
    },
    "data": {
        "label": Quantity((EXAMPLE,), "int64", "class", "the label trained on"),
    },
    "controls": {
        "label_noise": Quantity((EXAMPLE,), "bool", "", "a wrong label was planted"),
        "exact_duplicate": Quantity((EXAMPLE,), "bool", "", "an exact copy was planted"),
        "near_duplicate": Quantity((EXAMPLE,), "bool", "", "a disturbed copy was planted"),
        "conflicting_duplicate": Quantity((EXAMPLE,), "bool", "", "a disturbed copy with another label was planted"),
        "out_of_distribution": Quantity((EXAMPLE,), "bool", "", "an example from elsewhere was planted"),
        "rare_subpopulation": Quantity((EXAMPLE,), "bool", "", "made a member of a rare subpopulation"),
        "ambiguous": Quantity((EXAMPLE,), "bool", "", "made the mean of two examples of different classes"),
    },
}


_OF_TEXT = "audit a language model into another folder: `byrote audit docs`, or --corpus, or --model"
#: What records a kind of which a run has nothing.
RECORDED_BY = {
    "outputs": "audit an ensemble (`byrote audit`), or let a Recorder make a clean pass at the end of training",
    "trajectory": "audit an ensemble (`byrote audit`), or let a Recorder make clean passes after two epochs or more",
    "heldout": "audit with held-out examples into another folder",
    "presentation": "audit an ensemble (`byrote audit`), or record a training of your own with byrote.Recorder",
    "augmented": "audit into another folder with --probe augmented",
    "gradients": "audit into another folder with --probe gradient_norm",
    "last_layer": "audit into another folder with --probe last_layer",
    "corpus": _OF_TEXT,
    "tokens": _OF_TEXT,
    "document_trajectory": "let byrote train on the corpus, with checkpoints, into another folder",
    "generations": _OF_TEXT,
    "contexts": "audit into another folder with --model DIR",
    "decoding": "audit into another folder with --probe decoding",
    "canaries": "plant some in a corpus with `byrote plant`, train on it, and audit with --canaries",
    "class_probability": "read a run that holds them with byrote.runs.readers",
}


def quantity(name: str) -> Quantity:
    """The entry of `kind.quantity`.

    Raises:
        BadInput: the schema has no such name.
    """
    kind, _, column = name.partition(".")
    if column not in SCHEMA.get(kind, {}):
        names = sorted(f"{k}.{c}" for k, columns in SCHEMA.items() for c in columns)
        raise BadInput(f"There is no evidence named {name!r}.", hint=f"the names are {', '.join(names)}.")
    return SCHEMA[kind][column]
