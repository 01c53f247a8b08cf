"""`lingshu data fetch` against servers on loopback: what comes is whole, checked and recorded, or it does not come."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import file_server
import hub_server
import pytest
from hub_server import Blob, Fault, Hub
from huggingface_hub import constants

from lingshu_train import cli
from lingshu_train.data import card as cards
from lingshu_train.data import checking, fetched
from lingshu_train.errors import CannotCreate, DataError, MissingInput, NotPermitted, OutputFailed, RunAgain
from lingshu_train.hub import download, fetch
from lingshu_train.hub.sources import physionet
from lingshu_train.hub.unpack import unpack

TOKEN = "hf_" + "ReadsWhatSheMayRead0123456789"
SLAKE = json.dumps(
    [{"img_name": "x1/source.png", "question": "Is it large?", "answer": "Yes", "q_lang": "en"}]
).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def made(
    folder: Path, source: str, *, access: str = "open", name: str = "made", files: str = ""
) -> cards.Card:
    """A card whose source block is `source` (YAML flow style)."""
    (folder / "cards").mkdir(exist_ok=True)
    rows = files or "train: train.json, test: test.json"
    (folder / "cards" / f"{name}.md").write_text(
        f"""---
pretty_name: Made
license: mit
language: [en]
task_categories: [visual-question-answering]
lingshu:
  source: {source}
  access: {access}
  licence: {{id: MIT, derive_weights: true}}
  format: slake_json
  fields: {{files: {{{rows}}}}}
---
# Made
""",
        encoding="utf-8",
    )
    return cards.load(name, folder=folder / "cards")


def left(folder: Path) -> set[str]:
    """Every file below, those of our own keeping too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No one's real account, and no pauses between tries."""
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NETRC", physionet.USER, physionet.PASSWORD, "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def web() -> Iterator[file_server.Files]:
    with file_server.serve() as running:
        yield running


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with hub_server.serve() as running:
        running.tokens = {TOKEN: ("ada", False)}
        monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
        template = running.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield running


def slake(hub: Hub, *, gated: bool = False, **more: bytes) -> str:
    """A repository with rows in git and an archive in large-file storage. Returns its commit."""
    repo = hub.create("datasets/a/b", gated=gated)
    tree = {
        "train.json": SLAKE,
        "test.json": b"[]",
        "imgs.zip": zipped({"imgs/x1/source.png": b"pixels"}),
        **more,
    }
    blobs = {name: Blob(data, lfs=name.endswith(".zip")) for name, data in tree.items()}
    return repo.commit("main", {**repo.commits[repo.branches["main"]], **blobs})


def get(card: cards.Card, root: Path, said: list[str] | None = None) -> str:
    return fetch.fetch(card, root, say=(said if said is not None else []).append)


# The hub


def test_a_hub_set_comes_at_the_pinned_commit_unpacked_and_with_a_record(hub: Hub, tmp_path: Path) -> None:
    pinned = slake(hub)
    slake_later = hub.repos["datasets/a/b"]
    slake_later.commit("main", {"train.json": Blob(b"[1]", lfs=False)})
    card = made(
        tmp_path, f"{{kind: hub, name: a/b, revision: '{pinned}', include: ['*.zip'], unpack: ['*.zip']}}"
    )
    line = get(card, tmp_path / "data")

    folder = tmp_path / "data" / "made"
    assert pinned in line
    assert left(folder) == {
        "train.json",
        "test.json",
        "imgs.zip",
        "imgs/x1/source.png",
        fetched.RECORD,
    }
    assert (folder / "train.json").read_bytes() == SLAKE
    record = fetched.read(folder)
    assert record is not None and record.revision == pinned and record.name == "a/b"
    assert record.files["train.json"].sha256 == sha256(SLAKE)
    assert record.files["imgs.zip"].unpacked == 1
    assert cards.root(card, tmp_path / "data") == folder


