"""PhysioNet projects, with the user's own account. Each project lists the sha256 of all its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from requests.utils import get_netrc_auth

from lingshu_train import environment
from lingshu_train.data.cards import patterns
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.croissant import home
from lingshu_train.errors import DataError, NotPermitted
from lingshu_train.hub.download import Client, Wanted
from lingshu_train.hub.patience import Patience
from lingshu_train.hub.sources import _job
from lingshu_train.hub.sources._job import Arrived, Job, Offer, download, place, session

ENDPOINT = "https://physionet.org"
SUMS = "SHA256SUMS.txt"
USER, PASSWORD = "PHYSIONET_USER", "PHYSIONET_PASSWORD"


def offer(card: Card) -> Offer:
    """Which files of the card's projects."""
    return Offer(what=", ".join(card.lingshu.source.include) or "every file of the project")


def permit(card: Card) -> None:
    """NotPermitted where no login is known and the set needs one."""
    _login(card)


def fetch(job: Job) -> Arrived:
    """The files of the card's projects that match `include` (without it all), each against the project's checksum."""
    client = Client(
        session=session(_job.AGENT),
        refusal=_refused(job.card),
        login=_login(job.card),
        patience=Patience(say=job.say),
    )
    source = job.card.lingshu.source
    wanted = [pair for project in (source.name, *source.also) for pair in _listed(job, client, project)]
    if not wanted:
        raise DataError(
            f"{job.card.name}: {source.name} has no file that matches {', '.join(source.include)}; correct `include`"
        )
    return Arrived(revision=source.revision, files=download(job, client, wanted))


def _listed(job: Job, client: Client, project: str) -> Iterator[tuple[str, Wanted]]:
    if not re.fullmatch(r"[\w.-]+/\d+(\.\d+)*", project):
        raise DataError(
            f"{job.card.where}: lingshu.source: {project!r} names no version; write project/1.0.0"
        )
    base = f"{ENDPOINT}/files/{project}/"
    chosen = job.card.lingshu.source.include
    for number, line in enumerate(client.text(base + SUMS).splitlines(), 1):
        found = re.fullmatch(r"([0-9a-f]{64})\s+\*?(\S.*)", line.strip())
        if found is None:
            if line.strip():
                raise DataError(f"{base}{SUMS}:{number}: not a checksum and a name")
            continue
        sha256, name = found[1], found[2].removeprefix("./")
        if not chosen or patterns.match(name, chosen):
            yield name, Wanted(url=base + quote(name), target=place(job, name), sha256=sha256)


def _login(card: Card) -> tuple[str, str] | None:
    """From the environment or ~/.netrc; never written anywhere."""
    user, password = environment.credential(USER), environment.credential(PASSWORD)
    if not (user and password):
        noted = get_netrc_auth(ENDPOINT)
        if noted and user in ("", noted[0]):
            user, password = noted
    if user and password:
        return user, password
    if card.lingshu.access == "open":
        return None
    raise NotPermitted(f"{card.name}: needs your PhysioNet account: {_steps(card)}")


def _refused(card: Card) -> str:
    """PhysioNet takes logins only from clients on its list (MIT-LCP/physionet-build, project/utility.py), and may not have
    this one on it. We do not pass for another: the command it names itself does the same download."""
    also = f"{ENDPOINT}/files/{card.lingshu.source.name}/"
    return (
        f"{_steps(card)}; where PhysioNet does not take this program's login, its own command does: "
        f"wget -r -N -c -np -nH --cut-dirs=3 --user NAME --ask-password {also}"
    )


def _steps(card: Card) -> str:
    return (
        f"finish the human-subjects training and sign the data use agreement at {home(card)}, then put your login "
        f"into ~/.netrc (machine physionet.org login NAME password ...), or set {USER} and {PASSWORD}"
    )
