"""What the pages say that the code can say too: versions, outputs, defaults, commands, exit codes, links."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_group

from lingshu_train import cli, verify
from lingshu_train.planning import estimate, plan, recipe
from lingshu_train.reference import rooms
from lingshu_train.verify import release

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
}
FENCED = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_a_printed_version_of_the_verifier_is_the_one_there_is(page: str) -> None:
    for printed in re.findall(r"verifier (\d+\.\d+)\+", PAGES[page]):
        assert printed == release.RELEASE, f"{page} prints verifier {printed}"


def test_the_example_of_scoring_gives_what_the_page_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PAGES["docs/rewards.md"].partition("## Score your own outputs")[2]
    rows, printed = re.findall(r"```\n(.*?)```", text, flags=re.DOTALL)[:2]
    (tmp_path / "answers.jsonl").write_text(rows, encoding="utf-8")
    assert cli.main(["score", str(tmp_path / "answers.jsonl"), "--out", str(tmp_path / "judged.jsonl")]) == 0
    told = capsys.readouterr().err.replace(verify.version(), f"{release.RELEASE}+...")
    assert told.strip() == printed.strip()
    judged = [
        json.loads(line) for line in (tmp_path / "judged.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert all({"correct", "status", "rule", "extracted", "normalized"} <= set(one) for one in judged)


def test_defaults_in_the_table_of_rewards_are_those_of_the_code() -> None:
    known = {
        entry.name: {key.path: key.default for key in entry.keys} for entry in rooms.entries(rooms.REWARD)
    }
    told = [
        (row[1], name, value)
        for row in re.finditer(r"^\| `(\w+)` \|(.*)$", PAGES["docs/rewards.md"], flags=re.MULTILINE)
        if row[1] in known
        for name, value in re.findall(r"`(\w+)` \((-?[\d.]+)\)", row[2])
    ]
    assert len(told) >= 5
    assert [(reward, name, known[reward][name]) for reward, name, _ in told] == told


def test_the_table_of_exit_codes_has_every_code_and_no_other() -> None:
    table = PAGES["docs/resume.md"].partition("| 64 |")[1:]
    codes = re.findall(r"^\| (\d+) \|", "".join(table), flags=re.MULTILINE)
    assert codes == [entry.name for entry in rooms.exits() if entry.name != "0"]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_to_one(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", PAGES[page])
    for target, anchor in links:
        if re.match(r"\w+:", target):
            continue
        path = (ROOT / page).parent / target
        assert path.exists(), f"{page}: {target}"
        if anchor and path.suffix == ".md":
            assert anchor[1:] in anchors(path.read_text(encoding="utf-8")), f"{page}: {target}{anchor}"


def anchors(text: str) -> set[str]:
    """As a hub of code makes them of headings."""
    heads = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(text: str) -> list[str]:
    """What stands as a command between backticks, and at the beginning of a line of a block."""
    blocks = [
        line for block in FENCED.findall(text) for line in re.findall(r"(?m)^(lingshu [a-z].*)$", block)
    ]
    return [*blocks, *re.findall(r"`(lingshu [a-z][^`\n|]*)", FENCED.sub("", text))]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_shown_exists_with_its_options(page: str) -> None:
    for shown in commands(PAGES[page]):
        words = shown.split("#")[0].split()[1:]
        here: object = get_group(cli.app)
        while isinstance(here, TyperGroup):
            assert words and words[0] in here.commands, f"{page}: {shown}"
            here = here.commands[words.pop(0)]
        own = [one for one in here.params if isinstance(one, TyperOption)]  # type: ignore[attr-defined]
        options = {name for one in own for name in (*one.opts, *one.secondary_opts)}
        used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= options | {"--help"}, f"{page}: {shown}"


def said_by_the_code() -> str:
    """Every text of the package, adjacent ones joined, what is filled in left out."""
    found: list[str] = []
    for path in (ROOT / "lingshu_train").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [one.value if isinstance(one, ast.Constant) else "\0" for one in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_every_line_that_troubleshooting_explains_is_one_that_the_code_says() -> None:
    said = said_by_the_code()
    lines = re.findall(r"^\| `([^`]+)` \((\d+)\) \|", PAGES["docs/troubleshooting.md"], flags=re.MULTILINE)
    assert len(lines) > 25
    codes = {entry.name for entry in rooms.exits()}
    for line, code in lines:
        assert code in codes
        for part in line.split("…"):
            text = part.strip(" ;:,=")
            assert text in said, f"nothing says {text!r}"


def test_the_memory_that_hardware_tells_is_what_a_plan_computes() -> None:
    rows = re.findall(r"^\| `(.*)` \| ([\d.]+) GiB \|", PAGES["docs/hardware.md"], flags=re.MULTILINE)
    assert len(rows) >= 10
    for command, told in rows:
        name, *overrides = command.split()
        if name.startswith("adapt"):
            # What `lingshu data add` fills in; the memory does not depend on it.
            overrides += [
                "stages.data.cards=[slake]",
                "stages.data.splits=[train]",
                "pipeline=[data,instruct]",
            ]
        chosen = recipe.load(name, overrides)
        costs = [estimate.cost(chosen, one.stage, one.config) for one in plan.build(chosen).planned]
        assert f"{max(cost.state_bytes for cost in costs if cost) / 2**30:.1f}" == told, command
