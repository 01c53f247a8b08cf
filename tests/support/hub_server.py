"""The smallest Hugging Face hub that the real huggingface_hub client can push to and read back, on loopback.

Git-like commits in memory, large files through the LFS batch protocol, private repositories, tokens with and
without write permission, and faults on demand. Xet is not spoken: clients must set HF_HUB_DISABLE_XET.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from loopback import serving

TOKEN = "hf_" + "WritesHerOwnRepositories0123456789"
READER = "hf_" + "ReadsOnlyAndWritesNothing0123456789"
GITATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


@dataclass(frozen=True)
class Blob:
    """A stored file; `lfs` ones are listed by the sha256 of their bytes, the others by their git blob id."""

    data: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pointer(self) -> bytes:
        size = len(self.data)
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {size}\n".encode()

    @property
    def oid(self) -> str:
        stored = self.pointer if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()


@dataclass
class Repo:
    """Branches point to commits, commits are whole trees. Of a gated one only `granted` accounts may read files."""

    private: bool
    gated: bool = False
    granted: set[str] = field(default_factory=set)
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)

    def commit(self, branch: str, tree: dict[str, Blob]) -> str:
        listing = "".join(f"{path} {blob.oid}\n" for path, blob in sorted(tree.items()))
        parent = self.branches.get(branch, "")
        oid = hashlib.sha1(f"{parent}\n{len(self.commits)}\n{listing}".encode()).hexdigest()
        self.commits[oid] = tree
        self.branches[branch] = oid
        return oid

    def resolve(self, revision: str) -> str | None:
        return self.branches.get(revision) or (revision if revision in self.commits else None)


@dataclass
class Fault:
    """Answer `status` to the next `times` requests whose "METHOD /path" matches; 0 cuts the connection."""

    pattern: str
    status: int
    times: int


@dataclass
class Hub:
    """The state of the server. `tokens` maps a token to the account's name and whether it may write."""

    endpoint: str = ""
    tokens: dict[str, tuple[str, bool]] = field(default_factory=dict)
    repos: dict[str, Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tamper: Callable[[str, bytes], bytes] | None = None

    def received(self, path: str, data: bytes) -> bytes:
        return self.tamper(path, data) if self.tamper else data

    def create(self, name: str, *, private: bool = False, gated: bool = False) -> Repo:
        repo = self.repos[name] = Repo(private=private, gated=gated)
        repo.commit("main", {".gitattributes": Blob(GITATTRIBUTES, lfs=False)})
        return repo


@contextmanager
def serve() -> Iterator[Hub]:
    """A running hub on a free port of 127.0.0.1."""
    hub = Hub()
    with serving(type("Handler", (_Handler,), {"hub": hub})) as hub.endpoint:
        yield hub


class Refused(Exception):
    """An HTTP status with the hub's error code."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message or code)
        self.status, self.code = status, code


REPO = r"(?P<repo>[^/]+/[^/]+)"
DATASET = r"(?P<repo>datasets/[^/]+/[^/]+)"
"""Data sets live under their own prefix, which is also part of their key in `Hub.repos`."""
REVISION = r"(?P<revision>[^/]+)"
ROUTES = (
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/validate-yaml", "validate_yaml"),
    ("POST", r"/api/repos/create", "create_repo"),
    ("GET", rf"/api/models/{REPO}(/revision/{REVISION})?", "model_info"),
    ("GET", rf"/api/models/{REPO}/tree/{REVISION}", "tree"),
    ("POST", rf"/api/models/{REPO}/branch/{REVISION}", "create_branch"),
    ("POST", rf"/api/models/{REPO}/preupload/{REVISION}", "preupload"),
    ("POST", rf"/api/models/{REPO}/commit/{REVISION}", "commit"),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", "lfs_batch"),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs_put"),
    ("POST", r"/lfs/verify", "lfs_verify"),
    ("GET|HEAD", rf"/{REPO}/resolve/{REVISION}/(?P<path>.+)", "resolve"),
    ("GET", rf"/api/{DATASET}(/revision/{REVISION})?", "model_info"),
    ("GET", rf"/api/{DATASET}/tree/{REVISION}", "tree"),
    ("POST", rf"/api/{DATASET}/preupload/{REVISION}", "preupload"),
    ("POST", rf"/api/{DATASET}/commit/{REVISION}", "commit"),
    ("POST", rf"/{DATASET}\.git/info/lfs/objects/batch", "lfs_batch"),
    ("GET|HEAD", rf"/{DATASET}/resolve/{REVISION}/(?P<path>.+)", "resolve"),
)


def _owner(name: str) -> str:
    return name.removeprefix("datasets/").split("/")[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: what was asked is in hub.requests."""

    def _answer(self) -> None:
        body = self._body()
        path = urlsplit(self.path).path
        asked = f"{self.command} {path}"
        self.hub.requests.append(asked)
        for fault in self.hub.faults:
            if fault.times and re.search(fault.pattern, asked):
                fault.times -= 1
                if not fault.status:
                    self.close_connection = True
                    return
                self._send(fault.status, {"error": "made to fail"})
                return
        try:
            for methods, pattern, name in ROUTES:
                match = re.fullmatch(pattern, path)
                if match and self.command in methods.split("|"):
                    found = {key: unquote(value) for key, value in match.groupdict().items() if value}
                    getattr(self, name)(body, **found)
                    return
            raise Refused(404, message=f"no route for {asked}")
        except Refused as refusal:
            self._send(
                refusal.status,
                {"error": str(refusal)},
                {"X-Error-Code": refusal.code} if refusal.code else {},
            )

    def whoami(self, body: bytes) -> None:
        name, write = self._account()
        role = "write" if write else "read"
        self._send(
            200,
            {"type": "user", "name": name, "auth": {"type": "access_token", "accessToken": {"role": role}}},
        )

    def validate_yaml(self, body: bytes) -> None:
        content = json.loads(body)["content"]
        errors = [] if content.startswith("---\n") else [{"message": "no metadata"}]
        self._send(200, {"errors": errors, "warnings": []})

    def create_repo(self, body: bytes) -> None:
        asked = json.loads(body)
        account, write = self._account()
        name = f"{asked.get('organization') or account}/{asked['name']}"
        owner = name.split("/")[0]
        if asked.get("type") == "dataset":
            name = f"datasets/{name}"
        if not write or owner != account:
            raise Refused(403, message="You don't have the rights to create a model under this namespace")
        if name in self.hub.repos:
            self._send(
                409, {"error": "You already created this model repo", "url": f"{self.hub.endpoint}/{name}"}
            )
            return
        self.hub.create(name, private=asked.get("visibility") == "private" or asked.get("private") is True)
        self._send(200, {"url": f"{self.hub.endpoint}/{name}", "name": name, "id": "0" * 24})

    def model_info(self, body: bytes, repo: str, revision: str = "main") -> None:
        found, oid = self._at(repo, revision)
        siblings = [{"rfilename": path} for path in sorted(found.commits[oid])]
        self._send(
            200,
            {
                "id": repo,
                "modelId": repo,
                "sha": oid,
                "private": found.private,
                "gated": "manual" if found.gated else False,
                "siblings": siblings,
                "tags": [],
            },
        )

    def tree(self, body: bytes, repo: str, revision: str) -> None:
        found, oid = self._at(repo, revision)
        entries = []
        for path, blob in sorted(found.commits[oid].items()):
            entry = {"type": "file", "path": path, "size": len(blob.data), "oid": blob.oid}
            if blob.lfs:
                entry["lfs"] = {"oid": blob.sha256, "size": len(blob.data), "pointerSize": len(blob.pointer)}
            entries.append(entry)
        self._send(200, entries)

    def create_branch(self, body: bytes, repo: str, revision: str) -> None:
        found = self._writable(repo)
        if revision in found.branches:
            raise Refused(409, message="Reference already exists")
        found.branches[revision] = found.branches["main"]
        self._send(200, {})

    def preupload(self, body: bytes, repo: str, revision: str) -> None:
        self._writable(repo)
        found, oid = self._at(repo, revision)
        files = []
        for file in json.loads(body)["files"]:
            stored = found.commits[oid].get(file["path"])
            large = file["path"].endswith((".safetensors", ".parquet")) or file["size"] >= 10 * 2**20
            known = (stored.sha256 if stored.lfs else stored.oid) if stored else None
            mode = "lfs" if large else "regular"
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": known})
        self._send(200, {"files": files})

    def lfs_batch(self, body: bytes, repo: str) -> None:
        self._writable(repo)
        objects = []
        for asked in json.loads(body)["objects"]:
            entry = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.objects:
                upload = {"href": f"{self.hub.endpoint}/lfs/{asked['oid']}?signature=kept-out-of-logs"}
                entry["actions"] = {"upload": upload, "verify": {"href": f"{self.hub.endpoint}/lfs/verify"}}
            objects.append(entry)
        self._send(200, {"transfer": "basic", "objects": objects})

    def lfs_put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise Refused(400, message="the bytes do not have this sha256")
        self.hub.objects[oid] = body
        self._send(200, {})

    def lfs_verify(self, body: bytes) -> None:
        asked = json.loads(body)
        if len(self.hub.objects.get(asked["oid"], b"")) != asked["size"]:
            raise Refused(404, message="object not found")
        self._send(200, {})

    def commit(self, body: bytes, repo: str, revision: str) -> None:
        found = self._writable(repo)
        _, parent = self._at(repo, revision)
        tree = dict(found.commits[parent])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                tree[value["path"]] = Blob(
                    self.hub.received(value["path"], base64.b64decode(value["content"])), lfs=False
                )
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    raise Refused(400, message="LFS object was not uploaded")
                tree[value["path"]] = Blob(
                    self.hub.received(value["path"], self.hub.objects[value["oid"]]), lfs=True
                )
            elif line["key"] != "header":
                raise Refused(400, message=f"operation {line['key']} is not implemented here")
        oid = found.commit(revision, tree)
        self._send(
            200, {"success": True, "commitUrl": f"{self.hub.endpoint}/{repo}/commit/{oid}", "commitOid": oid}
        )

    def resolve(self, body: bytes, repo: str, revision: str, path: str) -> None:
        found, oid = self._at(repo, revision)
        blob = found.commits[oid].get(path)
        if blob is None:
            raise Refused(404, "EntryNotFound", "Entry not found")
        self._refuse_strangers(found)
        etag = blob.sha256 if blob.lfs else blob.oid
        data = self.hub.received(path, blob.data)
        self._send(200, data, {"X-Repo-Commit": oid, "ETag": f'"{etag}"'})

    def _refuse_strangers(self, repo: Repo) -> None:
        """A gated repository is listed to everyone; its files are for those whom its owner has let in."""
        if not repo.gated:
            return
        if not self.headers.get("Authorization"):
            raise Refused(401, "GatedRepo", "Access to this dataset is restricted. You must be authenticated")
        if self._account()[0] not in repo.granted:
            raise Refused(403, "GatedRepo", "Access is restricted and you are not in the authorized list")

    def _account(self) -> tuple[str, bool]:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in self.hub.tokens:
            raise Refused(401, message="Invalid credentials in Authorization header")
        return self.hub.tokens[token]

    def _at(self, name: str, revision: str) -> tuple[Repo, str]:
        """A repository that the caller may see, and the commit of a revision."""
        repo = self.hub.repos.get(name)
        if repo and repo.private and self._account()[0] != _owner(name):
            repo = None
        if repo is None:
            raise Refused(404, "RepoNotFound", "Repository not found")
        oid = repo.resolve(revision)
        if oid is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo, oid

    def _writable(self, name: str) -> Repo:
        account, write = self._account()
        repo, _ = self._at(name, "main")
        if not write or account != _owner(name):
            raise Refused(403, message="you need write access")
        return repo

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header(
            "Content-Type", "application/octet-stream" if isinstance(content, bytes) else "application/json"
        )
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
