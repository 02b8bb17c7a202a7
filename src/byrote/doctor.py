"""What is installed, what is missing, and how fast this machine is."""

from __future__ import annotations

import os
import platform
import shutil
import time
from importlib.metadata import PackageNotFoundError, version

from byrote.train.resources import available_memory
from byrote.train.threads import one_thread

NEEDED = ("byrote", "torch", "numpy", "scipy", "safetensors", "pyarrow", "matplotlib", "scikit-learn")
EXTRAS = {"datasets": "byrote[huggingface]"}


def examine() -> list[tuple[str, str, str]]:
    """Lines of (what, found, note)."""
    import torch

    lines = [("python", platform.python_version(), platform.platform())]
    lines += [(name, version(name), "") for name in NEEDED]
    for name, extra in EXTRAS.items():
        try:
            lines.append((name, version(name), "optional"))
        except PackageNotFoundError:
            lines.append((name, "missing", f"optional: pip install '{extra}'"))
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


def matmul_gflops(size: int = 1024, repeats: int = 5) -> float:
    """Billions of float32 operations a second of one thread's matrix product; the best of some tries."""
    import torch

    with one_thread():
        a = torch.rand(size, size)
        best = min(_seconds(a) for _ in range(repeats))
    return 2 * size**3 / best / 1e9


def _seconds(a: object) -> float:
    started = time.perf_counter()
    a @ a  # type: ignore[operator]
    return time.perf_counter() - started
