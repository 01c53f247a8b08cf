"""`lingshu data fetch` from a hub on loopback: one commit, whole, checked and recorded, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
from fetching import ROWS, get, left, made, sha256, zipped
from hub_server import Blob, Fault, Hub
from huggingface_hub import constants

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import fetched
from lingshu_train.data.checks import check as checking
from lingshu_train.errors import CannotCreate, DataError, MissingInput, NotPermitted, RunAgain
from lingshu_train.hub import offering

pytestmark = pytest.mark.usefixtures("alone")


TOKEN = "hf_" + "ReadsWhatSheMayRead0123456789"


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
        "train.json": ROWS,
        "test.json": b"[]",
        "imgs.zip": zipped({"imgs/x1/source.png": b"pixels"}),
        **more,
    }
    blobs = {name: Blob(data, lfs=name.endswith(".zip")) for name, data in tree.items()}
    return repo.commit("main", {**repo.commits[repo.branches["main"]], **blobs})


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
    assert (folder / "train.json").read_bytes() == ROWS
    record = fetched.read(folder)
    assert record is not None and record.revision == pinned and record.name == "a/b"
    assert record.files["train.json"].sha256 == sha256(ROWS)
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
        get(card, tmp_path / "data")
    assert "accept them there" in offering.text(offering.of(card, tmp_path / "data"))
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
    assert not (tmp_path / "data" / "none").exists(), "nothing came, so nothing is in the way"
    with pytest.raises(DataError, match=r"no file that matches other\.json"):
        get(
            made(tmp_path, "{kind: hub, name: a/b}", name="other", files="train: other.json"),
            tmp_path / "data",
        )


def test_rows_that_the_publisher_has_named_otherwise_since_come_and_are_told(
    hub: Hub, tmp_path: Path
) -> None:
    repo = hub.create("datasets/a/b", gated=False)
    lines = b'{"a": 1}\n'
    names = ("data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "notes.md")
    repo.commit("main", {name: Blob(lines, lfs=False) for name in names})
    said: list[str] = []
    card = made(tmp_path, "{kind: hub, name: a/b}", files="train: train.json")
    get(card, tmp_path / "data", said)
    assert any("data/train-*-of-*.jsonl in place of train.json" in line for line in said)
    assert left(tmp_path / "data" / "made") == {*names[:2], fetched.RECORD}
    hub.requests.clear()
    assert "is here already" in get(card, tmp_path / "data") and hub.requests == []


def test_two_names_that_could_stand_for_one_are_never_chosen_between(hub: Hub, tmp_path: Path) -> None:
    repo = hub.create("datasets/a/b", gated=False)
    repo.commit("main", {name: Blob(b"[]", lfs=False) for name in ("train.jsonl", "data/train.json")})
    card = made(tmp_path, "{kind: hub, name: a/b}", files="train: train.json")
    with pytest.raises(DataError, match=r"both data/train\.json and train\.jsonl could stand for it"):
        get(card, tmp_path / "data")


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


def test_two_repositories_fill_one_folder_and_neither_takes_what_the_other_has_not_finished(
    hub: Hub, tmp_path: Path
) -> None:
    slake(hub)
    other = hub.create("datasets/c/d")
    other.commit("main", {"README.md": Blob(b"#", lfs=False), "images/1.png": Blob(b"1" * 999, lfs=True)})
    further = "companions: [{kind: hub, name: c/d, include: ['images/*']}]"
    card = made(tmp_path, f"{{kind: hub, name: a/b, {further}}}")
    hub.faults.append(Fault(r"GET .*c/d/resolve", 0, times=99))
    with pytest.raises(RunAgain):
        get(card, tmp_path / "data")
    folder = tmp_path / "data" / "made"
    assert (folder / "train.json").is_file() and cards.root(card, tmp_path / "data") is None
    hub.faults.clear()
    hub.requests.clear()
    get(card, tmp_path / "data")
    assert left(folder) == {"train.json", "test.json", "images/1.png", fetched.RECORD}
    assert not any("a/b" in request for request in hub.requests)
    record = fetched.read(folder)
    assert record is not None
    assert record.companions[0].revision == other.branches["main"], "today's, since the card names none"
