"""The verbs. Parses, calls, prints; decides nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lingshu_train.cli import data as cli_data
from lingshu_train.errors import LingshuError, MissingInput, UsageError

VERBS = ("run", "plan", "status", "report", "verify", "data", "score", "push")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; a user's mistake is one line on stderr and an exit code, never a traceback."""
    try:
        arguments = _parser().parse_args(argv)
        return int(arguments.verb(arguments) or 0)
    except LingshuError as fault:
        print(f"lingshu: {fault}", file=sys.stderr)
        return fault.exit_code
    except BrokenPipeError:
        # The reader has seen enough, as in `lingshu plan X | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("lingshu: interrupted; run the same command again to go on", file=sys.stderr)
        return 75


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message}; see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lingshu", description="Train medical vision-language models so that others can repeat it."
    )
    verbs = parser.add_subparsers(dest="name", required=True, parser_class=_Parser)

    def verb(name: str, about: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=about, description=about)

    for name, about, call in (
        ("run", "Run a recipe, or go on with it: finished stages are skipped.", _run),
        ("plan", "Show what a recipe would do, in under a second.", _plan),
    ):
        one = verb(name, about)
        one.add_argument("recipe", help="name of a recipe, or path of your own YAML file")
        one.add_argument("overrides", nargs="*", metavar="key=value")
        one.set_defaults(verb=call)

    for name, about, call in (
        ("status", "Say which stages of a run are done.", _status),
        ("report", "Write the run's report.html.", _report),
        ("verify", "Check every file of a run against its recorded hash.", _verify),
    ):
        one = verb(name, about)
        one.add_argument("run", type=Path, help="run folder, such as runs/quickstart")
        one.set_defaults(verb=call)

    score = verb("score", "Judge the responses of a JSONL file.")
    score.add_argument("file", type=Path)
    score.add_argument("--policy", choices=("strict", "lenient"), default="lenient")
    score.add_argument("--out", type=Path)
    score.set_defaults(verb=_score)

    push = verb("push", "Show what a push to the Hugging Face Hub would send; with --yes, send it.")
    push.add_argument("run", type=Path)
    push.add_argument("stage", help="name of an export stage")
    push.add_argument("repository", help="owner/name")
    push.add_argument("--yes", action="store_true", help="really upload")
    push.add_argument("--private", action="store_true")
    push.set_defaults(verb=_push)

    cli_data.add(verb("data", "List, show, fetch and check the data of cards."))
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run(arguments: argparse.Namespace) -> int:
    from lingshu_train.planning import outline, plan, recipe
    from lingshu_train.report import page
    from lingshu_train.running import launch
    from lingshu_train.runs import run as runs

    with ExitStack() as stack:

        def planned(world_size: int | None = None) -> plan.Plan:
            made = plan.build(recipe.load(arguments.recipe, arguments.overrides), world_size=world_size)
            missing = outline.missing_data(made)
            if missing:
                more = (
                    f"; `lingshu plan {arguments.recipe}` lists {len(missing) - 1} more"
                    if len(missing) > 1
                    else ""
                )
                raise MissingInput(f"data is missing: {missing[0]}{more}")
            output = Path(made.output)
            runs.refuse_foreign(output, made.recipe)
            stack.enter_context(runs.hold(output))
            runs.write(output, recipe=made.recipe, stages=made.stages, plan=made.digest)
            return made

        if launch.under_torchrun():
            made = launch.attend(lambda: planned(launch.world_size()), _say)
            if made is None:
                return 0
        else:
            made = planned()
            launch.run(made, _say)
    output = Path(made.output)
    print(page.summary_table(output))
    print(f"report: {_near(page.write(output))}")
    return 0


def _near(path: Path) -> Path:
    """A path as short as it can be typed from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _plan(arguments: argparse.Namespace) -> int:
    from lingshu_train.planning import outline, plan, recipe

    chosen = recipe.load(arguments.recipe, arguments.overrides)
    print(outline.text(chosen, plan.build(chosen)))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from lingshu_train.runs import run as runs

    found = runs.read(arguments.run)
    for stage in found.stages:
        print(f"{stage.name:<12} {stage.kind:<9} {found.state(stage)}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from lingshu_train.report import page

    print(page.summary_table(arguments.run))
    print(f"report: {page.write(arguments.run)}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from lingshu_train.runs import manifest
    from lingshu_train.runs import run as runs

    found = runs.read(arguments.run)
    code = 0
    for stage in found.stages:
        if found.state(stage) != "done":
            print(f"{stage.name}: {found.state(stage)}")
            continue
        damaged = manifest.damaged(found.folder(stage))
        files = len(manifest.read(found.folder(stage)).files)
        print(
            f"{stage.name}: "
            + (f"changed or missing: {', '.join(damaged)}" if damaged else f"{files} files whole")
        )
        code = 65 if damaged else code
    return code


def _score(arguments: argparse.Namespace) -> int:
    from lingshu_train.runs.files import failure
    from lingshu_train.verify import Policy
    from lingshu_train.verify.answer_file import judge_file

    policy = Policy(arguments.policy)
    if arguments.out is None:
        _say(str(judge_file(arguments.file, policy, sys.stdout)))
        return 0
    try:
        with arguments.out.open("w", encoding="utf-8") as out:
            _say(str(judge_file(arguments.file, policy, out)))
    except OSError as fault:
        raise failure(arguments.out, fault) from None
    return 0


def _push(arguments: argparse.Namespace) -> int:
    from lingshu_train.hub import push

    plan = push.plan_push(arguments.run, arguments.stage, arguments.repository, private=arguments.private)
    print(plan.text)
    if arguments.yes:
        print(push.push(plan, say=_say))
    else:
        print("dry run: nothing was sent; add --yes to send it")
    return 0
