"""A rank's launcher where another program started one process a rank (torchrun, Slurm with its variables, a Kubernetes job)."""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lingshu_train import dist, environment, stopping
from lingshu_train.errors import CannotCreate, LingshuError, RunAgain, UsageError
from lingshu_train.planning.plan import Plan
from lingshu_train.running import launch, ranks
from lingshu_train.running.peers import AGAIN, LOOK_S, Peers, open_store
from lingshu_train.runs import manifest, processes
from lingshu_train.runs.files import failure
from lingshu_train.runs.stage import Stage, read

TOKEN = ".together"
"""A file that the first rank writes for the others to find: a shared folder shows it to all machines."""
SHARED_S = 30.0
"""So long a file may take to show on another machine; network file systems remember for a while what was not there."""
SECOND_THOUGHT_S = 3.0
"""A rank fails with its peer. So long it waits for the peer's own word, before it says what it has seen of it."""
SHUTDOWN_S = 60.0
"""What a launcher needs on top of `cluster.grace`, and some."""
CHATTER = "TORCH_CPP_LOG_LEVEL"
END = "end"


def attend(plan: Callable[[], Plan], say: launch.Say) -> Plan | None:
    """Run all stages on all ranks: rank 0 plans, and the others learn each stage from it. Once per rank.

    Returns the plan on rank 0, None elsewhere. What ends one rank ends all with the same, and the first rank of each machine
    says it.
    """
    processes.end_with_parent()
    here = dist.place()
    try:
        with stopping.listening(stopping.interrupt):
            return _together(plan, say, here)
    except LingshuError as fault:
        fault.told = here.local_rank > 0
        raise
    except KeyboardInterrupt:
        asked = RunAgain("interrupted; run the same command again to go on")
        asked.told = here.local_rank > 0
        raise asked from None


def _together(plan: Callable[[], Plan], say: launch.Say, here: dist.Place) -> Plan | None:
    if (agent := environment.agent()) and not processes.lives(agent):
        raise RunAgain(f"the process that started this rank is gone; {AGAIN}")
    variables = environment.inherited()
    refuse_restarts(variables)
    # The store's own remarks, with stacks in C++, on what is said here in one line. Read when torch is first imported.
    if CHATTER not in variables:
        environment.give(CHATTER, "ERROR")
    peers = Peers(open_store(here, variables), here)
    try:
        peers.meet(sys.argv[1:])
        made = _lead(plan, peers, say) if here.first else None
        if made is None:
            _follow(peers)
    except LingshuError as fault:
        _wait_for_word(peers)
        peers.tell(fault)
        raise peers.trouble() or fault from None
    except KeyboardInterrupt:
        peers.tell(RunAgain(f"told to stop; {ranks.AGAIN}"))
        raise
    except Exception as fault:
        peers.tell(LingshuError(f"{type(fault).__name__}: {fault}"))
        raise
    else:
        peers.part()
        return made
    finally:
        peers.close()


