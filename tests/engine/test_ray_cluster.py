"""The executor for Ray, with a stand-in for the package; `test_ray_for_real.py` loses workers, nodes and drivers."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from byrote.data.corpus import corpus_from_texts
from byrote.engine import ray_cluster, ray_node, reading
from byrote.engine.afterwards import probe
from byrote.engine.completion import complete
from byrote.engine.executing import chosen, executing
from byrote.engine.executors import ATTEMPTS, packed, run_here, unpacked
from byrote.engine.job import blocks_of
from byrote.engine.progress import Silent
from byrote.engine.ray_cluster import RayCluster, on_ray
from byrote.errors import BadInput, WorkerFailed
from byrote.evidence.manifest import Manifest
from byrote.evidence.store import Evidence
from byrote.probes import tokens
from documents import Summing, small_language_audit
from engine.test_executors import Notes
from engine.toys import contents, job, spoiled
from small import small_audit


class RayError(Exception):
    """As Ray's own; the others are some of these."""


class RayTaskError(RayError):
    pass


class RaySystemError(RayError):
    pass


class NodeDiedError(RayError):
    pass


@dataclass(frozen=True, eq=False)
class Ref:
    value: Any


@dataclass
class StandIn:
    """Does at once, in this process, what Ray does somewhere else; `fails` are what its first tasks come to."""

    elsewhere: Path | None = None
    fails: list[Exception] = field(default_factory=list)
    cores: float = 4.0
    puts: int = 0
    tasks: list[Any] = field(default_factory=list)
    cancelled: list[Any] = field(default_factory=list)
    killed: list[Any] = field(default_factory=list)
    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, RaySystemError=RaySystemError)
    util = SimpleNamespace(
        scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: (node, soft))
    )

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cores} if self.cores else {}

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "this one")

    def put(self, value: Any) -> Ref:
        self.puts += 1
        return Ref(value)

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        return lambda what: SimpleNamespace(remote=self._actor(what) if isinstance(what, type) else self._task(what))

    def _actor(self, kind: type) -> Callable[..., Any]:
        def begin(*given: Any) -> Any:
            one = kind(*given)
            names = [name for name in vars(kind) if not name.startswith("_")]
            return SimpleNamespace(**{name: SimpleNamespace(remote=_asked(getattr(one, name))) for name in names})

        return begin

    def _task(self, what: Callable[..., Any]) -> Callable[..., Ref]:
        def begin(*given: Any) -> Ref:
            plain = [one.value if isinstance(one, Ref) else one for one in given]
            self.tasks.append(plain[1].models)
            if self.elsewhere is not None:
                plain[2] = str(self.elsewhere / Path(plain[2]).name)
            return Ref(self.fails.pop(0) if self.fails else what(*plain))

        return begin

    def wait(self, refs: Sequence[Ref], num_returns: int, timeout: float) -> tuple[list[Ref], list[Ref]]:
        return [*refs[:num_returns]], [*refs[num_returns:]]

    def get(self, ref: Ref) -> Any:
        if isinstance(ref.value, Exception):
            raise ref.value
        return ref.value

    def cancel(self, ref: Ref, force: bool) -> None:
        self.cancelled.append(ref)

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


def _asked(method: Callable[..., Any]) -> Callable[..., Ref]:
    return lambda *given: Ref(method(*given))


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    found = StandIn()
    monkeypatch.setitem(sys.modules, "ray", found)  # type: ignore[arg-type]
    return found


def blocks(given: Any, size: int = 2) -> Any:
    return blocks_of(given.design, size, stacked=True, compiled=False)


def here(folder: Path) -> dict[str, Any]:
    """What this process leaves."""
    given = job(folder)
    run_here(given, blocks(given), Notes())
    return contents(folder)


