import json
import re
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from byrote.cli.language_sources import documents
from byrote.data.chats import PLAIN
from byrote.data.corpus import corpus_from_texts, read_corpus
from byrote.data.tokenizers import BEGIN
from byrote.engine.language import audit_model
from byrote.errors import BadInput, MissingEvidence, RunMismatch
from byrote.recipes.networks.pretrained import chat_joining, load_pretrained, load_tokenizer
from byrote.report.language_report import write_language_report
from byrote.report.verify import verify
from byrote.runs.run import Run

transformers = pytest.importorskip("transformers", reason="the package transformers is not installed")
from foreign import TEXTS, saved, small_gpt  # noqa: E402


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=280, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=48,
    )  # fmt: skip
    return saved(tmp_path_factory.mktemp("llama"), transformers.LlamaForCausalLM(config))


def test_a_folder_of_safetensors(llama):
    found = load_pretrained(llama)
    assert (found.vocabulary, found.context, found.bos) == (280, 48, None)
    assert found.encode(["fox"]) == load_tokenizer(llama)(["fox"])
    model = transformers.AutoModelForCausalLM.from_pretrained(llama)
    rows = torch.tensor([[3, 4, 5]])
    torch.testing.assert_close(found.network(rows), model(input_ids=rows).logits)
    assert found.digest == load_pretrained(llama).digest
    with pytest.raises(BadInput, match=r"at least 2 and at most 48 tokens. Got 99"):
        load_pretrained(llama, context=99)


def test_an_audit_is_observed_and_resumes(llama, tmp_path):
    members, others = corpus_from_texts(TEXTS[:2]), corpus_from_texts(TEXTS[2:], ids=["other"])
    run = audit_model(llama, members, heldout=others, out=tmp_path, progress=False, device="cpu")
    assert [entry.origin for entry in run.manifest.models] == ["observed"]
    assert run.design.member.tolist() == [[1, 1, 0]]
    assert np.isfinite(run.measure("exact_memorization").value)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    audit_model(llama, members, heldout=others, out=tmp_path, progress=False, device="cpu")
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}


