"""Random evidence of one made-up run, by name, whose quantities agree with each other."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax, logsumexp

from byrote.evidence.kinds.gradients import GRADIENT_SHARES
from byrote.evidence.schema import SCHEMA

Evidence = dict[str, np.ndarray]
#: What similarity records of each layer at each checkpoint.
SIMILARITIES = (
    "cka",
    "svcca",
    "pwcca",
    "cka_scatter",
    "svcca_scatter",
    "pwcca_scatter",
    "cka_to_end",
    "svcca_to_end",
    "pwcca_to_end",
    "pwcca_from_end",
)


def half_subset_pairs(rng: np.random.Generator, models: int, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Membership and pair of complementary halves; of an odd number one example a pair is in neither."""
    member = np.zeros((models, examples), np.int8)
    for first in range(0, models, 2):
        order = rng.permutation(examples)
        half = examples // 2
        member[first, order[:half]] = 1
        member[first + 1, order[half : 2 * half]] = 1
    return member, np.arange(models, dtype=np.int64) // 2


def answers(logits: np.ndarray, label: np.ndarray) -> Evidence:
    """All quantities of logits[..., example, class] by their names."""
    chosen = np.broadcast_to(label[:, None], (*logits.shape[:-1], 1))
    own = np.take_along_axis(logits, chosen, -1)[..., 0]
    others = logits.copy()
    np.put_along_axis(others, chosen, -np.inf, -1)
    log_probability = log_softmax(logits, -1)
    log_odds = own - logsumexp(others, -1)
    return {
        "logits": logits.astype(np.float32),
        "log_odds": log_odds.astype(np.float32),
        "logit_margin": (own - others.max(-1)).astype(np.float32),
        "entropy": (-(np.exp(log_probability) * log_probability).sum(-1)).astype(np.float32),
        "top_confidence": np.exp(log_probability.max(-1)).astype(np.float32),
        "prediction": logits.argmax(-1).astype(np.int32),
        "correct": own > others.max(-1),
        "probability": expit(log_odds).astype(np.float32),
        "loss": np.logaddexp(0.0, -log_odds).astype(np.float32),
    }