def test_an_unpinned_hub_set_comes_at_todays_commit_which_is_said_and_kept(hub: Hub, tmp_path: Path) -> None:
    commit, said = slake(hub), list[str]()
    card = made(tmp_path, "{kind: hub, name: a/b, folder: shared}", files="train: train.json")
    get(card, tmp_path / "data", said)
    assert any("no revision is pinned" in line and commit in line for line in said)

    # The publisher goes on; a benchmark of the same source still comes from the state that lies here.
    hub.repos["datasets/a/b"].commit("main", {"test.json": Blob(b"[2]", lfs=False)})
    test = made(tmp_path, "{kind: hub, name: a/b, folder: shared}", name="made_test", files="test: test.json")
    get(test, tmp_path / "data")
    record = fetched.read(tmp_path / "data" / "shared")
    assert record is not None and record.revision == commit
    assert record.cards == ("made", "made_test")
    assert (tmp_path / "data" / "shared" / "test.json").read_bytes() == b"[]"


def test_fetching_again_asks_no_server(hub: Hub, tmp_path: Path) -> None:
    slake(hub)
    card = made(tmp_path, "{kind: hub, name: a/b, include: [imgs.zip], unpack: [imgs.zip]}")
    get(card, tmp_path / "data")
    (tmp_path / "data" / "made" / "imgs.zip").unlink()
    hub.requests.clear()
    assert "is here already" in get(card, tmp_path / "data")
    assert hub.requests == []


