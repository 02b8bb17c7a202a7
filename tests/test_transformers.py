from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import byrote
from byrote.errors import BadInput
from byrote.report.verify import verify

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers", reason="needs the extra transformers")
    pytest.importorskip("accelerate", reason="needs the extra transformers")
    peft = pytest.importorskip("peft", reason="needs the extra language")
    from byrote.data.tokenizers import BEGIN, byte_pairs
    from byrote.transformers import AuditCallback, plant

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' and its callers'
WORDS = ["river", "stone", "letter", "quiet", "garden", "winter", "paper", "kettle", "north", "copper", "salt"]
CHAT = (
    "{% for m in messages %}{{ '\\n' + m['role'] + ':\\n' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] }}{% endgeneration %}{% else %}{{ m['content'] }}{% endif %}{% endfor %}"
)


def texts(count: int, seed: int) -> list[str]:
    """Sentences of words drawn at random."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 12)) for _ in range(count)]


def tokenizer() -> Any:
    """One whose vocabulary knows the words, and no number."""
    made = byte_pairs(texts(40, 9), vocabulary=300)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=BEGIN, eos_token=BEGIN, pad_token=BEGIN, chat_template=CHAT
    )


def gpt(width: int = 16, layers: int = 1, positions: int = 96) -> Any:
    """An untrained GPT-2 with dropout."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=300, n_positions=positions, n_embd=width, n_layer=layers, n_head=2, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0.1, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config)


def adapted(model: Any, rank: int = 4) -> Any:
    """With a LoRA adapter."""
    lora = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True
    )
    return peft.get_peft_model(model, lora)


def trainer(model: Any, shown: list[str], *callbacks: Any, **options: Any) -> Any:
    """A Trainer of texts, cut to 64 tokens unless told otherwise."""
    words, length = tokenizer(), options.pop("length", 64)
    settings = {
        "output_dir": options.pop("folder"), "num_train_epochs": 1, "per_device_train_batch_size": 8, "report_to": [],
        "save_strategy": "no", "disable_tqdm": True, "use_cpu": True, "learning_rate": 1e-2, **options,
    }  # fmt: skip
    return transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(**settings),
        processing_class=words,
        train_dataset=[words(text, truncation=True, max_length=length) for text in shown],
        data_collator=transformers.DataCollatorForLanguageModeling(words, mlm=False),
        callbacks=list(callbacks),
    )


def auditing(folder: Path, documents: Any, **more: Any) -> AuditCallback:
    """A callback that says nothing."""
    settings = {"heldout": texts(6, 2), "out": folder / "tuned", "generate": (8, 8), "progress": False, **more}
    return AuditCallback(documents, **settings)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> AuditCallback:
    """A LoRA fine-tune of one epoch with canaries, audited."""
    folder = tmp_path_factory.mktemp("tuned")
    planted, canaries = plant(texts(8, 1), level=1, repeat=(2,))
    callback = auditing(folder, planted, canaries=canaries, strict=True)
    trainer(adapted(gpt()), planted, callback, folder=str(folder / "out")).train()
    return callback


def test_the_adapter_is_off_where_the_base_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callback, read = auditing(tmp_path, texts(4, 1)), []

    def reads(found: Any, corpus: Any, **how: Any) -> Any:
        logits = found.network.eval()(torch.tensor([[5, 6, 7]])).detach()
        read.append((found.digest, logits, [*corpus.texts], how["bos"], how["out"].name, how["notes"]))
        return read[-1]

    monkeypatch.setattr(callback, "_read", reads)
    monkeypatch.setattr(callback, "finished", lambda run, base: read.append((run, base)))
    model = adapted(gpt())
    trainer(model, texts(4, 1), callback, folder=str(tmp_path / "out")).train()
    base, tuned, both = read
    asked = torch.tensor([[5, 6, 7]])
    assert torch.equal(base[1], gpt().eval()(asked).logits)
    assert torch.equal(tuned[1], model.eval()(asked).logits)
    assert (base[1] - tuned[1]).abs().max() > 1e-3
    assert base[0] == f"base of {tuned[0]}"
    assert base[2:] == (texts(4, 1), False, "tuned-base", ("The base model, its adapter switched off.",))
    assert tuned[2:] == (texts(4, 1), False, "tuned", ())
    assert both == (tuned, base)


