"""Images per second from files into the cache, against a plain open_clip loop that has its pixels in memory already.

    python -m benchmarks.encode                                    # about three minutes on 2 cores
    python -m benchmarks.encode --device cuda --batch 256 --threads 16 --images 8192
    python -m benchmarks.encode --model ViT-B-16 --side 1024       # another tower, larger files

| line | claim |
|---|---|
| ViT-B/32 with random weights, JPEG files of PACS's size (227 pixels, 20 kB) | at least 0.95 of the plain loop |

Our side is a task of the encode job: claims, decode, transform, tower, checksum and fsync of the shard. The plain loop
does none of that: `encode_image` of tensors that lie ready, normalised. Same weights, batch and threads; both in turn
in one process. The line says what the limit is: how long the tower waited for images.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from blake3 import blake3
from PIL import Image

from benchmarks.claims import Claim, print_table
from benchmarks.timing import medians
from spg_dist.clip.config import ClipConfig
from spg_dist.clip.load import pick_device
from spg_dist.encode.config import EncodeConfig
from spg_dist.encode.job import feature_key
from spg_dist.encode.shard import ShardReport, ShardTask, encode_shard, loaded_clip
from spg_dist.encode.transform import PLAIN, ImageTransform

PACS_SIDE, JPEG_QUALITY = 227, 90  # with the pictures of `draw`: 20 kB a file, as PACS's are


@dataclass(frozen=True)
class EncodeSpeeds:
    """Images per second of both sides, and what our side was bound by."""

    ours: float
    plain: float
    limit: str
    file_kilobytes: float


def measure(
    model: str = "ViT-B-32",
    device: str = "auto",
    batch: int = 32,
    images: int = 256,
    side: int = PACS_SIDE,
    threads: int | None = None,
    rounds: int = 5,
) -> list[Claim]:
    """The claim. `side`: height and width of the files (pixels); `threads`: None = one per core."""
    threads = threads or len(os.sched_getaffinity(0))
    found = encode_speeds(ClipConfig(model, "random", device=device), batch, images, side, threads, rounds)
    said = (
        f"{found.ours:.1f} against {found.plain:.1f} images/s, {pick_device(device)}, {threads} threads, "
        f"batch {batch}, files of {side} pixels and {found.file_kilobytes:.0f} kB; {found.limit}"
    )
    demand = "at least 0.95 of a plain open_clip loop over pixels in memory"
    return [Claim(f"encode: images per second, {model}", demand, said, found.ours / found.plain, 0.95)]


def encode_speeds(config: ClipConfig, batch: int, images: int, side: int, threads: int, rounds: int) -> EncodeSpeeds:
    """Encode a shard of `images` drawn files, and as many tensors in memory, in turn."""
    torch.set_num_threads(threads)
    clip = loaded_clip(config)
    key = feature_key(clip, PLAIN, "float16")
    with tempfile.TemporaryDirectory() as folder:
        files = draw(Path(folder) / "images", images, side)
        digests = tuple(blake3(file.read_bytes()).hexdigest() for file in files)
        pixels = [ImageTransform(clip.preprocess).pixels(Image.open(file), "") for file in files]
        ready_B3HW = ImageTransform(clip.preprocess).normalise(torch.from_numpy(np.stack(pixels))).to(clip.device)
        caches, reports = count(), list[ShardReport]()

        def ours() -> None:
            root = str(Path(folder) / f"cache-{next(caches)}")
            encode = EncodeConfig(batch_size=batch, shard_rows=images, threads=threads)
            reports.append(encode_shard(ShardTask(config, encode, root, "arrow", key, digests, paths, ())))
            assert reports[-1].encoded == images

        @torch.no_grad()
        def plain() -> None:
            features = [F.normalize(clip.model.encode_image(part), dim=-1).cpu() for part in ready_B3HW.split(batch)]
            assert sum(map(len, features)) == images

        paths = tuple(map(str, files))
        mine, theirs = medians(ours, plain, rounds=rounds)
        kilobytes = sum(file.stat().st_size for file in files) / images / 1e3
    return EncodeSpeeds(images / mine, images / theirs, limit(reports), kilobytes)


def limit(reports: list[ShardReport]) -> str:
    """What the tasks were bound by, in words."""
    waited, tower, wrote = (
        sum(getattr(report, f"{part}_seconds") for report in reports) for part in ("read", "encode", "write")
    )
    share = waited / (waited + tower + wrote)
    bound = "the tower is the limit" if tower > waited + wrote else "reading and writing are the limit: more threads"
    return (
        f"{bound} ({share:.1%} of the time it waited for images, {wrote / (waited + tower + wrote):.1%} for the store)"
    )


def draw(folder: Path, images: int, side: int) -> list[Path]:
    """JPEG files of smooth shapes and grain, every one different."""
    folder.mkdir()
    files = []
    for number in range(images):
        random = np.random.default_rng(number)
        coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        grain = random.normal(0, 9, (side, side, 1))
        picture = Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8))
        files.append(folder / f"{number}.jpg")
        picture.save(files[-1], quality=JPEG_QUALITY)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B-32", help="name of an open_clip model; its weights are random")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, default=256, help="images in a shard")
    parser.add_argument("--side", type=int, default=PACS_SIDE, help="height and width of the files, pixels")
    parser.add_argument("--threads", type=int, default=None, help="by default one per core")
    parser.add_argument("--rounds", type=int, default=5)
    print_table(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
