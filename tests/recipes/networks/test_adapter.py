import json
import os

import pytest
import torch

from byrote.data.corpus import corpus_from_texts
from byrote.engine.language import audit_model
from byrote.errors import BadInput
from byrote.recipes.networks.pretrained import load_pretrained

transformers = pytest.importorskip("transformers", reason="the package transformers is not installed")
peft = pytest.importorskip("peft", reason="the package peft is not installed")
from foreign import TEXTS, small_gpt  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # peft's, where the tests call it
ROWS = torch.tensor([[3, 4, 5, 6]])


@pytest.fixture
def trained(tmp_path):
    """A base, a LoRA adapter of it that changes its answers, and these answers."""
    base = small_gpt(tmp_path / "base")
    config = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True,
                             init_lora_weights=False)  # fmt: skip
    adapted = peft.get_peft_model(base, config).eval()
    adapted.save_pretrained(tmp_path / "adapter")
    edited(tmp_path / "adapter", base_model_name_or_path=str(tmp_path / "base"))
    return tmp_path / "adapter", adapted(input_ids=ROWS).logits.detach()


def edited(folder, **settings):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return folder


def test_an_adapter_answers_as_peft_does_and_not_as_its_base(trained, tmp_path):
    folder, answers = trained
    found, base = load_pretrained(folder), load_pretrained(tmp_path / "base")
    torch.testing.assert_close(found.network(ROWS), answers, atol=1e-5, rtol=1e-5)
    assert (base.network(ROWS) - answers).abs().max() > 0.1
    assert found.digest != base.digest
    assert found.notes == ("The LoRA adapter of the folder 'adapter' is merged into the weights of its base 'base'.",)
    run = audit_model(folder, corpus_from_texts(TEXTS), out=tmp_path / "run", progress=False, device="cpu")
    assert found.notes[0] in run.manifest.notes
    assert base.notes == ()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "is of the type 'PROMPT_TUNING', and byrote reads LORA"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, "'megatron_config', 'megatron_core'"),
        ({"init_lora_weights": "pissa"}, "settings that byrote does not read: 'init_lora_weights'"),
        ({"target_modules": ["nowhere"]}, "does not fit its base: .*nowhere"),
        ({"target_modules": ["c_attn"]}, "has unread weights: .*c_fc.*"),
        ({"r": 3}, "does not fit its base: RuntimeError"),
    ],
)
def test_an_adapter_that_is_not_read_whole_is_refused_and_can_be_merged(trained, settings, sentence):
    folder, _ = trained
    with pytest.raises(BadInput, match=sentence) as refused:
        load_pretrained(edited(folder, **settings))
    assert "merge_and_unload().save_pretrained(folder)" in refused.value.hint


def test_an_adapter_with_fewer_weights_than_it_says_is_refused(trained):
    from safetensors.torch import load_file, save_file

    folder, _ = trained
    weights = load_file(folder / "adapter_model.safetensors")
    save_file({name: one for name, one in weights.items() if "c_fc" not in name}, folder / "adapter_model.safetensors")
    with pytest.raises(BadInput, match=r"lacks weights: .*c_fc"):
        load_pretrained(folder)


def test_what_the_hint_says_gives_the_same_answers(trained, tmp_path):
    from foreign import saved

    folder, answers = trained
    base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    merged = peft.PeftModel.from_pretrained(base, os.fspath(folder)).merge_and_unload()
    found = load_pretrained(saved(tmp_path / "merged", merged))
    torch.testing.assert_close(found.network(ROWS), answers, atol=1e-5, rtol=1e-5)


def test_without_peft_its_extra_is_named(trained, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(BadInput, match="need the package peft") as refused:
        load_pretrained(trained[0])
    assert "byrote[language]" in refused.value.hint
