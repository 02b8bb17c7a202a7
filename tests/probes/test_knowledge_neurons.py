"""Knowledge neurons, on a network in which one unit holds each fact, and on a small GPT."""

from pathlib import Path

import numpy as np
import pytest
import torch

from byrote.analyses.catalog import ask
from byrote.analyses.knowledge_neurons import mean_of
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.feed_forward import second_matrices
from byrote.probes.history import AskedDocuments
from byrote.probes.knowledge_neurons import Facts, KnowledgeNeuronsProbe, largest_of_each, refined
from byrote.report.verify import verify
from documents import letters, small_language_audit
from probes.memories import IDLE, TOKENS, UNCHANGED, Memories
from probes.trained import trained

#: The first and the last but one differ; u is not followed by v, so that nothing is known of the last one.
TEXTS = ["abcd", "efgh", "mnop", "quu"]


def facts(objects: int = 1) -> Facts:
    network = Memories().eval()
    return Facts(AskedDocuments(network, letters(TEXTS), 16, "cpu"), [network.down_proj], objects)


def test_one_unit_has_it_all() -> None:
    of = facts()
    assert [of.knows(row) for row in range(4)] == [True, True, True, False]
    assert of.sizes == [TOKENS + IDLE]
    attribution, missing = of.attributions(0, 20)
    assert np.argmax(attribution) == 3  # c, after which d is said
    assert missing < 2e-3
    assert abs(np.delete(attribution, 3)).max() < 1e-6
    p, changes = of.changes(0, [np.array([3]), np.array([7]), np.arange(TOKENS + IDLE)])
    expected = np.exp(6) / (np.exp(6) + TOKENS - 1)
    np.testing.assert_allclose([p, *changes], [expected, 1 / TOKENS - expected, 0, 1 / TOKENS - expected], atol=1e-6)
    assert of.held(0).argmax() == 3


@pytest.mark.slow
def test_attributions_against_a_slow_integral() -> None:
    network, corpus, _ = trained()
    matrices = [*second_matrices(network).values()]
    of = Facts(AskedDocuments(network, corpus, 64, "cpu"), matrices, 1)
    attribution, missing = of.attributions(0, 20)
    assert missing < 5e-3
    assert of.attributions(0, 2)[1] > missing
    inputs, places, last = of.shown(0)
    held = of.held(0)
    unit, slow = int(attribution[: of.sizes[0]].argmax()), 0.0

    def probability(scale: float, nudge: float) -> float:
        def scaled(given: torch.Tensor) -> torch.Tensor:
            made = given.clone()
            made[:, places] = scale * made[:, places]
            made[0, places, unit] += nudge
            return made

        hook = matrices[0].register_forward_pre_hook(lambda _, given: (scaled(given[0]),))
        with torch.no_grad():
            found = network(inputs)[0, places[0]].double().softmax(0)[last[0]]
        hook.remove()
        return float(found)

    for step in range(20):
        scale = (step + 0.5) / 20
        slow += (probability(scale, 1e-2) - probability(scale, -1e-2)) / 2e-2 / 20
    assert attribution[unit] == pytest.approx(held[unit] * slow, rel=0.05, abs=1e-4)


def test_several_last_tokens_are_added_up_in_logs() -> None:
    of = facts(2)
    attribution, missing = of.attributions(0, 50)
    assert {*np.argsort(-attribution)[:2].tolist()} == {2, 3}
    assert missing < 0.02
    p, changes = of.changes(0, [np.array([2, 3])])
    one = np.exp(6) / (np.exp(6) + TOKENS - 1)
    np.testing.assert_allclose([p, p + changes[0]], [one**2, 1 / TOKENS**2], rtol=1e-4)


def test_held_out_text_without_units() -> None:
    of = facts()
    log_p = float(torch.tensor(np.exp(6) / (np.exp(6) + TOKENS - 1)).log())
    assert of.text(np.array([0, 1]), np.zeros(0, np.int64)) < log_p  # the first letter is not foreseen
    rise = of.text(np.array([0, 1]), np.array([3])) - of.text(np.array([0, 1]), np.zeros(0, np.int64))
    assert rise == pytest.approx((-np.log(TOKENS) - log_p) / 8, rel=1e-4)
    assert np.isnan(of.text(np.zeros(0, np.int64), np.zeros(0, np.int64)))