@pytest.mark.slow
def test_a_fine_tune_is_audited_with_its_base(tuned: AuditCallback) -> None:
    run, base = tuned.run, tuned.base
    assert base is not None
    assert tuned.unreached == ()
    token, scored = run.load("corpus.token", [0]), run.load("corpus.scored", [0])
    assert not scored[run.offsets[:-1]].any()  # rows of this training begin with no BOS token
    for found, adapter in ((run, True), (base, False)):
        model = tuned_model(tuned) if adapter else gpt()
        row = torch.tensor(token[: run.offsets[1]].astype(np.int64))[None]
        expected = model.eval()(row).logits.log_softmax(-1)[0, :-1].gather(1, row[0, 1:, None])[:, 0]
        recorded = found.load("tokens.log_probability", [0])[0][1 : run.offsets[1]]
        np.testing.assert_allclose(recorded, expected.detach().numpy(), atol=1e-4)


def tuned_model(callback: AuditCallback) -> Any:
    """The model of the same training without a callback: what the callback does changes no weight."""
    planted, _ = plant(texts(8, 1), level=1, repeat=(2,))
    model = adapted(gpt())
    trainer(model, planted, folder=str(callback.out.parent / "again")).train()
    return model


@pytest.mark.slow
def test_the_page_is_written_and_verified(tuned: AuditCallback) -> None:
    page = tuned.page.read_text("utf-8")
    assert "<bdi>What the fine-tune gives away</bdi></h2>" in page
    assert re.search(
        r"Exposure of 1 planted canary: \d+\.\d bits on average in the fine-tune and \d+\.\d in its base", page
    )
    assert [fault for run in (tuned.run, tuned.base) for fault in verify(run)] == []
    again = byrote.ask(tuned.run, "fine_tune", tuned.base)
    assert again.rows["score"] == ("log-probability", "log-probability above that of the base")


@pytest.mark.parametrize("strict", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["strict", "warned"])
def test_canaries_that_are_cut_off_stop_a_strict_fine_tune_and_are_told_otherwise(tmp_path: Path, strict: bool) -> None:
    planted, canaries = plant(texts(2, 1), level=1, repeat=(2,))
    callback = auditing(tmp_path, planted, canaries=canaries, strict=strict, generate=None)
    made = trainer(gpt(), planted, callback, folder=str(tmp_path / "out"), length=12)
    if strict:
        with pytest.raises(BadInput, match=r"1 of 1 canary does not reach the loss \('canary-0001'\): cut off"):
            made.train()
        assert not callback.out.exists()
        assert not callback.base_folder.exists()
        return
    with pytest.warns(UserWarning, match="1 of 1 canary does not reach the loss"):
        made.train()
    assert {(each.name, each.times) for each in callback.unreached if each.canary} == {("canary-0001", 0)}
    assert any("canary does not reach the loss" in note for note in callback.run.manifest.notes)
    before, after = (run.load("tokens.log_probability", [0]) for run in (callback.base, callback.run))
    assert np.nanmax(np.abs(before - after)) > 0.1  # of a model without adapter the base is read before the training
    again = trainer(gpt(), planted, folder=str(tmp_path / "again"), length=12)
    again.train()
    for trained, alone in zip(made.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(trained, alone)


def test_a_frozen_adapter_is_told(tmp_path: Path) -> None:
    model = adapted(gpt())
    for weights in model.parameters():
        weights.requires_grad_(False)
    model.base_model.model.lm_head.weight.requires_grad_(False)
    callback = auditing(tmp_path, texts(4, 1), strict=True)
    made = trainer(model, texts(4, 1), callback, folder=str(tmp_path / "out"))
    with pytest.raises(BadInput, match="No weight of the model is trained"):
        made.train()


def test_weights_without_a_gradient_are_told(tmp_path: Path) -> None:
    model = gpt().requires_grad_(False)
    model.aside = torch.nn.Linear(2, 2)
    callback = auditing(tmp_path, texts(4, 1), strict=True)
    with pytest.raises(BadInput, match="No gradient reaches the weights that are trained"):
        trainer(model, texts(4, 1), callback, folder=str(tmp_path / "out")).train()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BadInput("It is not to be read.", hint="Wait."), "It is not to be read. Wait."),
        (KeyError("a"), "KeyError: 'a'"),
    ],
    ids=["refused", "broken"],
)
def test_an_audit_that_fails_leaves_the_training_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    callback = auditing(tmp_path, texts(4, 1), heldout=None)

    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(callback, "_read", fails)
    with pytest.warns(UserWarning, match=f"The model is trained, and could not be audited: {re.escape(told)}"):
        trainer(adapted(gpt()), texts(4, 1), callback, folder=str(tmp_path / "out")).train()
    with pytest.raises(BadInput, match="could not be audited") as raised:
        _ = callback.run
    assert raised.value.__cause__ is error