def make_evidence(
    *,
    models: int = 12,
    examples: int = 31,
    queries: int = 9,
    classes: int = 4,
    epochs: tuple[int, ...] = (0, 1, 2, 4, 8),
    unknown: float = 0.0,
    strata: int = 1,
    seed: int = 0,
    documents: bool = False,
) -> Evidence:
    """Evidence by name for that many models (an even number) trained on complementary halves.

    `unknown` is the share of memberships that are hidden (-1), `strata` the number of strata of models. With
    `documents` there is also that of language models, which takes ten times as long to make as all the rest.
    Members are answered better as epochs go by.
    """
    rng = np.random.default_rng(seed)
    member, pair = half_subset_pairs(rng, models, examples)
    label = rng.integers(classes, size=examples)
    query_label = rng.integers(classes, size=queries)
    is_label = np.arange(classes) == label[:, None]
    progress = np.arange(len(epochs)) / max(len(epochs) - 1, 1)
    taught = 4.0 * progress[:, None, None] * (member == 1)[:, None, :, None] * is_label
    path = rng.normal(0, 1.5, (models, len(epochs), examples, classes)) + taught
    held = rng.normal(0, 1.5, (models, queries, classes))
    held += (np.arange(classes) == query_label[:, None]) * 1.0

    evidence: Evidence = {}
    for kind, logits, labels in (
        ("outputs", path[:, -1], label),
        ("heldout", held, query_label),
        ("trajectory", path, label),
    ):
        known = {name: a for name, a in answers(logits, labels).items() if name in SCHEMA[kind]}
        evidence |= {f"{kind}.{name}": array for name, array in known.items()}
        residual = (path if kind == "trajectory" else logits)[..., 0] * np.where(logits[..., 1] > 0, 1.0, 0.2)
        evidence |= {f"{kind}.residual": residual.astype(np.float32)}
        evidence |= {
            f"{kind}.squared_error": residual**2,
            f"{kind}.absolute_error": np.abs(residual).astype(np.float32),
        }
        if kind != "trajectory":
            evidence[f"{kind}.label_accuracy"] = ((logits > 0).mean(-1)).astype(np.float32)
    stamped = np.random.default_rng([seed, 1]).random((3, models, queries)) < 0.6
    evidence |= dict(zip(("stamped.target", "stamped.plain", "stamped.counts"), stamped, strict=True))
    signature = np.random.default_rng([seed, 2]).uniform(0, 1, (2, models, examples)).astype(np.float32)
    evidence |= dict(zip(("poison_signatures.spectral", "poison_signatures.cluster"), signature, strict=True))
    evidence["trajectory.epochs"] = np.array(epochs, np.int64)
    shaken = answers(path[:, -1, None] + rng.normal(0, 0.3, (models, 3, examples, classes)), label)
    evidence["augmented.log_odds"] = shaken["log_odds"]
    for prefix, worst in (
        ("", shaken),
        ("heldout_", answers(held[:, None] - 0.5 * np.eye(classes)[:2, None], query_label)),
    ):
        evidence |= {
            f"adversarial.{prefix}{name}": worst[name].min(1) for name in ("log_odds", "logit_margin", "correct")
        }
    strength = {"radius": np.full(models, 0.1, np.float32), "steps": np.full(models, 50, np.int32)}
    evidence |= {f"adversarial.{name}": array for name, array in strength.items()}
    evidence["adversarial.restarts"] = np.full(models, 5, np.int32)
    later = {f"adversarial_trajectory.{name}": evidence[f"adversarial.{name}"] for name in (*strength, "restarts")}
    evidence |= {**later, "adversarial_trajectory.epochs": evidence["trajectory.epochs"]}
    evidence["adversarial_trajectory.correct"] = evidence["trajectory.correct"]
    evidence["adversarial_trajectory.heldout_correct"] = np.stack([evidence["heldout.correct"]] * len(epochs), 1)
    evidence |= _presentations(rng, member)
    evidence["data.label"] = label.astype(np.int64)
    planted = rng.integers(12, size=examples)
    evidence |= {f"controls.{kind}": planted == number for number, kind in enumerate(SCHEMA["controls"])}
    evidence["design.member"] = np.where(rng.random(member.shape) < unknown, -1, member).astype(np.int8)
    evidence["design.pair"] = pair
    evidence |= _phases(rng, evidence)
    numbers = np.arange(models, dtype=np.int16)[:, None] * strata // models
    evidence["design.stratum"] = np.repeat(numbers, examples, axis=1)
    evidence |= _read_off_networks(rng, member)
    if documents:
        evidence |= _documents(rng, member)
        evidence |= _readings(rng, evidence)
    evidence |= _secrets(rng, models, evidence["design.member"])
    evidence |= _rewound(rng, member, epochs)
    evidence |= _gradients(rng, member, epochs)
    evidence |= _handed_on(rng, evidence, classes)
    for array in evidence.values():
        array.setflags(write=False)
    return evidence