def test_a_run_is_asked(tmp_path: Path) -> None:
    texts = ["abcd", "efgh", "ijkl", "mnop", "quu", "abcd", "stuv", "wxyz"]
    run = small_language_audit(
        tmp_path / "run", corpus=letters(texts), recipe=UNCHANGED, generate=None, keep_weights_at="last", checkpoints=2
    )
    run = probe(run, "knowledge_neurons,neurons=1")
    models = range(run.design.models)
    probability = run.load("knowledge_neurons.probability", models)
    known = np.isfinite(probability)
    assert not known[:, 4].any()
    assert not (known & (run.design.member != 1)).any()
    assert (known[:, 0] & known[:, 5]).sum() == 0
    neuron = run.load("knowledge_neurons.neuron", models)[..., 0]
    last = np.array([ord(text[-2]) - 96 for text in texts] + [0] * (neuron.shape[1] - len(texts)))
    np.testing.assert_array_equal(neuron[known], np.broadcast_to(last, neuron.shape)[known])
    table = ask(run, "knowledge_neurons")
    change = dict(zip(table.rows["silenced"], table.figures["change of the probability"], strict=True))
    assert change["its own units"].value == pytest.approx(change["all units"].value, abs=1e-5)
    assert change["another fact's units"].value == pytest.approx(0, abs=1e-5)
    assert verify(run) == []


def test_the_largest_units_are_as_many_of_each_layer_as_own_ones() -> None:
    rng = np.random.default_rng(0)
    size, own = rng.random(30), rng.permutation(30)[:8]
    layers = [np.arange(12), np.arange(12, 20), np.arange(20, 30)]
    found = largest_of_each(size, own, layers)
    for units in layers:
        of_layer = [unit for unit in found if unit in units]
        assert len(of_layer) == sum(unit in units for unit in own)
        assert all(size[unit] >= size[other] for unit in of_layer for other in {*units} - {*of_layer})


def test_units_that_paraphrases_share_against_a_slow_count() -> None:
    attribution = np.random.default_rng(1).normal(size=(10, 40)) + np.r_[np.full(5, 2.0), np.zeros(35)]
    kept = [unit for unit in range(40) if sum(row[unit] > 0.2 * max(row) for row in attribution) / 10 >= 0.7]
    assert 0 < len(kept) < 40
    assert sorted(refined(attribution, 0.7)) == kept
    mean = attribution.mean(0)[refined(attribution, 0.7)]
    assert (np.diff(mean) <= 0).all()


def test_a_fact_is_a_group_of_documents_that_end_alike() -> None:
    """Another ending, a document of another group, and one whose end is not predicted are no paraphrase of it."""
    texts = ["abcd", "ebcd", "mbcd", "bce", "efgh", "zefgh", "quu", "stuu"]
    corpus = letters(texts, groups=["one"] * 4 + ["two", "three", "four", "four"])
    network = Memories().eval()
    of = Facts(AskedDocuments(network, corpus, 16, "cpu"), [network.down_proj], 1)
    reading = KnowledgeNeuronsProbe(neurons=3, paraphrases=0.7)
    group = reading._groups(corpus)
    assert reading._facts(of, np.arange(8), group) == [0]
    assert reading._alike(of, 0, group) == [0, 1, 2]
    assert reading._own(of, 0, of.attributions(0, 20)[0], group).tolist() == [3]
    alone = KnowledgeNeuronsProbe(neurons=3)
    assert alone._facts(of, np.arange(8), alone._groups(corpus)) == [0, 1, 2, 4, 5]


def test_a_model_without_facts_has_no_figure() -> None:
    assert np.isnan(mean_of(np.full((2, 3), np.nan), np.array([-1, -1])).value)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInput, match="'steps' setting of knowledge_neurons must be at least 1"):
        KnowledgeNeuronsProbe(steps=0)