def test_a_gated_set_without_or_with_the_wrong_token_says_where_to_accept(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slake(hub, gated=True)
    card = made(tmp_path, "{kind: hub, name: a/b}", access="gated")
    with pytest.raises(NotPermitted, match=r"https://huggingface\.co/datasets/a/b"):
        fetch.offer(card, tmp_path / "data")
    assert hub.requests == []
    undeclared = made(tmp_path, "{kind: hub, name: a/b}", name="undeclared")
    with pytest.raises(NotPermitted, match=r"https://huggingface\.co/datasets/a/b"):
        get(undeclared, tmp_path / "data")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(NotPermitted, match="hf auth login") as refused:
        get(card, tmp_path / "data")
    assert TOKEN not in str(refused.value)
    hub.repos["datasets/a/b"].granted.add("ada")
    get(card, tmp_path / "data")
    assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_bytes_that_the_hub_does_not_list_are_refused_and_not_kept(hub: Hub, tmp_path: Path) -> None:
    slake(hub)
    hub.tamper = lambda path, data: data.replace(b"Yes", b"Nay")
    card = made(tmp_path, "{kind: hub, name: a/b}")
    with pytest.raises(DataError, match=r"train\.json: arrived with other bytes"):
        get(card, tmp_path / "data")
    assert not (tmp_path / "data" / "made" / "train.json").exists()
    assert cards.root(card, tmp_path / "data") is None
    hub.tamper = None
    get(card, tmp_path / "data")
    assert cards.root(card, tmp_path / "data") is not None


def test_a_broken_line_to_the_hub_is_a_code_to_run_again_and_running_again_goes_on(
    hub: Hub, tmp_path: Path
) -> None:
    slake(hub)
    hub.faults.append(Fault("GET /api/datasets", 503, times=9))
    card = made(tmp_path, "{kind: hub, name: a/b}")
    with pytest.raises(RunAgain):
        get(card, tmp_path / "data")
    hub.faults.clear()
    hub.faults.append(Fault(r"GET .*test\.json", 0, times=99))
    with pytest.raises(RunAgain):
        get(card, tmp_path / "data")
    assert cards.root(card, tmp_path / "data") is None, "half of a set must not count as present"
    hub.faults.clear()
    get(card, tmp_path / "data")
    assert left(tmp_path / "data" / "made") == {"train.json", "test.json", fetched.RECORD}


def test_an_unknown_revision_repository_or_pattern_is_named(hub: Hub, tmp_path: Path) -> None:
    slake(hub)
    lost = made(tmp_path, f"{{kind: hub, name: a/b, revision: '{'0' * 40}'}}")
    with pytest.raises(MissingInput, match="has no revision 0000"):
        get(lost, tmp_path / "data")
    with pytest.raises(MissingInput, match="no such data set"):
        get(made(tmp_path, "{kind: hub, name: a/none}", name="none"), tmp_path / "data")
    with pytest.raises(DataError, match=r"no file that matches other\.json"):
        get(
            made(tmp_path, "{kind: hub, name: a/b}", name="other", files="train: other.json"),
            tmp_path / "data",
        )


def test_a_repository_cannot_write_outside_the_data_folder(hub: Hub, tmp_path: Path) -> None:
    slake(hub, **{"../escaped.json": b"[]"})
    card = made(tmp_path, "{kind: hub, name: a/b}", files="train: '*.json'")
    with pytest.raises(DataError, match="leads out of the data folder"):
        get(card, tmp_path / "data")
    assert not (tmp_path / "data" / "escaped.json").exists()


def test_another_revision_than_the_pinned_one_is_never_mixed_in(hub: Hub, tmp_path: Path) -> None:
    first = slake(hub)
    get(made(tmp_path, f"{{kind: hub, name: a/b, revision: '{first}'}}"), tmp_path / "data")
    second = hub.repos["datasets/a/b"].commit("main", {"train.json": Blob(b"[]", lfs=False)})
    moved = made(tmp_path, f"{{kind: hub, name: a/b, revision: '{second}'}}")
    with pytest.raises(CannotCreate, match=rf"holds a/b at {first}"):
        get(moved, tmp_path / "data")
    report = checking.check(moved, tmp_path / "data", folder=tmp_path / "cards")
    (problem,) = [line for line in report.problems if "holds revision" in line]
    assert f"the card pins {second}" in problem


def test_files_that_a_person_put_there_are_not_written_over(hub: Hub, tmp_path: Path) -> None:
    slake(hub)
    folder = tmp_path / "data" / "made"
    folder.mkdir(parents=True)
    (folder / "imgs.zip").write_bytes(b"mine")
    card = made(tmp_path, "{kind: hub, name: a/b, include: [imgs.zip]}")
    with pytest.raises(CannotCreate, match=r"imgs\.zip: lies there already"):
        get(card, tmp_path / "data")
    assert (folder / "imgs.zip").read_bytes() == b"mine"


# The web


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
    web.content["/real.json"] = SLAKE
    web.redirects = {"/train.json": "/real.json", "/evil.json": "http://other.invalid/x", "/loop": "/loop"}
    get(
        made(tmp_path, f"{{kind: http, name: x, files: [{{url: {web.address}/train.json}}]}}"),
        tmp_path / "data",
    )
    assert (tmp_path / "data" / "made" / "train.json").read_bytes() == SLAKE
    evil = made(tmp_path, f"{{kind: http, name: x, files: [{{url: {web.address}/evil.json}}]}}", name="evil")
    with pytest.raises(NotPermitted, match="neither https nor the same host"):
        get(evil, tmp_path / "data")
    loop = made(tmp_path, f"{{kind: http, name: x, files: [{{url: {web.address}/loop}}]}}", name="loop")
    with pytest.raises(MissingInput, match="redirected more than"):
        get(loop, tmp_path / "data")


def test_gated_web_data_and_data_without_addresses_are_a_persons_turn(tmp_path: Path) -> None:
    source = "{kind: http, name: 'https://x.invalid/page', how_to_get: ask the owners}"
    with pytest.raises(NotPermitted, match=r"ask the owners \(https://x\.invalid/page\)"):
        fetch.offer(made(tmp_path, source, access="gated"), tmp_path / "data")
    with pytest.raises(MissingInput, match=r"ask the owners \(https://x\.invalid/page\)"):
        fetch.offer(made(tmp_path, source, name="open"), tmp_path / "data")


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


# Archives


def archive(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    path = tmp_path / "made.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            out.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "evil",
    [
        member("../out.txt"),
        member("/abs.txt"),
        member("a/../../out.txt"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "good.txt"),
        member("pipe", tarfile.FIFOTYPE),
        member("dev", tarfile.CHRTYPE),
    ],
    ids=lambda info: info.name,
)
def test_a_tar_that_leaves_its_folder_or_links_is_refused_whole(
    tmp_path: Path, evil: tarfile.TarInfo
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = archive(inner, [(member("good.txt"), b"good"), (evil, b"evil")])
    with pytest.raises(DataError, match="nothing was unpacked"):
        unpack(path)
    assert left(tmp_path) == {"inner/made.tar.gz"}


@pytest.mark.parametrize("name", ["../out.txt", "/abs.txt", "..\\out.txt", "C:/out.txt"])
def test_a_zip_that_leaves_its_folder_is_refused_whole(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "made.zip").write_bytes(zipped({"good.txt": b"good", name: b"evil"}))
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(inner / "made.zip")
    assert left(tmp_path) == {"inner/made.zip"}


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as out:
        out.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(tmp_path / "made.zip")


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".gz"])
def test_a_bomb_is_stopped_while_it_grows(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lingshu_train.hub import unpack as unpacking

    monkeypatch.setattr(unpacking, "FLOOR", 1 << 20)
    zeros = b"\0" * (8 << 20)
    path = tmp_path / f"made{suffix}"
    if suffix == ".zip":
        path.write_bytes(zipped({"zeros": zeros}))
    elif suffix == ".gz":
        path.write_bytes(gzip.compress(zeros))
    else:
        path = archive(tmp_path, [(member("zeros"), zeros)])
    with pytest.raises(DataError, match="beyond what is plausible"):
        unpack(path)
    assert left(tmp_path) == {path.name}


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".gz"])
def test_a_torn_archive_is_65_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"made{suffix}"
    noise = hashlib.shake_128(b"noise").digest(200_000)
    if suffix == ".zip":
        path.write_bytes(zipped({"a.bin": noise}))
    elif suffix == ".gz":
        path.write_bytes(gzip.compress(noise))
    else:
        archive(tmp_path, [(member("a.bin"), noise)])
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(path)
    assert left(tmp_path) == {path.name}


