"""Verbs about what vouches for a run or for weights: verify, sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lingshu_train.cli._help import PasswordEnv, examples
from lingshu_train.errors import DataError

app = typer.Typer()

RunOrFolder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|FOLDER",
        help="Folder of a run, such as runs/quickstart, or of weights, such as a download.",
        readable=False,
    ),
]


@app.command(
    epilog=examples("lingshu verify runs/quickstart", "lingshu verify downloaded/tiny --key author.pub")
)
def verify(
    folder: RunOrFolder,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Check signatures: with this public key, or with these certificates (PEM).",
            show_default="check none",
            readable=False,
        ),
    ] = None,
) -> int:
    """Check a run's files and their descent, or a signature.

    Every file is compared with its recorded hash, each stage with those it was made from, and what certificates of forgetting
    name. With --key the signature over exported weights is checked too, or that of a folder of weights, such as a download.
    """
    from lingshu_train.forgetting import certificate
    from lingshu_train.hub import vouching

    code = 0
    for finding in vouching.check(folder, key):
        print(finding.told)
        code = code if finding.holds else DataError.exit_code
    for one in certificate.check(folder):
        print(f"{one.name}: {'; '.join(one.faults) or f'{one.stages} stages as it names them'}")
        for line in one.untold:
            print(f"{one.name}: {line}")
        code = DataError.exit_code if one.faults else code
    return code


@app.command(
    epilog=examples(
        "openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
        "openssl ec -in key.pem -pubout -out key.pub",
        "lingshu sign runs/quickstart --key key.pem",
        "lingshu verify runs/quickstart --key key.pub",
    )
)
def sign(
    folder: RunOrFolder,
    key: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Your private key (PEM; P-256, P-384 or P-521).", readable=False),
    ],
    password_env: PasswordEnv = None,
    certificate: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="The certificate of the key (PEM), then those between it and its root; may be given again.",
            show_default="none",
            readable=False,
        ),
    ] = None,
) -> None:
    """Sign what a run exported, or a folder of weights.

    The signature is model.sig beside the files, in the form of OpenSSF model signing. It covers all of them, among them
    provenance.json, which names every manifest that the weights descend from.
    """
    from lingshu_train.hub import vouching

    for signed in vouching.sign(folder, key, password_env=password_env, certificates=certificate or ()):
        print(signed)
