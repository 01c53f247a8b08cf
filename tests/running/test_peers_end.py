"""At the end of a launcher: its thread that talks to the store has stopped, or the process ends without it, never by an abort."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import hatching
import pytest
from torch.distributed import HashStore  # type: ignore[attr-defined]

from lingshu_train import dist
from lingshu_train.running import peers
from lingshu_train.running.peers import Peers

ROOT = Path(__file__).parents[2]
HELD = """
import sys, threading
from torch.distributed import TCPStore
from lingshu_train import cli
from lingshu_train.__main__ import _carry_out
from lingshu_train.running import peers
store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
def hang():
    while True:
        store.check([str(number) for number in range(2000)])
{start}
cli.main = lambda words: print("said") or 7
sys.exit(_carry_out([]))
"""
START = "threading.Thread(target=hang, daemon=True, name=peers.TALKER).start()"


def test_who_has_parted_talks_no_more() -> None:
    made = Peers(HashStore(), dist.Place(0, 0, 1))
    made.meet(["run"])
    assert made._thread.is_alive() and peers.still_talking()
    made.part()
    made.close()
    assert not made._thread.is_alive()


def test_one_that_never_met_is_closed_too() -> None:
    made = Peers(HashStore(), dist.Place(0, 0, 1))
    made.close()
    assert not made._thread.is_alive()


def test_what_hangs_in_the_store_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    class Hanging:
        def set(self, key: str, value: str) -> None:
            free.wait()
            raise RuntimeError("gone")

    monkeypatch.setattr(peers, "TRY_S", 0.2)
    made = Peers(Hanging(), dist.Place(1, 1, 2))  # type: ignore[arg-type]
    made.say("key", "value")
    made._thread.start()
    made.close()
    assert peers.still_talking()
    free.set()
    made._thread.join()


@pytest.mark.parametrize("start", [START, ""])
def test_the_exit_code_is_the_commands_whatever_the_thread_does(start: str) -> None:
    """Five times: without the precaution most of them end by SIGABRT."""
    for _ in range(5 if start else 1):
        with hatching.cold():
            done = subprocess.run(
                [sys.executable, "-c", HELD.format(start=start)], cwd=ROOT, capture_output=True, text=True
            )
        assert (done.returncode, done.stdout, done.stderr) == (7, "said\n", "")
