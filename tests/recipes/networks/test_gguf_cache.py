import hashlib
import json
import re

import numpy as np
import pytest
import torch

from byrote.data.tokenizers import byte_pairs
from byrote.errors import BadInput
from byrote.recipes.networks import gguf_cache
from byrote.recipes.networks.pretrained import load_pretrained, load_tokenizer

pytest.importorskip("transformers", reason="the package transformers is not installed")
gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
from foreign import TEXTS, saved, small_gpt  # noqa: E402

ROWS = torch.tensor([[3, 4, 5]])
WIDTH = 16


def written(path, *, seed=0, leave_out=(), besides=()):
    """A GGUF file of a small Llama with weights drawn at random."""
    state = json.loads(byte_pairs(TEXTS, vocabulary=280).to_str())["model"]
    vocabulary = sorted(state["vocab"], key=state["vocab"].get)
    file = gguf.GGUFWriter(path, "llama")
    file.add_context_length(48)
    file.add_embedding_length(WIDTH)
    file.add_block_count(1)
    file.add_feed_forward_length(WIDTH)
    file.add_head_count(2)
    file.add_head_count_kv(2)
    file.add_layer_norm_rms_eps(1e-6)
    file.add_rope_dimension_count(WIDTH // 2)
    file.add_vocab_size(len(vocabulary))
    file.add_tokenizer_model("gpt2")
    file.add_token_list(vocabulary)
    file.add_token_types([3] + [1] * (len(vocabulary) - 1))
    file.add_token_merges([" ".join(merge) for merge in state["merges"]])
    file.add_bos_token_id(0)
    file.add_eos_token_id(0)
    rng = np.random.default_rng(seed)
    square = [f"blk.0.{name}.weight" for name in ("attn_q", "attn_k", "attn_v", "attn_output")]
    square += [f"blk.0.{name}.weight" for name in ("ffn_gate", "ffn_up", "ffn_down")]
    shapes = dict.fromkeys(square, (WIDTH, WIDTH))
    shapes |= {name: (len(vocabulary), WIDTH) for name in ("token_embd.weight", "output.weight")}
    shapes |= dict.fromkeys(("output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"), (WIDTH,))
    shapes |= dict.fromkeys(besides, (WIDTH,))
    for name, shape in shapes.items():
        if name not in leave_out:
            file.add_tensor(name, rng.standard_normal(shape).astype(np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/byrote/gguf"


def test_a_file_is_turned_into_safetensors_once(tmp_path, cache, monkeypatch):
    (tmp_path / "models").mkdir()
    file = written(tmp_path / "models/Model.GGUF")
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    found = load_pretrained(file)
    assert (found.digest, found.name, found.vocabulary, found.context) == (checksum, "Model", 280, 48)
    assert sorted(path.name for path in file.parent.iterdir()) == ["Model.GGUF"]
    assert (cache / checksum / "model.safetensors").is_file()
    assert (
        load_tokenizer(file)(["fox"]) == found.encode(["fox"]) == [byte_pairs(TEXTS, vocabulary=280).encode("fox").ids]
    )
    monkeypatch.setattr(gguf_cache, "_make", None)  # from now on it is there
    again = load_pretrained(file.parent)
    assert torch.equal(found.network(ROWS), again.network(ROWS))


def test_nothing_that_stands_beside_the_file_is_read(tmp_path, cache):
    file = written(tmp_path / "model.gguf")
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    small_gpt(tmp_path / f"model.gguf.byrote-{checksum[:16]}")  # what another one would have it be
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "x", "model_max_length": 3}')
    found = load_pretrained(file)
    (tmp_path / "alone").mkdir()
    alone = load_pretrained(written(tmp_path / "alone/model.gguf"))
    assert torch.equal(found.network(ROWS), alone.network(ROWS))
    assert found.encode(TEXTS) == alone.encode(TEXTS)
    assert (found.bos, found.begin) == (alone.bos, alone.begin)


def test_what_was_made_of_a_file_is_made_again_where_it_is_not_as_it_was(tmp_path, cache):
    file = written(tmp_path / "model.gguf")
    first = load_pretrained(file).network(ROWS)
    (made,) = (path for path in cache.iterdir() if path.is_dir())
    saved(made, small_gpt(tmp_path / "gpt"))
    assert torch.equal(load_pretrained(file).network(ROWS), first)
    (made / "config.json").write_text("{}")
    assert torch.equal(load_pretrained(file).network(ROWS), first)
    written(file, seed=1)
    assert not torch.equal(load_pretrained(file).network(ROWS), first)


def test_a_file_with_weights_missing_is_refused(tmp_path, cache):
    with pytest.raises(BadInput, match=r"not all there: .*k_proj.* missing"):
        load_pretrained(written(tmp_path / "model.gguf", leave_out=("blk.0.attn_k.weight",)))
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_a_file_with_weights_that_would_not_be_read_is_refused(tmp_path, cache):
    assert load_pretrained(written(tmp_path / "angles.gguf", besides=("rope_freqs.weight",)))
    with pytest.raises(BadInput, match=r"holds [\d,]+ weights, and transformers reads [\d,]+ of them") as refused:
        load_pretrained(written(tmp_path / "more.gguf", besides=("blk.1.attn_norm.weight",)))
    held, read = (
        int(part.replace(",", "")) for part in re.findall(r"([\d,]{2,}) (?:weights|of them)", str(refused.value))
    )
    assert held - read == WIDTH


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BadInput, match="cannot be kept in") as refused:
        load_pretrained(written(tmp_path / "model.gguf"))
    assert "XDG_CACHE_HOME=DIR" in refused.value.hint