@pytest.mark.parametrize("shared", [True, False], ids=["a shared path", "no shared path"])
def test_the_cluster_leaves_what_this_process_leaves(tmp_path: Path, ray: StandIn, shared: bool) -> None:
    ray.elsewhere = None if shared else tmp_path / "not there"
    given, notes = job(tmp_path / "ray"), Notes()
    RayCluster(ray, most=2).run(given, blocks(given), 1, notes)
    assert contents(tmp_path / "ray") == here(tmp_path / "here")
    assert sorted(models for models, _ in notes.all("finished")) == [(0, 1), (2, 3), (4, 5)]
    assert ray.puts == 1, "the data is sent once"
    assert len(ray.killed) == 1
    assert not ray.cancelled
    assert not [path for path in (tmp_path / "ray").rglob("*") if path.suffix == ".part"]


def test_a_lost_node_costs_a_block_and_nothing_else(tmp_path: Path, ray: StandIn) -> None:
    ray.fails = [NodeDiedError("its node is gone")] * (ATTEMPTS - 1)
    given, notes = job(tmp_path / "ray"), Notes()
    RayCluster(ray, most=1).run(given, blocks(given), 1, notes)
    assert notes.all("retried") == [((0, 1), None)] * (ATTEMPTS - 1)
    assert ray.tasks == [(0, 1)] * ATTEMPTS + [(2, 3), (4, 5)]
    assert contents(tmp_path / "ray") == here(tmp_path / "here")


def test_a_block_that_is_always_lost_is_named_and_the_others_are_stopped(tmp_path: Path, ray: StandIn) -> None:
    ray.fails = [NodeDiedError("out of memory\nat length")] * 9
    given = job(tmp_path)
    with pytest.raises(WorkerFailed, match=r"Models 0-1 were lost 3 times .*last because: out of memory Hint"):
        RayCluster(ray).run(given, blocks(given), 1, Notes())
    assert {len(ray.cancelled), len(ray.killed)} == {2, 1}, "two blocks were on their way"


def test_what_a_network_raises_on_a_node_is_a_sentence_and_is_not_tried_again(tmp_path: Path, ray: StandIn) -> None:
    given = job(tmp_path, spoiled(lambda _net, _inputs: 1 / 0))
    with pytest.raises(WorkerFailed, match=r"Training models 0-1 raised ZeroDivisionError"):
        RayCluster(ray, most=1).run(given, blocks(given), 1, Notes())
    assert ray.tasks == [(0, 1)]


def test_a_node_that_lacks_the_package_is_refused(tmp_path: Path, ray: StandIn) -> None:
    ray.fails = [
        RaySystemError("System error: No module named 'byrote'\nModuleNotFoundError: No module named 'byrote'")
    ]
    given = job(tmp_path)
    with pytest.raises(WorkerFailed, match=r"cannot train models 0-1: ModuleNotFoundError: No module named 'byrote'"):
        RayCluster(ray, most=1).run(given, blocks(given), 1, Notes())