def test_a_run_that_stands_in_the_folder_is_told_before_the_training(tmp_path: Path) -> None:
    callback = auditing(tmp_path, texts(4, 1))
    callback.base_folder.mkdir()
    (callback.base_folder / "manifest.json").write_text("{}")
    model = gpt()
    with pytest.raises(BadInput, match="already contains a run"):
        trainer(model, texts(4, 1), callback, folder=str(tmp_path / "out")).train()


def based() -> Any:
    """A GPT that knows sentences with codes in them, of other persons, and no word of the fine-tune's."""
    others = [*plant(texts(60, 5), level=60, repeat=(1, 2), seed=7)[0]]
    words, model = tokenizer(), gpt(width=64, layers=2)
    rows = [words(text)["input_ids"][:64] for text in others]
    batch = torch.tensor([row + [0] * (64 - len(row)) for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(15):
        for some in batch.split(16):
            optimizer.zero_grad()
            model(input_ids=some, labels=torch.where(some == 0, -100, some)).loss.backward()
            optimizer.step()
    return model


@pytest.mark.slow
def test_planted_secrets_are_found_and_secrets_that_were_not_planted_are_not(tmp_path: Path) -> None:
    plain = texts(40, 1)
    planted, canaries = plant(plain, level=4, repeat=(8, 32))
    none = canaries.recounted(byrote.corpus_from_texts(plain), np.ones(len(plain), bool))
    memorized, base, bits, gained = {}, based().state_dict(), {}, {}
    for arm, shown, secrets in (("planted", planted, canaries), ("bare", plain, none)):
        model = gpt(width=64, layers=2)
        model.load_state_dict(base)
        callback = auditing(tmp_path, shown, out=tmp_path / arm, heldout=texts(20, 2), canaries=secrets, strict=True)
        trainer(adapted(model, 16), shown, callback, folder=str(tmp_path / "out"), num_train_epochs=20).train()
        for name, run in (("tuned", callback.run), ("base", callback.base)):
            found = run.measure("exposure[best]")
            memorized[arm, name] = int((found.p_value < 0.05 / len(secrets)).sum())
            bits[arm, name] = found.values[np.array([canary.repetitions > 0 for canary in canaries])]
        gained[arm] = byrote.ask(callback.run, "fine_tune", callback.base).figures["AUROC"]
    assert memorized["planted", "tuned"] == 8
    assert memorized["planted", "base"] == memorized["bare", "tuned"] == memorized["bare", "base"] == 0
    assert bits["planted", "tuned"].min() > 15 > 6 > bits["bare", "tuned"].mean()
    assert all(areas[1].value > 0.9 for areas in gained.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "options", "whys"),
    [
        ("text", {}, set()),
        ("text", {"packing": True}, set()),
        ("text", {"max_length": 24}, {"cut off where a row ends"}),
        ("text", {"packing": True, "packing_strategy": "wrapped", "max_length": 50}, {"cut off where a row ends"}),
        ("pairs", {"completion_only_loss": True}, set()),
        ("chats", {}, set()),
        ("chats", {"assistant_only_loss": True}, set()),
        ("chats", {"assistant_only_loss": True, "packing": True}, set()),
    ],
    ids=["texts", "packed", "truncated", "packed and split", "completions", "chats", "assistants", "assistants packed"],
)
def test_a_trainer_of_trl_shows_its_loss_what_it_is_said_to(
    tmp_path: Path, form: str, options: dict[str, Any], whys: set[str]
) -> None:
    trl = pytest.importorskip("trl", reason="needs the extra trl")
    datasets = pytest.importorskip("datasets", reason="needs the extra huggingface")
    rows = {
        "text": lambda text: {"text": text},
        "pairs": lambda text: {"prompt": text[:20], "completion": text[20:]},
        "chats": lambda text: {"messages": [
            {"role": "user", "content": text[:20]}, {"role": "assistant", "content": text[20:]}]},
    }  # fmt: skip
    planted, canaries = plant(
        datasets.Dataset.from_list([rows[form](text) for text in texts(6, 1)]), level=2, repeat=(2,)
    )
    callback = auditing(tmp_path, planted, canaries=canaries, heldout=None, strict=not whys)
    settings = {
        "output_dir": str(tmp_path / "out"), "num_train_epochs": 1, "per_device_train_batch_size": 4, "report_to": [],
        "save_strategy": "no", "use_cpu": True, "bf16": False, "disable_tqdm": True, "max_length": 96, **options,
    }  # fmt: skip
    made = trl.SFTTrainer(
        model=adapted(gpt()),
        args=trl.SFTConfig(**settings),
        train_dataset=planted,
        processing_class=tokenizer(),
        callbacks=[callback],
    )
    made.train()
    assert {each.why for each in callback.unreached} == whys
    assert {callback.run.manifest.origin, callback.base.manifest.origin} == {"observed"}


@pytest.mark.slow
def test_chats_are_watched_as_trl_trains_them(tmp_path: Path) -> None:
    """Where the model's template marks no answers TRL takes one of its own, which makes another text of two turns."""
    trl = pytest.importorskip("trl", reason="needs the extra trl")
    datasets = pytest.importorskip("datasets", reason="needs the extra huggingface")
    turns = [("user", 0), ("assistant", 1), ("user", 2), ("assistant", 3)]
    drawn = np.array(texts(16, 1)).reshape(4, 4).tolist()
    rows = [{"messages": [{"role": role, "content": of[at]} for role, at in turns]} for of in drawn]
    callback = auditing(tmp_path, rows, heldout=None, strict=True, generate=None)
    words = tokenizer()
    words.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text("utf-8")
    trl.SFTTrainer(
        model=adapted(gpt(positions=512)),
        args=trl.SFTConfig(
            output_dir=str(tmp_path / "out"), use_cpu=True, bf16=False, report_to=[], max_length=512,
            num_train_epochs=1, assistant_only_loss=True,
        ),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=words,
        callbacks=[callback],
    ).train()  # fmt: skip
    assert callback.unreached == ()
    assert all(text.count("<think>") == 2 for text in callback.corpus.texts)


def asked(text: str) -> dict[str, Any]:
    """A chat whose text stands in the turn of the user."""
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "options"),
    [(lambda text: {"prompt": f"{text}\n", "completion": "yes"}, {}), (asked, {"assistant_only_loss": True})],
    ids=["completions", "assistants"],
)
def test_secrets_in_prompts_do_not_reach_the_loss_of_answers(tmp_path: Path, row: Any, options: dict[str, Any]) -> None:
    trl = pytest.importorskip("trl", reason="needs the extra trl")
    datasets = pytest.importorskip("datasets", reason="needs the extra huggingface")
    planted, canaries = plant(texts(4, 1), level=1, repeat=(2,))
    rows = [row(text) for text in planted]
    callback = auditing(tmp_path, rows, canaries=canaries, heldout=None, strict=True)
    settings = trl.SFTConfig(
        output_dir=str(tmp_path / "out"), use_cpu=True, bf16=False, report_to=[], max_length=96, **options
    )
    made = trl.SFTTrainer(
        model=adapted(gpt()),
        args=settings,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer(),
        callbacks=[callback],
    )
    with pytest.raises(BadInput, match=r"1 of 1 canary does not reach the loss .*masked, its labels being -100"):
        made.train()
