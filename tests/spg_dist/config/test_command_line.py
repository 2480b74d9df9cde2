"""Any field from the command line; what is wrong ends with status 2 and a message that a person can act on."""

from __future__ import annotations

import pwd
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from spg_dist.config import Config, config_class, parse_config
from spg_dist.config.command_line import field_names
from spg_dist.home import resolve


def parse(*arguments: str) -> Config:
    return parse_config(list(arguments), "full_pipeline.py", "What the job does.")


Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """The message of a command line that must end with status 2."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            parse(*arguments)
        assert ended.value.code == 2
        message = capsys.readouterr().err
        assert message.startswith("full_pipeline.py: ") and message.endswith("(--help explains every field)\n")
        assert message.count("\n") == 2, "one message on one line"
        assert not re.search(r"<class|Parser key|Traceback|typing\.", message)
        return message

    return run


@pytest.mark.parametrize(
    "arguments",
    [["stage2.epochs=20"], ["--stage2.epochs=20"], ["--stage2.epochs", "20"], ["stage2.epochs=3", "stage2.epochs=20"]],
)
def test_a_field_can_be_written_in_each_of_the_usual_ways(arguments: list[str]) -> None:
    assert parse(*arguments).stage2.epochs == 20


def test_lists_are_replaced_or_extended() -> None:
    assert parse("seeds=[4,5]").seeds == [4, 5]
    assert parse("--seeds", "[4]", "seeds+=5").seeds == [4, 5]
    assert parse("targets=[photo]", "targets+=sketch").targets == ["photo", "sketch"]
    assert parse("targets=[]").targets == []


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    """YAML 1.1 itself takes 2e-4 for a string."""
    (tmp_path / "x.yaml").write_text("stage1: {learning_rate: 2e-4}")
    assert parse("--config", str(tmp_path / "x.yaml"), "stage2.learning_rate=3e-4").stage1.learning_rate == 2e-4


def test_a_text_that_looks_like_another_type_stays_text() -> None:
    config = parse("name=123", "data.name=on", "stage1.initial_text=a: b = c", "runs=~/my runs/a=b")
    assert (config.name, config.data.name) == ("123", "on")
    assert (config.stage1.initial_text, config.runs) == ("a: b = c", "~/my runs/a=b")


@pytest.mark.parametrize("given", [["--config", "as-run-pacs"], ["--config=as-run-pacs"]])
def test_a_field_overrides_a_preset_wherever_it_stands(given: list[str]) -> None:
    root, epochs = "data.root=/x", ["--stage1.epochs", "7"]
    for arguments in ([root, "stage1.epochs=7", *given], [*given, root, *epochs], [root, *epochs, *given]):
        assert parse(*arguments).stage1.epochs == 7
    assert parse(root, "encode.views=1", *given, "--config", "paper-vlcs").data.dataset == "vlcs"


def test_later_config_files_lay_over_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("stage2: {epochs: 5, dropout: 0.1}")
    (tmp_path / "b.yaml").write_text("stage2: {epochs: 6}")
    config = parse("--config", str(tmp_path / "a.yaml"), "--config", str(tmp_path / "b.yaml"))
    assert (config.stage2.epochs, config.stage2.dropout) == (6, 0.1)


@pytest.mark.parametrize(
    ("wrong", "name", "nearest"),
    [
        ("stage2.epochz=3", "stage2.epochz", "stage2.epochs"),
        ("--stage2.epochz=3", "stage2.epochz", "stage2.epochs"),
        ("stag2.epochs=3", "stag2.epochs", "stage2.epochs"),
        ("epochs=3", "epochs", "dpl.epochs"),
        ("stage2.schedule.warmup=3", "stage2.schedule.warmup", "stage2.schedule.warmup_rate"),
        ("stage2.clip_norm.g_bias=3", "stage2.clip_norm.g_bias", "stage2.clip_norms.g_bias"),
        ("seed=3", "seed", "seeds"),
        ("dataset=pacs", "dataset", "data.dataset"),
        ("clip.pretrain=x", "clip.pretrain", "clip.pretrained"),
    ],
)
def test_an_unknown_field_is_named_beside_the_nearest_one(
    refused: Refused, wrong: str, name: str, nearest: str
) -> None:
    assert f"there is no field {name!r}; the nearest is {nearest!r}" in refused(wrong)


@pytest.mark.parametrize(
    ("text", "name", "nearest"),
    [
        ("stage2: {epoch: 3}", "stage2.epoch", "stage2.epochs"),
        ("stag2: {epochs: 3}", "stag2.epochs", "stage2.epochs"),
        ("nam: x", "nam", "name"),
        ("stage2: {schedule: {warmup_epoch: 3}}", "stage2.schedule.warmup_epoch", "stage2.schedule.warmup_epochs"),
    ],
)
def test_an_unknown_field_in_a_file_is_named_too(
    refused: Refused, tmp_path: Path, text: str, name: str, nearest: str
) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert f"there is no field {name!r}; the nearest is {nearest!r}" in refused("--config", str(tmp_path / "x.yaml"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("stage2.epochs=x", "stage2.epochs: expected int, got 'x'"),
        ("stage2.epochs=1.5", "stage2.epochs: expected int, got '1.5'"),
        ("stage2.epochs=null", "stage2.epochs: expected int, got 'None'"),
        ("stage1.learning_rate=fast", "stage1.learning_rate: expected float, got 'fast'"),
        ("targets=photo", "targets: expected a list, e.g. targets=[photo], got 'photo'"),
        ("seeds=[1,b]", "seeds: expected int, got 'b'"),
        ("stage2.betas=[0.9]", "stage2.betas: expected a tuple with 2 elements"),
        ("cache.store=lmbd", "cache.store: expected one of arrow, lmdb, got 'lmbd'; did you mean 'lmdb'?"),
        ("clip.activation=quickgelu", "got 'quickgelu'; did you mean 'quick_gelu'?"),
        ("data.dataset=pac", "got 'pac'; did you mean 'pacs'?"),
        ("methods=[vpt]", ", got 'vpt'"),
        ("methods=[cooop]", "got 'cooop'; did you mean 'coop'?"),
        ("stage2=3", "stage2 is a branch, not a field: set one of its fields, e.g. stage2."),
        ("stray", "'stray' is no field: give fields as branch.field=value"),
        ("--config", "--config: expected one argument"),
    ],
)
def test_a_wrong_type_is_refused_with_what_was_expected_and_given(refused: Refused, wrong: str, message: str) -> None:
    assert message in refused(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("stage1.epochs=0", "stage1.epochs is 0"),
        ("coop.epochs=0", "coop.epochs is 0"),
        ("stage2.epochs=0", "stage2.epochs is 0"),
        ("coop.learning_rate=-1", "coop.learning_rate is -1.0"),
        ("stage2.dropout=1", "stage2.dropout is 1.0"),
        ("stage2.batch_size=1", "stage2.batch_size is 1"),
        ("stage1.schedule.warmup_epochs=-1", "stage1.schedule: warm-up of -1 epochs"),
        ("linear_probe.epochs=0", "linear_probe.epochs is 0, expected 1 or more"),
        ("cocoop.n_ctx=0", "cocoop.n_ctx is 0, expected 1 or more"),
        ("dpl.learning_rate=0", "dpl.learning_rate is 0.0, expected more than 0"),
        ("stage2.schedule.warmup_rate=-1", "stage2.schedule: warm-up of 4 epochs at rate -1.0"),
        ("data.train_share=1", "data.train_share is 1.0"),
        ("data.dataset=pacs", "data.root is empty, but data.dataset is pacs"),
        ("data.dataset=pac", "data.dataset: expected one of drawn, auto, folder, "),
        ("encode.views=-1", "encode.views is -1"),
        ("execution.workers=-1", "execution"),
        ("execution.cpus_per_worker=0", "execution.cpus_per_worker is 0"),
        ("name=a/b", "name is 'a/b'"),
        ("name=", "name is ''"),
        ("seeds=[]", "seeds is []"),
        ("seeds=[1,1]", "seeds is [1, 1]"),
        ("seeds=[-1]", "seeds is [-1]"),
        ("runs=", "runs is empty"),
        ("cache.root=", "cache.root is empty"),
        ("encode.view_seed=-1", "encode.view_seed is -1"),
        ("targets=[art,art]", "targets is ['art', 'art']"),
        ("sources=[art]", "sources is ['art'], but protocol multi-source does not read it"),
        ("methods=[]", "methods is []"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_dotted_name(refused: Refused, wrong: str, message: str) -> None:
    assert refused(wrong).removeprefix("full_pipeline.py: ").startswith(message)


def test_a_missing_file_or_preset_is_refused_with_the_nearest_preset(refused: Refused, tmp_path: Path) -> None:
    message = refused("--config", "paper-pac")
    assert "no such file and no such preset; did you mean 'paper-pacs'?" in message and "as-run-vlcs" in message
    assert f"--config {tmp_path}/absent.yaml: there is no such file" in refused(f"--config={tmp_path}/absent.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"stage2: {epochs: [", "is not valid YAML: .*line 1"),
        (b"a: b: c", "is not valid YAML: .*line 1, column 5"),
        (b"[1, 2]", "holds a list, expected fields"),
        (b"# nothing yet", "holds nothing, expected fields"),
        (b"words", "holds a str, expected fields"),
        (
            b"stage1: {epochs: 3}\nstage2: {epochs: 4}\nstage1: {n_ctx: 4}",
            ".*'stage1' stands in line 1 and again in line 3",
        ),
        (b"stage2:\n  epochs: 3\n  dropout: 0.1\n  epochs: 4", ".*'epochs' stands in line 2 and again in line 4"),
        (b"\xff\xfe\x00", "is not UTF-8 in line 1"),
        (b"!!python/object/apply:os.system ['touch pwned']", "is not valid YAML"),
    ],
)
def test_a_file_that_holds_no_fields_is_refused_by_name(
    refused: Refused, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    assert re.search(rf"--config {tmp_path}/x\.yaml {message}", refused("--config", str(tmp_path / "x.yaml")))


@pytest.mark.parametrize("given", [["--config=~/mine.yaml"], ["--config", "~/mine.yaml"]])
def test_a_configuration_in_the_users_home(given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("name: mine")
    assert parse(*given).name == "mine"


def leaves(owner: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted names and default values of the tree's fields, read from the dataclasses themselves."""
    found: dict[str, Any] = {}
    for field in fields(owner):
        value = getattr(owner, field.name)
        if is_dataclass(value):
            found |= leaves(value, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = value
    return found


def test_help_explains_every_field_with_its_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        parse("--help")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "What the job does." in shown
    entries = {entry.split()[0].rstrip(","): " ".join(entry.split()) for entry in re.split(r"\n  --", shown)[1:]}
    for name, default in leaves(config_class()()).items():
        told = re.fullmatch(r"\S+ .*?\S (?P<words>.+) \(type: .+, default: (?P<default>.*?)\)(?: .*)?", entries[name])
        assert told, entries[name]
        assert len(told["words"].split()) >= 2, entries[name]
        assert same_value(told["default"], default), entries[name]


def same_value(shown: str, default: Any) -> bool:
    stored = list(default) if isinstance(default, tuple) else default
    shown = shown.replace("- ", "-")  # lines are broken behind hyphens
    return shown == str(default) or yaml.safe_load(shown or "''") == stored or float(shown) == stored


def test_every_field_of_the_tree_is_a_field_of_the_command_line() -> None:
    assert list(field_names()) == sorted(leaves(config_class()()))


def test_a_home_is_looked_up_only_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may have neither HOME nor an entry for its user."""

    def unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(RuntimeError):
        Path.home()
    config = parse("--config", "paper-pacs", "data.root=/x")
    assert resolve(config.data.root) == Path("/x") and config.data.dataset == "pacs"
