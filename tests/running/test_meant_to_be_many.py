"""Whoever starts several processes that know nothing of each other, or several that cannot work together, is told at once."""

from __future__ import annotations

import threading
import time

import pytest

from lingshu_train import dist, stopping
from lingshu_train.errors import LingshuError, UsageError
from lingshu_train.running import attend, faults, launchers, machines, peers
from lingshu_train.running.peers import Hello


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_NTASKS": "2"},
        {"SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8", "SLURM_PROCID": "3"},
        {"OMPI_COMM_WORLD_SIZE": "4"},
        {"PMI_SIZE": "2"},
        {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_PORT": "29500"},
    ],
)
def test_one_of_many_without_a_rank_is_refused_with_what_to_type(variables: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"cluster\.processes=N") as caught:
        launchers.joined(variables)
    assert "\n" not in str(caught.value)
    assert launchers.joined(variables | {"RANK": "0"}) == {}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SLURM_NTASKS": "1"},
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4"},
        {"ACCELERATE_MIXED_PRECISION": "no"},
    ],
)
def test_one_that_is_meant_to_be_one_goes_on(variables: dict[str, str]) -> None:
    assert launchers.joined(variables) == {}


SRUN = {
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "2",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2),2",
    "SLURM_STEP_NODELIST": "gpu[07-08,11]",
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
}
MPIRUN = {
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "PMIX_NAMESPACE": "1769078785",
}
HYDRA = {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}


def test_srun_and_mpirun_say_it_in_their_own_words() -> None:
    found = launchers.joined(SRUN)
    number = int(found.pop("MASTER_PORT"))
    assert number in launchers.PORTS
    assert found == {
        "RANK": "3",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "4",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "gpu07",
    }
    assert launchers.joined(SRUN | {"SLURM_STEP_ID": "1"})["MASTER_PORT"] != str(number), (
        "another step of the job"
    )
    found = launchers.joined(MPIRUN | SRUN)
    assert (found["RANK"], found["LOCAL_RANK"], found["WORLD_SIZE"]) == ("1", "1", "2")
    assert found["MASTER_ADDR"] == "127.0.0.1"
    given = {"MASTER_ADDR": "n7", "MASTER_PORT": "29700"}
    assert launchers.joined(HYDRA | given).items() >= given.items()


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        (HYDRA, "set MASTER_PORT for"),
        (MPIRUN | {"OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, "set MASTER_ADDR for"),
    ],
)
def test_a_launcher_that_does_not_say_where_to_meet_is_told_what_to_say(
    variables: dict[str, str], missing: str
) -> None:
    with pytest.raises(UsageError, match=missing):
        launchers.joined(variables)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n1", "n1"), ("n[1-2]", "n1"), ("gpu-[007,009]-ib,x2", "gpu-007-ib"), ("a9,b[1-3]", "a9"), ("", "")],
)
def test_the_first_host_of_slurms_list(nodes: str, first: str) -> None:
    assert launchers.first_host(nodes) == first


def test_the_only_process_of_a_pod_that_is_to_have_several_is_told_what_to_run() -> None:
    pod = {"RANK": "1", "WORLD_SIZE": "16", "PET_NPROC_PER_NODE": "8"}
    with pytest.raises(UsageError, match=r"running\.machines RECIPE"):
        launchers.joined(pod)
    assert launchers.joined(pod | {"PET_NPROC_PER_NODE": "auto"}) == {}
    assert launchers.joined(pod | {"LOCAL_RANK": "0"}) == {}, "under torchrun in the pod"