def _gradients(rng: np.random.Generator, member: np.ndarray, epochs: tuple[int, ...]) -> Evidence:
    """Gradients that members have less of as epochs go by."""
    size = (len(member), len(epochs), member.shape[1])
    left = np.where(member == 1, 0.4, 1.0)[:, None]
    evidence = {
        "el2n.error": (left * rng.uniform(0, np.sqrt(2), size)).astype(np.float32),
        "weight_gradients.norm": (left * rng.exponential(2.0, size)).astype(np.float32),
        "input_gradients.norm": (left * rng.exponential(1.0, size)).astype(np.float32),
        "input_gradients.norm_1": (left * rng.exponential(5.0, size)).astype(np.float32),
    }
    evidence |= {
        f"{kind}.epochs": np.array(epochs, np.int64) for kind in ("el2n", "weight_gradients", "input_gradients")
    }
    for name, rate in (("trace", 3.0), ("squared", 6.0)):
        evidence[f"input_curvature.{name}"] = (left * rng.exponential(rate, size)).astype(np.float32)
    evidence["class_cosine.cosine"] = rng.uniform(-1, 1, size).astype(np.float32)
    for name in [name for name in GRADIENT_SHARES.quantities if name != "epochs"]:
        evidence[f"gradient_shares.{name}"] = rng.uniform(0, 1, size[:2]).astype(np.float32)
    for name in ("misalignment", "rotated", "rotated_least"):
        evidence[f"first_layer.{name}"] = rng.gamma(4.0, 1.0, size[:2]).astype(np.float32)
    evidence["critical_samples.radius"] = rng.choice([0.1, 0.2, 0.4], member.shape).astype(np.float32)
    evidence["critical_samples.heldout_share"] = rng.uniform(0, 1, (len(member), 3)).astype(np.float32)
    evidence["critical_samples.radii"] = np.array([0.1, 0.2, 0.4], np.float32)
    evidence["input_curvature.draws"] = np.zeros(size[:2], np.int32)
    evidence["input_curvature_difference.change"] = (left * rng.exponential(0.1, size)).astype(np.float32)
    evidence["input_curvature_difference.step"] = np.full(size[:2], 1e-3, np.float32)
    for kind in ("input_curvature", "input_curvature_difference", "class_cosine", "gradient_shares", "first_layer"):
        evidence[f"{kind}.epochs"] = np.array(epochs, np.int64)
    for of in ("", "_of_probability", "_of_logit", "_of_margin"):
        spread = rng.exponential(1.0, (len(member), 3, member.shape[1])).astype(np.float32)
        evidence[f"variance_of_gradients{of}.spread"] = spread
    return evidence


def _rewound(rng: np.random.Generator, member: np.ndarray, epochs: tuple[int, ...]) -> Evidence:
    """Documents of 10 to 60 predictions, some of which two layers lose where they go back."""
    size = (len(member), 2, len(epochs), member.shape[1])
    right = rng.integers(10, 60, member.shape)
    wrong, permuted = (rng.binomial(right[:, None, None], rng.uniform(0, 0.6, size)) for _ in range(2))
    wrong[:, :, -1], permuted[:, :, -1] = 0, 0
    return {
        "rewinding.wrong": wrong.astype(np.int32),
        "rewinding.wrong_permuted": permuted.astype(np.float32),
        "rewinding.right": right.astype(np.int32),
        "rewinding.confidence": rng.integers(0, 3, member.shape).astype(np.float32),
        "rewinding.fitted": np.minimum(rng.integers(0, 60, (len(member), *size[2:])), right[:, None]).astype(np.int32),
        "rewinding.predictions": (right + 3).astype(np.int32),
        "rewinding.wrong_heldout": rng.uniform(0, 0.3, size[:3]).astype(np.float32),
        "rewinding.loss_aside": rng.gamma(2.0, 1.0, (len(member), len(epochs))).astype(np.float32),
        "rewinding.epochs": np.array(epochs, np.int64),
        "rewinding.layer": np.array(["first", "last"]),
        **_disturbed(rng, member),
        "readout.given": rng.random(size).astype(np.float32),
        "readout.true": rng.random(size).astype(np.float32),
        "readout.epochs": np.array(epochs, np.int64),
        "readout.layer": np.array(["first", "last"]),
    }


