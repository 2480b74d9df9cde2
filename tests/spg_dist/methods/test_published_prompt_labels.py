"""Published prompt labels in place of stage 1: read with care, refused with a reason."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from spg_dist.methods.spg.prompt_label import read_published_label

DOMAINS = ("art_painting", "cartoon", "photo", "sketch")


def test_the_papers_files_give_four_tokens_of_width_512_for_every_domain(shared_dir: Path) -> None:
    folder = shared_dir / "prompt_labels" / "PACS" / "ViT-B16" / "seed_1"
    labels = [read_published_label(folder, domain, DOMAINS) for domain in DOMAINS]
    assert {(tuple(label.shape), label.dtype) for label in labels} == {((4, 512), torch.float32)}
    assert all(label.is_contiguous() and label.untyped_storage().nbytes() == 4 * 512 * 4 for label in labels)
    assert not any(torch.equal(labels[0], other) for other in labels[1:])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for letter in "acps":
        torch.save(torch.full((4, 64), 0.5, dtype=torch.float16), tmp_path / f"PACS_CoOp_{letter}.pt")
    return tmp_path


def test_a_label_is_found_by_its_domains_first_letter(folder: Path) -> None:
    torch.save(torch.zeros(4, 64), folder / "PACS_CoOp_s.pt")
    assert float(read_published_label(folder, "sketch", DOMAINS).abs().max()) == 0
    assert float(read_published_label(folder, "photo", DOMAINS).min()) == 0.5


def test_a_missing_folder_or_file_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no folder at .*nowhere"):
        read_published_label(folder / "nowhere", "photo", DOMAINS)
    (folder / "PACS_CoOp_p.pt").unlink()
    with pytest.raises(ValueError, match=r"0 files \*_p\.pt at .*; expected one file for domain 'photo'"):
        read_published_label(folder, "photo", DOMAINS)


def test_two_files_for_one_domain_are_refused(folder: Path) -> None:
    torch.save(torch.zeros(4, 64), folder / "other_p.pt")
    with pytest.raises(ValueError, match=r"2 files \*_p\.pt"):
        read_published_label(folder, "photo", DOMAINS)


def test_domains_that_share_a_first_letter_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="share first letters"):
        read_published_label(folder, "photo", ("painting", "photo"))


class Trap:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never run",)


def test_no_code_runs_from_a_label_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "PACS_CoOp_p.pt").write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(ValueError, match=r"cannot read the prompt label .*PACS_CoOp_p\.pt"):
        read_published_label(folder, "photo", DOMAINS)
    torch.save(Trap(), folder / "PACS_CoOp_p.pt")
    with pytest.raises(ValueError, match="cannot read the prompt label"):
        read_published_label(folder, "photo", DOMAINS)
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"ctx": torch.zeros(4, 64)}, "holds no prompt"),
        (torch.zeros(7, 77, 64), "holds no prompt"),
        (torch.full((4, 64), float("nan")), "not finite"),
    ],
)
def test_a_file_that_holds_no_prompt_is_refused(folder: Path, content: object, reason: str) -> None:
    torch.save(content, folder / "PACS_CoOp_p.pt")
    with pytest.raises(ValueError, match=rf"PACS_CoOp_p\.pt.*{reason}"):
        read_published_label(folder, "photo", DOMAINS)
