"""One program per claim of speed: `python -m benchmarks` runs all, `python -m benchmarks.encode` one with its options.

Each has `measure() -> list[Claim]` (`benchmarks/claims.py`).
"""
