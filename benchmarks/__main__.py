"""Measure every claim of speed here and now, and print one table.

    python -m benchmarks                     # all of them
    python -m benchmarks encode stage2       # some of them

Each program runs in a process of its own, one after the other: threads, memory and caches of one do not meet another.
The status is 1 where a program could not measure; a demand that is not met is a row of the table and no error.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from benchmarks.claims import Claim, print_table
from benchmarks.programs import measured, programs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named programs and print their rows; the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = programs()
    parser.add_argument("programs", nargs="*", metavar="program", help=f"of {', '.join(known)}; none = all")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.programs) - set(known))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    claims: list[Claim] = []
    failed: list[str] = []
    for program in given.programs or known:
        print(f"measuring {program} ...", file=sys.stderr, flush=True)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            future = process.submit(measured, program)
            error = future.exception()
            if error is None:
                claims += future.result()
            else:
                failed.append(f"{program}: {type(error).__name__}: {error}")
    print_table(claims)
    for reason in failed:
        print(f"not measured: {reason}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
