"""What was signed is what is there: every other key, file and signature is refused by name, with the package's own command too."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import made_up_run
import pytest
from hub_keys import PASSWORD

pytest.importorskip("model_signing", reason="the extra sign is not installed")
pytest.importorskip("OpenSSL", reason="the extra sign is not installed")

from lingshu_train import cli
from lingshu_train.errors import DataError, LingshuError, MissingInput, NotPermitted, UsageError
from lingshu_train.hub import signature, statement
from lingshu_train.runs import manifest, run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    made_up_run._export(folder)
    return folder


@pytest.fixture
def signed(model: Path, keys: Path) -> Path:
    signature.sign(model, keys / "ours.pem")
    return model


def refused(call: Callable[[], object], error: type[LingshuError], says: str) -> None:
    with pytest.raises(error, match=says) as fault:
        call()
    assert "\n" not in str(fault.value), "one line"
    assert PASSWORD not in str(fault.value)


def package(*words: str) -> subprocess.CompletedProcess[str]:
    """The package's own command."""
    return subprocess.run(
        [sys.executable, "-m", "model_signing", *words], capture_output=True, text=True, timeout=120
    )


def test_what_is_signed_verifies_and_names_the_key_and_the_files(signed: Path, keys: Path) -> None:
    found = signature.verify(signed, keys / "ours.pub")
    assert found.files == len(list(signed.iterdir())) - 1, "all but the signature"
    assert str(found).startswith(f"{signed}: 8 files as signed with key ")
    assert statement.read(signed / "model.sig").by_file


def changed(folder: Path) -> str:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    return r"model\.safetensors: was changed \(1 of 8 files\)"


def added(folder: Path) -> str:
    (folder / "modeling.py").write_text("print('run me')\n")
    return r"modeling\.py: is not signed"


def added_below(folder: Path) -> str:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")
    return r"1_Pooling/config\.json: is not signed"


def removed(folder: Path) -> str:
    (folder / "chat_template.jinja").unlink()
    return r"chat_template\.jinja: is signed and not there"


def linked_away(folder: Path) -> str:
    shutil.move(folder / "config.json", folder.parent / "config.json")
    (folder / "config.json").symlink_to(folder / "nowhere")
    return r"config\.json: is a link"


def folder_linked(folder: Path) -> str:
    (folder.parent / "elsewhere").mkdir()
    (folder / "extra").symlink_to(folder.parent / "elsewhere")
    return r"extra: is a link"


def no_file(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return r"pipe: is no file"


def of_another_model(folder: Path) -> str:
    for path in folder.iterdir():
        if path.name != "model.sig":
            path.write_bytes(path.read_bytes() + b" ")
    return r"every other file is not what was signed: this is another model's model\.sig"


def not_json(folder: Path) -> str:
    (folder / "model.sig").write_text("{")
    return r"model\.sig: not JSON"


def no_bundle(folder: Path) -> str:
    (folder / "model.sig").write_text('{"dsseEnvelope": {"payload": [1]}}')
    return r"model\.sig: no signature of OpenSSF model signing"


def statement_changed(folder: Path) -> str:
    """A stranger changes a file and what the signature says of it, which he cannot sign."""
    bundle = json.loads((folder / "model.sig").read_text())
    said = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    (folder / "config.json").write_text('{"auto_map": "evil"}')
    for one in said["predicate"]["resources"]:
        if one["name"] == "config.json":
            one["digest"] = manifest.file_digest(folder / "config.json")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(said).encode()).decode()
    (folder / "model.sig").write_text(json.dumps(bundle))
    return r"model\.sig: was changed after it was signed"


def no_signatures(folder: Path) -> str:
    bundle = json.loads((folder / "model.sig").read_text())
    bundle["dsseEnvelope"]["signatures"] = []
    (folder / "model.sig").write_text(json.dumps(bundle))
    return r"model\.sig: does not hold"


