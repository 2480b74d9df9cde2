"""`python -m cache ...`: the upkeep commands without the rest of the project."""

from __future__ import annotations

import sys

from cache.errors import CacheError
from cache.upkeep.command_line import run

if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:]))
    except CacheError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
