"""PhysioNet projects, with the user's own account. Each project lists the sha256 of all its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from requests.utils import get_netrc_auth

from lingshu_train import environment
from lingshu_train.data.cards import patterns
from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import DataError, NotPermitted
from lingshu_train.hub.download import Client, Wanted
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.sources import _job
from lingshu_train.hub.sources._job import Arrived, Job, Offer, download, place, session

ENDPOINT = "https://physionet.org"
SUMS = "SHA256SUMS.txt"
USER, PASSWORD = "PHYSIONET_USER", "PHYSIONET_PASSWORD"


def offer(part: Part) -> Offer:
    """Which files of the card's projects."""
    return Offer(what=", ".join(part.source.include) or "every file of the project")


def permit(part: Part) -> None:
    """NotPermitted where no login is known and the set needs one."""
    _login(part)


def fetch(job: Job) -> Arrived:
    """The files of the card's projects that match `include` (without it all), each against the project's checksum."""
    client = Client(
        session=session(_job.AGENT),
        refusal=_refused(job.part),
        login=_login(job.part),
        patience=Patience(say=job.say),
    )
    source = job.part.source
    wanted = [pair for project in (source.name, *source.also) for pair in _listed(job, client, project)]
    if not wanted:
        raise DataError(
            f"{job.part.label}: {source.name} has no file that matches {', '.join(source.include)}; correct `include`"
        )
    return Arrived(revision=source.revision, files=download(job, client, wanted))


def _listed(job: Job, client: Client, project: str) -> Iterator[tuple[str, Wanted]]:
    if not re.fullmatch(r"[\w.-]+/\d+(\.\d+)*", project):
        raise DataError(
            f"{job.part.card.where}: lingshu.source: {project!r} names no version; write project/1.0.0"
        )
    base = f"{ENDPOINT}/files/{project}/"
    chosen = job.part.source.include
    for number, line in enumerate(client.text(base + SUMS).splitlines(), 1):
        found = re.fullmatch(r"([0-9a-f]{64})\s+\*?(\S.*)", line.strip())
        if found is None:
            if line.strip():
                raise DataError(f"{base}{SUMS}:{number}: not a checksum and a name")
            continue
        sha256, name = found[1], found[2].removeprefix("./")
        if not chosen or patterns.match(name, chosen):
            yield name, Wanted(url=base + quote(name), target=place(job, name), sha256=sha256)


def _login(part: Part) -> tuple[str, str] | None:
    """From the environment or ~/.netrc; never written anywhere."""
    user, password = environment.credential(USER), environment.credential(PASSWORD)
    if not (user and password):
        noted = get_netrc_auth(ENDPOINT)
        if noted and user in ("", noted[0]):
            user, password = noted
    if user and password:
        return user, password
    if part.access == "open":
        return None
    raise NotPermitted(f"{part.label}: needs your PhysioNet account: {_steps(part)}")


def _refused(part: Part) -> str:
    """PhysioNet takes logins only from clients on its list (MIT-LCP/physionet-build, project/utility.py), and may not have
    this one on it. We do not pass for another: the command it names itself does the same download."""
    also = f"{ENDPOINT}/files/{part.source.name}/"
    return (
        f"{_steps(part)}; where PhysioNet does not take this program's login, its own command does: "
        f"wget -r -N -c -np -nH --cut-dirs=3 --user NAME --ask-password {also}"
    )


def _steps(part: Part) -> str:
    return (
        f"finish the human-subjects training and sign the data use agreement at {part.source.home}, then put your login "
        f"into ~/.netrc (machine physionet.org login NAME password ...), or set {USER} and {PASSWORD}"
    )
