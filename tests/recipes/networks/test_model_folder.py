import json

import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.networks.model_folder import Place, find_model, find_tokenizer
from byrote.recipes.networks.pretrained import load_pretrained

pytest.importorskip("transformers", reason="the package transformers is not installed")
LORA = {"peft_type": "LORA", "r": 2}


def folder_of(folder, **files):
    """A folder with these files: settings as JSON, weights as they come."""
    folder.mkdir()
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def test_a_folder_that_names_code_of_its_own_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    code = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
    named = {"AutoConfig": "code.Own", "AutoModelForCausalLM": "code.OwnModel"}
    for number, file in enumerate(("config__json", "tokenizer_config__json", "adapter_config__json")):
        files = {"config__json": {"model_type": "own"}, file: {"auto_map": named}, "model__safetensors": b""}
        folder = folder_of(tmp_path / str(number), **files, code__py=code.encode())
        with pytest.raises(BadInput, match=r"brings code of its own, which byrote never runs: see 'auto_map' in "):
            load_pretrained(folder)
        assert not list(folder.rglob("ran"))
    kernels = folder_of(tmp_path / "kernels", config__json={"_attn_implementation": "somebody/attention"})
    with pytest.raises(BadInput, match="'attn_implementation' in config"):
        find_model(kernels)


def test_a_tokenizer_that_names_code_of_its_own_is_refused_where_it_stands_alone(tmp_path):
    own = {"auto_map": {"AutoTokenizer": ["code.Own", None]}}
    with pytest.raises(BadInput, match=r"'auto_map' in tokenizer_config\.json"):
        find_tokenizer(folder_of(tmp_path / "own", tokenizer_config__json=own, tokenizer__json={}))


def test_an_adapter_finds_its_base_by_path_from_here_or_from_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = folder_of(tmp_path / "base", config__json={"architectures": ["GPT2LMHeadModel"]}, model__safetensors=b"")
    for number, named in enumerate(("base", "../base", str(base))):
        settings = {**LORA, "base_model_name_or_path": named}
        made = folder_of(tmp_path / f"adapter{number}", adapter_config__json=settings, adapter_model__safetensors=b"")
        found = find_model(made)
        assert found.folder.resolve() == base
        assert (found.adapter, found.tokenizer) == (made, found.folder)
    (made / "tokenizer.json").write_text("{}")
    assert find_model(made).tokenizer == made


@pytest.mark.parametrize(
    ("settings", "weights", "sentence"),
    [
        ({"base_model_name_or_path": "gone/base"}, "adapter_model__safetensors", "its base 'gone/base' cannot be read"),
        ({"base_model_name_or_path": None}, "adapter_model__safetensors", "does not name the model that it is for"),
        ({"base_model_name_or_path": "."}, "adapter_model__bin", "pickled weights are never read"),
    ],
)
def test_an_adapter_without_its_parts_is_refused(tmp_path, settings, weights, sentence):
    made = folder_of(tmp_path / "adapter", adapter_config__json={**LORA, **settings}, **{weights: b""})
    with pytest.raises(BadInput, match=sentence) as refused:
        find_model(made)
    assert "save_pretrained(folder)" in refused.value.hint


@pytest.mark.filterwarnings("ignore")  # peft's, where the test calls it
def test_an_adapter_beside_whole_weights_is_refused_and_can_be_moved(tmp_path):
    peft = pytest.importorskip("peft", reason="the package peft is not installed")
    from foreign import small_gpt

    base = small_gpt(tmp_path / "base")
    config = peft.LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True, init_lora_weights=False)
    peft.get_peft_model(base, config).save_pretrained(tmp_path / "base")
    with pytest.raises(BadInput, match=r"holds an adapter .* beside whole weights") as refused:
        load_pretrained(tmp_path / "base")
    assert "move them into a folder of their own" in refused.value.hint
    (tmp_path / "own").mkdir()
    for file in list((tmp_path / "base").glob("adapter_*")):
        file.rename(tmp_path / "own" / file.name)
    settings = json.loads((tmp_path / "own/adapter_config.json").read_text())
    settings["base_model_name_or_path"] = str(tmp_path / "base")
    (tmp_path / "own/adapter_config.json").write_text(json.dumps(settings))
    rows = torch.tensor([[3, 4, 5]])
    one, other = (load_pretrained(tmp_path / name).network(rows) for name in ("base", "own"))
    assert (one - other).abs().max() > 1e-3


def test_a_model_beside_its_quantized_form_is_a_place_of_its_own(tmp_path):
    folder = folder_of(tmp_path / "one", a__GGUF=b"")
    assert find_model(folder) == Place(folder=folder, gguf=folder / "a.GGUF")
    assert find_model(folder / "a.GGUF") == Place(folder=folder, gguf=folder / "a.GGUF")


def test_the_name_of_a_cached_model_is_its_folder_and_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--own--tiny"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs/main").write_text("abc")
    (kept / "snapshots").mkdir()
    settings = {"architectures": ["GPT2LMHeadModel"]}
    folder = folder_of(kept / "snapshots/abc", config__json=settings, model__safetensors=b"")
    assert find_model("own/tiny") == Place(folder=folder)
    with pytest.raises(BadInput, match="no model of that name could be loaded") as refused:
        find_model("own/other")
    assert "nothing is downloaded" in refused.value.hint
