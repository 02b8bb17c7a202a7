import json

import pytest

from byrote.errors import BadInput
from byrote.recipes.networks import loading
from byrote.recipes.networks.pretrained import load_pretrained

pytest.importorskip("transformers", reason="the package transformers is not installed")
from foreign import small_gpt


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"quant_method": "gptq", "bits": 4}, "requires optimum"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "requires bitsandbytes"),
    ],
)
def test_a_quantized_model_says_what_is_really_missing(tmp_path, settings, named):
    if loading.find_spec(named.split()[-1]) is not None:
        pytest.skip(f"{named.split()[-1]} is installed")
    small_gpt(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "quantization_config": settings}))
    with pytest.raises(BadInput, match=named) as refused:
        load_pretrained(tmp_path)
    assert "without quantization" in refused.value.hint
    assert "accelerate" not in str(refused.value)


def test_a_package_of_ours_that_is_missing_is_named_with_its_extra(tmp_path, monkeypatch):
    small_gpt(tmp_path)
    monkeypatch.setattr(loading, "find_spec", lambda name: None)

    class AutoModel:
        @staticmethod
        def from_pretrained(*_, **__):
            raise ImportError("This needs Accelerate: pip install accelerate")

    with pytest.raises(BadInput, match="need the package accelerate"):
        loading.loaded("m", AutoModel, tmp_path)
    monkeypatch.undo()
    with pytest.raises(BadInput, match="cannot be read with the packages at hand: This needs Accelerate"):
        loading.loaded("m", AutoModel, tmp_path)


def test_settings_that_are_no_settings_are_refused(tmp_path):
    for content, sentence in (("{", "is not valid JSON"), ("[]", "holds a 'list' instead of named settings")):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(BadInput, match=sentence):
            load_pretrained(tmp_path)
