"""What a run will take of disk and memory, said before anything trains."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from byrote.axes import CHECKPOINT, CLASS, EXAMPLE, QUERY
from byrote.data.mapped import held_bytes
from byrote.engine.job import Job
from byrote.errors import NotEnoughRoom
from byrote.evidence.kinds.weights import KEPT, WEIGHT, WEIGHTS_AT
from byrote.evidence.schema import kind_of
from byrote.probes.contract import Probe

#: Logits are kept while models x examples x classes x 4 bytes stay below this.
LOGITS_BYTES = 10**9
_PRESENTATION_STATE = 5 * 4 + 1
#: Names, shapes and checksum of one shard.
_HEADER = 1000
#: That of a shard of weights, which names some 80 tensors; of larger networks it is nothing beside the weights.
HEADER_OF_WEIGHTS = 8192


def logits_fit(models: int, examples: int, classes: int) -> bool:
    """Whether logits of that size are kept."""
    return models * examples * classes * 4 < LOGITS_BYTES


def disk_a_model(job: Job, size: int = 1) -> int:
    """Bytes of evidence that one model of a block of `size` leaves, over all its phases."""
    lengths = _lengths(job)
    without = () if job.keep_logits else ("logits",)
    names = [name for phase in range(len(job.design.phases)) for name in job.kinds(phase)]
    probes = job.asked()
    apart = {kind.name for probe in probes for kind in probe.kinds}
    kinds = [kind_of(name) for name in names if name not in apart]
    found = sum(_bytes_of(probe, job) for probe in probes if not probe.few)
    sums = kind_of("class_probability").bytes(lengths, job.task) // size if job.sums_probabilities else 0
    return found + sums + sum(kind.bytes(lengths, job.task, without) + _HEADER for kind in kinds)


def _lengths(job: Job) -> dict[str, int]:
    return {
        EXAMPLE: len(job.data.inputs),
        QUERY: 0 if job.heldout is None else len(job.heldout.inputs),
        CLASS: job.classes,
        CHECKPOINT: len(job.checkpoints),
        WEIGHT: weights_of(job) if job.keep_weights else 0,
    }


def kept_bytes(job: Job) -> int:
    """Bytes of the weights that are kept at checkpoints, of all models together."""
    if job.keeping is None:
        return 0
    lengths = {WEIGHT: job.numbers, KEPT: job.keeping.count}
    return len(job.keeping.models) * (WEIGHTS_AT.bytes(lengths, job.task) + HEADER_OF_WEIGHTS)


def few_bytes(job: Job) -> int:
    """Bytes of what costly probes find of a few models, of all of them together."""
    return len(job.few) * sum(_bytes_of(probe, job) for probe in job.asked() if probe.few)


def _bytes_of(probe: Probe, job: Job) -> int:
    lengths = _lengths(job)
    lengths[CHECKPOINT] = len(probe.chosen(lengths[CHECKPOINT]))
    return sum(kind.bytes(lengths, job.task) + _HEADER for kind in probe.kinds)


def probe_words(job: Job) -> tuple[str, ...]:
    """A sentence for each probe that looks at the models while they train: at which, how often, and what it takes."""
    return tuple(_words_of(probe, job) for probe in job.asked())


def _words_of(probe: Probe, job: Job) -> str:
    models = len(job.few) if probe.few else job.design.models
    looks = "at the end"
    if "checkpoint" in probe.when:
        looks = f"at {len(probe.chosen(len(job.checkpoints)))} checkpoints"
    passes = probe.passes + probe.passes_a_class * job.classes
    cost = (
        f"about {passes:.2g} backward {'pass' if passes == 1 else 'passes'} of all examples each time, and "
        if passes
        else ""
    )
    size = size_words(models * _bytes_of(probe, job))
    more = ", which comes on top of that time" if probe.few else ""
    return f"The probe {probe.name} looks at {models} models {looks}; it takes {cost}{size} of disk{more}."


def weights_of(job: Job) -> int:
    """How many weights one model has."""
    algorithm = job.algorithm()
    return sum(weight.numel() for weight in algorithm.network(algorithm.init(0)).parameters())


def memory_a_process(job: Job, size: int, weights: int) -> int:
    """Bytes that a process needs for blocks of `size` models of so many weights: data, probes, training state.

    Data that stay in their file take nothing: what is read of them can be dropped again.
    """
    examples = len(job.data.inputs)
    data = held_bytes(job.data.inputs) + (0 if job.heldout is None else held_bytes(job.heldout.inputs))
    looking = sum(probe.memory(tuple(job.data.inputs.shape)) for probe in job.asked())
    probes = size * (disk_a_model(job, size) + looking + _PRESENTATION_STATE * examples)
    return data + probes + size * weights * 4 * 4


def available_memory() -> int:
    """Bytes of memory that can be had without swapping, as far as the system tells."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_disk(job: Job, models: int) -> None:
    """Refuse a run whose evidence will not fit.

    Raises:
        NotEnoughRoom: with the bytes needed and free.
    """
    needed = models * disk_a_model(job) + kept_bytes(job) + few_bytes(job)
    free = shutil.disk_usage(job.folder).free
    if needed > 0.95 * free:
        raise NotEnoughRoom(
            f"The evidence of {models} models takes about {size_words(needed)} of disk, and {str(job.folder)!r} has "
            f"{size_words(free)} free.",
            hint="train fewer --models, record fewer --checkpoints, or choose an --out folder on a larger disk.",
        )


def check_memory(job: Job, size: int, weights: int, workers: int) -> None:
    """Refuse a run whose processes will not fit.

    Raises:
        NotEnoughRoom: with the bytes needed and available.
    """
    if job.device.startswith("cuda"):
        _check_gpu(job, size, weights)
    needed = workers * memory_a_process(job, size, weights)
    available = available_memory()
    if needed > available:
        raise NotEnoughRoom(
            f"Training {size} models at once in {workers} processes takes about {size_words(needed)} of memory, and "
            f"{size_words(available)} are available.",
            hint="use fewer --workers, or record fewer --checkpoints.",
        )


def _check_gpu(job: Job, size: int, weights: int) -> None:
    """Refuse data and models that a GPU has no room for: all inputs go there, also those that stay in a file."""
    heldout = 0 if job.heldout is None else job.heldout.inputs.nbytes
    inputs = job.data.inputs.nbytes + heldout
    needed = inputs + size * (weights * 4 * 4 + _PRESENTATION_STATE * len(job.data.inputs))
    free = torch.cuda.mem_get_info(torch.device(job.device))[0]
    if needed > 0.95 * free:
        raise NotEnoughRoom(
            f"The inputs ({size_words(inputs)}) and {size} models take at least {size_words(needed)} of the GPU's "
            f"memory, where all of them are kept, and {size_words(free)} are free.",
            hint="--device cpu reads inputs from their file as they are needed.",
        )


def size_words(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
