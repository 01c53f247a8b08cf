"""What vouches for a run and for weights: hashes, the chain of manifests, the signature over what was exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lingshu_train import environment
from lingshu_train.documents import there
from lingshu_train.errors import DataError, MissingInput, UsageError
from lingshu_train.hub import describing, provenance, signature, staging, statement
from lingshu_train.hub.signature import Signed
from lingshu_train.runs import chain, manifest, run
from lingshu_train.runs import stage as stages
from lingshu_train.runs.files import failure
from lingshu_train.runs.run import Run, RunStage

LOADED = ("config.json", "adapter_config.json", "model_index.json")
"""Files by which libraries know a folder as a model's."""
WEIGHTS = (".safetensors", ".gguf", ".onnx", *staging.PICKLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked: a line for people, and whether it is as it should be."""

    told: str
    holds: bool = True


def check(folder: Path, key: Path | None) -> Iterator[Finding]:
    """Check a run, or a folder of weights, for which a `key` is needed.

    MissingInput (66): it is neither. NotPermitted (77): weights are not signed, or by another key. DataError (65) of a
    signature names the first file that is not what was signed. UsageError (64): weights are signed, and no key is named.
    """
    weights = not there(folder / run.NAME) or _loads(folder)
    if weights and key is not None:
        yield Finding(told=str(signature.verify(folder, key)))
        told = provenance.read(folder)
        if told:
            yield Finding(told=f"{folder}: {told}")
        return
    if weights and there(folder / statement.NAME):
        raise UsageError(f"{folder}: a folder that is signed; name the signer's public key: --key FILE")
    found = run.read(folder)
    for entry in found.stages:
        yield _files(found, entry)
    yield from _chain(found)
    exports = _exports(found)
    for place in exports:
        yield from _described(found, place)
    if key is None:
        return
    if not exports:
        raise MissingInput(f"{folder}: this run has exported no weights, and nothing else of it is signed")
    for place in exports:
        yield Finding(told=str(signature.verify(place, key)))


def sign(
    folder: Path, key: Path, *, password_env: str | None, certificates: Sequence[Path]
) -> Iterator[Signed]:
    """Sign every export of a run, or a folder of weights. Raises as `signature.sign`; MissingInput (66): the run has exported
    nothing, or the variable with the password is not set."""
    password = secret(password_env)
    places: Sequence[Path] = (folder,)
    if there(folder / run.NAME):
        places = _exports(run.read(folder))
        if not places:
            raise MissingInput(
                f"{folder}: this run has exported no weights; a stage of kind export writes them"
            )
    for place in places:
        yield signature.sign(
            place, key, password=password, certificates=certificates, expected=left_by_stage(place)
        )


def secret(variable: str | None) -> str:
    """The password that a variable holds; empty where none is named. MissingInput (66): it is not set."""
    if not variable:
        return ""
    found = environment.credential(variable)
    if not found:
        raise MissingInput(f"--password-env {variable}: this variable is not set, or empty")
    return found


def left_by_stage(place: Path) -> dict[str, str] | None:
    """The sha256 of each file as the export stage left it; None for a folder that no stage of ours wrote."""
    if place.name != describing.FOLDER or not there(place.parent / manifest.NAME):
        return None
    files = manifest.read(place.parent).files
    below = f"{describing.FOLDER}/"
    return {name.removeprefix(below): sha256 for name, sha256 in files.items() if name.startswith(below)}


def _loads(folder: Path) -> bool:
    """Whether a program that is given this folder would load a model from it. The folder of a run holds none itself, so that
    a stranger's records of a run beside weights do not make them one: nothing in those would vouch for these."""
    try:
        every = list(folder.iterdir()) if folder.is_dir() else []
    except OSError as fault:
        raise failure(folder, fault) from None
    return any(path.name in (statement.NAME, *LOADED) or path.suffix in WEIGHTS for path in every)


def _exports(found: Run) -> list[Path]:
    return [
        found.folder(entry) / describing.FOLDER
        for entry in found.stages
        if entry.about.role == "export" and found.state(entry) == "done"
    ]


def _files(found: Run, entry: RunStage) -> Finding:
    """The files of a stage against their recorded hashes."""
    state, folder = found.state(entry), found.folder(entry)
    if state == "damaged":
        return Finding(told=f"{entry.name}: damaged ({manifest.NAME} cannot be read)", holds=False)
    if state != "done":
        return Finding(told=f"{entry.name}: {state}")
    damaged = manifest.damaged(folder) + _unread(folder / "stage.json")
    if damaged:
        return Finding(told=f"{entry.name}: changed or missing: {', '.join(damaged)}", holds=False)
    return Finding(told=f"{entry.name}: {len(manifest.read(folder).files)} files whole")


def _unread(path: Path) -> list[str]:
    """The name of a stage's own record where it cannot be read: the manifest, which repeats it, has no hash of it."""
    try:
        stages.read(path)
    except (DataError, MissingInput):
        return [path.name]
    return []


def _chain(found: Run) -> Iterator[Finding]:
    """How the manifests hold together, and what lies outside the run."""
    links = chain.of(found)
    yield Finding(told=chain.text(links), holds=chain.broken(links) is None)
    for leaf in chain.leaves(found):
        yield Finding(told=f"{leaf.key} {leaf.named}: {leaf.told}")


def _described(found: Run, place: Path) -> Iterator[Finding]:
    """Whether the provenance beside exported weights is of the manifests that are here. Signed, it tells of them what their
    own links cannot: that nobody wrote all of them anew."""
    try:
        told = provenance.read(place)
        made = [manifest.read(found.folder(one)) for one in found.stages if found.state(one) == "done"]
        for fault, same in provenance.differences(told, made) if told else ():
            yield Finding(told=f"{place / provenance.NAME}: {fault}", holds=same)
    except DataError as damage:
        yield Finding(told=str(damage), holds=False)
