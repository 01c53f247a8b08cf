"""A user's reward: which values count, what of its errors is told, and that nothing it starts outlives it."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import hatching
import psutil
import pytest

from lingshu_train.errors import RecipeError
from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards import _metrics, _values
from lingshu_train.rewards._compose import Composition, Total, compose

SAMPLE = Sample(
    id="1", card="demo", split="train", task="vqa", question="Which?", question_type="short", answer="left"
)
TEXT = Completion(text="left")


def composition(
    folder: Path, body: str, *, head: str = "", weight: float = 1.0, **limits: float
) -> Composition:
    """A user's file with this body of `score`, after the lines of `head`."""
    path = folder / "mine.py"
    path.write_text(f"{head}\ndef score(sample, completion, params):\n{body}\n", encoding="utf-8")
    limits = {"wall_s": 20.0, **limits}
    term = {"name": "mine", "file": str(path), "weight": weight, "limits": limits}
    return Composition.model_validate({"terms": [term]}, strict=False)


def scored(found: Composition, times: int = 1) -> list[Total]:
    composed = compose(found)
    try:
        return composed([SAMPLE] * times, [TEXT] * times)
    finally:
        composed.close()


@pytest.mark.parametrize(
    ("body", "value", "status"),
    [
        ("return 2", 2.0, "scored"),
        ("return -1e6", -1e6, "scored"),
        ("import numpy; return numpy.float32(0.5)", 0.5, "scored"),
        ("import numpy; return numpy.array([[0.5]])", 0.5, "scored"),
        ("import numpy; return {'value': numpy.int64(3), 'status': 'met'}", 3.0, "met"),
        ("return None", None, "unscored"),
        ("return {'value': None, 'status': 'no opinion'}", None, "no opinion"),
        ("return 1e39", None, "out_of_range"),
        ("return -1000001", None, "out_of_range"),
        ("return float('inf')", None, "out_of_range"),
        ("return 10 ** 5000", None, "out_of_range"),
        ("import numpy; return numpy.float64('-inf')", None, "out_of_range"),
        ("return float('nan')", None, "invalid"),
        ("import numpy; return numpy.float32('nan')", None, "invalid"),
        ("return 'high'", None, "invalid"),
        ("return '1.0'", None, "invalid"),
        ("return True", None, "invalid"),
        ("import numpy; return numpy.bool_(True)", None, "invalid"),
        ("import numpy; return numpy.zeros(2)", None, "invalid"),
        ("return 1j", None, "invalid"),
        ("return [1.0]", None, "invalid"),
        ("return {}", None, "invalid"),
        ("return {'value': 1.0, 'status': '\\ud800'}", None, "invalid"),
        ("return {'value': 1.0, 'status': 'x' * 1000}", None, "invalid"),
        ("return {'value': 1.0, 'detail': 3}", None, "invalid"),
        ("return {'value': 1.0, 'detail': {'seen': {1, 2}}}", 1.0, "scored"),
        ("return {'value': 1.0, 'detail': {'long': 'x' * 10 ** 7}}", 1.0, "scored"),
        ("return object()", None, "invalid"),
    ],
)
def test_what_a_reward_gives_is_one_number_of_moderate_size_or_unscored_by_a_stated_rule(
    body: str, value: float | None, status: str, tmp_path: Path
) -> None:
    (total,) = scored(composition(tmp_path, f"    {body}"))
    assert (total.value, total.scores["mine"].status) == (value, status)
    if value is None and status in ("invalid", "out_of_range"):
        assert total.scores["mine"].detail["why"]


@pytest.mark.parametrize("value", [math.inf, 1e39, 10**400])
def test_a_plugins_reward_of_absurd_size_is_unscored_too(value: float) -> None:
    found = _values.checked(Score(value=value, status="measured"))
    assert (found.value, found.status) == (None, "out_of_range")


def test_tensors_of_one_element_are_numbers_and_others_are_not() -> None:
    torch = pytest.importorskip("torch")
    assert _values.number(torch.tensor(0.25)) == (0.25, "")
    assert _values.number(torch.tensor([0.25, 1.0])) == (None, "invalid")
    assert _values.number(torch.tensor(float("inf"))) == (None, "out_of_range")


def test_a_sum_of_terms_beyond_the_bound_is_unscored_and_counted(tmp_path: Path) -> None:
    totals = scored(composition(tmp_path, "    return 9e5", weight=1e6), times=2)
    assert [total.value for total in totals] == [None, None]
    found = _metrics.metrics(totals)
    assert found["reward/out_of_range"] == found["reward/unscored"] == 2.0
    assert all(math.isfinite(value) for value in found.values())