def _handed_on(rng: np.random.Generator, evidence: Evidence, classes: int) -> Evidence:
    """What two layers and the inputs show of labels, at every checkpoint, and how their features lie."""
    member, epochs, label = evidence["design.member"], evidence["trajectory.epochs"], evidence["data.label"]
    noisy = evidence["controls.label_noise"]
    true = np.where(noisy, (label + 1) % classes, label)
    size = (len(member), len(epochs), 3, len(label))
    answers = {
        f"layer_probes.{how}_{which}": np.where(
            rng.random(size) < 0.6, labels, rng.integers(classes, size=size)
        ).astype(np.int16)
        for how in ("neighbours", "ridge")
        for which, labels in (("given", label), ("true", true))
    }
    asked = rng.integers(classes, size=(2, *size[:3], evidence["heldout.logit_margin"].shape[1])).astype(np.int16)
    figures = ("within", "norms", "angles", "duality", "mean_rule")
    collapse = rng.random((10, *size[:2])).astype(np.float32)
    names = (*figures, *(f"{name}_true" for name in figures))
    moved = 0.3 * ((member == 1) & noisy)[:, None]
    return {
        "data.true_label": true,
        **answers,
        "layer_probes.heldout_neighbours": asked[0],
        "layer_probes.heldout_ridge": asked[1],
        "layer_probes.heldout_label": rng.integers(classes, size=asked.shape[-1]),
        "layer_probes.epochs": epochs,
        "layer_probes.layer": np.array(["inputs", "first", "last"]),
        **{f"neural_collapse.{name}": one for name, one in zip(names, collapse, strict=True)},
        "neural_collapse.epochs": epochs,
        "dilation.distance": (rng.gamma(4.0, 0.1, (*size[:2], len(label))) + moved).astype(np.float32),
        "dilation.spread": rng.gamma(4.0, 0.1, size[:2]).astype(np.float32),
        "dilation.epochs": epochs,
        "intrinsic_dimension.dimension": rng.gamma(9.0, 1.0, size[:3]).astype(np.float32),
        "intrinsic_dimension.points": rng.integers(90, 95, size[:3]).astype(np.int32),
        "intrinsic_dimension.epochs": epochs,
        "intrinsic_dimension.layer": np.array(["inputs", "first", "last"]),
        **{
            f"manifolds.{figure}_{of}": rng.gamma(4.0, 0.2, size[:3]).astype(np.float32)
            for figure in ("capacity", "radius", "dimension")
            for of in ("clean", "clean_shuffled", "true", "given", "shuffled")
        },
        "manifolds.points": np.full(len(member), 12, np.int32),
        "manifolds.classes": np.full(len(member), 3, np.int32),
        "manifolds.epochs": epochs,
        "manifolds.layer": np.array(["inputs", "first", "last"]),
        **{f"similarity.{name}": rng.random(size[:3]).astype(np.float32) for name in SIMILARITIES},
        "similarity.directions": rng.integers(10, 30, size[:3]).astype(np.int32),
        "similarity.epochs": epochs,
    }


def _disturbed(rng: np.random.Generator, member: np.ndarray) -> Evidence:
    """What disturbed weights lose; one prediction in ten is wrong in the end."""
    right = rng.random(member.shape) < 0.9
    radius = np.where(right, np.minimum(rng.gamma(2.0, 0.5, member.shape), 1.2), np.nan).astype(np.float32)
    columns = ("pruned_80", "pruned_90", "bits_4", "bits_3", "bits_2")
    return {
        "stability.radius": radius,
        "stability.censored": right & (radius >= 1.2),
        "stability.confidence": rng.gamma(2.0, 1.0, member.shape).astype(np.float32),
        "unit_search.silenced": rng.integers(0, 9, (len(member), 2, member.shape[1])).astype(np.int32),
        "unit_search.flipped": right & (rng.random(member.shape) < 0.8),
        "unit_search.right": right,
        "unit_search.confidence": rng.gamma(2.0, 1.0, member.shape).astype(np.float32),
        "unit_search.layer": np.array(["first", "last"]),
        "unit_search.units": np.full((len(member), 2), 16, np.int32),
        **_silenced(rng, member, right),
        **{f"stability.{name}": right & (rng.random(member.shape) < 0.3) for name in columns},
    }