def refuse_restarts(variables: Mapping[str, str]) -> None:
    """torchrun's agents count restarts each for itself, so that ranks of several machines would wait in different lives."""
    several = int(variables.get("GROUP_WORLD_SIZE", "1")) > 1
    if several and int(variables.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0:
        raise UsageError(
            "torchrun --max-restarts on several machines: not possible, since each machine counts its own restarts; leave it "
            "out, and run the same command again on exit code 75 (launch/slurm.sh does)"
        )


def torchruns(variables: Mapping[str, str], words: Sequence[str], *, grace: float) -> str:
    """What an agent of torchrun's, started with `words`, will not do for its ranks; empty where none has started us."""
    if environment.AGENT in variables or not environment.under_torchrun():
        return ""
    told = "torchrun ends with 1 where this run ends with 75 (run again) or another code: the stage's error.json has it"
    command = " ".join(words).replace("_", "-")
    asked = re.search(r"--shutdown-timeout[= ](\d+)", command)
    patience = float(asked[1] if asked else variables.get("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "30"))
    if patience < grace:
        told += (
            f"; it kills its ranks {patience:g} s after a request to stop, where cluster.grace = {grace:g} s are theirs: "
            f"give it --shutdown-timeout={grace + SHUTDOWN_S:.0f}"
        )
    return f"lingshu: {told}"


def _lead(plan: Callable[[], Plan], peers: Peers, say: launch.Say) -> Plan:
    made = plan()
    grace = max((stage.cluster.grace for stage in made.stages), default=0.0)
    if told := torchruns(environment.inherited(), processes.command(os.getppid()), grace=grace):
        say(told)
    stopping.listen()
    count = 0
    for number, planned in enumerate(made.planned, 1):
        stage = planned.stage
        launch.go_on(f"before stage {stage.name}")
        if (elsewhere := peers.trouble()) is not None:
            raise elsewhere
        title = f"[{number}/{len(made.stages)}] {stage.name}"
        if manifest.finished(stage):
            say(f"{title}: done, skipped ({stage.path.name})")
            continue
        path = launch.prepare(stage)
        say(f"{title}: {stage.kind} on {stage.world_size} -> {stage.path.name}")
        with launch.followed(made, stage, say), launch.named(stage):
            if planned.config.distributed:
                count += 1
                _one_rank(stage, peers, announce=str(count))
            else:
                alone = ranks.Start(launch.worker(path), launch.environment(stage, alone=True))
                ranks.carry_out(stage, [alone], elsewhere=peers.trouble)
    launch.go_on("after the last stage")
    peers.say(str(count + 1), END)
    return made


def _follow(peers: Peers) -> None:
    stopping.listen()
    number = 1
    while True:
        told = _next(peers, str(number))
        if told == END:
            return
        asked = json.loads(told)
        _see(Path(asked["stage"]), asked["token"])
        stage = read(Path(asked["stage"]))
        with launch.named(stage):
            _one_rank(stage, peers)
        number += 1


def _next(peers: Peers, number: str) -> str:
    """What rank 0 wants next. Stages of its own may take hours."""
    while (told := peers.ask(number)) is None:
        launch.go_on("between two stages")
        if (elsewhere := peers.trouble()) is not None:
            raise elsewhere
        time.sleep(LOOK_S)
    return told


def _one_rank(stage: Stage, peers: Peers, announce: str = "") -> None:
    """This rank's process of a stage; `announce`: under which number the first rank tells the others of it."""
    path = stage.path / "stage.json"
    token = stage.path / TOKEN
    # The launcher's store is there already, whoever keeps it.
    variables = {**launch.environment(stage), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    try:
        if announce:
            secret = secrets.token_hex(8)
            try:
                token.write_text(secret, encoding="ascii")
            except OSError as fault:
                raise failure(token, fault) from None
            peers.say(announce, json.dumps({"stage": str(path), "token": secret}))
        start = ranks.Start(launch.worker(path), variables)
        ranks.carry_out(stage, [start], first=dist.place().rank, elsewhere=peers.trouble)
    finally:
        if announce:
            token.unlink(missing_ok=True)


def _see(path: Path, token: str) -> None:
    """Raises CannotCreate (73) where this machine does not see what the first rank wrote."""
    until = time.monotonic() + SHARED_S
    while True:
        with suppress(OSError):
            if (path.parent / TOKEN).read_text(encoding="ascii") == token:
                return
        if time.monotonic() > until:
            raise CannotCreate(
                f"{path.parent}: machine {platform.node()} does not see there what rank 0 wrote; all machines of a run have to "
                "share its output folder: give output=FOLDER on a file system that all of them see"
            )
        time.sleep(LOOK_S)


def _wait_for_word(peers: Peers) -> None:
    until = time.monotonic() + SECOND_THOUGHT_S
    while peers.trouble() is None and time.monotonic() < until:
        time.sleep(LOOK_S)
