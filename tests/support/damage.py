"""Command lines that nobody would type, and files as accidents leave them: the same ones for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

ODD: tuple[object, ...] = (
    None, True, False, 0, -1, 3, 10**400, 1.5, float("nan"), float("inf"), "", "x", " ", "\n", "\ud800", "..", "/", "/nope",
    "é", "\u2028", "a" * 300, "${oc.env:HOME}", [], [1], [[]], {}, {"x": 1}, {"": None},
)  # fmt: skip
WORDS = (
    "", " ", "-", "--", "=", "=1", "~", "+", "++", "a b", "a=b", "-x", "--bogus", "--help", "-h", "--version", "seed=1", "sed=1",
    "seed=", "seed=-1", "seed=null", "seed=[", "seed=${oc.env:HOME}", "seed=${seed}", "+seed=1", "~seed", "~bogus",
    "model=tiny", "model=nosuch", "model=null", "model@x=tiny", "model.base=/nope", "model.base=w/none", "model.base=.",
    "stages.rl=null", "stages=1", "stages.rl.steps=0", "stages.rl.epochs=1", "+stages.rl.epochs=1", "stages.data.cards=[]",
    "stages.data.cards=[nosuch]", "stages.rl.rewards.terms.9.weight=2", "pipeline=[]", "pipeline=[data,data]", "pipeline=data",
    "output=", "output=.", "output=/dev/null", "output=README", "output=data", "output=a,b", "output='x'", "data_root=",
    "data_root=/dev/null", "data_root=nowhere", "hydra.run.dir=x", "cluster.processes=0", "cluster=none", "name=", "title=é",
    "title='${title}'", "trackers=[{name: x}]", "notes={a: 1}", "\ud800", "x" * 5000, "'", '"', "\\", "%s", "{}", "\0", "\n",
)  # fmt: skip
OPTIONS = (
    "--policy", "strict", "loose", "--out", "--split", "--workers", "0", "-3", "1", "--max-pixels", "10", "-5", "--min-pixels",
    "--least-side", "--most-refused", "7", "nan", "--sample", "-1", "--data-root", "--family", "qwen2_5_vl", "nosuch",
    "--modality", "xray", "--task", "vqa", "--access", "opn", "open", "--present", "--no-present", "--croissant", "--private",
    "--tracker", "tensorboard", "--param", "x", "a=b", "a=[", "--samples", "export", "rl", "me/x", "me", "slake",
    "--html", "--csv", "--model", "--cards", "--name", "--images", "--question", "--answer", "--delimiter", "--encoding", "--yes",
    "--recipe", "--json", "--patient", "seed=0,1", "seed=range(3)", "sft.epochs", "reward", "66", "package_pydicom", "package_nilearn", "mimic_cxr", "quickstart", "lingshu_7b",
)  # fmt: skip
VERBS = (
    ("plan",), ("plan", "quickstart"), ("run",), ("run", "quickstart"), ("status",), ("report",), ("verify",), ("score",), ("push",),
    ("track",), ("data",), ("data", "list"), ("data", "show"), ("data", "fetch"), ("data", "check", "slake"),
    ("data", "prepare", "slake"), ("data", "export"), ("nosuch",), (),
    ("init",), ("compare",), ("compare", "run"), ("explain",), ("docs",), ("doctor",), ("doctor", "quickstart"), ("data", "add"),
    ("data", "add", "pairs.csv", "--yes"), ("plan", "quickstart", "-m"), ("run", "quickstart", "--multirun"),
)  # fmt: skip


def command_line(draw: random.Random, places: tuple[str, ...]) -> list[str]:
    """A verb and up to five words after it. `places` are files and folders that are there, and some that are not."""
    verb = list(draw.choice(VERBS))
    pool = (WORDS, OPTIONS, places)
    return verb + [draw.choice(draw.choice(pool)) for _ in range(draw.randint(0, 5))]


def damaged(draw: random.Random, data: bytes, *, lines: bool = False, structured: bool = False) -> bytes:
    """The bytes of a file after an accident. `lines`: JSON in each line. `structured`: JSON as a whole."""
    ways: list[Callable[[random.Random, bytes], bytes]] = [
        _flipped,
        _cut,
        _holed,
        _inserted,
        _emptied,
        _noise,
        _recoded,
    ]
    if structured:
        ways += [_changed] * 7
    if lines:
        ways += [_one_line] * 7
    return draw.choice(ways)(draw, data)


def strike(draw: random.Random, path: Path, **kind: bool) -> bytes | None:
    """Damage a file where it lies, or put a folder in its place, or take it away (None); returns what stands there now."""
    whole, way = path.read_bytes(), draw.random()
    path.unlink()
    if way < 0.04:
        path.mkdir()
    if way < 0.08:
        return None
    path.write_bytes(damaged(draw, whole, **kind))
    return path.read_bytes()


def _flipped(draw: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randint(1, 5) if data else 0):
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _cut(draw: random.Random, data: bytes) -> bytes:
    return data[: draw.randint(0, len(data))]


def _holed(draw: random.Random, data: bytes) -> bytes:
    start = draw.randint(0, len(data))
    return data[:start] + data[start + draw.randint(1, 40) :]


def _inserted(draw: random.Random, data: bytes) -> bytes:
    start = draw.randint(0, len(data))
    pieces = (
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\n",
        b"\t",
        b'"',
        b"}",
        b"[" * 3000,
        b"&a *a",
        b": ",
        b"NaN",
        b"\xe2\x80\xa8",
        b"9" * 5000,
    )
    return data[:start] + draw.choice(pieces) + data[start:]


def _emptied(draw: random.Random, data: bytes) -> bytes:
    return draw.choice((b"", b"\n", b"null", b"[]", b"{}", b"0", b'""', b"xx", b"---\n---\n"))


def _noise(draw: random.Random, data: bytes) -> bytes:
    return draw.randbytes(draw.randint(1, 200))


def _recoded(draw: random.Random, data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode(draw.choice(("utf-16", "utf-32", "utf-8-sig")))


def _changed(draw: random.Random, data: bytes) -> bytes:
    """One value of a JSON document replaced, taken out or renamed."""
    found = json.loads(data)
    places = list(_places(found))
    if not places:
        return data
    holder, key = draw.choice(places)
    way = draw.random()
    if way < 0.6:
        holder[key] = draw.choice(ODD)
    elif way < 0.8:
        del holder[key]
    elif isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    else:
        holder.append(holder[key])
    return json.dumps(found).encode()


def _one_line(draw: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    number = draw.randrange(len(lines))
    if lines[number]:
        lines[number] = draw.choice((_changed, _changed, _flipped, _cut))(draw, lines[number])
    return b"\n".join(lines)


def _places(node: object):  # type: ignore[no-untyped-def]
    """Every (holder, key) of a JSON document, once."""
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from _places(node[key])
