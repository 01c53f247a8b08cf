"""A signed model goes to a hub with its signature, and what comes back verifies; anything else is told before or after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import made_up_run
import pytest
from hub_server import Blob, Hub

pytest.importorskip("model_signing", reason="the extra sign is not installed")
pytest.importorskip("OpenSSL", reason="the extra sign is not installed")

from lingshu_train import cli
from lingshu_train.errors import CannotCreate, DataError, OutputFailed
from lingshu_train.hub import push as pushing
from lingshu_train.hub import signature, vouching
from lingshu_train.hub.push import Push, plan_push, push
from lingshu_train.runs import manifest, run

REPO = "ada/tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made_up_run.card(tmp_path / "cards", "scans")
    return made_up_run.build(tmp_path / "run", questions=3)


def planned(folder: Path) -> Push:
    return plan_push(folder, "export", REPO, cards=folder.parent / "cards")


def export(folder: Path) -> Path:
    found = run.read(folder)
    return found.folder(found.stage("export")) / "export"


def downloaded(hub: Hub, target: Path) -> Path:
    return Path(huggingface_hub.snapshot_download(REPO, endpoint=hub.endpoint, local_dir=target))


def test_a_model_that_is_signed_for_a_push_verifies_after_the_download(
    hub: Hub, folder: Path, keys: Path, tmp_path: Path
) -> None:
    plan = pushing.sign(planned(folder), keys / "ours.pem")
    assert "signed with key " in plan.text and "model.sig" in plan.text
    assert "all of them as signed with key " in str(push(plan))
    copy = downloaded(hub, tmp_path / "copy")
    assert signature.verify(copy, keys / "ours.pub").files == 8
    assert cli.main(["verify", str(copy), "--key", str(keys / "ours.pub")]) == 0
    assert cli.main(["verify", str(copy), "--key", str(keys / "theirs.pub")]) == 77


def test_a_signature_that_is_there_goes_along(hub: Hub, folder: Path, keys: Path, tmp_path: Path) -> None:
    list(vouching.sign(folder, keys / "ours.pem", password_env=None, certificates=()))
    push(planned(folder))
    assert signature.verify(downloaded(hub, tmp_path / "copy"), keys / "ours.pub").files == 8


def test_an_unsigned_model_is_pushed_as_before(hub: Hub, folder: Path) -> None:
    assert "signed" not in planned(folder).text
    assert "signed" not in str(push(planned(folder)))


def test_a_signature_of_other_files_stays_here(hub: Hub, folder: Path, keys: Path) -> None:
    """The export stage ran again, say, and the old signature was kept."""
    place = export(folder)
    signature.sign(place, keys / "ours.pem")
    kept = (place / "model.sig").read_bytes()
    (place / "model.sig").unlink()
    (place / "generation_config.json").write_text("{}\n")
    made = manifest.read(place.parent)
    manifest.write(made.stage, ran_on=made.environment, results={}, outputs=["export"], seconds=1.0)
    (place / "model.sig").write_bytes(kept)
    with pytest.raises(
        DataError, match=r"generation_config\.json: is not what was signed.*lingshu sign"
    ) as fault:
        planned(folder)
    assert "\n" not in str(fault.value) and hub.requests == []


def test_what_is_signed_and_is_not_sent_stops_the_push(hub: Hub, folder: Path, keys: Path) -> None:
    """A download of it would not verify."""
    place = export(folder)
    (place / "notes.rst").write_text("mine\n")
    signature.sign(place, keys / "ours.pem")
    with pytest.raises(DataError, match=r"notes\.rst: is signed, and is not among the files that are sent"):
        planned(folder)


def signature_changed(hub: Hub) -> str:
    hub.tamper = lambda name, data: data.replace(b"sig", b"gis") if name == "model.sig" else data
    return "model.sig arrived with other bytes"


def file_added(hub: Hub) -> str:
    """Another push to the same branch, between ours and its check."""
    listed = hub.repos[REPO].commit

    def commit(branch: str, tree: dict[str, Blob]) -> str:
        return listed(branch, {**tree, "handler.py": Blob(b"print('run me')\n", lfs=False)})

    hub.repos[REPO].commit = commit  # type: ignore[method-assign]
    return r"handler\.py is there and not signed"


@pytest.mark.parametrize("damage", [signature_changed, file_added])
def test_what_the_hub_holds_is_looked_at_after_the_push(
    damage: Callable[[Hub], str], hub: Hub, folder: Path, keys: Path
) -> None:
    hub.create(REPO, private=False)
    plan = pushing.sign(planned(folder), keys / "ours.pem")
    says = damage(hub)
    with pytest.raises(OutputFailed, match=says):
        push(plan)


def test_a_push_without_the_signature_that_stands_there_is_refused(
    hub: Hub, folder: Path, keys: Path
) -> None:
    push(pushing.sign(planned(folder), keys / "ours.pem"))
    (export(folder) / "model.sig").unlink()
    with pytest.raises(CannotCreate, match=r"holds other files \(model\.sig\)"):
        push(planned(folder))


def test_the_command_signs_with_yes_alone_and_sends_only_what_the_key_verifies(
    hub: Hub, folder: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["push", str(folder), "export", REPO, "--cards", str(folder.parent / "cards")]
    assert cli.main([*words, "--sign-key", str(keys / "ours.pem")]) == 0
    assert "with --yes it is signed" in capsys.readouterr().out
    assert not (export(folder) / "model.sig").exists() and hub.requests == []
    assert cli.main([*words, "--key", str(keys / "ours.pub"), "--yes"]) == 77, "it is not signed"
    signed = [*words, "--sign-key", str(keys / "ours.pem"), "--yes"]
    assert cli.main([*signed, "--key", str(keys / "theirs.pub")]) == 77
    assert hub.requests == []
    assert cli.main([*signed, "--key", str(keys / "ours.pub")]) == 0
    assert "all of them as signed with key" in capsys.readouterr().out