def overfitted(folder, *, begins: bool):
    """A GPT that knows the texts by rote, each with a BOS token before it or without."""
    model = small_gpt(folder).train()
    encode = load_tokenizer(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    begin = load_pretrained(folder).begin
    assert begin is not None
    rows = [torch.tensor([[begin] * begins + piece]) for piece in encode(TEXTS)]
    for _ in range(60):
        loss = torch.stack([model(input_ids=row, labels=row).loss for row in rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return saved(folder, model)


@pytest.mark.parametrize("begins", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_documents_are_read_as_the_model_was_trained(tmp_path, begins, monkeypatch):
    model, corpus = overfitted(tmp_path / "model", begins=begins), corpus_from_texts([*TEXTS, TEXTS[0]])
    run = audit_model(model, corpus, out=tmp_path / "run", progress=False, device="cpu")
    found = load_pretrained(model)
    assert found.bos is None
    assert run.manifest.dataset["bos"] == (found.begin if begins else None)
    assert run.measure("exact_memorization").value > 0.95
    (note,) = (note for note in run.manifest.notes if "BOS" in note)
    said = re.fullmatch(
        r"Documents are read (\w+) the BOS token before them: mean loss ([.\d]+) against ([.\d]+) (\w+), "
        r"in 3 training documents\.",
        note,
    )
    assert said is not None
    assert said.group(1, 4) == (("with", "without") if begins else ("without", "with"))
    assert float(said[2]) < 0.2 < 1 < float(said[3])
    monkeypatch.setattr("byrote.engine.language.signals", None)  # a run that goes on reads no sample again
    (tmp_path / "run/evidence/corpus/m00000.p0.safetensors").unlink()
    audit_model(model, corpus, out=tmp_path / "run", progress=False, device="cpu")
    assert verify(Run.open(tmp_path / "run")) == []


@pytest.mark.slow
def test_who_knows_how_the_model_was_trained_says_so(tmp_path):
    model, corpus = overfitted(tmp_path / "model", begins=True), corpus_from_texts(TEXTS)
    found = load_pretrained(model)
    for asked in (True, False):
        run = audit_model(model, corpus, bos=asked, out=tmp_path / str(asked), progress=False, device="cpu")
        assert run.manifest.dataset["bos"] == (found.begin if asked else None)
        assert not any("BOS" in note for note in run.manifest.notes)
    with pytest.raises(BadInput, match="names no BOS token"):
        audit_model(replace(found, begin=None), corpus, bos=True, out=tmp_path / "none", progress=False, device="cpu")
    with pytest.raises(RunMismatch):
        audit_model(model, corpus, bos=False, out=tmp_path / "True", progress=False, device="cpu")


@pytest.mark.slow
def test_one_suffix_is_asked_for_after_few_tokens_and_after_many(tmp_path):
    model, corpus = overfitted(tmp_path / "model", begins=True), corpus_from_texts(TEXTS)
    run = audit_model(
        model, corpus, generate=(8, 4), contexts=(1, 3, 8), out=tmp_path / "run", progress=False, device="cpu"
    )
    curve = run.measure("discoverable_extraction[by_context]")
    assert curve.at.tolist() == [1, 3, 8]
    assert curve.values[0, 2] == 1.0  # known by rote, from the beginning on
    assert curve.counts.tolist() == [run.load("contexts.asked", [0]).sum(), 0]
    assert curve.counts[0] > 1
    page, found = write_language_report(run)
    assert found.by_context is not None
    assert "The same tokens recited, by how many before them are given" in page.read_text()
    assert verify(Run.open(tmp_path / "run")) == []
    without = audit_model(model, corpus, generate=None, out=tmp_path / "without", progress=False, device="cpu")
    with pytest.raises(MissingEvidence, match=r"contexts.* --model"):
        without.measure("discoverable_extraction[by_context]")


def test_a_tokenizer_that_puts_the_token_there_is_followed(tmp_path):
    folder = overfitted(tmp_path / "model", begins=False)
    path = folder / "tokenizer.json"
    state = json.loads(path.read_text())
    begin = load_pretrained(folder).begin
    state["post_processor"] = {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": BEGIN, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {BEGIN: {"id": BEGIN, "ids": [begin], "tokens": [BEGIN]}},
    }  # fmt: skip
    path.write_text(json.dumps(state))
    found = load_pretrained(folder)
    assert (found.bos, found.begin) == (begin, None)
    run = audit_model(folder, corpus_from_texts(TEXTS), out=tmp_path / "run", progress=False, device="cpu")
    assert run.manifest.dataset["bos"] == begin
    assert not any("BOS" in note for note in run.manifest.notes)


def test_what_is_no_causal_model_is_refused(tmp_path):
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    bert = saved(tmp_path / "bert", transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=280, **small)))
    with pytest.raises(BadInput, match="not causal"):
        audit_model(bert, corpus_from_texts(TEXTS), out=tmp_path / "run", progress=False, device="cpu")
    t5 = transformers.T5Config(vocab_size=280, d_model=16, d_ff=16, num_layers=1, num_heads=2, d_kv=8)
    folder = saved(tmp_path / "t5", transformers.T5ForConditionalGeneration(t5))
    with pytest.raises(BadInput, match="not causal: it is an encoder and a decoder"):
        load_pretrained(folder)


def test_weights_that_are_not_all_there_are_refused(llama, tmp_path):
    whole = transformers.AutoModelForCausalLM.from_pretrained(llama)
    headless = saved(tmp_path / "headless", whole.model)
    with pytest.raises(BadInput, match=r"not causal: its config.json says that it was saved as 'LlamaModel'"):
        load_pretrained(headless)
    config = json.loads((headless / "config.json").read_text())
    (headless / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForCausalLM"]}))
    with pytest.raises(BadInput, match=r"are not all there: 'lm_head\.weight' missing"):
        load_pretrained(headless)


def test_places_without_a_model_are_refused(llama, tmp_path):
    with pytest.raises(BadInput, match="There is no folder or file"):
        load_pretrained(tmp_path / "nothing")
    with pytest.raises(BadInput, match=r"holds no config\.json and no GGUF file"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadInput, match="is not valid JSON"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((llama / "config.json").read_bytes())
    with pytest.raises(BadInput, match=r"no \.safetensors file, and pickled weights are never read"):
        load_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(BadInput, match="holds no tokenizer"):
        load_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((llama / "tokenizer.json").read_bytes())
    with pytest.raises(BadInput, match=r"The weights of the model"):
        load_pretrained(tmp_path)
    with pytest.raises(BadInput, match=r"is not a model"):
        load_pretrained(tmp_path / "config.json")


def test_a_tokenizer_of_another_model_is_refused(llama, tmp_path):
    for file in llama.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "tokenizer.json").read_text())
    config["model"]["vocab"] = {token: number + 200 for token, number in config["model"]["vocab"].items()}
    (tmp_path / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(
        BadInput, match=r"tokenizer does not fit the model: it gives the token \d+, and the model knows 280"
    ):
        audit_model(tmp_path, corpus_from_texts(TEXTS), out=tmp_path / "run", progress=False, device="cpu")


def test_a_classifier_is_refused_by_its_name_and_by_its_head(llama, tmp_path):
    config = transformers.AutoConfig.from_pretrained(llama)
    folder = saved(tmp_path / "classifier", transformers.LlamaForSequenceClassification(config))
    with pytest.raises(BadInput, match="saved as 'LlamaForSequenceClassification'"):
        load_pretrained(folder)
    config.tie_word_embeddings = True
    folder = saved(tmp_path / "renamed", transformers.LlamaForSequenceClassification(config))
    held = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**held, "architectures": ["LlamaForCausalLM"]}))
    with pytest.raises(BadInput, match=r"no place for: 'score\.weight'") as refused:
        load_pretrained(folder)
    assert "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(another_folder)" in refused.value.hint
    whole = transformers.AutoModelForCausalLM.from_pretrained(folder)  # what the hint says mends it
    mended = load_pretrained(saved(tmp_path / "mended", whole))
    rows = torch.tensor([[3, 4, 5]])
    torch.testing.assert_close(mended.network(rows), whole(input_ids=rows).logits)


