"""Attention with persistent memory against a slow loop, and the change that silences it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

import byrote
from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.silence_memory import SilenceMemory
from byrote.data.corpus import corpus_from_texts
from byrote.engine.reading import check_causal
from byrote.errors import BadInput
from byrote.recipes.algorithm import Shape
from byrote.recipes.networks.persistent_memory import PersistentAttention, memories
from byrote.recipes.networks.tiny_gpt import TinyGPT
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.optimizers import AdamW
from byrote.recipes.recipe import Recipe
from byrote.recipes.slots import described
from documents import letters, small_language_audit

pytest.importorskip("transformers", reason="the package transformers is not installed")

CONTEXT = Context(dataset=corpus_from_texts(["a"]), rng=np.random.default_rng(0))


def attention(slots: int) -> PersistentAttention:
    torch.manual_seed(0)
    return PersistentAttention(8, 2, slots)


def slow(of: PersistentAttention, hidden: torch.Tensor, kept: list[int]) -> torch.Tensor:
    """One softmax for each head and token, without turns of positions."""
    query, key, value = (layer(hidden) for layer in (of.q_proj, of.k_proj, of.v_proj))
    rows = []
    for token in range(len(hidden)):
        heads = []
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            keys = torch.cat([key[: token + 1, part], 4**0.5 * of.key[head, kept]])
            values = torch.cat([value[: token + 1, part], len(of.kept) ** 0.5 * of.value[head, kept]])
            heads.append((keys @ query[token, part] / 2).softmax(0) @ values)
        rows.append(of.o_proj(torch.cat(heads)))
    return torch.stack(rows)


def test_attention_against_a_slow_loop_whole_and_silenced() -> None:
    of, hidden = attention(5), torch.randn(6, 8)
    places = torch.ones(1, 6, 4), torch.zeros(1, 6, 4)
    seen: list[torch.Tensor] = []
    of.share.register_forward_hook(lambda _, given, out: seen.append(out))
    torch.testing.assert_close(of(hidden[None], places)[0][0], slow(of, hidden, [0, 1, 2, 3, 4]))
    of.kept[torch.tensor([1, 4])] = 0
    torch.testing.assert_close(of(hidden[None], places)[0][0], slow(of, hidden, [0, 2, 3]))
    of.kept[:] = 0
    torch.testing.assert_close(of(hidden[None], places)[0][0], slow(of, hidden, []))
    assert seen[0].shape == (1, 2, 6)
    assert ((seen[1] > 0) & (seen[1] < seen[0])).all()
    assert not seen[2].any()


def test_a_gpt_is_causal_and_goes_on_from_what_it_has_seen() -> None:
    torch.manual_seed(0)
    network = TinyGPT(layers=2, width=16, heads=2, hidden=16, persistent=24).build((12,), 30).eval()
    check_causal(network, 30, "cpu")
    inputs = torch.randint(0, 30, (2, 9))
    first = network.model(input_ids=inputs[:, :5], use_cache=True)
    name = "cache" if hasattr(first, "cache") else "past_key_values"
    rest = network.model(input_ids=inputs[:, 5:], use_cache=True, **{name: getattr(first, name)})
    torch.testing.assert_close(rest.logits, network(inputs)[:, 5:], atol=1e-5, rtol=1e-4)


def test_three_halves_of_the_hidden_units_are_as_many_weights() -> None:
    """But for the scales of one norm in each layer."""
    sizes = [
        sum({id(w): w.numel() for w in TinyGPT(persistent=slots).build((64,), 300).parameters()}.values())
        for slots in (0, 384)
    ]
    assert sizes[0] - sizes[1] == 2 * 128
    assert "persistent" not in str(described(TinyGPT())), "recipes of before stay what they are"


def bound(persistent: int) -> TrainedModel:
    recipe = Recipe(
        network=TinyGPT(layers=2, width=16, heads=2, hidden=16, persistent=persistent), objective=NextToken()
    )
    algorithm = recipe.bind(Shape(inputs=(12,), classes=30, examples=4), torch.device("cpu"))
    return TrainedModel(algorithm=algorithm, state=algorithm.init(0))


def test_a_share_of_it_is_silenced_in_each_layer() -> None:
    model = bound(10)
    changed = SilenceMemory(0.4).apply(model, CONTEXT)
    found = memories(changed.algorithm.network(changed.state))
    assert [int(one.kept.sum()) for one in found.values()] == [6, 6]
    with pytest.raises(BadInput, match="has no persistent memory") as told:
        SilenceMemory().apply(bound(0), CONTEXT)
    assert "persistent=256" in told.value.hint
    with pytest.raises(BadInput, match=r"must be in \(0, 1\]. Got 2"):
        SilenceMemory(2)


def test_networks_side_by_side_answer_as_one_by_one() -> None:
    slot, inputs = TinyGPT(layers=1, width=16, heads=2, hidden=16, persistent=6), torch.randint(0, 30, (2, 9))
    networks = [slot.build((12,), 30).eval() for _ in range(3)]
    weights, buffers = stack_module_state(networks)

    def answers(own: dict[str, torch.Tensor], held: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(networks[0], (own, held), (inputs,))

    together = vmap(answers)(weights, buffers)
    for found, network in zip(together, networks, strict=True):
        torch.testing.assert_close(found, network(inputs), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_what_is_learned_by_heart_is_lost_without_the_memory(tmp_path: Path) -> None:
    texts = ["abcdefgh", "hgfedcba", "acegbdfh", "bdfhaceg"]
    recipe = Recipe(
        network=TinyGPT(layers=2, width=32, heads=2, hidden=32, persistent=48), objective=NextToken(),
        optimizer=AdamW(lr=0.01), epochs=60, batch_size=4,
    )  # fmt: skip
    how = {"models": 4, "full": 1, "generate": (3, 4), "checkpoints": 2, "keep_weights": True}
    run = small_language_audit(tmp_path / "run", corpus=letters(texts), recipe=recipe, **how)
    child = byrote.change(run, SilenceMemory(1.0), workers=1, progress=False)
    model = run.models("full")
    known = [np.exp(one.load("tokens.log_probability", model)[0][:32]).mean() for one in (run, child)]
    assert known[0] > 0.5
    assert known[1] < known[0] - 0.2
    assert {path.name for path in run.folder.glob("evidence/*")} >= {"tokens", "generations"}