def test_an_error_of_a_users_reward_names_its_type_its_message_and_their_line(tmp_path: Path) -> None:
    head = "import json\ndef inner(text):\n    return json.loads(text)"
    (first, second) = scored(composition(tmp_path, "    return inner('{')", head=head), times=2)
    for total in (first, second):
        found = total.scores["mine"]
        assert found.status == "raised"
        why = str(found.detail["why"])
        assert why.startswith("JSONDecodeError: Expecting property name")
        assert why.endswith("(mine.py:3)"), "their own line, not one of the standard library"
        assert "\n" not in why


def test_a_reward_that_raises_keeps_its_process(tmp_path: Path) -> None:
    head = "calls = 0"
    body = "    global calls\n    calls += 1\n    if calls == 1: raise KeyError('field')\n    return calls"
    assert [total.value for total in scored(composition(tmp_path, body, head=head), times=2)] == [None, 2.0]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("import no_such_package", r"ModuleNotFoundError: No module named 'no_such_package' \(mine\.py:1\)"),
        ("1 / 0", r"ZeroDivisionError: division by zero \(mine\.py:1\)"),
        ("import sys; sys.exit('not here')", r"SystemExit: not here \(mine\.py:1\)"),
        ("import os; os._exit(5)", "its process ended with exit code 5"),
        ("import os; os.kill(os.getpid(), 11)", "its process was killed by signal 11"),
    ],
)
def test_a_reward_that_cannot_be_loaded_is_told_when_it_is_started(
    head: str, message: str, tmp_path: Path
) -> None:
    composed = compose(composition(tmp_path, "    return 1.0", head=head), where="stages.rl.rewards")
    with pytest.raises(RecipeError, match=message) as refused:
        composed.start()
    assert str(refused.value).startswith("stages.rl.rewards.terms.0.file: ")
    assert "\n" not in str(refused.value)


LEAVES = """
import os, subprocess, sys, time

def leave(seconds):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", f"import time; time.sleep({seconds})", MARK])
        os._exit(0)
"""


def alive(mark: str) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if mark in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def gone(mark: str) -> bool:
    deadline = time.monotonic() + 10
    while alive(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(mark)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a reaper of descendants")
@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("return 1.0", "scored"),
        ("time.sleep(600)", "timeout"),
        ("os._exit(3)", "crashed"),
        ("os.kill(os.getpid(), 9)", "crashed"),
        ("os.close(2); raise KeyError", "raised"),
    ],
)
def test_children_that_left_their_session_end_with_the_reward(then: str, status: str, tmp_path: Path) -> None:
    mark = f"mark-{os.getpid()}-{tmp_path.name}"
    body = f"    leave(600)\n    time.sleep(0.3)\n    {then}"
    found = composition(tmp_path, body, head=f"MARK = {mark!r}\n{LEAVES}", wall_s=2.0)
    composed = compose(found)
    (total,) = composed([SAMPLE], [TEXT])
    assert total.scores["mine"].status == status
    if status in ("timeout", "crashed"):
        assert gone(mark), "ended at once, not only at the end of the stage"
    elif status == "scored":
        assert alive(mark), "the case would show nothing"
    composed.close()
    assert gone(mark)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a reaper of descendants")
def test_children_that_left_their_session_end_when_the_run_is_killed(tmp_path: Path) -> None:
    mark = f"mark-{os.getpid()}-{tmp_path.name}"
    composition(tmp_path, "    leave(600)\n    return 1.0", head=f"MARK = {mark!r}\n{LEAVES}")
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from lingshu_train.record import Completion, Sample\n"
        "from lingshu_train.rewards._isolated import Isolated, Limits\n"
        f"reward = Isolated(Path({str(tmp_path / 'mine.py')!r}), {{}}, limits=Limits(wall_s=20.0))\n"
        "sample = Sample(id='1', card='d', split='t', task='v', question='q', question_type='short', answer='a')\n"
        "print(reward.score(sample, Completion(text='x')).value, flush=True)\ntime.sleep(600)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline().strip() == "1.0"
    deadline = time.monotonic() + 10
    while not alive(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(mark)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert gone(mark)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_request_to_stop_that_reaches_every_process_of_a_job_leaves_the_rewards_at_work(
    sent: signal.Signals, tmp_path: Path
) -> None:
    composed = compose(composition(tmp_path, "    import time\n    time.sleep(0.5)\n    return 1.0"))
    composed.start()
    below = hatching.others(psutil.Process().children(recursive=True))
    for process in below:
        process.send_signal(sent)
    (total,) = composed([SAMPLE], [TEXT])
    composed.close()
    assert total.value == 1.0
    assert len(below) == 2, "the supervisor and the reward's own process"
