"""One file from a web server onto the disk: resumed where it broke off, checked, and named only when it is whole."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from lingshu_train.data.cards.fetched import FetchedFile
from lingshu_train.errors import DataError, LingshuError, MissingInput, NotPermitted, OutputFailed, RunAgain
from lingshu_train.hub.patience import PASSING, Patience, passing
from lingshu_train.runs.files import failure, sync

CHUNK = 1 << 18
"""Bytes read at once: a fraction of a second on a slow line, so that a kill loses little and the bar moves."""
CEILING = 512 * 2**30
"""Most bytes of one file whose card states no size: far above any archive we know, and an answer without an end is one."""
HOPS = 8
"""Redirects: a publisher's own, its login's, its storage's; browsers give up at 20, and then it is a circle."""
TIMEOUT = (20.0, 60.0)
"""Seconds to connect, and between two pieces of an answer: archives on tape and busy gateways take their time."""
LOGIN_PAGE = "/login"

Advance = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to download. `sha256` is empty and `size` None where nobody states them."""

    url: str
    target: Path
    sha256: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How files are asked for. `login` goes to the host of the card's address only. `refusal`: what a person must do
    where the server answers that this is not allowed. Proxy and certificates come from the environment, as requests
    reads them."""

    session: requests.Session
    refusal: str
    login: tuple[str, str] | None = field(default=None, repr=False)
    patience: Patience

    def get(self, wanted: Wanted, advance: Advance) -> FetchedFile:
        """Download one file. `advance` hears how many more bytes of it are here; fewer than none where it is begun again.

        What has come stays beside the target in a hidden file, and another call goes on from there. Not permitted:
        NotPermitted; not there: MissingInput; other bytes than stated: DataError; no room: OutputFailed; a broken
        line: RunAgain, after waiting and trying again.
        """
        part, told = _Part(wanted.target), _Told(advance)
        return self.patience.through(lambda: self._once(wanted, part, told), progress=part.size)

    def text(self, url: str) -> str:
        """A short text file, such as a list of checksums."""
        with self._open(url, {}) as answer:
            self._judge(url, answer)
            try:
                return b"".join(_body(answer)).decode("utf-8")
            except UnicodeDecodeError as fault:
                raise DataError(f"{_shown(url)}: not UTF-8 at byte {fault.start}") from None
            except (HTTPError, requests.RequestException) as fault:
                raise RunAgain(f"{_shown(url)}: the line broke ({type(fault).__name__})") from None

    def _once(self, wanted: Wanted, part: _Part, told: _Told) -> FetchedFile:
        have = part.usable(known=bool(wanted.sha256))
        asked = {"Range": f"bytes={have}-"} if have else {}
        if have and part.tag():
            asked["If-Range"] = part.tag()
        with self._open(wanted.url, asked) as answer:
            if answer.status_code == 416:
                part.drop()
                raise RunAgain(f"{_shown(wanted.url)}: the file there has changed; starting it again")
            self._judge(wanted.url, answer)
            total = _total(answer, have)
            start = have if answer.status_code == 206 else 0
            _refuse_size(wanted, total)
            _refuse_room(wanted.target.parent, 0 if total is None else total - start)
            part.begin(start, tag=answer.headers.get("ETag", "") or answer.headers.get("Last-Modified", ""))
            told.reach(start)
            came = self._write(wanted, part, answer, told)
        if total is not None and came < total:
            raise RunAgain(f"{_shown(wanted.url)}: the line broke after {came:,} of {total:,} bytes")
        return part.commit(wanted, came, resumed=start > 0)

    def _write(self, wanted: Wanted, part: _Part, answer: requests.Response, told: _Told) -> int:
        """Append what comes to the part. Returns its size."""
        most = CEILING if wanted.size is None else wanted.size
        came = part.size()
        try:
            with part.path.open("ab") as stream:
                for piece in _body(answer):
                    came += len(piece)
                    if came > most:
                        part.drop()
                        raise DataError(
                            f"{_shown(wanted.url)}: sends more than the {most:,} bytes that it may have"
                        )
                    stream.write(piece)
                    told.reach(came)
        except (HTTPError, requests.RequestException) as fault:
            raise RunAgain(
                f"{_shown(wanted.url)}: the line broke after {came:,} bytes ({type(fault).__name__})"
            ) from None
        except OSError as fault:
            raise failure(wanted.target, fault) from None
        return came

    def _open(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Follow redirects to https or within the host, and give the login to no other host."""
        here, origin = url, urlsplit(url)
        for _ in range(HOPS):
            login = self.login if _same(urlsplit(here), origin) else None
            try:
                answer = self.session.get(
                    here,
                    headers={"Accept-Encoding": "identity", **headers},
                    # A function keeps requests from looking into ~/.netrc by itself.
                    auth=login or (lambda request: request),
                    stream=True,
                    allow_redirects=False,
                    timeout=TIMEOUT,
                )
            except requests.RequestException as fault:
                raise RunAgain(f"{_shown(here)}: cannot be reached ({type(fault).__name__})") from None
            if not answer.is_redirect:
                return answer
            answer.close()
            there = urljoin(here, answer.headers["Location"])
            if not _may_follow(urlsplit(there), urlsplit(here)):
                raise NotPermitted(
                    f"{_shown(here)}: is redirected to {_shown(there)}, which is neither https nor the same host"
                )
            if urlsplit(there).path.startswith(LOGIN_PAGE):
                raise NotPermitted(f"{_shown(here)}: asks to log in; {self.refusal}")
            here = there
        raise MissingInput(f"{_shown(url)}: redirected more than {HOPS} times; correct the card's address")

    def _judge(self, url: str, answer: requests.Response) -> None:
        """Anything but a file is one line and an exit code."""
        status = answer.status_code
        if status in (200, 206):
            return
        where = f"{_shown(url)}: the server answers {status}"
        faults: dict[int, LingshuError] = {
            401: NotPermitted(f"{where}; {self.refusal}"),
            403: NotPermitted(f"{where}; {self.refusal}"),
            404: MissingInput(f"{where}: no such file; correct the card's source"),
            410: MissingInput(f"{where}: the file was taken away; correct the card's source"),
        }
        if status in PASSING:
            raise passing(where, answer.headers.get("Retry-After"))
        raise faults.get(status, MissingInput(where))


@dataclass(slots=True)
class _Told:
    """How much of a file has been reported, so that what a second try finds is not reported twice."""

    advance: Advance
    at: int = 0

    def reach(self, position: int) -> None:
        self.advance(position - self.at)
        self.at = position


@dataclass(frozen=True, slots=True)
class _Part:
    """The unfinished file beside its target, and which state of the remote file it is a part of."""

    target: Path

    @property
    def path(self) -> Path:
        return self.target.with_name(f".{self.target.name}.part")

    @property
    def _tag(self) -> Path:
        return self.target.with_name(f".{self.target.name}.part-of")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def tag(self) -> str:
        return self._tag.read_text(encoding="utf-8") if self._tag.is_file() else ""

    def usable(self, *, known: bool) -> int:
        """Bytes to go on from. Without a tag only a known checksum can tell that the pieces belong together."""
        return self.size() if known or self.tag() else 0

    def begin(self, start: int, *, tag: str) -> None:
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            if not start:
                self.path.write_bytes(b"")
                self._tag.unlink(missing_ok=True)
                # A weak tag promises equal meaning, not equal bytes.
                if tag and not tag.startswith("W/"):
                    self._tag.write_text(tag, encoding="utf-8")
        except OSError as fault:
            raise failure(self.target, fault) from None

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def commit(self, wanted: Wanted, size: int, *, resumed: bool) -> FetchedFile:
        """Check, force to disk, give the final name."""
        with self.path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != (wanted.sha256 or found) or size != (size if wanted.size is None else wanted.size):
            self.drop()
            what = f"has sha256 {found} and {size:,} bytes, which is not what is stated for it"
            if resumed:
                raise RunAgain(f"{_shown(wanted.url)}: {what}; starting it again")
            raise DataError(
                f"{_shown(wanted.url)}: {what} ({wanted.sha256 or wanted.size}); nothing was kept"
            )
        try:
            sync(self.path)
            self.path.replace(self.target)
            sync(self.target.parent)
        except OSError as fault:
            raise failure(self.target, fault) from None
        self._tag.unlink(missing_ok=True)
        return FetchedFile(sha256=found, bytes=size)


def _body(answer: requests.Response) -> Iterator[bytes]:
    """The bytes as sent. `iter_content` would unzip a .gz that a server wrongly calls an encoding."""
    while piece := answer.raw.read(CHUNK):
        yield piece


def _total(answer: requests.Response, have: int) -> int | None:
    """The size of the whole file, where the server says it."""
    if answer.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            raise RunAgain(f"{_shown(answer.url)}: the server sent another part than the one asked for")
        return None if found[2] == "*" else int(found[2])
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _refuse_size(wanted: Wanted, total: int | None) -> None:
    if total is None:
        return
    if wanted.size is not None and total != wanted.size:
        raise DataError(f"{_shown(wanted.url)}: has {total:,} bytes, and {wanted.size:,} are stated for it")
    if total > CEILING:
        raise DataError(f"{_shown(wanted.url)}: has {total:,} bytes; the ceiling is {CEILING:,}")


def _refuse_room(folder: Path, needed: int) -> None:
    place = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise OutputFailed(
            f"{folder}: needs {needed / 2**20:,.0f} MiB and {free / 2**20:,.0f} MiB are free; free space and run "
            "the same command again"
        )


def _may_follow(there: SplitResult, here: SplitResult) -> bool:
    return there.scheme == "https" or _same(there, here)


def _same(one: SplitResult, other: SplitResult) -> bool:
    return (one.scheme, one.hostname, one.port) == (other.scheme, other.hostname, other.port)


def _shown(url: str) -> str:
    """An address without its query and without a login: both may be secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{(parts.netloc or '').rpartition('@')[2]}{parts.path}"
