"""The real packages beside a stage, offline: what they hold after kills, resumes, hangs and crashes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import tiny
from tracking import OURS, PLUGINS, Beside, rows, wandb_texts

from lingshu_train.errors import OutputFailed
from lingshu_train.running import followers
from lingshu_train.runs import tracked
from lingshu_train.runs.ledger import COMPLETIONS, Ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.trackers import trackio
from lingshu_train.trackers._choice import Chosen
from lingshu_train.trackers._tracker import LedgerLine

EACH = [pytest.param(name, marks=() if name == "tensorboard" else pytest.mark.slow) for name in OURS]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage whose ledger the test writes."""
    made = tiny.make_stage(tmp_path / "run", "sft-0123456789ab", tiny.sft(), parents={})
    made.write()
    return made


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path / "home")


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trackers of tests/support/plugins, here and in the processes that are started."""
    monkeypatch.setenv("LINGSHU_PLUGINS", str(PLUGINS))


def until(happened: object, *, seconds: float = 60.0) -> None:
    assert callable(happened)
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "what the test waits for never happened"
        time.sleep(0.05)


def processes(name: str) -> list[psutil.Process]:
    """The followers of one tracker that this process has started."""
    found = psutil.Process().children()
    return [one for one in found if one.is_running() and "trackers._follow" in " ".join(one.cmdline()) and name in one.cmdline()]  # fmt: skip


@pytest.mark.parametrize("name", EACH)
def test_a_stage_done_in_three_lives_is_one_run_with_each_step_once_and_its_last_values(
    name: str, stage: Stage, beside: Beside
) -> None:
    """The first life ends by SIGKILL to all, the tracker too; the second is taken back while the tracker reads; the third ends."""
    ledger = Ledger(stage.path)
    chosen = Chosen(name=name)

    def train(first: int, last: int, *, life: int) -> None:
        for step in range(first, last + 1):
            ledger.append(step, {"loss": life + step / 100, "seconds": 0.25})

    def sent(step: int) -> bool:
        state = tracked.read(stage.path, name)
        return state is not None and state.step >= step

    with beside(stage, chosen):
        train(1, 5, life=1)
        until(lambda: sent(5))
        (process,) = processes(name)
        process.send_signal(signal.SIGKILL)
    assert beside.said == [
        f"lingshu: {stage.name}: tracker {name}: killed by signal 9; training is not affected; send it again "
        f"with `lingshu track RUN --tracker {name}`"
    ]
    first = tracked.read(stage.path, name)
    with beside(stage, chosen):
        # Long enough for the lines that stand there to be sent before they are taken back.
        time.sleep(2)
        ledger.rewind(3)
        train(4, 9, life=2)
    with beside(stage, chosen):
        ledger.rewind(8)
        train(9, 12, life=3)
    assert beside.said[1:] == []
    found = rows(stage, name)
    assert [step for step, _ in found] == list(range(1, 13))
    lives = [1] * 3 + [2] * 5 + [3] * 4
    losses = [values["loss"] for _, values in found]
    assert losses == pytest.approx([life + step / 100 for step, life in enumerate(lives, 1)], abs=1e-6)
    state = tracked.read(stage.path, name)
    assert first is not None and state is not None
    assert (state.run, state.began, state.step, state.fault) == (first.run, first.began, 12, "")


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("card", ["package_pydicom", "mimic_cxr"])
def test_samples_reach_a_tracker_only_where_the_card_allows_it(
    name: str, card: str, stage: Stage, beside: Beside
) -> None:
    with beside(stage, Chosen(name=name, samples=True), cards={card}):
        kept = {"question": "Wie viele helle Punkte?", "answer": "3", "status": "right", "reward": 1.5}
        Ledger(stage.path, COMPLETIONS).append(2, {**kept, "completion": "<answer>zebrafinch</answer>"})
        Ledger(stage.path).append(1, {"loss": 1.0})
        Ledger(stage.path).append(2, {"loss": 0.5})
    files = [path for path in stage.path.parent.rglob("*") if path.is_file() and path.parent != stage.path]
    assert files
    found = any(b"zebrafinch" in path.read_bytes() for path in files)
    assert found == (card == "package_pydicom")
    assert len(rows(stage, name)) == 2
    refused = [] if found else [f"lingshu: {stage.name}: no samples for tracker {name}: mimic_cxr ("]
    assert [line[: len(start)] for line, start in zip(beside.said, refused, strict=True)] == refused


@pytest.mark.usefixtures("plugins")
def test_a_tracker_that_hangs_is_named_and_ended_and_the_others_have_everything(
    stage: Stage, beside: Beside
) -> None:
    with beside(
        stage, Chosen(name="hanging", wait_s=1.0), Chosen(name="tensorboard"), Chosen(name="notebook")
    ):
        for step in (1, 2, 3):
            Ledger(stage.path).append(step, {"loss": 1 / step})
        helper = stage.path.parent / "trackers" / "helper"
        until(lambda: helper.is_file() and helper.read_text())
        trained = time.monotonic()
    assert time.monotonic() - trained < 30, "one second for the hanging one, a few for the others to finish"
    line = (
        "not finished 1 s after the stage, so it was ended; training is not affected; send it again with "
        "`lingshu track RUN --tracker hanging`"
    )
    assert beside.said == [f"lingshu: {stage.name}: tracker hanging: {line}"]
    assert tracked.faults(stage.path) == [f"tracker hanging: {line}"]
    assert processes("hanging") == []
    until(lambda: not psutil.pid_exists(int(helper.read_text())), seconds=5)
    assert [step for step, _ in rows(stage, "tensorboard")] == [1, 2, 3]
    notes = (stage.path.parent / "trackers" / f"{stage.path.name}.txt").read_text()
    assert notes == "test\n1 1.000\n2 0.500\n3 0.333\nstopped\n"


@pytest.mark.usefixtures("plugins")
def test_a_tracker_that_crashes_is_named_with_its_reason_and_a_later_whole_life_clears_it(
    stage: Stage, beside: Beside
) -> None:
    with beside(stage, Chosen(name="breaking")):
        for step in (1, 2, 3):
            Ledger(stage.path).append(step, {"loss": 1 / step})
    (line,) = beside.said
    assert line.startswith(
        f"lingshu: {stage.name}: tracker breaking: ConnectionError: the server hung up; training"
    )
    assert tracked.faults(stage.path) == [line.removeprefix(f"lingshu: {stage.name}: ")]
    with beside(stage, Chosen(name="breaking")):
        Ledger(stage.path).rewind(2)
    assert beside.said == [line]
    assert tracked.faults(stage.path) == []


@pytest.mark.slow
def test_online_without_a_login_or_without_a_network_costs_a_line(
    stage: Stage, beside: Beside, tmp_path: Path
) -> None:
    online = Chosen(name="wandb", params={"mode": "online"})
    key = "0123456789abcdef0123456789abcdef01234567"
    nowhere = {"WANDB_API_KEY": key, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    for chosen, variables in ((online, {}), (online.model_copy(update={"wait_s": 3.0}), nowhere)):
        with beside(stage, chosen, **variables):
            Ledger(stage.path).rewind(0)
            Ledger(stage.path).append(1, {"loss": 1.0})
    assert "tracker wandb: wandb.errors.errors.UsageError: No API key configured" in beside.said[0]
    assert (
        "tracker wandb: not finished 3 s after the stage, so it was ended; training is not affected"
        in beside.said[1]
    )
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]


@pytest.mark.slow
def test_what_the_shell_says_leads_no_offline_tracker_away(stage: Stage, beside: Beside) -> None:
    """A server in the environment would be asked at once: this address refuses every connection."""
    nowhere = {
        "TRACKIO_SERVER_URL": "http://127.0.0.1:9",
        "TRACKIO_SPACE_ID": "me/mine",
        "WANDB_MODE": "online",
    }
    with beside(stage, Chosen(name="trackio"), Chosen(name="wandb"), **nowhere):
        Ledger(stage.path).append(1, {"loss": 1.0})
    assert beside.said == []
    assert len(rows(stage, "trackio")) == len(rows(stage, "wandb")) == 1


@pytest.mark.slow
def test_nothing_of_the_machine_or_of_its_user_is_sent(stage: Stage, beside: Beside) -> None:
    user = "somebody-unlikely"
    with beside(stage, *(Chosen(name=name, samples=True) for name in OURS), USER=user, LOGNAME=user):
        kept = {"question": "?", "answer": "3", "completion": "2", "status": "wrong"}
        Ledger(stage.path, COMPLETIONS).append(1, kept)
        Ledger(stage.path).append(1, {"loss": 1.0, "samples": "5c1f-digest-of-ids"})
    home = stage.path.parents[1] / "home"
    assert not [path for path in home.rglob("*") if path.is_file()], "all of it lies below the run's folder"
    (file,) = (stage.path.parent / "trackers" / "wandb").glob("offline-run-*/run-*.wandb")
    database = next((stage.path.parent / "trackers" / "trackio").glob("*.db")).read_bytes().decode("latin-1")
    for text in (wandb_texts(file), database):
        assert "learning_rate" in text, "the stage's configuration is there"
        for private in (user, os.uname().nodename + '"', str(stage.path.parent), "5c1f-digest-of-ids"):
            assert private not in text


def test_being_asked_to_stop_like_every_process_of_a_job_loses_no_line(stage: Stage, beside: Beside) -> None:
    with beside(stage, Chosen(name="tensorboard")):
        Ledger(stage.path).append(1, {"loss": 1.0})
        until(lambda: tracked.read(stage.path, "tensorboard"))
        for process in processes("tensorboard"):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
        Ledger(stage.path).append(2, {"loss": 1.0})
    assert beside.said == []
    assert [step for step, _ in rows(stage, "tensorboard")] == [1, 2]


def test_a_tracker_that_cannot_be_started_is_said_and_the_stage_runs(stage: Stage, beside: Beside) -> None:
    (stage.path / tracked.FOLDER).write_text("a file where a folder is needed")
    with beside(stage, Chosen(name="tensorboard")):
        Ledger(stage.path).append(1, {"loss": 1.0})
    (line,) = beside.said
    assert line.startswith(f"lingshu: {stage.name}: not every tracker was started: [Errno 17] File exists")


def test_a_stage_that_ends_before_its_first_step_opens_no_run(stage: Stage, beside: Beside) -> None:
    with beside(stage, *(Chosen(name=name) for name in OURS)):
        pass
    assert beside.said == []
    assert not (stage.path.parent / "trackers").exists()
    assert not list((stage.path / tracked.FOLDER).glob("*.json"))


def test_stage_json_stays_as_it_was_and_trackers_json_says_what_followed(
    stage: Stage, beside: Beside
) -> None:
    before = (stage.path / "stage.json").read_bytes()
    with beside(stage, Chosen(name="tensorboard")):
        Ledger(stage.path).append(1, {"loss": 1.0})
    assert (stage.path / "stage.json").read_bytes() == before
    written = json.loads((stage.path / "trackers.json").read_text())
    assert written == {"trackers": [{"name": "tensorboard", "params": {}, "samples": False, "wait_s": 30.0}]}


def test_a_note_that_is_damaged_is_a_line_of_the_report_and_keeps_nobody_from_it(stage: Stage) -> None:
    tracked.write(stage.path, "trackio", tracked.begin(stage.path, "trackio"))
    (stage.path / tracked.FOLDER / "trackio.json").write_text('{"run": "a')
    (line,) = tracked.faults(stage.path)
    assert line.startswith(f"tracker trackio: {stage.path.name}/.trackers/trackio.json: not JSON")


def test_what_an_interpreter_begins_to_say_of_a_thread_is_no_reason(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("OSError: [Errno 28] No space left on device\nException in thread ")
    assert followers._last_line(tmp_path / "log") == "OSError: [Errno 28] No space left on device"


@pytest.mark.slow
def test_trackio_that_has_not_kept_all_steps_says_how_many(tmp_path: Path) -> None:
    class Forgetful:
        def log(self, row: object, *, step: int) -> None: ...

        def finish(self) -> None: ...

    history = trackio.History(Forgetful(), project=tmp_path.name, run_name="a")  # type: ignore[arg-type]
    history.log(LedgerLine(step=1, seconds=0.0, values={"loss": 1.0}))
    with pytest.raises(OutputFailed, match="trackio has kept 0 of 1 steps"):
        history.close(done=True)
