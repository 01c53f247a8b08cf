"""Keys and certificates to sign with, made by openssl as a person makes them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PASSWORD = "a password of the tests"


def make(folder: Path) -> Path:
    """Keys as the help says to make them, one of them locked, and a certificate with its root."""
    for name in ("ours", "theirs"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.pem", folder=folder)
        openssl("ec", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub", folder=folder)
    openssl("genrsa", "-out", "rsa.pem", "2048", folder=folder)
    openssl("rsa", "-in", "rsa.pem", "-pubout", "-out", "rsa.pub", folder=folder)
    openssl(
        *("pkcs8", "-topk8", "-in", "ours.pem", "-passout", "env:WORD", "-out", "locked.pem"),
        folder=folder,
        WORD=PASSWORD,
    )
    for root in ("root", "stranger"):
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"),
            *("-keyout", f"{root}.pem", "-out", f"{root}.crt", "-subj", f"/CN={root}"),
            folder=folder,
        )
    (folder / "use.txt").write_text("keyUsage=critical,digitalSignature\n")
    openssl("req", "-new", "-key", "ours.pem", "-subj", "/CN=ours", "-out", "ours.csr", folder=folder)
    openssl(
        *("x509", "-req", "-in", "ours.csr", "-CA", "root.crt", "-CAkey", "root.pem", "-CAcreateserial"),
        *("-days", "9", "-extfile", "use.txt", "-out", "ours.crt"),
        folder=folder,
    )
    return folder


def openssl(*words: str, folder: Path, **given: str) -> None:
    subprocess.run(
        ["openssl", *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **given}
    )
