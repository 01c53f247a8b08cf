"""One repository of a model or a data set on a Hugging Face hub: the only file that talks to one, through huggingface_hub."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.sha import git_hash

from lingshu_train.errors import CannotCreate, LingshuError, NotPermitted, OutputFailed, RunAgain
from lingshu_train.hub.patience import PASSING, Patience, passing
from lingshu_train.hub.staging import StagedFile

TransportFault: type[Exception] = HfHubHTTPError.__bases__[0]
"""The base class of the HTTP client that this release of huggingface_hub uses (httpx, or its successor)."""

OWN = (".gitattributes",)
"""Files that the hub itself puts into a new repository."""

T = TypeVar("T")
Kind = Literal["model", "dataset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A branch of a repository that the user may write to. The token stays inside huggingface_hub."""

    api: HfApi
    repo_id: str
    revision: str
    patience: Patience
    kind: Kind = "model"

    @classmethod
    def connect(cls, repo_id: str, *, revision: str, patience: Patience, kind: Kind = "model") -> Remote:
        """Find the token and ask the hub whose it is. NotPermitted without one, before any request."""
        if not get_token():
            raise NotPermitted(
                "no Hugging Face token: log in with `hf auth login`, or set HF_TOKEN, then push again"
            )
        remote = cls(api=HfApi(), repo_id=repo_id, revision=revision, patience=patience, kind=kind)
        remote._patiently("ask who you are", remote.api.whoami)
        return remote

    @property
    def url(self) -> str:
        return f"{self.api.endpoint}/{'datasets/' * (self.kind == 'dataset')}{self.repo_id}"

    def prepare(self, *, private: bool) -> None:
        """Make the repository and the branch if missing. NotPermitted where it must not be public."""
        self._patiently(
            "create the repository",
            lambda: self.api.create_repo(self.repo_id, repo_type=self.kind, private=private, exist_ok=True),
        )
        info = self._patiently(
            "look at the repository", lambda: self.api.repo_info(self.repo_id, repo_type=self.kind)
        )
        if private and not info.private:
            what = "is public, and this model must be private"
            if self.kind == "dataset":
                what = "is public, and these rows must be private"
            raise NotPermitted(f"{self.url}: {what}; make it private, or push elsewhere")
        if self.revision != "main":
            self._patiently(
                "create the branch",
                lambda: self.api.create_branch(
                    self.repo_id, repo_type=self.kind, branch=self.revision, exist_ok=True
                ),
            )

    def refuse_others(self, ours: set[str]) -> None:
        """CannotCreate where the branch holds files that this push would leave beside its own."""
        others = sorted(self.names(self.revision) - ours)
        if others:
            raise CannotCreate(
                f"{self.url}: branch {self.revision} holds other files ({', '.join(others[:3])}); push to "
                "another repository or branch"
            )

    def commit(self, files: Mapping[str, Path], *, message: str) -> str:
        """Send every file in one commit and return its id; what is there already is not sent again."""

        def once() -> str:
            operations = [
                CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()
            ]
            return self.api.create_commit(
                self.repo_id,
                operations,
                repo_type=self.kind,
                commit_message=message,
                revision=self.revision,
            ).oid

        return self._patiently("upload", once)

    def check(self, commit: str, files: Mapping[str, StagedFile]) -> None:
        """Compare what the hub lists at `commit` with what was sent. OutputFailed where they differ."""
        stored = self._files(commit)
        for name, file in files.items():
            found = stored.get(name)
            if found is None:
                raise OutputFailed(f"{self.url}: {name} did not arrive (commit {commit[:12]}); push again")
            known = found.lfs.sha256 if found.lfs else found.blob_id
            expected = file.sha256 if found.lfs else git_hash(file.path.read_bytes())
            if known != expected or found.size != file.size:
                raise OutputFailed(
                    f"{self.url}: {name} arrived with other bytes (commit {commit[:12]}); push again"
                )

    def names(self, revision: str) -> set[str]:
        """The files at a revision, without the hub's own."""
        return set(self._files(revision)) - set(OWN)

    def content(self, revision: str, name: str) -> bytes:
        """A small file as the hub gives it to whoever asks, past every cache."""

        def once() -> bytes:
            with tempfile.TemporaryDirectory(prefix="read-back-") as folder:
                found = self.api.hf_hub_download(
                    self.repo_id, name, repo_type=self.kind, revision=revision, local_dir=folder
                )
                return Path(found).read_bytes()

        return self._patiently("read a file back", once)

    def _files(self, revision: str) -> dict[str, RepoFile]:
        def once() -> dict[str, RepoFile]:
            try:
                tree = self.api.list_repo_tree(
                    self.repo_id, repo_type=self.kind, recursive=True, revision=revision
                )
                return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
            except RevisionNotFoundError:
                return {}

        return self._patiently("list the files", once)

    def _patiently(self, what: str, call: Callable[[], T]) -> T:
        """Call, and call again after a passing fault; anything else becomes one line and an exit code."""

        def once() -> T:
            try:
                return call()
            except (HfHubHTTPError, TransportFault, RuntimeError, OSError, ValueError) as fault:
                raise self._refusal(what, fault) from None

        return self.patience.through(once)

    def _refusal(self, what: str, fault: Exception) -> LingshuError:
        """Never the fault's own text: it may hold a signed upload address."""
        root = _root(fault)
        if isinstance(root, OfflineModeIsEnabled):
            return RunAgain(
                f"{self.url}: cannot {what}: offline mode is on; unset HF_HUB_OFFLINE and push again"
            )
        if isinstance(root, ValueError) and not isinstance(root, HfHubHTTPError):
            return OutputFailed(f"{self.url}: cannot {what}: {' '.join(str(root).split())}")
        if not isinstance(root, HfHubHTTPError):
            return RunAgain(
                f"{self.url}: cannot {what}: {type(root).__name__}; push again when the hub can be reached"
            )
        status = root.response.status_code
        if status == 401:
            return NotPermitted(
                f"{self.url}: cannot {what}: the token is not valid (401); run `hf auth login`"
            )
        if status in (402, 403, 404):
            return NotPermitted(
                f"{self.url}: cannot {what}: the token may not write there ({status}); use a token with "
                "write permission, or a name of your own"
            )
        if status in PASSING:
            said = f"{self.url}: cannot {what}: the hub answers {status}; push again later"
            return passing(said, root.response.headers.get("Retry-After"))
        return OutputFailed(f"{self.url}: cannot {what}: the hub answers {status}")


def _root(fault: Exception) -> BaseException:
    """The fault under the wrapper that huggingface_hub puts around a failed upload."""
    root: BaseException = fault
    while isinstance(root, RuntimeError) and root.__cause__:
        root = root.__cause__
    return root
