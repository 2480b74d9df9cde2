"""Fixtures that more than one room of tests needs."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

# Tests compute on tiny tensors, for which threads cost more than they give; torch reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil
import pytest
from blake3 import blake3
from hypothesis import settings
from moto import server as moto_server

import spg_dist.clip  # noqa: F401 - before a test's own import of open_clip, which is quicker after it

TESTS = Path(__file__).resolve().parent

# the same examples each time, and no limit on an example's time, which a busy machine would break
settings.register_profile("spg-dist", deadline=None, derandomize=True)
settings.load_profile("spg-dist")

pytest.register_assert_rewrite("spg_dist.testing")  # contracts: their failures show values, as a test's do


WHOLE_JOBS = [
    TESTS / folder
    for folder in (
        "end_to_end",
        "examples",
        "faults",
        "jobs",
        "tuning",
        "benchmarks",
        "spg_dist/pipeline",
        "spg_dist/embedded",
    )
]
# Hundreds of damaged stores and killed writers, trajectories and towers of full size: seconds each.
PATIENT = [
    TESTS / file
    for file in (
        "cache/test_compaction_under_load.py",
        "cache/test_every_file_below_the_root.py",
        "cache/test_hostile_disks.py",
        "cache/test_lmdb_pages.py",
        "cache/test_tampering.py",
        "cache/test_verify_and_repair.py",
        "cache/test_writer_crashes.py",
        "cache/test_upkeep.py",
        "cache/test_upkeep_contract.py",
        "goldens/test_golden_stage2.py",
        "spg_dist/clip/test_assumed_transform.py",
        "spg_dist/clip/test_image_towers.py",
        "spg_dist/clip/test_quick_import.py",
        "spg_dist/clip/test_siglip.py",
        "spg_dist/clip/test_weights.py",
        "spg_dist/encode/test_encoded_features.py",
        "spg_dist/methods/test_method_contract.py",
        "spg_dist/report/test_page.py",
    )
]
MEMORY_OF_A_WORKER = 4 * 2**30  # a Ray head with its workers


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is not installed, tests run one at a time
def pytest_xdist_auto_num_workers() -> int:
    """Tests at a time: one a core that this process may use, as far as memory goes."""
    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // MEMORY_OF_A_WORKER))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, then those that take patience: no worker is left with a long one in the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    for item in items:
        if item.path in PATIENT or any(folder in item.path.parents for folder in WHOLE_JOBS):
            item.add_marker("patient")
    items.sort(key=lambda item: (item.path not in slow, item.get_closest_marker("patient") is None))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server on a free port of this machine."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "ACCESS_KEY_ID": "test",
            "SECRET_ACCESS_KEY": "test",
            "DEFAULT_REGION": "us-east-1",
        }.items():
            environment.setenv(f"AWS_{name}", value)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop()


@pytest.fixture
def s3_root(s3_server: str, request: pytest.FixtureRequest) -> str:
    """The URI of an empty folder in an empty bucket."""
    bucket = blake3(request.node.name.encode()).hexdigest(8)
    urllib.request.urlopen(urllib.request.Request(f"http://{s3_server}/{bucket}", method="PUT")).close()
    return f"s3://{bucket}/caches?endpoint_override={s3_server}&scheme=http"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder `../shared` beside the checkout: real PACS images, published prompt labels, golden records."""
    folder = TESTS.parent.parent / "shared"
    if not (folder / "pacs-mini").is_dir():
        pytest.skip(f"needs the shared data (pacs-mini, goldens) in {folder}, which is not there")
    return folder
