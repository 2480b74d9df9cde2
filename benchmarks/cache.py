"""Claims about the feature cache, each a ratio measured side by side in one run.

    python -m benchmarks.cache                      # all of it; needs 3 GB of disk, about two minutes on 2 cores
    python -m benchmarks.cache --rows 100000 --quick

| line | claim |
|---|---|
| random batches, Arrow | at least 0.9 of a numpy memmap of the same array |
| random batches, LMDB; the seal over its pages | reported |
| sequential read | at least 0.9 of a plain file read |
| open | a cache of 1,000,000 rows in under 50 ms and 50 MB of resident memory |
| write | checksum and fsync under 10 % of the encode time of ViT-B/32 on 2 cores |
| warm start | seconds for 10,000 images that are all cached |

"warm" means in the page cache: that is where a second epoch reads from. Times are medians over alternating rounds. The
memmap and the plain read go over the cache's own file: on a virtual machine two copies of a gigabyte differ by 30 % in
speed, by the luck of where their pages lie, and that is not what is to be measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Started as a file, this folder comes first on the path and this very file would be imported as `cache`.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402

from benchmarks.claims import Claim, print_table  # noqa: E402
from benchmarks.timing import medians  # noqa: E402
from cache import DigestIndex, FeatureCache, FeatureKey, Reader  # noqa: E402
from cache.digest_index import HASHING_THREADS, RACY_NS  # noqa: E402
from cache.lmdb.pages import seal_pages  # noqa: E402

WIDTH, BATCH_ROWS, SHARD_ROWS = 512, 512, 50_000
KEY = FeatureKey(backbone="benchmark", transform="benchmark", dtype="float16", width=WIDTH)

OPEN = """
import sys, time
from cache import FeatureCache, FeatureKey
key = FeatureKey(backbone="benchmark", transform="benchmark", dtype="float16", width=512)
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before, start = resident(), time.perf_counter()
rows = len(FeatureCache.open(sys.argv[1], key).reader())
print(rows, (time.perf_counter() - start) * 1e3, resident() - before)
"""


def main() -> None:
    """Run every measurement and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large table")
    parser.add_argument("--quick", action="store_true", help="leave out ViT-B/32, which takes a minute")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; by default the temporary folder")
    arguments = parser.parse_args()
    print_table(measure(arguments.rows, quick=arguments.quick, folder=arguments.folder))


def measure(rows: int = 1_000_000, *, quick: bool = False, folder: Path | None = None) -> list[Claim]:
    """Every claim; `quick` leaves out the one that needs ViT-B/32."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        root = Path(made)
        reader = fill(root / "arrow", rows, "arrow")
        (entry,) = (root / "arrow" / KEY.digest / "arrow").glob("*.json")
        offset, data = json.loads(entry.read_text())["feature_offset"], entry.with_suffix(".arrow")
        same = np.memmap(data, dtype=np.float16, mode="r", offset=offset, shape=(rows, WIDTH))
        claims = [
            random_batches("Arrow", reader, same, target=0.9),
            sequential_read(reader, data, offset),
            *opening(root / "arrow"),
            lmdb_batches(root, min(rows, 100_000)),
            lmdb_seal(root),
            warm_start(root, 10_000),
        ]
        return claims if quick else [*claims, writing(root)]


def fill(root: Path, rows: int, store: str) -> Reader:
    """A compacted cache of random rows, and its reader."""
    cache, source = FeatureCache.open(root, KEY, store=store), np.random.default_rng(0)
    for start in range(0, rows, SHARD_ROWS):
        count = min(SHARD_ROWS, rows - start)
        text = source.bytes(32 * count).hex()
        values = source.integers(0, 0x7000, (count, WIDTH), dtype=np.uint16).view(np.float16)
        cache.write_shard([text[64 * row : 64 * row + 64] for row in range(count)], values)
    cache.compact(keep_replaced_seconds=0)
    return cache.reader()


def random_batches(name: str, reader: Reader, matrix: npt.NDArray[np.float16], target: float | None) -> Claim:
    """Batches of 512 random rows, from the cache and from a memmap of the same array."""
    matrix.sum(dtype=np.float32)  # into the page cache
    for start in range(0, len(matrix), 8192):
        reader.take(np.arange(start, min(start + 8192, len(matrix))))
    source = np.random.default_rng(1)
    picks = iter([source.integers(0, len(matrix), BATCH_ROWS) for _ in range(2 * 400)])
    ours, theirs = medians(lambda: reader.take(next(picks)), lambda: matrix[next(picks)], rounds=400, warm_up=False)
    return Claim(
        claim=f"cache: random batches of {BATCH_ROWS} rows, {name}",
        demand="at least 0.9 of a numpy memmap of the same array" if target else "beside a numpy memmap",
        measured=f"{ours * 1e3:.3f} ms, memmap {theirs * 1e3:.3f} ms, 1 thread",
        ratio=theirs / ours,
        target=target,
    )


def sequential_read(reader: Reader, data: Path, offset: int) -> Claim:
    """All rows once into one buffer, from the cache's map and by reading the same bytes as a plain file."""
    matrix = reader.matrix(check=False)
    buffer = np.empty((8192, WIDTH), dtype=np.float16)

    def from_cache() -> None:
        for start in range(0, len(matrix), len(buffer)):
            part = matrix[start : start + len(buffer)]
            buffer[: len(part)] = part

    def from_file() -> None:
        with data.open("rb", buffering=0) as file:
            file.seek(offset)
            while file.readinto(buffer.reshape(-1).view(np.uint8).data):
                pass

    ours, theirs = medians(from_cache, from_file, rounds=9)
    gigabytes = matrix.nbytes / 1e9
    return Claim(
        claim="cache: sequential read",
        demand="at least 0.9 of a plain file read",
        measured=f"{gigabytes / ours:.1f} GB/s, plain file {gigabytes / theirs:.1f} GB/s, 1 thread",
        ratio=theirs / ours,
        target=0.9,
    )


