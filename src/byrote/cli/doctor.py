"""What is installed, what is missing, and how fast this machine is."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata, version

from packaging.requirements import Requirement

from byrote.engine.resources import available_memory
from byrote.engine.threads import one_thread

NEEDED = ("byrote", "torch", "numpy", "scipy", "safetensors", "pyarrow", "matplotlib", "scikit-learn")


def examine() -> list[tuple[str, str, str]]:
    """Lines of (what, found, note)."""
    import torch

    lines = [("python", platform.python_version(), platform.platform())]
    lines += [(name, version(name), "") for name in NEEDED]
    lines += extras()
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    lines += [
        (
            "cores",
            str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
            "",
        ),
        ("memory available", f"{available_memory() / 1e9:.1f} GB", ""),
        ("disk free here", f"{shutil.disk_usage('.').free / 1e9:.0f} GB", ""),
        ("GPU", cuda, ""),
        (
            "C++ compiler",
            shutil.which("g++") or shutil.which("clang++") or "missing",
            "only --compile needs it",
        ),
        ("matrix product", f"{matmul_gflops():.0f} GFLOP/s", "one thread, float32, 1024 x 1024"),
    ]
    return lines


def extras() -> list[tuple[str, str, str]]:
    """A line for every extra of the package: whether all of it is installed, and if not, what to type."""
    facts = metadata("byrote")
    wanted = [Requirement(text) for text in facts.get_all("Requires-Dist") or ()]
    return [_extra(name, wanted) for name in facts.get_all("Provides-Extra") or ()]


def _extra(name: str, wanted: Sequence[Requirement]) -> tuple[str, str, str]:
    what = f"byrote[{name}]"
    mine = [one for one in wanted if one.marker and f'extra == "{name}"' in str(one.marker)]
    here = [one for one in mine if one.marker and one.marker.evaluate({"extra": name}) and one.name != "byrote"]
    if not here:
        return what, "none", "not for this machine"
    found = {one.name: _installed(one.name) for one in here}
    lacking = [one.name for one in here if found[one.name] is None]
    old = [str(one).partition(";")[0].strip() for one in here if _too_old(one, found[one.name])]
    if not lacking and not old:
        return what, "installed", ", ".join(f"{package} {number}" for package, number in found.items())
    why = [f"without {', '.join(lacking)}"] if lacking else []
    why += [f"it needs {', '.join(old)}"] if old else []
    state = "missing" if len(lacking) == len(here) else "in part"
    return what, state, f"optional, {'; '.join(why)}: pip install '{what}'"


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _too_old(wanted: Requirement, found: str | None) -> bool:
    return found is not None and not wanted.specifier.contains(found, prereleases=True)


def matmul_gflops() -> float:
    """Billions of float32 operations a second of one thread's matrix product; the best of some tries."""
    import torch

    size = 1024
    with one_thread():
        a = torch.rand(size, size)
        best = min(_seconds(a) for _ in range(5))
    return 2 * size**3 / best / 1e9


def _seconds(a: object) -> float:
    started = time.perf_counter()
    a @ a  # type: ignore[operator]
    return time.perf_counter() - started
