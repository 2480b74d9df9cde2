"""Progress is one live display in a terminal and plain lines in a log, and never the reason of a crash."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from spg_dist.progress import Display, Stopwatch, display


class Screen:
    """A console that keeps what it shows."""

    def __init__(self, terminal: bool) -> None:
        self.stream = io.StringIO()
        self.console = Console(
            file=self.stream,
            force_terminal=terminal,
            soft_wrap=True,
            highlight=False,
            width=100,
            emoji=False,
            _environ={"TERM": "xterm"},  # whatever terminal the tests run in, a dumb one too
        )

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def log() -> Screen:
    return Screen(terminal=False)


def whole_job(shown: Display) -> None:
    """What a small job reports, empty phases too."""
    shown.phase("prepare: images")
    shown.reading_files(0)
    shown.reading_files(3)
    for done in (1, 3):
        shown.file_read(done, 3)
    shown.phase("encode: [every] image")
    shown.encoding("plain", missing=0, reused=7, shards=0)
    shown.shard_encoded(0, 0, 0)
    shown.encoding("augmented 1", missing=5, reused=2, shards=2)
    shown.shard_encoded(3, 0, 0)
    shown.shard_encoded(1, 0, 1)
    shown.training(0, 0)
    shown.training(1, 2)
    shown.epoch_done("spg-photo-1", 0, {"g_loss": 0.5, "d_loss": 1.25, "learning_rate": 1e-5, "val_accuracy": 61.23})
    shown.epoch_done("spg-photo-1", 1, {})
    shown.testing(0)
    shown.testing(1)
    shown.run_tested("spg-photo-1", 71.04)
    shown.say("done [bold]as written[/bold]")


def test_a_log_gets_plain_lines(log: Screen) -> None:
    with Display(log.console) as shown:
        whole_job(shown)
    assert "\x1b" not in log.text and "\r" not in log.text, "no control characters"
    lines = [line for line in log.text.splitlines() if line]
    assert lines[0] == "== prepare: images"
    assert "== encode: [every] image" in lines, "a title is no markup"
    assert "view augmented 1: 2 features reused, 5 to encode in 2 shards" in lines
    assert any(
        re.fullmatch(r"encoding \(augmented 1\) 5/5; .* images/s, 2 reused, 1 set aside", line) for line in lines
    )
    assert "digesting files 3/3" in lines
    assert "testing runs 1/1; spg-photo-1: 71.0 %" in lines
    assert lines[-1] == "done [bold]as written[/bold]"


def test_an_epochs_line_names_losses_and_val_accuracy(log: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    with Display(log.console) as shown:
        shown.training(1, 3)
        metrics = {"g_loss": 0.5, "d_loss": 1.25, "learning_rate": 1e-5, "val_accuracy": 61.23}
        shown.epoch_done("spg-photo-1", 0, metrics)
        assert "left" not in log.text, "one step says nothing of the time that the others take"
        shown.epoch_done("spg-photo-1", 1, metrics)
    line = log.text.splitlines()[-1]
    start, end = line.split("; ")
    assert re.fullmatch(r"training 1 runs, epochs 2/3, \d\.\d s left", start)
    assert end == "spg-photo-1 epoch 2: g_loss 0.5, d_loss 1.25, val accuracy 61.2 %"


def test_a_log_is_not_flooded(log: Screen) -> None:
    """A thousand epochs within a moment are two lines at most, and the last of them is always one."""
    with Display(log.console) as shown:
        shown.training(1, 1000)
        for epoch in range(1000):
            shown.epoch_done("r", epoch, {"loss": 1.0})
    lines = [line for line in log.text.splitlines() if line]
    assert len(lines) <= 2
    assert lines[-1].startswith("training 1 runs, epochs 1000/1000; r epoch 1000")


def test_a_log_says_that_work_goes_on_while_the_first_shard_takes_its_time(
    log: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "QUIET_SECONDS", 0.2)
    with Display(log.console) as shown:
        shown.encoding("plain", missing=500, reused=0, shards=2)
        deadline = time.monotonic() + 10
        while "0/500, working for 0." not in log.text and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "encoding (plain) 0/500, working for 0." in log.text
        shown.shard_encoded(500, 0, 0)
        time.sleep(0.1)
        said = log.text
        time.sleep(0.5)
        assert log.text == said, "what is finished is spoken of no more"


def test_the_time_left_is_told_by_this_jobs_own_epochs(log: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 100.0}
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    with Display(log.console) as shown:
        monkeypatch.setattr(display.time, "monotonic", lambda: clock["now"])
        shown.training(1, 100)
        shown.run_resumed("r", 40, uncounted=40)
        for epoch in range(50):
            clock["now"] += 30.0 if epoch >= 40 else 0.0
            shown.epoch_done("r", epoch, {"loss": 1.0})
        monkeypatch.undo()
    lines = log.text.splitlines()
    assert lines[0] == "r: resumed at epoch 41"
    assert not any("left" in line for line in lines if " 41/100" in line), "its first epoch alone says nothing"
    assert "50/100, 25 min 00 s left" in lines[-1]


def test_a_bar_that_stands_still_tells_the_time_left_too(log: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "QUIET_SECONDS", 0.04)
    with Display(log.console) as shown:
        shown.training(1, 10)
        for epoch in range(3):
            shown.epoch_done("r", epoch, {"loss": 1.0})
        deadline = time.monotonic() + 10
        while "3/10" not in log.text and time.monotonic() < deadline:
            time.sleep(0.02)
    line = next(line for line in log.text.splitlines() if "3/10" in line)
    assert re.fullmatch(r"training 1 runs, epochs 3/10, working for \d\.\d s, \d\.\d s left", line)


def test_more_steps_than_announced_do_no_harm(log: Screen) -> None:
    """A resumed run reports its former epochs again."""
    with Display(log.console) as shown:
        shown.training(1, 2)
        for epoch in (0, 1, 0, 1, 2):
            shown.epoch_done("r", epoch, {"loss": 1.0})
    assert "-" not in log.text.splitlines()[-1]


def test_a_terminal_gets_a_live_bar_and_the_same_job_ends_well() -> None:
    screen = Screen(terminal=True)
    with Display(screen.console) as shown:
        assert shown.live
        whole_job(shown)
    assert "\x1b" in screen.text
    assert "encode: [every] image" in screen.text, "a title is no markup"
    assert "done [bold]as written[/bold]" in screen.text


def test_a_failing_job_leaves_the_terminal_usable() -> None:
    screen = Screen(terminal=True)
    with pytest.raises(KeyboardInterrupt), Display(screen.console) as shown:
        shown.training(1, 2)
        raise KeyboardInterrupt
    assert screen.text.rindex("\x1b[?25h") > screen.text.rindex("\x1b[?25l"), "the cursor is shown again"


def test_the_stopwatch_keeps_each_phase_by_its_first_words(log: Screen) -> None:
    with Display(log.console) as shown:
        watch = Stopwatch(shown)
        with watch.phase("encode: every image once"):
            pass
        with watch.phase("report"):
            pass
    costs = watch.costs()
    assert [phase.phase for phase in costs.phases] == ["encode", "report"]
    assert all(0 <= phase.seconds < 5 for phase in costs.phases)
    assert re.search(r"^encode took 0\.\d s$", log.text, re.MULTILINE)
