"""The processes of a stage end together, in a stated time, with one line and the right code, whatever one of them does."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny

from lingshu_train import pulse, stopping
from lingshu_train.errors import LingshuError
from lingshu_train.running import ranks, watch
from lingshu_train.running.ranks import Start
from lingshu_train.runs.stage import Stage

SIGNS = "from lingshu_train import pulse; pulse.start(); import os, signal, sys, time\n"
SLEEPS = f"{SIGNS}time.sleep(60)"


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ranks, "TOGETHER_S", 0.5)
    with stopping.listening():
        yield


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., Stage]:
    def make(**cluster: object) -> Stage:
        made = tiny.make_stage(tmp_path, "sft", tiny.sft(), parents={}, world_size=2)
        made = made.model_copy(update={"cluster": made.cluster.model_copy(update=cluster)})
        made.write()
        return made

    return make


def ended(
    stage: Stage, *programs: str, elsewhere: Callable[[], LingshuError | None] = lambda: None
) -> LingshuError:
    """How a stage of ranks with these programs ends, within seconds."""
    since = time.monotonic()
    with pytest.raises(LingshuError) as caught:
        ranks.carry_out(
            stage,
            [Start([sys.executable, "-c", one], dict(os.environ)) for one in programs],
            elsewhere=elsewhere,
        )
    assert time.monotonic() - since < 20
    assert "\n" not in str(caught.value)
    return caught.value


def test_ranks_that_end_well_are_no_fault(stage: Callable[..., Stage]) -> None:
    ranks.carry_out(stage(), [Start([sys.executable, "-c", ""], dict(os.environ))] * 2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_rank_is_run_again_whatever_the_others_say_of_it(
    number: signal.Signals, stage: Callable[..., Stage]
) -> None:
    made = stage()
    lost = f"time.sleep(0.2); open({str(made.path / 'error.json')!r}, 'w').write("
    raises = SIGNS + lost + """'{"message": "connection closed by peer", "exit_code": 70}'); sys.exit(70)"""
    fault = ended(made, raises, f"{SIGNS}os.kill(os.getpid(), {int(number)})")
    assert fault.exit_code == 75
    assert f"rank 1 was killed by signal {int(number)}" in str(fault)
    assert ("memory" in str(fault)) == (number == signal.SIGKILL)


def test_a_rank_that_fails_ends_the_others_and_its_own_line_is_said(stage: Callable[..., Stage]) -> None:
    made = stage()
    wrote = f"open({str(made.path / 'error.json')!r}, 'w')"
    line = """.write('{"message": "rank 1: ValueError: no such thing", "exit_code": 70}'); sys.exit(70)"""
    fault = ended(made, SLEEPS, SIGNS + wrote + line)
    assert (fault.exit_code, str(fault)) == (70, "rank 1: ValueError: no such thing")


def test_a_rank_that_ends_without_a_word_is_named(stage: Callable[..., Stage]) -> None:
    fault = ended(stage(), SLEEPS, "import os; os._exit(3)")
    assert fault.exit_code == 70
    assert "rank 1 ended with exit code 3" in str(fault)


def test_a_rank_that_lost_another_is_run_again_unless_that_one_failed_by_itself(
    stage: Callable[..., Stage],
) -> None:
    made = stage()
    line = """.write('{"message": "rank 0: lost another rank (closed by peer)", "exit_code": 75}'); sys.exit(75)"""
    lost = f"{SIGNS}open({str(made.path / 'error.json')!r}, 'w'){line}"
    fault = ended(made, lost, SLEEPS)
    assert (fault.exit_code, str(fault)) == (75, "rank 0: lost another rank (closed by peer)")
    fault = ended(made, lost, "import os; os._exit(3)")
    assert (fault.exit_code, "rank 1 ended with exit code 3" in str(fault)) == (70, True)


def test_a_rank_that_ends_without_a_word_is_named_whatever_its_peers_say_of_it(
    stage: Callable[..., Stage],
) -> None:
    made = stage()
    told = '{"message": "rank 0: RuntimeError: connection closed by peer", "exit_code": 70}'
    peer = f"{SIGNS}open({str(made.path / 'error.json')!r}, 'w').write({told!r}); sys.exit(70)"
    fault = ended(made, peer, "import os; os._exit(3)")
    assert "rank 1 ended with exit code 3 and without a word" in str(fault)


def test_what_another_machine_met_ends_the_ranks_here(stage: Callable[..., Stage]) -> None:
    fault = ended(stage(), SLEEPS, elsewhere=lambda: LingshuError("rank 7: it broke"))
    assert str(fault) == "rank 7: it broke"


def test_ranks_that_do_not_stop_when_told_are_killed_after_the_grace(stage: Callable[..., Stage]) -> None:
    made = stage(grace=1.0)
    deaf = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(made.path / 'deaf')!r}, 'a').write('x')"
    deaf = f"{SIGNS}{deaf}; time.sleep(60)"

    def tell() -> None:
        while not (made.path / "deaf").exists() or (made.path / "deaf").stat().st_size < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=tell, daemon=True).start()
    fault = ended(made, deaf, deaf)
    assert fault.exit_code == 75
    assert "cluster.grace = 1 s" in str(fault)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system does not say which processes are stopped")
def test_a_stopped_rank_is_found_with_the_stacks_of_all(stage: Callable[..., Stage]) -> None:
    made = stage(step_timeout=1.5)
    fault = ended(
        made, SLEEPS, f"{SIGNS}os.kill(os.getpid(), signal.SIGSTOP)\ndef never(): time.sleep(60)\nnever()"
    )
    assert fault.exit_code == 75
    assert "rank 1 stands still: stopped by a signal" in str(fault)
    told = (made.path / "stacks.txt").read_text()
    assert told.count("most recent call first") == 2, told
    assert told.index("rank 0") < told.index("rank 1")


def test_a_step_that_does_not_end_is_found(stage: Callable[..., Stage]) -> None:
    begins = (
        f"{SIGNS}pulse.give(pulse.BEGUN); pulse.give(pulse.ENDED); pulse.give(pulse.BEGUN); time.sleep(60)"
    )
    fault = ended(stage(step_timeout=1.0), SLEEPS, begins)
    assert fault.exit_code == 75
    assert "rank 1 stands still: a step has not ended" in str(fault)


class Signs:
    """A watch whose signs and clock the test gives."""

    def __init__(self, cluster: object) -> None:
        reading, self._writing = os.pipe()
        os.set_blocking(reading, False)
        self.now = 1000.0
        self.watch = watch.Watch(os.getpid(), reading, cluster, looked=self.now)  # type: ignore[arg-type]

    def after(self, seconds: float, sign: bytes = b"") -> str:
        """What the watch says after so many seconds, looked at each second, when this sign then comes."""
        said = ""
        for _ in range(int(seconds)):
            self.now += 1
            said = said or self.watch.still(self.now)
        os.write(self._writing, sign)
        self.watch.still(self.now)
        return said


def test_a_step_may_take_ten_times_the_median_and_a_minute_at_least(stage: Callable[..., Stage]) -> None:
    signs = Signs(stage().cluster)
    for _ in range(5):
        signs.after(1, pulse.BEGUN)
        assert not signs.after(20, pulse.ENDED)
    signs.after(1, pulse.BEGUN)
    assert not signs.after(195)
    assert "a step has not ended" in signs.after(10)
    quick = Signs(stage().cluster)
    for _ in range(5):
        quick.after(1, pulse.BEGUN)
        quick.after(1, pulse.ENDED)
    quick.after(1, pulse.BEGUN)
    assert not quick.after(55)
    assert quick.after(10)


def test_what_one_rank_does_between_two_steps_is_not_timed(stage: Callable[..., Stage]) -> None:
    signs = Signs(stage(step_timeout=30.0).cluster)
    signs.after(1, pulse.BEGUN)
    assert not signs.after(10, pulse.RESTS)
    assert not signs.after(3600, pulse.GOES_ON)
    assert not signs.after(10, pulse.ENDED)
    assert list(signs.watch.windows) == [20]
    assert not signs.after(3600)


def test_a_launcher_that_was_stopped_itself_concludes_nothing(stage: Callable[..., Stage]) -> None:
    signs = Signs(stage(step_timeout=30.0).cluster)
    signs.after(1, pulse.BEGUN)
    signs.now += 3600
    assert not signs.after(25)
    assert signs.after(10)


def test_a_recipe_may_wait_for_ever(stage: Callable[..., Stage]) -> None:
    signs = Signs(stage(step_timeout="none").cluster)
    signs.after(1, pulse.BEGUN)
    assert not signs.after(36000)