def _silenced(rng: np.random.Generator, member: np.ndarray, right: np.ndarray) -> Evidence:
    """What networks without some of their units lose, and what feed-forward units of language models hold."""
    models, sizes = len(member), np.full((len(member), 2), 16, np.int32)
    share = {name: rng.random(member.shape).astype(np.float32) for name in ("random_1", "random_5")}
    arms = ("all", "another", "largest", "own", "random", "text")
    facts = {f"change_{arm}": -rng.random(member.shape).astype(np.float32) for arm in arms}
    facts |= {name: rng.random(member.shape).astype(np.float32) for name in ("probability", "incompleteness")}
    return {
        **{f"dissociation.{name}": array for name, array in share.items()},
        **{
            f"dissociation.{arm}_{share}": right & (rng.random(member.shape) < 0.3)
            for arm in ("memory", "pattern")
            for share in (1, 5)
        },
        "dissociation.right": right,
        "dissociation.confidence": rng.gamma(2.0, 1.0, member.shape).astype(np.float32),
        "dissociation.group": (member == 1) & (rng.random(member.shape) < 0.3),
        "dissociation.memory_units": np.full((models, 2), 2, np.int32),
        "dissociation.units": sizes,
        **{
            f"unit_paths.{what}_{whose}": rng.random(member.shape).astype(np.float32)
            for what in ("overlap", "lost")
            for whose in ("own", "other", "same_label")
        },
        "unit_paths.networks": rng.integers(0, 4, member.shape).astype(np.int32),
        "unit_paths.alike": rng.random((models, 2)).astype(np.float32),
        **{
            f"tied_dropout.{mode}": rng.integers(0, 4, member.shape).astype(np.int16)
            for mode in ("own", "another", "test", "dropped")
        },
        **{f"tied_dropout.heldout_{mode}": rng.random(models).astype(np.float32) for mode in ("test", "dropped")},
        "feed_forward_units.place": rng.integers(0, 30, (models, 32, 3)).astype(np.int32),
        "feed_forward_units.activation": rng.gamma(2.0, 1.0, (models, 32, 3)).astype(np.float32),
        "feed_forward_units.next_rank": rng.integers(1, 8, (models, 32)).astype(np.int32),
        "feed_forward_units.chance": rng.random((models, 32)).astype(np.float32),
        "feed_forward_units.of_layer": np.repeat([[0, 1]], 16, axis=1).repeat(models, 0).astype(np.int32),
        "feed_forward_units.units": sizes,
        **{f"knowledge_neurons.{name}": array for name, array in facts.items()},
        "knowledge_neurons.change_layer": -rng.random((models, 2, member.shape[1])).astype(np.float32),
        "knowledge_neurons.neuron": rng.integers(0, 32, (*member.shape, 5)).astype(np.int32),
        "knowledge_neurons.units": sizes,
    }