def test_a_machine_takes_its_place_from_the_operator_of_a_job() -> None:
    told = {
        "PET_NNODES": "2",
        "PET_NODE_RANK": "1",
        "PET_NPROC_PER_NODE": "4",
        "PET_MASTER_ADDR": "job-node-0-0.job",
        "PET_MASTER_PORT": "29500",
    }
    layout = machines._layout(machines._options(told).parse_args(["lingshu_7b"]))
    ranks = [
        {name: own[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")}
        for own in layout.variables()
    ]
    assert [own["RANK"] for own in ranks] == ["4", "5", "6", "7"]
    assert ranks[1] == {
        "RANK": "5",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "8",
        "MASTER_ADDR": "job-node-0-0.job",
        "MASTER_PORT": "29500",
    }
    for wrong in (["--machine=2"], ["--ranks=0"], ["--meet=somewhere"]):
        asked = machines._options(told).parse_args([*wrong, "lingshu_7b"])
        with pytest.raises(UsageError, match=wrong[0].partition("=")[0]):
            machines._layout(asked).variables()
    with pytest.raises(UsageError, match="--ranks"):
        machines._options(told | {"PET_NPROC_PER_NODE": "auto"}).parse_args(["lingshu_7b"])


def test_what_torchrun_cannot_do_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")

    def told(*words: str, **variables: str) -> str:
        return attend.torchruns(variables, words, grace=600.0)

    assert "kills its ranks 30 s after a request to stop" in told("torchrun", "-m", "lingshu_train")
    assert "give it --shutdown-timeout=660" in told(TORCH_ELASTIC_SHUTDOWN_TIMEOUT="60")
    for enough in (
        told("torchrun", "--shutdown-timeout=660"),
        told("torchrun", "--shutdown_timeout", "660"),
        told(TORCH_ELASTIC_SHUTDOWN_TIMEOUT="660"),
    ):
        assert "kills" not in enough
        assert "torchrun ends with 1 where this run ends with 75" in enough
    assert told(LINGSHU_AGENT="1:2") == "", "running.machines keeps the codes"


@pytest.mark.parametrize(
    ("message", "is_lost"),
    [
        (
            "[/torch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [10.0.0.2]:4711",
            True,
        ),
        (
            "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Read error [10.0.0.2]:1: Connection reset by peer",
            True,
        ),
        (
            "[../gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation to complete",
            True,
        ),
        (
            "NCCL error in: x.cpp:1, remote process exited or there was a network error, NCCL version 2.27",
            True,
        ),
        ("The size of tensor a (3) must match the size of tensor b (4)", False),
        ("Timed out waiting for a tokenizer", False),
    ],
)
def test_losing_another_rank_is_told_from_a_defect(message: str, is_lost: bool) -> None:
    assert bool(faults.lost(RuntimeError(message + "\nand a stack"))) == is_lost
    assert not faults.lost(ValueError(message))


def test_restarts_on_several_machines_are_refused() -> None:
    with pytest.raises(UsageError, match="--max-restarts"):
        attend.refuse_restarts({"GROUP_WORLD_SIZE": "2", "TORCHELASTIC_MAX_RESTARTS": "1"})
    attend.refuse_restarts({"GROUP_WORLD_SIZE": "1", "TORCHELASTIC_MAX_RESTARTS": "1"})
    attend.refuse_restarts({"GROUP_WORLD_SIZE": "2", "TORCHELASTIC_MAX_RESTARTS": "0"})


def test_machines_with_different_command_lines_are_refused() -> None:
    one = Hello(["lingshu_7b", "output=/a"], "n1", "1", "")
    with pytest.raises(
        UsageError, match=r"rank 1 \(n2\) was started with output=/b where rank 0 has output=/a"
    ):
        peers._fit([one, Hello(["lingshu_7b", "output=/b"], "n2", "2", "")])
    peers._fit([one, Hello(["lingshu_7b", "output=/a"], "n2", "2", "")])


def test_a_machine_whose_name_means_itself_alone_is_refused_where_there_is_another() -> None:
    lost = Hello(["x"], "n1", "1", "127.0.1.1")
    with pytest.raises(UsageError, match="GLOO_SOCKET_IFNAME"):
        peers._fit([lost, Hello(["x"], "n2", "2", "")])
    peers._fit([lost, lost])


@pytest.mark.parametrize(
    ("codes", "code"), [([75, 75], 75), ([70, 75], 70), ([-9, 70], 75), ([78, 78], 78), ([137, 1], 75)]
)
def test_a_machine_ends_with_what_ended_its_ranks(codes: list[int], code: int) -> None:
    assert machines._code(codes) == code


def test_a_mistake_in_the_recipe_is_told_before_the_machines_wait(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--machines=2",
        "--machine=1",
        "--ranks=1",
        "--meet=nowhere:1",
        "--id=x",
        "quickstart",
        "cluster.grace=-1",
    ]
    with stopping.listening():
        assert machines.main(words) == 78
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "cluster.grace" in line


class Store:
    """What the ranks share, in one process."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.hangs = False

    def set(self, key: str, value: str) -> None:
        self.held[key] = value

    def compare_set(self, key: str, before: str, value: str) -> None:
        while self.hangs:
            time.sleep(0.01)
        self.held.setdefault(key, value)

    def check(self, keys: list[str]) -> bool:
        return all(key in self.held for key in keys)

    def get(self, key: str) -> bytes:
        return self.held[key].encode()


def met(store: Store) -> list[peers.Peers]:
    two = [peers.Peers(store, dist.Place(rank, rank, 2)) for rank in (0, 1)]  # type: ignore[arg-type]
    threads = [threading.Thread(target=one.meet, args=(["x"],)) for one in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return two


def test_a_fault_elsewhere_is_one_line_with_its_own_code() -> None:
    first, second = met(Store())
    second.tell(LingshuError("it broke"))
    until = time.monotonic() + 10
    while (fault := first.trouble()) is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert (str(fault), fault.exit_code) == ("rank 1: it broke", 70)


class Slow(Store):
    """Of which one rank asks what broke a second after it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.since = 0.0

    def compare_set(self, key: str, before: str, value: str) -> None:
        super().compare_set(key, before, value)
        self.since = time.monotonic()

    def check(self, keys: list[str]) -> bool:
        own = threading.current_thread().name == "slow"
        return not (own and time.monotonic() - self.since < 1) and super().check(keys)


def test_the_first_rank_stays_until_its_peer_has_heard_why_it_ends() -> None:
    store = Slow()
    first, second = met(store)
    (talking,) = [one for one in threading.enumerate() if getattr(one, "_target", None) == second._talk]
    talking.name = "slow"
    since = time.monotonic()
    first.tell(UsageError("started otherwise"))
    assert time.monotonic() - since < peers.TELL_S
    fault = second.trouble()
    assert fault is not None
    assert (str(fault), fault.exit_code) == ("rank 0: started otherwise", 64)


def test_a_rank_whose_store_no_longer_answers_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "TELL_S", 0.5)
    store = Store()
    _, second = met(store)
    store.hangs = True
    since = time.monotonic()
    second.tell(LingshuError("it broke"))
    second.part()
    assert time.monotonic() - since < 5
    store.hangs = False
