"""`lingshu data fetch` from a server that guards files as PhysioNet does, and the command on several cards."""

from __future__ import annotations

from pathlib import Path

import file_server
import pytest
from fetching import ROWS, get, left, made, sha256

from lingshu_train import cli
from lingshu_train.data.cards import fetched
from lingshu_train.errors import DataError, MissingInput, NotPermitted
from lingshu_train.hub import download, offering
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.sources import physionet

pytestmark = pytest.mark.usefixtures("alone")


LOGIN = ("ada", "s3cret-Passw0rd")


@pytest.fixture
def physio(web: file_server.Files, monkeypatch: pytest.MonkeyPatch) -> file_server.Files:
    monkeypatch.setattr(physionet, "ENDPOINT", web.address)
    web.login = LOGIN
    project = {"train.json": ROWS, "test.json": b"[]", "files/p10/a b.png": b"pixels"}
    web.content = {f"/files/set/1.0.0/{name.replace(' ', '%20')}": data for name, data in project.items()}
    sums = "".join(f"{sha256(data)} {name}\n" for name, data in project.items())
    web.content["/files/set/1.0.0/SHA256SUMS.txt"] = sums.encode()
    return web


PHYSIO = "{kind: physionet, name: set/1.0.0, revision: 1.0.0}"


def test_credentialed_data_without_an_account_says_what_to_do_and_asks_nothing(
    physio: file_server.Files, tmp_path: Path
) -> None:
    card = made(tmp_path, PHYSIO, access="credentialed")
    with pytest.raises(NotPermitted, match=r"sign the data use agreement at .*\.netrc") as refused:
        get(card, tmp_path / "data")
    assert refused.value.exit_code == 77
    assert "sign the data use agreement" in offering.text(offering.of(card, tmp_path / "data"))
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
    monkeypatch.setenv("LINGSHU_CARDS", str(tmp_path / "cards"))
    made(tmp_path, PHYSIO, access="credentialed")
    assert cli.main(["data", "fetch", "made", "--yes", "--data-root", str(tmp_path / "data")]) == 0

    folder = tmp_path / "data" / "made"
    assert left(folder) == {"train.json", "test.json", "files/p10/a b.png", fetched.RECORD}
    printed = capsys.readouterr()
    assert LOGIN[1] not in printed.out + printed.err
    assert all(LOGIN[1].encode() not in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert LOGIN[1] not in repr(download.Client(session=None, refusal="", login=LOGIN, patience=Patience()))  # type: ignore[arg-type]


@pytest.mark.parametrize(("password", "status"), [("another-Passw0rd", 401), (LOGIN[1], 403)])
def test_a_wrong_password_and_an_account_that_has_not_signed_are_77(
    physio: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, status: int
) -> None:
    physio.permitted = False
    monkeypatch.setenv(physionet.USER, LOGIN[0])
    monkeypatch.setenv(physionet.PASSWORD, password)
    with pytest.raises(NotPermitted, match=f"answers {status}; finish the human-subjects") as refused:
        get(made(tmp_path, PHYSIO, access="credentialed"), tmp_path / "data")
    assert password not in str(refused.value)


def test_a_server_that_does_not_know_the_program_is_not_fooled_and_the_user_gets_the_command_it_knows(
    physio: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    physio.clients = ("Wget/",)
    monkeypatch.setenv(physionet.USER, LOGIN[0])
    monkeypatch.setenv(physionet.PASSWORD, LOGIN[1])
    with pytest.raises(NotPermitted, match=r"answers 403; .* wget -r -N .*/files/set/1\.0\.0/"):
        get(made(tmp_path, PHYSIO, access="credentialed"), tmp_path / "data")


def test_a_login_never_goes_to_another_host(
    physio: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(physionet.USER, LOGIN[0])
    monkeypatch.setenv(physionet.PASSWORD, LOGIN[1])
    with file_server.serve() as other:
        other.content["/train.json"] = ROWS
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
    names = ["mimic_cxr", "synth_vqa", "chexpert"]
    assert cli.main(["data", "fetch", *names, "--data-root", str(tmp_path)]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line in names] == names
    assert cli.main(["data", "fetch", *names, "--yes", "--data-root", str(tmp_path)]) == 77
    assert [line.split(":")[1].strip() for line in capsys.readouterr().err.splitlines()] == names
    assert cli.main(["data", "fetch", "synth_vqa", "chexpert", "--yes", "--data-root", str(tmp_path)]) == 66


def test_a_package_is_installed_with_pip_and_local_data_is_placed_by_hand(tmp_path: Path) -> None:
    package = made(
        tmp_path, "{kind: package, name: no_such_package, how_to_get: pip install x}", name="package"
    )
    with pytest.raises(MissingInput, match="pip install x"):
        get(package, tmp_path)
    local = made(
        tmp_path, "{kind: local, name: mine, how_to_get: ask the ward}", access="local", name="local"
    )
    with pytest.raises(MissingInput, match=r"ask the ward; put train\.json, test\.json into"):
        get(local, tmp_path)