def test_other_versions_are_refused(tmp_path: Path, ray: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    given, same = job(tmp_path), ray_node.made_with()
    monkeypatch.setattr(ray_cluster, "made_with", lambda: same | {"torch": "1.0"})
    with pytest.raises(
        BadInput, match=rf"has torch {re.escape(same['torch'])}, and the command runs with 1\.0\. Hint: install"
    ):
        RayCluster(ray, most=1).run(given, blocks(given)[:1], 1, Notes())


def test_a_module_that_a_node_lacks_is_named(tmp_path: Path, ray: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    given = job(tmp_path)
    monkeypatch.setattr(ray_cluster, "packed", lambda _job: (b"no pickle", []))
    with pytest.raises(BadInput, match=r"On the node .*could not rebuild the recipe.* Hint: install the modules"):
        RayCluster(ray, most=1).run(given, blocks(given)[:1], 1, Notes())


def test_files_that_a_node_wrote_must_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "SEEN_SECONDS", 0.0)
    with pytest.raises(WorkerFailed, match="this machine does not see it"):
        ray_cluster._refuse_unseen(tmp_path / "outputs" / "m00000.p0.safetensors")


def test_a_completion_goes_to_the_executor_that_was_chosen(tmp_path: Path, ray: StandIn) -> None:
    given = job(tmp_path / "ray")
    with on_ray(most=3):
        assert chosen().places("cpu") == 3
        complete(given, blocks(given), 1, Silent())
        complete(given, blocks(given), 1, Silent())
    assert len(ray.tasks) == 3, "what is there is not done again"
    assert contents(tmp_path / "ray") == here(tmp_path / "here")
    assert not isinstance(chosen(), RayCluster)


def test_places_are_processors(ray: StandIn) -> None:
    assert (RayCluster(ray).places("cpu"), RayCluster(ray).places("cuda")) == (4, 1)
    assert RayCluster(ray, most=2).places("cpu") == 2
    with executing(RayCluster(ray)):
        assert chosen().beside(100) == 1


def test_a_packed_job_shares_its_arrays(tmp_path: Path) -> None:
    given = job(tmp_path)
    payload, buffers = packed(given)
    again = unpacked(payload, buffers)
    assert np.shares_memory(again.data.inputs, next(one for one in buffers if one.nbytes == given.data.inputs.nbytes))
    assert (again.data.inputs == given.data.inputs).all()
    assert len(payload) < 20_000


def test_the_tokens_of_a_large_corpus_are_read_part_by_part(
    tmp_path: Path, ray: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["abcdefgh" * 2, "hgfedcba", "abcdefgh" * 2, "aabbccdd", "ddccbbaa", "ehehehehe"]
    encode = lambda some: [[ord(letter) - 97 for letter in text] for text in some]  # noqa: E731
    corpus, network = corpus_from_texts(texts).tokenized(encode, vocabulary=8), Summing(8)
    whole = tokens.signals(network, corpus, context=8)
    monkeypatch.setattr(reading, "PART_TOKENS", 20)
    ray.elsewhere = tmp_path / "not there"
    shares: list[float] = []
    with executing(RayCluster(ray)):
        read = reading._read_tokens(network, corpus, Evidence(tmp_path), 0, 0, "cpu", 8, shares.append)
    assert len(ray.tasks) > 2
    assert shares[-1] == 1.0
    assert sorted(shares) == shares
    for name, array in whole.items():
        np.testing.assert_allclose(read[name], array, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_language_models_come_back_and_are_read_later(tmp_path: Path, ray: StandIn) -> None:
    """A reading takes weights from the run's folder, which a node that does not see it is sent."""
    how = {"keep_weights": True, "keep_weights_at": "checkpoints", "checkpoints": 2}
    local = small_language_audit(tmp_path / "here", **how)
    probe(local, "generations,prefix=2,suffix=2")
    ray.elsewhere = tmp_path / "not there"
    with executing(RayCluster(ray)):
        run = small_language_audit(tmp_path / "ray", **how)
        trained = len(ray.tasks)
        probe(run, "generations,prefix=2,suffix=2")
    assert trained == local.design.models
    assert len(ray.tasks) == 2 * trained
    assert contents(tmp_path / "ray" / "evidence") == contents(tmp_path / "here" / "evidence")


@pytest.mark.slow
def test_kept_weights_are_read_on_the_cluster(tmp_path: Path, ray: StandIn) -> None:
    run = small_audit(tmp_path / "here", keep_weights_at="checkpoints")
    shutil.copytree(tmp_path / "here", tmp_path / "ray")
    probe(run, "el2n", "gradient_norm")
    ray.elsewhere = tmp_path / "not there"
    with executing(RayCluster(ray)):
        probe(replace(run, folder=tmp_path / "ray", manifest=Manifest.read(tmp_path / "ray")), "el2n", "gradient_norm")
    assert len(ray.tasks) > 6
    assert contents(tmp_path / "ray" / "evidence") == contents(tmp_path / "here" / "evidence")


def test_a_file_is_handed_out_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a").write_bytes(b"abc")
    assert ray_node.Desk(str(tmp_path)).file("weights/a").tobytes() == b"abc"