@pytest.mark.parametrize(
    "damage",
    [
        *(changed, added, added_below, removed, linked_away, folder_linked, no_file),
        *(of_another_model, not_json, no_bundle, statement_changed, no_signatures),
    ],
)
def test_a_folder_that_is_not_what_was_signed_is_one_line_that_names_the_file(
    damage: Callable[[Path], str], signed: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    says = damage(signed)
    refused(lambda: signature.verify(signed, keys / "ours.pub"), DataError, says)
    assert cli.main(["verify", str(signed), "--key", str(keys / "ours.pub")]) == 65
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_another_key_and_a_missing_signature_are_not_permitted(signed: Path, keys: Path) -> None:
    refused(
        lambda: signature.verify(signed, keys / "theirs.pub"),
        NotPermitted,
        r"was signed with key \w{16}, and .* is key",
    )
    refused(
        lambda: signature.verify(signed, keys / "root.crt"),
        NotPermitted,
        "was signed with key .* a certificate",
    )
    (signed / "model.sig").unlink()
    refused(lambda: signature.verify(signed, keys / "ours.pub"), NotPermitted, "its signature was taken away")


def test_another_key_that_gives_itself_out_for_ours_is_refused(signed: Path, keys: Path) -> None:
    """The name of the key stands outside of what is signed."""
    ours = json.loads((signed / "model.sig").read_text())["verificationMaterial"]
    (signed / "model.sig").unlink()
    signature.sign(signed, keys / "theirs.pem")
    bundle = json.loads((signed / "model.sig").read_text())
    (signed / "model.sig").write_text(json.dumps({**bundle, "verificationMaterial": ours}))
    refused(lambda: signature.verify(signed, keys / "ours.pub"), DataError, "did not sign what it says")


def test_a_signature_that_leaves_weights_out_vouches_for_nothing(model: Path, keys: Path) -> None:
    """The package's own verification goes by the list of ignored paths that stands in the signature."""
    words = ("--private_key", str(keys / "ours.pem"), "--signature", str(model / "model.sig"))
    left_out = ("--ignore-paths", str(model / "model.safetensors"))
    assert package("sign", "key", str(model), *words, *left_out).returncode == 0
    check = (
        "verify",
        "key",
        str(model),
        "--signature",
        str(model / "model.sig"),
        "--public_key",
        str(keys / "ours.pub"),
    )
    assert package(*check).returncode == 0
    refused(
        lambda: signature.verify(model, keys / "ours.pub"),
        DataError,
        r"model\.safetensors: is not signed: it was added later, or the signature leaves it out",
    )


def test_the_packages_own_command_verifies_what_we_sign(signed: Path, keys: Path) -> None:
    words = ("verify", "key", str(signed), "--signature", str(signed / "model.sig"))
    done = package(*words, "--public_key", str(keys / "ours.pub"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert package(*words, "--public_key", str(keys / "theirs.pub")).returncode != 0
    changed(signed)
    assert package(*words, "--public_key", str(keys / "ours.pub")).returncode != 0


def test_we_verify_what_the_packages_own_command_signs(model: Path, keys: Path) -> None:
    words = ("--private_key", str(keys / "ours.pem"), "--signature", str(model / "model.sig"))
    done = package("sign", "key", str(model), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert signature.verify(model, keys / "ours.pub").files == 8
    refused(lambda: signature.verify(model, keys / "theirs.pub"), NotPermitted, "was signed with key")
    refused(lambda: signature.verify(model, keys / "ours.pub"), DataError, changed(model))


@pytest.mark.parametrize("algorithm", ["sha256", "blake2"])
def test_signatures_in_parts_and_by_other_hashes_verify_too(algorithm: str, model: Path, keys: Path) -> None:
    from model_signing import hashing, signing

    way = hashing.Config().use_shard_serialization(hashing_algorithm=algorithm, shard_size=4096)
    way.set_ignored_paths(paths=["model.sig"])
    config = signing.Config().set_hashing_config(way)
    config.use_elliptic_key_signer(private_key=keys / "ours.pem").sign(model, model / "model.sig")
    assert signature.verify(model, keys / "ours.pub").files == 8
    assert not statement.read(model / "model.sig").by_file
    changed(model)
    refused(lambda: signature.verify(model, keys / "ours.pub"), DataError, "does not hold")
    removed(model)
    refused(lambda: signature.verify(model, keys / "ours.pub"), DataError, "is signed and not there")


def test_certificates_sign_and_their_root_verifies(model: Path, keys: Path) -> None:
    signature.sign(model, keys / "ours.pem", certificates=[keys / "ours.crt"])
    assert "a certificate that" in str(signature.verify(model, keys / "root.crt"))
    refused(
        lambda: signature.verify(model, keys / "stranger.crt"),
        NotPermitted,
        "its certificate is not vouched for",
    )
    refused(lambda: signature.verify(model, keys / "ours.pub"), NotPermitted, "was signed with a certificate")
    refused(
        lambda: signature.sign(model, keys / "theirs.pem", certificates=[keys / "ours.crt"]),
        DataError,
        "does not match",
    )


def test_a_locked_key_opens_by_the_password_in_the_variable_alone(
    model: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sign", str(model), "--key", str(keys / "locked.pem")]
    assert cli.main(words) == 77
    assert cli.main([*words, "--password-env", "NOT_SET_ANYWHERE"]) == 66
    monkeypatch.setenv("KEY_WORD", "another")
    assert cli.main([*words, "--password-env", "KEY_WORD"]) == 77
    assert not (model / "model.sig").exists()
    monkeypatch.setenv("KEY_WORD", PASSWORD)
    assert cli.main([*words, "--password-env", "KEY_WORD"]) == 0
    assert cli.main(["verify", str(model), "--key", str(keys / "ours.pub")]) == 0
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err


def test_what_is_no_key_is_told_and_how_to_make_one(model: Path, keys: Path, tmp_path: Path) -> None:
    (tmp_path / "words.pem").write_text("not a key\n")
    (tmp_path / "torn.pem").write_bytes(
        (keys / "ours.pem").read_bytes()[:90] + b"\n-----END EC PRIVATE KEY-----\n"
    )
    for name, error, says in (
        ("none.pem", MissingInput, "no such file"),
        ("words.pem", DataError, "no private key in PEM; `openssl ecparam"),
        ("torn.pem", DataError, "damaged, or no private key"),
    ):
        refused(lambda name=name: signature.sign(model, tmp_path / name), error, says)
    refused(lambda: signature.sign(model, keys / "rsa.pem"), DataError, "P-256, P-384 or P-521")
    refused(lambda: signature.sign(model, keys / "ours.pub"), DataError, "no private key")
    signature.sign(model, keys / "ours.pem")
    refused(lambda: signature.verify(model, keys / "rsa.pub"), DataError, "another kind")
    refused(lambda: signature.verify(model, keys / "ours.pem"), UsageError, "is a private key")
    refused(
        lambda: signature.verify(model, tmp_path / "words.pem"), DataError, "no public key and no certificate"
    )


def test_a_key_in_the_folder_would_be_published_and_is_refused(model: Path, keys: Path) -> None:
    shutil.copy(keys / "ours.pem", model / "key.pem")
    refused(lambda: signature.sign(model, model / "key.pem"), UsageError, "would be published")
    assert not (model / "model.sig").exists()


def test_a_link_in_a_folder_is_not_signed(model: Path, keys: Path) -> None:
    shutil.move(model / "config.json", model.parent / "config.json")
    (model / "config.json").symlink_to(model.parent / "config.json")
    refused(lambda: signature.sign(model, keys / "ours.pem"), DataError, r"config\.json: is a link")


def test_signing_again_takes_the_place_of_the_old_signature(signed: Path, keys: Path) -> None:
    added(signed)
    refused(lambda: signature.verify(signed, keys / "ours.pub"), DataError, "is not signed")
    signature.sign(signed, keys / "ours.pem")
    assert signature.verify(signed, keys / "ours.pub").files == 9


def test_links_to_files_as_a_hubs_cache_has_them_are_what_they_point_to(
    signed: Path, keys: Path, tmp_path: Path
) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for path in signed.iterdir():
        (snapshot / path.name).symlink_to(path)
    assert signature.verify(snapshot, keys / "ours.pub").files == 8
    (snapshot / ".cache" / "huggingface").mkdir(parents=True)
    (snapshot / ".cache" / "huggingface" / "lock").touch()
    (snapshot / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    assert signature.verify(snapshot, keys / "ours.pub").files == 8, (
        "what a download leaves is no part of a model"
    )
    (snapshot / ".cache" / "other").write_text("x")
    refused(lambda: signature.verify(snapshot, keys / "ours.pub"), DataError, r"\.cache/other: is not signed")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return made_up_run.build(tmp_path / "run", questions=3)


def export(finished: Path) -> Path:
    found = run.read(finished)
    return found.folder(found.stage("export")) / "export"


def test_a_run_is_signed_and_verified_as_one(
    finished: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["sign", str(finished), "--key", str(keys / "ours.pem")]) == 0
    assert cli.main(["verify", str(finished), "--key", str(keys / "ours.pub")]) == 0
    told = capsys.readouterr().out
    assert "links hold" in told and "files as signed with key" in told
    assert cli.main(["verify", str(finished), "--key", str(keys / "theirs.pub")]) == 77
    (export(finished) / "model.sig").unlink()
    assert cli.main(["verify", str(finished), "--key", str(keys / "ours.pub")]) == 77
    assert cli.main(["verify", str(finished)]) == 0, "without a key nobody asks who signed"


def test_what_changed_since_the_export_is_not_signed(
    finished: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (export(finished) / "notes.txt").write_text("mine")
    words = ["sign", str(finished), "--key", str(keys / "ours.pem")]
    assert cli.main(words) == 65
    assert "notes.txt: was added since the export stage left this folder" in capsys.readouterr().err
    (export(finished) / "notes.txt").unlink()
    changed(export(finished))
    assert cli.main(words) == 65
    assert "model.safetensors" in capsys.readouterr().err
    assert not (export(finished) / "model.sig").exists()


def test_a_run_without_an_export_has_nothing_to_sign(
    tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made_up_run.build(tmp_path / "run", until="grpo", questions=3)
    assert cli.main(["sign", str(folder), "--key", str(keys / "ours.pem")]) == 66
    assert cli.main(["verify", str(folder), "--key", str(keys / "ours.pub")]) == 66
    assert cli.main(["sign", str(tmp_path / "nowhere"), "--key", str(keys / "ours.pem")]) == 66
    assert cli.main(["verify", str(tmp_path / "nowhere"), "--key", str(keys / "ours.pub")]) == 66


def test_a_signed_folder_without_a_key_says_what_to_name(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", str(signed)]) == 64
    assert "--key FILE" in capsys.readouterr().err


def test_a_folder_that_cannot_be_listed_is_refused(
    signed: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without leave to list it, whoever knows a name in it can open that all the same. The superuser lists everything."""
    hidden = signed / "hidden"
    hidden.mkdir()
    listed = os.scandir

    def scandir(path: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
        if Path(path) == hidden:
            raise PermissionError(13, "Permission denied", str(hidden))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    refused(lambda: signature.verify(signed, keys / "ours.pub"), DataError, "hidden: cannot be listed")
    refused(lambda: signature.sign(signed, keys / "ours.pem"), DataError, "hidden: cannot be listed")