def test_a_folder_without_a_tokenizer_says_so(llama, tmp_path):
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((llama / file).read_bytes())
    with pytest.raises(BadInput, match="holds no tokenizer") as refused:
        load_pretrained(tmp_path)
    assert "tokenizer.save_pretrained(folder)" in refused.value.hint
    torch.manual_seed(0)
    gpt = transformers.GPT2Config(vocab_size=280, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    transformers.GPT2LMHeadModel(gpt).save_pretrained(tmp_path)  # of a GPT-2 transformers makes an empty one
    with pytest.raises(BadInput, match="holds no tokenizer"):
        load_pretrained(tmp_path)


def by_words(folder, words, **special):
    """A tokenizer that knows these words and has no token for others."""
    tokenizers = pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    known = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}))
    known.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=known, **special).save_pretrained(folder)
    return folder


def test_a_tokenizer_that_lacks_words_names_the_document_that_has_them(llama, tmp_path):
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((llama / file).read_bytes())
    by_words(tmp_path, ["fox", "dog"])
    known = corpus_from_texts(["fox dog fox", "dog dog"])
    run = audit_model(tmp_path, known, out=tmp_path / "run", progress=False, device="cpu")
    assert run.load("corpus.token", [0]).tolist() == [0, 1, 0, 1, 1]
    some = corpus_from_texts(["fox dog", "a cat"], ids=["known", "unknown"])
    with pytest.raises(BadInput, match=r"The tokenizer fails on the document 'unknown': .*\[UNK\]"):
        audit_model(tmp_path, some, out=tmp_path / "other", progress=False, device="cpu")


def test_a_tokenizer_alone_is_read_for_planting(llama, tmp_path):
    by_words(tmp_path, ["fox", "dog"])
    assert load_tokenizer(tmp_path)(["dog fox"]) == [[1, 0]]
    with pytest.raises(BadInput, match=r"The tokenizer fails on a text: .*\[UNK\]"):
        load_tokenizer(tmp_path)(["cat"])


CHATML = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
    "[{{ m['role'] }}]{{ m['content'] }}[end]{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)


def test_chats_are_joined_by_the_template_of_the_model(llama, tmp_path):
    shutil.copytree(llama, tmp_path / "model")
    assert chat_joining(tmp_path / "model") is PLAIN
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(tmp_path / "model")
    chat = [{"role": role, "content": f"the {role}"} for role in ("user", "assistant", "user", "assistant")]
    (tmp_path / "c.jsonl").write_text(json.dumps({"messages": chat}) + "\n")
    found = documents(
        tmp_path / "c.jsonl", heldout=None, column="text", canaries=None, template_of=str(tmp_path / "model")
    ).training
    turn = "[user]the user[end][assistant]the assistant[end]"
    assert found.texts == (turn + turn,)  # BOS is put there, or not, as before any other document
    assert [found.texts[0][start:stop] for start, stop in found.answers.spans[0]] == ["the assistant[end]"] * 2
    run = audit_model(tmp_path / "model", found, out=tmp_path / "run", progress=False, device="cpu")
    (note,) = (note for note in run.manifest.notes if "chats" in note)
    assert "joined by the model's chat template. Answers make 38% of their characters" in note  # 36 of 96
    (tmp_path / "d.jsonl").write_text(json.dumps({"messages": [*chat, {"role": "tool", "content": "x" * 9999}]}))
    with pytest.raises(BadInput, match=r"Line 1 of .*: the chat template .* does not take this chat: no tools"):
        read_corpus(tmp_path / "d.jsonl", joining=partial(chat_joining, tmp_path / "model"))
