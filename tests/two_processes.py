"""The same code in two real processes of torch.distributed, with gloo on the CPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path


def two_processes(code: str, folder: Path) -> list[str]:
    """Run it with the folder as its argument; returns what each printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    team = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    said = [member.communicate(timeout=180) for member in team]
    assert [member.returncode for member in team] == [0, 0], said
    return [out for out, _ in said]
