"""Claim: what is asked of risks costs little more than what it needs, and guarantees keep what they claim.

`private`: a private step takes at most 2.0 times a plain one on the same expected rows, padding included; of 100 audits
at most 10 find more than is claimed, and most do where no gradient is clipped (`_private.py`).

`membership`: all membership scores of 2,000 documents take at most 1.3 times the CPU seconds of the passes that they
need (`_membership.py`).

Usage: python benchmarks/risks.py [NAME …] [--quick]; `--quick` takes a tenth of the work.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from _membership import membership
from _private import private
from _timing import finish

Figures = tuple[dict[str, float], dict[str, float]]
#: What can be asked for by name: figures, and the bars that they may not exceed.
BENCHMARKS: dict[str, Callable[[bool], Figures]] = {"membership": membership, "private": private}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS], help="which; all of them unless named")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, same bars")
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}
    for name in options.names or BENCHMARKS:
        more, at_most = BENCHMARKS[name](options.quick)
        figures |= more
        bars |= at_most
    finish(figures, bars, at_most=tuple(bars))


if __name__ == "__main__":
    main()
