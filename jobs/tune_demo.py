"""`make tune-demo`: a small sweep on the embedded data, on a Ray head of its own that goes when it is done.

Takes the arguments of tune.py, whose --help explains them. About 2 minutes on 2 cores; a second run trains nothing.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # first: a stop from now on ends in one line
    from spg_dist.interruption import stop_in_one_line

    stop_in_one_line()

from jobs.demo import run_on_own_head

SMALL = ("name=tune-demo", "data.images_per_class=10", "seeds=[1,2]", "stage1.epochs=10", "stage2.epochs=15")
SWEEP = ("tune.trials=16", "tune.space=quick", "tune.asha.enabled=true", "tune.asha.first_epochs=5")


def main(arguments: list[str]) -> int:
    return run_on_own_head("jobs/tune.py", [*SMALL, *SWEEP, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
