"""Cards of one's own: where they are looked for, in which order, and what is said when two have one name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from test_catalogue import made

from lingshu_train import cli, environment
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import folders, presence
from lingshu_train.errors import DataError, MissingInput, RecipeError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and a search path that ends with the test."""
    monkeypatch.setenv("LINGSHU_CARDS", "")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def filled(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made(folder, name=name)
    return folder


def test_own_cards_come_first_and_shipped_ones_are_still_there(project: Path, tmp_path: Path) -> None:
    filled(project / "data_cards", "here")
    environment.add_cards([filled(tmp_path / "a", "zebra"), filled(tmp_path / "b", "ape")])
    shipped = folders.within(folders.SHIPPED)
    assert len(shipped) > 100
    assert cards.names() == ["zebra", "ape", "here", *shipped]
    assert cards.load("zebra").where == str(tmp_path / "a" / "zebra.md")
    assert cards.load("here").where == "data_cards/here.md"
    assert cards.load("here").own and not cards.load("slake").own


def test_a_card_says_the_same_wherever_it_lies(project: Path, tmp_path: Path) -> None:
    filled(tmp_path / "a", "mine")
    environment.add_cards([tmp_path / "a"])
    before = cards.load("mine").digest
    os.environ["LINGSHU_CARDS"] = ""
    filled(project / "data_cards", "mine")
    assert cards.load("mine").digest == before


def test_two_cards_of_one_name_are_refused_with_both_places(project: Path, tmp_path: Path) -> None:
    filled(project / "data_cards", "mine")
    made(filled(tmp_path / "a", "mine"), name="mine", rows=3)
    environment.add_cards([tmp_path / "a"])
    with pytest.raises(RecipeError, match=rf"^{tmp_path}/a/mine\.md: .* another card 'mine' in data_cards; "):
        cards.load("mine")
    made(filled(project / "data_cards", "slake"), name="slake")
    with pytest.raises(RecipeError, match=r"data_cards/slake\.md: there is another card 'slake' in "):
        cards.load("slake")


def test_the_same_card_found_twice_is_one_card(project: Path, tmp_path: Path) -> None:
    folder = filled(project / "data_cards", "mine")
    (tmp_path / "link").symlink_to(folder)
    environment.add_cards([tmp_path / "link", folder])
    assert cards.names().count("mine") == 1 and len(folders.path()) == 2
    # A clone as the working folder of an installed lingshu holds all the cards that lingshu brings.
    (folder / "slake.md").write_bytes((folders.SHIPPED / "slake.md").read_bytes())
    assert cards.load("slake").title


@pytest.mark.parametrize("verb", [["plan", "quickstart"], ["data", "list"], ["data", "show", "slake"]])
def test_a_folder_of_cards_that_is_not_there_is_one_line(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*verb, "--cards", "nowhere"]) == MissingInput.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere: no such folder of data cards" in line


def test_a_wrong_card_and_an_unknown_one_are_named_where_they_lie(project: Path, tmp_path: Path) -> None:
    folder = filled(tmp_path / "a", "mine")
    (folder / "bad.md").write_text("---\nlingshu: {}\n---\n")
    environment.add_cards([folder])
    with pytest.raises(DataError, match=rf"^{folder}/bad\.md: lingshu"):
        cards.load("bad")
    with pytest.raises(RecipeError, match=rf"'minee'; nearest of the \d+ in {folder}/, .*: mine"):
        cards.load("minee")


def test_the_list_says_which_cards_are_ones_own(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(project / "own", "mine")
    assert cli.main(["data", "list", "--cards", "own"]) == 0
    head, first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("mine ") and first[head.index("card ") :].startswith("own")
    assert second[head.index("card ") :].startswith("lingshu")


def test_processes_that_are_started_find_the_same_cards(project: Path) -> None:
    filled(project / "own", "mine")
    environment.add_cards([Path("own")])
    code = "from lingshu_train.data.cards import card; print(card.load('mine').file)"
    told = {**environment.inherited(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=told, cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(project / "own" / "mine.md")


def test_a_recipe_takes_cards_of_a_project_folder_and_plans_with_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(project / "data_cards", "mine")
    told = ["plan", "quickstart", "pipeline=[mine]", "+stages.mine={kind: prepare, cards: [mine]}"]
    assert cli.main(told) == 0
    assert "mine" in capsys.readouterr().out


def test_a_command_that_is_advised_finds_the_card(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`plan` says how to get the data of an own card; that command must not answer that there is no such card."""
    filled(tmp_path / "my cards", "mine")
    told = ["plan", "quickstart", "pipeline=[mine]", "+stages.mine={kind: prepare, cards: [mine]}"]
    assert cli.main([*told, "--cards", str(tmp_path / "my cards")]) == 0
    (advised,) = re.findall(r"mine \(open\): (lingshu data fetch .*)", capsys.readouterr().out)
    os.environ["LINGSHU_CARDS"] = ""
    words = shlex.split(advised)
    assert cli.main([word for word in words[1:] if word != "--yes"]) == 0
    filled(project / "data_cards", "here")
    assert "--cards" not in presence.how_to_get(cards.load("here"), Path("data"))


def test_a_link_to_nothing_a_folder_and_a_sign_that_parts_folders_are_each_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(project / "data_cards", "mine")
    (project / "data_cards" / "dead.md").symlink_to("/nowhere")
    (project / "data_cards" / "folder.md").mkdir()
    (project / "a:b").mkdir()
    assert {"mine", "dead"} <= set(cards.names()) and "folder" not in cards.names()
    for words, code, says in (
        (["show", "dead"], 66, "data_cards/dead.md: a link to a file that is not there"),
        (["list", "--cards", "a:b"], 64, "--cards a:b: no folder with ':' in its path"),
        (["show", "folder"], 78, "unknown data card 'folder'"),
    ):
        assert cli.main(["data", *words]) == code
        (line,) = capsys.readouterr().err.splitlines()
        assert says in line