def test_archives_of_several_parts_share_a_folder_and_hidden_files_stay_out(tmp_path: Path) -> None:
    (tmp_path / "1.zip").write_bytes(
        zipped({"images/a.png": b"a", "__MACOSX/._a.png": b"x", ".DS_Store": b"x"})
    )
    (tmp_path / "2.zip").write_bytes(zipped({"images/b.png": b"b", ".lingshu-source.json": b"{}"}))
    assert unpack(tmp_path / "1.zip") + unpack(tmp_path / "2.zip") == 2
    assert left(tmp_path) == {"1.zip", "2.zip", "images/a.png", "images/b.png"}
    (tmp_path / "split.csv.gz").write_bytes(gzip.compress(b"a,b\n"))
    assert unpack(tmp_path / "split.csv.gz") == 1
    assert (tmp_path / "split.csv").read_bytes() == b"a,b\n"


# PhysioNet

LOGIN = ("ada", "s3cret-Passw0rd")


@pytest.fixture
def physio(web: file_server.Files, monkeypatch: pytest.MonkeyPatch) -> file_server.Files:
    monkeypatch.setattr(physionet, "ENDPOINT", web.address)
    web.login = LOGIN
    project = {"train.json": SLAKE, "test.json": b"[]", "files/p10/a b.png": b"pixels"}
    web.content = {f"/files/set/1.0.0/{name.replace(' ', '%20')}": data for name, data in project.items()}
    sums = "".join(f"{sha256(data)} {name}\n" for name, data in project.items())
    web.content["/files/set/1.0.0/SHA256SUMS.txt"] = sums.encode()
    return web


PHYSIO = "{kind: physionet, name: set/1.0.0, revision: 1.0.0}"


def test_credentialed_data_without_an_account_says_what_to_do_and_asks_nothing(
    physio: file_server.Files, tmp_path: Path
) -> None:
    card = made(tmp_path, PHYSIO, access="credentialed")
    for verb in (lambda: fetch.offer(card, tmp_path / "data"), lambda: get(card, tmp_path / "data")):
        with pytest.raises(
            NotPermitted, match=r"training and sign the data use agreement at .*\.netrc"
        ) as refused:
            verb()
        assert refused.value.exit_code == 77
    assert physio.requests == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("where", ["environment", "netrc"])
