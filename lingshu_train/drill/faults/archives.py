"""Archives as publishers and strangers send them: torn ones, bombs, and members that lead out of the folder."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from lingshu_train.drill import drawn
from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene, cut

WRONG = 65
_GROWN = (1 << 30) + (1 << 20)
"""Bytes that a small archive may not grow to."""


def _unpacked(name: str, spoil: Callable[[Scene, Path], object], why: str) -> Callable[[Scene], Ended]:
    """An archive of sound pictures, spoilt, put by hand into the folder of a card, and `lingshu data unpack`, whose line has
    `why`."""

    def do(scene: Scene) -> Ended:
        folder = scene.run.parent / "own"
        drawn.data(folder)
        place = folder / "data"
        archive = place / name
        card = folder / "cards" / f"{drawn.CARD}.md"
        card.write_text(drawn.card(place, unpack=[name]), encoding="utf-8")
        _pack(archive, sorted((place / "images").iterdir()))
        spoil(scene, archive)
        before = _seen(scene.run.parent)
        scene.weighed = False
        words = ["data", "unpack", drawn.CARD, "--cards", str(folder / "cards"), "--data-root", str(folder)]
        ended = scene.finish(scene.command(words))
        after = _seen(scene.run.parent)
        if after - before:
            scene.harm = f"it left {min(after - before)}"
        elif why not in ended.line:
            scene.harm = f"not told why: {ended.line}"
        return ended

    return do


def _seen(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix != ".log"}


def _pack(archive: Path, files: list[Path]) -> None:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for path in files:
                out.write(path, f"packed/{path.name}")
        return
    with tarfile.open(archive, "w:gz") as out:
        for path in files:
            out.add(path, f"packed/{path.name}")


def _member(name: str, data: bytes = b"x", mode: int = 0) -> Callable[[Scene, Path], None]:
    """One more member of a zip; `mode` is that of a Unix file, such as a link's."""

    def add(_: Scene, archive: Path) -> None:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        with zipfile.ZipFile(archive, "a") as out:
            out.writestr(info, data)

    return add


def _bomb(_: Scene, archive: Path) -> None:
    """A gibibyte of zeros in a megabyte."""
    with (
        zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as out,
        out.open("packed/zeros.bin", "w", force_zip64=True) as stream,
    ):
        block = bytes(1 << 20)
        for _block in range(_GROWN >> 20):
            stream.write(block)


def _tar(**named: object) -> Callable[[Scene, Path], None]:
    """Written anew with one more member: a link, a device, or a name that leads out."""

    def add(scene: Scene, archive: Path) -> None:
        files = sorted((archive.parent / "images").iterdir())
        with tarfile.open(archive, "w:gz") as out:
            for path in files:
                out.add(path, f"packed/{path.name}")
            info = tarfile.TarInfo(str(named["name"]))
            info.type = named.get("type", tarfile.REGTYPE)  # type: ignore[assignment]
            info.linkname = str(named.get("link", ""))
            out.addfile(info, io.BytesIO())

    return add


def _cut(_: Scene, archive: Path) -> None:
    cut(archive)


def _fault(name: str, says: str, archive: str, spoil: Callable[[Scene, Path], object], why: str) -> Fault:
    return Fault(
        name=f"archive_{name}",
        number="F34",
        says=says,
        do=_unpacked(archive, spoil, why),
        codes=(WRONG,),
        start="done",
    )


_OUT, _LINK, _TORN = "leads out of the folder", "is a link or a device", "cannot be unpacked"
_TO_ETC = _member("packed/link", b"/etc", stat.S_IFLNK | 0o777)
_TAR_LINK = _tar(name="packed/link", type=tarfile.SYMTYPE, link="../../..")
FAULTS = (
    _fault(
        "leads_out", "a zip with a member ../../outside", "a.zip", _member("../../outside"), _OUT
    ).quickly(),
    _fault("absolute", "a zip with a member /tmp/outside", "a.zip", _member("/tmp/lingshu-drill"), _OUT),
    _fault("link", "a zip with a link to /etc", "a.zip", _TO_ETC, _LINK),
    _fault("bomb", "a zip of a megabyte that holds a gibibyte", "a.zip", _bomb, "beyond what is plausible"),
    _fault("cut", "a zip cut in half", "a.zip", _cut, _TORN),
    _fault("tar_cut", "a tar.gz cut in half", "a.tar.gz", _cut, _TORN),
    _fault("tar_leads_out", "a tar with a member ../outside", "a.tar.gz", _tar(name="../outside"), _OUT),
    _fault("tar_link", "a tar with a link that leads out", "a.tar.gz", _TAR_LINK, _LINK),
    _fault(
        "tar_device", "a tar with a device", "a.tar.gz", _tar(name="packed/x", type=tarfile.CHRTYPE), _LINK
    ),
)
