"""`lingshu data fetch` from a file server on loopback: resumed, checked, and named only when whole."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import file_server
import pytest
from fetching import ROWS, get, left, made, sha256

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import fetched
from lingshu_train.errors import CannotCreate, DataError, MissingInput, NotPermitted, OutputFailed, RunAgain

pytestmark = pytest.mark.usefixtures("alone")


def one(web: file_server.Files, data: bytes, *, checked: bool = True, more: str = "") -> str:
    web.content["/train.json"] = data
    sha = f", sha256: {sha256(data)}" if checked else ""
    return f"{{kind: http, name: {web.address}, files: [{{url: {web.address}/train.json{sha}{more}}}]}}"


BIG = bytes(range(256)) * 4096


@pytest.mark.parametrize("checked", [True, False])
def test_a_broken_download_goes_on_where_it_ended(
    web: file_server.Files, tmp_path: Path, checked: bool
) -> None:
    card = made(tmp_path, one(web, BIG, checked=checked))
    web.cut, web.cut_at = 1, 700_001
    said: list[str] = []
    get(card, tmp_path / "data", said)
    assert (tmp_path / "data" / "made" / "train.json").read_bytes() == BIG
    assert [asked for _, asked, _ in web.requests] == ["", "bytes=700001-"]
    assert any("trying again" in line for line in said)


def test_a_busy_server_is_given_the_rest_it_asks_for(web: file_server.Files, tmp_path: Path) -> None:
    card, said = made(tmp_path, one(web, BIG)), list[str]()
    web.busy = 1
    begun = time.monotonic()
    get(card, tmp_path / "data", said)
    assert time.monotonic() - begun >= 1
    assert said == [f"{web.address}/train.json: the server answers 503; trying again in 1 s"]
    assert (tmp_path / "data" / "made" / "train.json").read_bytes() == BIG


def test_another_process_goes_on_with_what_an_interrupted_one_left(
    web: file_server.Files, tmp_path: Path
) -> None:
    card = made(tmp_path, one(web, BIG, checked=False))
    web.cut, web.cut_at = 1, 500_000
    web.down_after = 1
    with pytest.raises(RunAgain):
        get(card, tmp_path / "data")
    folder = tmp_path / "data" / "made"
    assert not (folder / "train.json").exists()
    assert cards.root(card, tmp_path / "data") is None
    web.down_after = 0
    web.requests.clear()
    get(card, tmp_path / "data")
    assert [asked for _, asked, _ in web.requests] == ["bytes=500000-"]
    assert (folder / "train.json").read_bytes() == BIG
    assert left(folder) == {"train.json", fetched.RECORD}


def test_a_download_killed_in_the_middle_leaves_nothing_that_looks_whole_and_goes_on(
    web: file_server.Files, tmp_path: Path
) -> None:
    card = made(tmp_path, one(web, BIG))
    part = tmp_path / "data" / "made" / ".train.json.part"
    code = (
        "from pathlib import Path; from lingshu_train.data.cards import card; from lingshu_train.hub import fetch\n"
        f"fetch.fetch(card.load('made', folder=Path({str(tmp_path / 'cards')!r})), Path({str(tmp_path / 'data')!r}), say=print)"
    )
    web.stall_at = 600_000
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        waited = time.monotonic() + 60
        while not (part.is_file() and part.stat().st_size) and time.monotonic() < waited:
            time.sleep(0.05)
        process.kill()
    assert 0 < part.stat().st_size < len(BIG)
    assert not (part.parent / "train.json").exists() and cards.root(card, tmp_path / "data") is None
    web.stall_at = 0
    web.requests.clear()
    get(card, tmp_path / "data")
    assert (part.parent / "train.json").read_bytes() == BIG
    assert all(asked.startswith("bytes=") for _, asked, _ in web.requests)


def test_two_processes_do_not_fetch_a_card_at_once_and_the_second_leaves_the_firsts_journal_alone(
    web: file_server.Files, tmp_path: Path
) -> None:
    card = made(tmp_path, one(web, BIG))
    journal = card.folder(tmp_path / "data") / card.journal
    code = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    journal.parent.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdin is not None and first.stdout is not None
        first.stdout.readline()
        with pytest.raises(CannotCreate, match="another process is fetching made"):
            get(card, tmp_path / "data")
        assert journal.exists()
        assert web.requests == []
        first.stdin.write("\n")
    get(card, tmp_path / "data")
    assert (journal.parent / "train.json").read_bytes() == BIG


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changed_meanwhile_is_started_again(
    web: file_server.Files, tmp_path: Path, ranges: bool
) -> None:
    folder = tmp_path / "data" / "made"
    folder.mkdir(parents=True)
    (folder / ".train.json.part").write_bytes(b"old half")
    (folder / ".train.json.part-of").write_text('"another state"')
    web.ranges = ranges
    get(made(tmp_path, one(web, BIG)), tmp_path / "data")
    assert (folder / "train.json").read_bytes() == BIG


def test_a_damaged_part_is_started_again_instead_of_being_believed(
    web: file_server.Files, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "made"
    folder.mkdir(parents=True)
    (folder / ".train.json.part").write_bytes(b"\0" * 1000)
    get(made(tmp_path, one(web, BIG)), tmp_path / "data")
    assert (folder / "train.json").read_bytes() == BIG
    assert [asked for _, asked, _ in web.requests] == ["bytes=1000-", ""]


def test_a_file_that_a_person_placed_is_taken_where_its_checksum_is_right_and_left_alone_otherwise(
    web: file_server.Files, tmp_path: Path
) -> None:
    card = made(tmp_path, one(web, BIG), files="train: other.json")
    path = tmp_path / "data" / "made" / "train.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(BIG)
    get(card, tmp_path / "data")
    assert web.requests == []
    mine = made(tmp_path, one(web, BIG), files="train: other.json", name="mine")
    path = tmp_path / "data" / "mine" / "train.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my own")
    with pytest.raises(CannotCreate, match=r"train\.json: lies there already"):
        get(mine, tmp_path / "data")
    assert path.read_bytes() == b"my own"


def test_a_wrong_checksum_is_65_and_leaves_nothing(web: file_server.Files, tmp_path: Path) -> None:
    source = one(web, BIG)
    web.content["/train.json"] = BIG[:-1] + b"!"
    with pytest.raises(DataError, match="which is not what is stated") as fault:
        get(made(tmp_path, source), tmp_path / "data")
    assert fault.value.exit_code == 65
    assert {
        name for name in left(tmp_path / "data") if "journal" not in name and "fetching" not in name
    } == set()


@pytest.mark.parametrize("sizes", [True, False])
def test_more_bytes_than_the_card_states_are_refused(
    web: file_server.Files, tmp_path: Path, sizes: bool
) -> None:
    web.sizes = sizes
    card = made(tmp_path, one(web, BIG, checked=False, more=", bytes: 1000"))
    with pytest.raises(DataError, match="1,000"):
        get(card, tmp_path / "data")
    assert not [name for name in left(tmp_path / "data") if name.endswith((".json", ".part"))]


def test_redirects_go_within_the_host_or_to_https_only(web: file_server.Files, tmp_path: Path) -> None:
    web.content["/real.json"] = ROWS
    web.redirects = {"/train.json": "/real.json", "/evil.json": "http://other.invalid/x", "/loop": "/loop"}
    get(
        made(tmp_path, f"{{kind: http, name: x, files: [{{url: {web.address}/train.json}}]}}"),
        tmp_path / "data",
    )
    assert (tmp_path / "data" / "made" / "train.json").read_bytes() == ROWS
    evil = made(tmp_path, f"{{kind: http, name: x, files: [{{url: {web.address}/evil.json}}]}}", name="evil")
    with pytest.raises(NotPermitted, match="neither https nor the same host"):
        get(evil, tmp_path / "data")
    loop = made(tmp_path, f"{{kind: http, name: x, files: [{{url: {web.address}/loop}}]}}", name="loop")
    with pytest.raises(MissingInput, match="redirected more than"):
        get(loop, tmp_path / "data")


def test_gated_web_data_and_data_without_addresses_are_a_persons_turn(tmp_path: Path) -> None:
    source = "{kind: http, name: 'https://x.invalid/page', how_to_get: ask the owners}"
    with pytest.raises(NotPermitted, match=r"ask the owners \(https://x\.invalid/page\)"):
        get(made(tmp_path, source, access="gated"), tmp_path / "data")
    with pytest.raises(MissingInput, match=r"ask the owners \(https://x\.invalid/page\)"):
        get(made(tmp_path, source, name="open"), tmp_path / "data")


def test_a_full_disk_is_74_and_the_download_goes_on_later(
    web: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = made(tmp_path, one(web, BIG))
    real = Path.open

    def full(path: Path, mode: str = "r", **given: object):  # type: ignore[no-untyped-def]
        stream = real(path, mode, **given)  # type: ignore[call-overload]
        if path.name == ".train.json.part" and mode == "ab":

            def write(data: bytes) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

            return type(
                "Full",
                (),
                {
                    "write": staticmethod(write),
                    "__enter__": lambda self: self,
                    "__exit__": lambda self, *_: stream.close(),
                },
            )()
        return stream

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(OutputFailed, match="disk full") as fault:
            get(card, tmp_path / "data")
    assert fault.value.exit_code == 74
    assert not (tmp_path / "data" / "made" / "train.json").exists()
    get(card, tmp_path / "data")
    assert (tmp_path / "data" / "made" / "train.json").read_bytes() == BIG


def test_a_download_that_cannot_fit_is_not_begun(
    web: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 1000))
    with pytest.raises(OutputFailed, match="free space"):
        get(made(tmp_path, one(web, BIG)), tmp_path / "data")
    assert not [name for name in left(tmp_path / "data") if name.endswith(".json")]