def test_credentialed_data_comes_with_the_users_own_account_which_stays_secret(
    physio: file_server.Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    if where == "netrc":
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {LOGIN[0]} password {LOGIN[1]}\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    else:
        monkeypatch.setenv(physionet.USER, LOGIN[0])
        monkeypatch.setenv(physionet.PASSWORD, LOGIN[1])
    monkeypatch.setattr(cards, "CARDS", tmp_path / "cards")
    monkeypatch.setattr(
        cards.load, "__kwdefaults__", {**cards.load.__kwdefaults__, "folder": tmp_path / "cards"}
    )
    made(tmp_path, PHYSIO, access="credentialed")
    assert cli.main(["data", "fetch", "made", "--yes", "--data-root", str(tmp_path / "data")]) == 0

    folder = tmp_path / "data" / "made"
    assert left(folder) == {"train.json", "test.json", "files/p10/a b.png", fetched.RECORD}
    printed = capsys.readouterr()
    assert LOGIN[1] not in printed.out + printed.err
    assert all(LOGIN[1].encode() not in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert LOGIN[1] not in repr(download.Client(session=None, refusal="", login=LOGIN, say=print))  # type: ignore[arg-type]


def test_an_account_that_has_not_signed_is_77(
    physio: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(physionet.USER, "ada")
    monkeypatch.setenv(physionet.PASSWORD, "another-Passw0rd")
    with pytest.raises(NotPermitted, match="answers 403; finish the human-subjects training") as refused:
        get(made(tmp_path, PHYSIO, access="credentialed"), tmp_path / "data")
    assert "another-Passw0rd" not in str(refused.value)


def test_a_login_never_goes_to_another_host(
    physio: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(physionet.USER, LOGIN[0])
    monkeypatch.setenv(physionet.PASSWORD, LOGIN[1])
    with file_server.serve() as other:
        other.content["/train.json"] = SLAKE
        physio.redirects["/files/set/1.0.0/train.json"] = f"{other.address}/train.json"
        monkeypatch.setattr(download, "_may_follow", lambda there, here: True)
        get(made(tmp_path, PHYSIO, access="credentialed"), tmp_path / "data")
        assert other.requests == [("/train.json", "", "")]


def test_what_is_not_in_the_projects_checksums_is_refused(
    physio: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(physionet.USER, LOGIN[0])
    monkeypatch.setenv(physionet.PASSWORD, LOGIN[1])
    physio.content["/files/set/1.0.0/test.json"] = b"[3]"
    with pytest.raises(DataError, match=r"test\.json: has sha256"):
        get(made(tmp_path, PHYSIO, access="credentialed"), tmp_path / "data")
    assert not (tmp_path / "data" / "made" / "test.json").exists()
    with pytest.raises(DataError, match="names no version"):
        get(
            made(tmp_path, "{kind: physionet, name: set}", access="credentialed", name="bare"),
            tmp_path / "data",
        )


# The command


def test_without_yes_it_lists_and_downloads_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["data", "fetch", "slake", "kvasir_vqa", "--data-root", str(tmp_path / "data")]) == 0
    text = capsys.readouterr().out
    for word in (
        "not pinned",
        "BoKelvin/SLAKE",
        "CC-BY-4.0",
        "train.json",
        str(tmp_path / "data" / "slake"),
        "--yes",
    ):
        assert word in text
    assert not (tmp_path / "data").exists()


def test_each_card_gets_its_line_and_the_first_refusal_its_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = ["mimic_cxr", "synth_vqa", "chexpert", "slake"]
    assert cli.main(["data", "fetch", *names, "--data-root", str(tmp_path)]) == 77
    printed = capsys.readouterr()
    assert [line.split(":")[1].strip() for line in printed.err.splitlines()] == names[:3]
    assert "slake" in printed.out


def test_a_package_is_installed_with_pip_and_local_data_is_placed_by_hand(tmp_path: Path) -> None:
    package = made(
        tmp_path, "{kind: package, name: no_such_package, how_to_get: pip install x}", name="package"
    )
    with pytest.raises(MissingInput, match="pip install x"):
        fetch.offer(package, tmp_path)
    local = made(
        tmp_path, "{kind: local, name: mine, how_to_get: ask the ward}", access="local", name="local"
    )
    with pytest.raises(MissingInput, match=r"ask the ward; put train\.json, test\.json into"):
        get(local, tmp_path)