def opening(root: Path) -> list[Claim]:
    """Opening in a fresh process."""
    program = [sys.executable, "-c", OPEN, str(root)]
    answers = [subprocess.run(program, capture_output=True, text=True, check=True, cwd=REPOSITORY) for _ in range(5)]
    rows, milliseconds, megabytes = np.median([[float(x) for x in answer.stdout.split()] for answer in answers], axis=0)
    return [
        Claim(
            claim=f"cache: opening {rows:,.0f} rows, 50 ms over measured",
            demand="under 50 ms",
            measured=f"{milliseconds:.1f} ms in a new process",
            ratio=50 / milliseconds,
            target=1.0,
        ),
        Claim(
            claim=f"cache: opening {rows:,.0f} rows, 50 MB over measured",
            demand="under 50 MB of resident memory",
            measured=f"{megabytes:.1f} MB more than before",
            ratio=50 / max(megabytes, 0.1),
            target=1.0,
        ),
    ]


def lmdb_batches(root: Path, rows: int) -> Claim:
    """The same random batches from LMDB."""
    reader = fill(root / "lmdb", rows, "lmdb")
    with (root / "small.bin").open("wb") as file:
        for _, values in reader.batches(8192):
            file.write(values.tobytes())
    plain = np.memmap(root / "small.bin", dtype=np.float16, mode="r", shape=(rows, WIDTH))
    return random_batches(f"LMDB, {rows:,} rows", reader, plain, target=None)


def lmdb_seal(root: Path) -> Claim:
    """What the seal over an LMDB store's pages costs the store that `lmdb_batches` filled: reading all of it once."""
    store = root / "lmdb" / KEY.digest / "lmdb"
    sealing, reading = medians(lambda: seal_pages(store), lambda: (store / "data.mdb").read_bytes(), rounds=9)
    megabytes = (store / "data.mdb").stat().st_size / 1e6
    return Claim(
        claim=f"cache: sealing {megabytes:.0f} MB of LMDB, reading over sealing",
        demand="beside reading the file",
        measured=f"{sealing * 1e3:.0f} ms, reading {reading * 1e3:.0f} ms, 1 thread",
        ratio=reading / sealing,
    )


def warm_start(root: Path, images: int) -> Claim:
    """What a second run does before it trains: digest all files, find nothing missing."""
    folder = root / "images"
    folder.mkdir()
    paths = [folder / f"{number}.jpg" for number in range(images)]
    for number, path in enumerate(paths):
        path.write_bytes(number.to_bytes(4, "big") * 10_000)
    time.sleep(RACY_NS / 1e9)  # a file written just now is not remembered

    def start() -> list[str]:
        digests = [digest or "" for digest in DigestIndex(root / "index").digest_files(paths).digests]
        return FeatureCache.open(root / "arrow", KEY).missing(digests)

    begin = time.perf_counter()
    digests = DigestIndex(root / "index").digest_files(paths).digests
    cold = time.perf_counter() - begin
    FeatureCache.open(root / "arrow", KEY).write_shard(
        [digest or "" for digest in digests], np.zeros((images, WIDTH), np.float16)
    )
    (warm,) = medians(start, rounds=5)
    assert not start()
    return Claim(
        claim=f"cache: {images:,} images found cached, reading over finding",
        demand="seconds for 10,000 images",
        measured=f"{warm:.2f} s; reading their 40 kB each takes {cold:.2f} s, {HASHING_THREADS} threads",
        ratio=cold / warm,
    )


def writing(root: Path) -> Claim:
    """Storing a shard of 256 rows durably, against encoding its images with ViT-B/32 on 2 threads."""
    import open_clip
    import torch

    torch.set_num_threads(2)
    model = open_clip.create_model("ViT-B-32").eval()
    images = torch.rand(32, 3, 224, 224)
    with torch.inference_mode():
        (encode,) = medians(lambda: model.encode_image(images), rounds=5)
    cache, source = FeatureCache.open(root / "write", KEY), np.random.default_rng(3)
    values = source.standard_normal((256, WIDTH)).astype(np.float32)

    def write() -> None:
        text = source.bytes(32 * 256).hex()
        cache.write_shard([text[64 * row : 64 * row + 64] for row in range(256)], values)

    (stored,) = medians(write, rounds=30)
    share = (stored / 256) / (encode / 32)
    return Claim(
        claim="cache: writing a shard, 10 % over measured share",
        demand="checksum and fsync under 10 % of the encode time of ViT-B/32",
        measured=f"256 rows stored in {stored * 1e3:.1f} ms, encoded in {encode * 8:.1f} s by 2 threads: {share:.2%}",
        ratio=0.1 / share,
        target=1.0,
    )


if __name__ == "__main__":
    main()