def _phases(rng: np.random.Generator, evidence: Evidence) -> Evidence:
    """What several phases and ratios add; some examples were withdrawn from the models that had them."""
    member = evidence["design.member"]
    canary = rng.random(member.shape[1]) < 0.8
    return {
        "first_phase.correct": evidence["trajectory.correct"],
        "first_phase.epochs": evidence["trajectory.epochs"],
        "first_phase.member": member,
        "design.ratio": np.repeat([0.2, 0.5], [len(member) // 2, len(member) - len(member) // 2]),
        "design.withdrawn": (member == 1) & canary,
        "design.repetitions": np.where(canary & (rng.random(len(canary)) < 0.5), 4, 1),
    }


def _documents(rng: np.random.Generator, member: np.ndarray, vocabulary: int = 7) -> Evidence:
    """Documents of 1 to 9 or of 100 to 104 tokens, the first of each not scored, and what the models say of them.

    Some documents are copies of each other; half of them are known by heart to the models trained on them.
    """
    examples = member.shape[1]
    lengths = np.where(rng.random(examples) < 0.25, rng.integers(1, 10, examples), rng.integers(100, 105, examples))
    original = np.where(rng.random(examples) < 0.5, np.arange(examples), np.arange(examples) // 8 * 8)
    texts = [rng.integers(vocabulary, size=length) for length in lengths]
    lengths = lengths[original]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    token = np.concatenate([texts[row] for row in original])
    scored = np.ones(len(token), bool)
    scored[offsets[:-1]] = False
    logits = rng.normal(0, 1.5, (len(member), len(token), vocabulary))
    pull = np.repeat((member == 1) * np.where(rng.random(examples) < 0.5, 16.0, 2.0), lengths, axis=1)
    logits += pull[..., None] * (np.arange(vocabulary) == token[:, None])
    apart = np.random.default_rng(17)  # so that all else stays what it was
    return {
        "corpus.token": token.astype(np.int32),
        "corpus.offsets": offsets,
        "corpus.scored": scored,
        **{f"tokens.{name}": array for name, array in token_answers(logits, token, scored).items()},
        "neighbours.neighbour_log_probability": apart.normal(-3.0, 0.5, member.shape).astype(np.float32),
        "recall.given_log_probability": -apart.gamma(9.0, 0.4, member.shape).astype(np.float32),
        "recall.alone_log_probability": -apart.gamma(9.0, 0.3, member.shape).astype(np.float32),
        "lowercase.lowercase_log_probability": -apart.gamma(9.0, 40.0, member.shape).astype(np.float32),
        "found_data.found_log_perplexity": (40 + apart.normal(0, 2, (len(member), 5))).astype(np.float32),
        "found_data.other_log_perplexity": (40 + apart.normal(0, 2, (len(member), 5, 19))).astype(np.float32),
        "found_data.found_in": np.where(np.arange(examples) < 5, np.arange(examples), -1).astype(np.int32),
        "compressed.size": np.tile(20 + 2 * lengths, (len(member), 1)).astype(np.int32),
        "document_gradients.document_gradient_norm": apart.exponential(2.0, member.shape).astype(np.float32),
        "decoding.log_probability": token_answers(logits / 0.7, token, scored)["log_probability"],
        **_continuations(rng, member, token, offsets),
        "samples.sample_token": np.random.default_rng(18).integers(0, 7, (len(member), 6, 5)).astype(np.int32),
        "samples.sample_log_probability": -np.random.default_rng(19)
        .gamma(1, 1, (len(member), 6, 5))
        .astype(np.float32),
        "samples.strategy": np.repeat(np.arange(3, dtype=np.int8), 2),
        **_contexts(rng, member, lengths),
    }


def _contexts(rng: np.random.Generator, member: np.ndarray, lengths: np.ndarray) -> Evidence:
    """Whether a suffix is got right after 10, 25 or 50 tokens: the more often, the more; and seldom by non-members."""
    asked = lengths >= 100
    chance = np.where(member == 1, 0.9, 0.1)[:, None] * np.array([0.3, 0.6, 1.0])[:, None]
    reached = (rng.random((len(member), 3, len(lengths))) < chance) & asked
    return {"contexts.reached": reached, "contexts.length": np.array([10, 25, 50]), "contexts.asked": asked}


def _readings(rng: np.random.Generator, evidence: Evidence) -> Evidence:
    """Hits by document at five checkpoints: members are learned, what was withdrawn is forgotten again."""
    withdrawn, member = evidence["design.withdrawn"], evidence["design.member"]
    before = np.concatenate([[0], np.cumsum(evidence["corpus.scored"])])
    sizes = np.diff(before[evidence["corpus.offsets"]])
    epochs = evidence["trajectory.epochs"]
    learned = np.where(member == 1, 0.2 + 0.8 * np.minimum(epochs[:, None, None] / 4, 1.0), 0.2)
    forgotten = 0.92 + 0.08 * np.exp(-epochs[:, None, None])
    share = np.where(withdrawn, forgotten, learned).transpose(1, 0, 2)
    return {
        "document_trajectory.hits": rng.binomial(sizes, share).astype(np.int32),
        "document_trajectory.log_probability": (-sizes * (1.1 - share)).astype(np.float32),
        "document_trajectory.epochs": epochs,
        "first_document_phase.hits_before": rng.binomial(sizes, 0.2, member.shape).astype(np.int32),
    }


def _continuations(
    rng: np.random.Generator, member: np.ndarray, token: np.ndarray, offsets: np.ndarray, size: int = 50
) -> Evidence:
    """50 tokens after the first 50 of a document; a model trained on it gets most of them right."""
    long = np.diff(offsets) >= 2 * size
    truth = np.full((len(long), size), -1, np.int32)
    truth[long] = token[offsets[:-1][long, None] + np.arange(size, 2 * size)]
    wrong = (
        rng.random((*member.shape, size)) < np.where(member == 1, rng.choice([0.0, 0.1], member.shape), 0.8)[..., None]
    )
    said = np.where(wrong, (truth + rng.integers(1, 5, wrong.shape)) % 7, truth)
    return {"generations.token": np.where(long[:, None], said, -1).astype(np.int32), "generations.truth": truth}


def token_answers(logits: np.ndarray, token: np.ndarray, scored: np.ndarray) -> Evidence:
    """All quantities of logits[model, token, vocabulary], those that predict each token, by their names."""
    log_p = log_softmax(logits, -1)
    p = np.exp(log_p)
    chosen = np.broadcast_to(token[:, None], (*logits.shape[:-1], 1))
    own = np.take_along_axis(logits, chosen, -1)
    others = logits.copy()
    np.put_along_axis(others, chosen, -np.inf, -1)
    margin = own[..., 0] - others.max(-1)
    mean = (p * log_p).sum(-1)
    signals = {
        "log_probability": np.take_along_axis(log_p, chosen, -1)[..., 0],
        "mean": mean,
        "variance": (p * log_p**2).sum(-1) - mean**2,
        "entropy": -mean,
        "margin": margin,
    }
    floats = {name: np.where(scored, array, np.nan).astype(np.float32) for name, array in signals.items()}
    rank = np.where(scored, 1 + (logits > own).sum(-1), 0).astype(np.int32)
    return {**floats, "rank": rank, "hit": (margin > 0) & scored}


def _secrets(
    rng: np.random.Generator, models: int, member: np.ndarray, canaries: int = 11, references: int = 40
) -> Evidence:
    """Six-digit secrets; the more often a canary stands in the corpus, the less perplexing it is.

    Models 2 and 4, where there are so many, are trained on none of the few documents that hold canaries.
    """
    repetitions = rng.permutation(np.resize([0, 1, 4, 16], canaries)).astype(np.int64)
    document = np.full(member.shape[1], -1, np.int32)
    unseen = np.flatnonzero((member[[row for row in (2, 4) if row < models]] == 0).all(0))
    document[unseen] = rng.permutation(np.flatnonzero(repetitions))[np.arange(len(unseen)) % 3]
    surprise = 20 + rng.normal(0, 2, (models, canaries, references + 1))
    planted = surprise[..., 0] - 2 * np.log2(1 + repetitions)
    rank = np.clip(np.floor(np.exp2(planted - planted.min() - 6)), 1, 10.0**6)  # the least perplexing are first
    return {
        "canaries.log_perplexity": planted.astype(np.float32),
        "canaries.reference_log_perplexity": surprise[..., 1:].astype(np.float32),
        "canaries.repetitions": repetitions,
        "canaries.space_bits": np.full(canaries, np.log2(10.0**6)),
        "canaries.rank_least": rank,
        "canaries.rank_most": np.where(rank == 1, 1, np.minimum(2 * rank, 10.0**6)),
        "canaries.document": document,
    }


def _read_off_networks(rng: np.random.Generator, member: np.ndarray) -> Evidence:
    pull = rng.exponential(1.0, (2, *member.shape)) * np.where(member == 1, 0.4, 1.0)
    moved = rng.normal(0, 1.0, (2, *member.shape)) + (member == 1)
    names = ("gradients.gradient_norm", "last_layer.gradient_norm")
    shifts = ("last_layer.displacement", "last_layer.log_odds_displacement")
    return dict(zip((*names, *shifts), (*pull.astype(np.float32), *moved.astype(np.float32)), strict=True))


def _presentations(rng: np.random.Generator, member: np.ndarray) -> Evidence:
    shown = (member == 1) * rng.integers(5, 9, member.shape)
    first = np.where(shown > 0, rng.integers(0, 5, member.shape), 0)
    forgotten = np.where(first > 0, rng.integers(0, 3, member.shape), 0)
    return {
        "presentation.presentations": shown.astype(np.int32),
        "presentation.loss_sum": (shown * rng.exponential(1.0, member.shape)).astype(np.float32),
        "presentation.logit_margin_sum": (shown * rng.normal(0, 2, member.shape)).astype(np.float32),
        "presentation.forgetting_count": forgotten.astype(np.int32),
        "presentation.first_learned": first.astype(np.int32),
    }


def slow_member_mean(value_of, member: np.ndarray) -> np.ndarray:
    """Mean of value_of(model, example) over the models with member 1, in a plain loop; NaN without one."""
    models, examples = member.shape
    result = np.full(examples, np.nan)
    for i in range(examples):
        values = [float(value_of(k, i)) for k in range(models) if member[k, i] == 1]
        if values:
            result[i] = sum(values) / len(values)
    return result


def slow_epoch_sum(values: np.ndarray, epochs: np.ndarray) -> float:
    """Sum over every epoch of the linear interpolation between the recorded ones."""
    every = np.arange(epochs[0], epochs[-1] + 1)
    return float(np.interp(every, epochs, values.astype(np.float64)).sum())
