"""The data verbs: list, show, fetch, check, prepare and export. Parses, calls, prints; decides nothing."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from lingshu_train.errors import DataError, MissingInput, NotPermitted


def add(parser: argparse.ArgumentParser) -> None:
    """Give `lingshu data` its verbs."""
    verbs = parser.add_subparsers(dest="what", required=True, parser_class=type(parser))
    listing = verbs.add_parser("list", help="one line per card")
    for name in ("modality", "task", "access"):
        listing.add_argument(f"--{name}")
    listing.add_argument("--present", action=argparse.BooleanOptionalAction, default=None)
    _data_root(listing)
    listing.set_defaults(verb=_list)
    show = verbs.add_parser("show", help="one card whole")
    show.add_argument("card")
    show.set_defaults(verb=_show)
    fetch = verbs.add_parser("fetch", help="show what a download would bring; with --yes, download it")
    fetch.add_argument("cards", nargs="+", metavar="card")
    fetch.add_argument("--yes", action="store_true", help="really download")
    _data_root(fetch)
    fetch.set_defaults(verb=_fetch)
    check = verbs.add_parser("check", help="is the card right, and its data here and whole")
    check.add_argument("card")
    check.add_argument(
        "--sample", type=int, metavar="N", help="decode only N pictures of each split; all else is still read"
    )
    _data_root(check)
    check.set_defaults(verb=_check)
    prepare = verbs.add_parser("prepare", help="turn cards into a corpus that recipes can take as it is")
    prepare.add_argument("cards", nargs="+", metavar="card")
    prepare.add_argument("--split", action="append", dest="splits", help="may be given again (train)")
    prepare.add_argument("--out", type=Path, help="folder (DATA_ROOT/prepared/NAME-HASH)")
    prepare.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    prepare.add_argument("--min-pixels", type=int, default=3136, help="of the model (3136)")
    prepare.add_argument("--max-pixels", type=int, default=1_003_520, help="of the model (1003520)")
    prepare.add_argument("--least-side", type=int, default=1, help="smaller pictures are refused (1)")
    prepare.add_argument("--most-refused", type=float, default=0.01, help="share of a card's rows (0.01)")
    _data_root(prepare)
    prepare.set_defaults(verb=_prepare)
    export = verbs.add_parser("export", help="the card for machines, as Croissant JSON-LD")
    export.add_argument("card")
    export.add_argument(
        "--croissant", action="store_true", required=True, help="the format; the only one there is"
    )
    export.set_defaults(verb=_export)


def _data_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-root", type=Path, default=Path("data"))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _list(arguments: argparse.Namespace) -> int:
    from lingshu_train.data.cards import catalogue

    found = catalogue.rows(
        modality=arguments.modality,
        task=arguments.task,
        access=arguments.access,
        present=arguments.present,
        data_root=arguments.data_root,
    )
    print(catalogue.table(found))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from lingshu_train.data.cards import card, catalogue

    print(catalogue.show(card.load(arguments.card)))
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    """What is a person's turn for one card does not keep the others from coming. The first such code is the answer."""
    from lingshu_train.data.cards import card
    from lingshu_train.hub import fetch

    code = 0
    for one in [card.load(name) for name in arguments.cards]:
        try:
            if arguments.yes:
                print(fetch.fetch(one, arguments.data_root, say=_say), flush=True)
            else:
                print(fetch.offer(one, arguments.data_root))
        except (NotPermitted, MissingInput, DataError) as fault:
            _say(f"lingshu: {fault}")
            code = code or fault.exit_code
    if not arguments.yes:
        print("nothing was downloaded; add --yes to download it")
    return code


def _check(arguments: argparse.Namespace) -> int:
    from lingshu_train.data.cards import card
    from lingshu_train.data.checks import check as checking

    report = checking.check(card.load(arguments.card), arguments.data_root, sample=arguments.sample)
    for line in report.problems:
        print(line)
    for line in report.known:
        print(f"known: {line}")
    for line in report.unknown:
        print(f"unknown: {line}")
    print(f"{arguments.card}: {report.summary}")
    return report.exit_code


def _prepare(arguments: argparse.Namespace) -> int:
    from lingshu_train.data.corpus import preparing
    from lingshu_train.data.corpus.specification import Specification

    splits = arguments.splits or ["train"]
    wanted = Specification(
        splits=tuple((name, tuple((split, split) for split in splits)) for name in arguments.cards),
        data_root=str(arguments.data_root),
        asked=(),
        image_size=56,
        least_side=arguments.least_side,
        min_pixels=arguments.min_pixels,
        max_pixels=arguments.max_pixels,
        seed=0,
    )
    folder = arguments.out or arguments.data_root / "prepared" / preparing.name(wanted)
    summary = preparing.prepare(
        folder, wanted, workers=arguments.workers, most_refused=arguments.most_refused
    )
    print(preparing.text(summary, folder))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from lingshu_train.data.cards import card
    from lingshu_train.data.cards.croissant import croissant

    print(json.dumps(croissant(card.load(arguments.card)), indent=2, ensure_ascii=False))
    return 0
