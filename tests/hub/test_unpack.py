"""Archives from strangers: refused whole, or unpacked whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from fetching import left, zipped

from lingshu_train.errors import CannotCreate, DataError
from lingshu_train.hub.unpack import unpack


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


EVIL = [
    member("../out.txt"),
    member("/abs.txt"),
    member("a/../../out.txt"),
    member("link", tarfile.SYMTYPE, "/etc/passwd"),
    member("up", tarfile.SYMTYPE, "../../out.txt"),
    member("inside", tarfile.SYMTYPE, "good.txt"),
    member("hard", tarfile.LNKTYPE, "good.txt"),
    member("far", tarfile.LNKTYPE, "/etc/passwd"),
    member("pipe", tarfile.FIFOTYPE),
    member("dev", tarfile.CHRTYPE),
    member("block", tarfile.BLKTYPE),
]


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="Python 3.11 has the filter from 3.11.4 on")
def test_every_reason_for_which_the_standard_librarys_filter_refuses_is_among_the_evil_ones_here(
    tmp_path: Path,
) -> None:
    found = set()
    for info in EVIL:
        try:
            tarfile.data_filter(info, str(tmp_path))
        except tarfile.FilterError as fault:
            found.add(type(fault))
    # AbsolutePathError is for names such as C:/out.txt on Windows; elsewhere absolute names are cut.
    assert found == set(tarfile.FilterError.__subclasses__()) - {tarfile.AbsolutePathError}


@pytest.mark.parametrize("evil", EVIL, ids=lambda info: info.name)
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


def test_flat_leaves_the_members_folders_out_and_refuses_two_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "in" / "made.zip"
    path.parent.mkdir()
    path.write_bytes(zipped({"a/1.png": b"1", "b/c/2.png": b"2", "b/1.png": b"1"}))
    assert unpack(path, tmp_path / "out", flat=True) == 2, "equal bytes are one file"
    assert left(tmp_path / "out") == {"1.png", "2.png"}
    path.write_bytes(zipped({"a/3.png": b"3", "b/3.png": b"another"}))
    with pytest.raises(
        DataError, match=r"member 'b/3.png' would have the name of 'a/3.png' and has other bytes"
    ):
        unpack(path, tmp_path / "out", flat=True)
    assert left(tmp_path) == {"in/made.zip", "out/1.png", "out/2.png"}, "nothing of it appears"


@pytest.mark.parametrize("name", ["../out.txt", "/abs.txt", "a/../../out.txt", "C:/out.txt"])
def test_flat_and_another_folder_excuse_no_unsafe_member(tmp_path: Path, name: str) -> None:
    (tmp_path / "made.zip").write_bytes(zipped({"good.txt": b"good", name: b"evil"}))
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(tmp_path / "made.zip", tmp_path / "inner", flat=True)
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(
            archive(tmp_path, [(member("a/link", tarfile.SYMTYPE, "good.txt"), b"")]),
            tmp_path / "inner",
            flat=True,
        )
    assert left(tmp_path) == {"made.zip", "made.tar.gz"}


def test_what_lies_there_is_not_written_over_and_what_was_unpacked_before_a_kill_is_met_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "made.zip").write_bytes(zipped({"a.png": b"a", "b.png": b"b"}))
    (tmp_path / "a.png").write_bytes(b"a")
    assert unpack(tmp_path / "made.zip") == 2
    (tmp_path / "b.png").write_bytes(b"mine")
    with pytest.raises(
        CannotCreate, match=r"holds b\.png, and another .* lies there already; nothing was unpacked"
    ):
        unpack(tmp_path / "made.zip")
    assert (tmp_path / "b.png").read_bytes() == b"mine"
