"""`lingshu data fetch` by the names of cards and recipes, and its list of what would come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lingshu_train import cli
from lingshu_train.planning import recipe

pytestmark = pytest.mark.usefixtures("alone")


def offered(capsys: pytest.CaptureFixture[str], *names: str, root: Path) -> dict[str, object]:
    assert cli.main(["data", "fetch", *names, "--json", "--data-root", str(root)]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def cards_of(name: str) -> set[str]:
    return {card for block in recipe.load(name).stages for card in block.config.card_names}


def test_a_recipes_name_stands_for_all_cards_of_its_stages_each_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = offered(capsys, "slake", "lingshu_7b", root=tmp_path / "data")
    names = [source["card"] for source in found["sources"]]  # type: ignore[attr-defined]
    assert set(names) == cards_of("lingshu_7b") and names[0] == "slake"
    totals = found["totals"]
    assert totals["here"] + totals["fetch"] + totals["person"] == len(set(names))  # type: ignore[index]
    assert not (tmp_path / "data").exists()


def test_the_list_ends_with_a_line_that_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["data", "fetch", "lingshu_7b", "--data-root", str(tmp_path)]) == 0
    *_, counts, last = told = capsys.readouterr().out.splitlines()
    assert counts.startswith(f"{len(cards_of('lingshu_7b'))} cards: 0 here already, ")
    assert "that need you first" in counts and "to fetch as far as known" in counts
    assert " GB) to fetch" in counts or " TB) to fetch" in counts
    assert last == "nothing was downloaded; add --yes to download it"
    named = {line.partition(": ")[0]: line.partition(": ")[2].split(", ") for line in told[-6:-2]}
    assert list(named) == ["to fetch", "by hand", "credentialed", "gated"]
    assert set().union(*named.values()) == cards_of("lingshu_7b")
    assert not set(named["to fetch"]) & {card for why in list(named)[1:] for card in named[why]}


def test_each_source_of_the_list_says_all_that_a_newcomer_needs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What comes, from where, under which licence, how large, where to; and of what needs a person, what to do."""
    assert cli.main(["data", "fetch", "lingshu_7b", "--data-root", str(tmp_path)]) == 0
    blocks: list[dict[str, str]] = []
    for line in capsys.readouterr().out.splitlines():
        if not line.startswith(" "):
            blocks.append({"": line})
        else:
            blocks[-1][line[2:11].strip()] = line[12:]
    cards = [block for block in blocks if "source" in block]
    assert {block[""].partition(",")[0] for block in cards} == cards_of("lingshu_7b")
    for block in cards:
        further = block[""].endswith("further source")
        keys = {"source", "revision", "access", "files", "size", "unpack", "into"}
        assert keys - {"files"} <= set(block) and all(block.values()), block
        assert further or block["licence"], block
        assert block["access"] == "open" or block.get("first"), block
        assert block["into"].startswith(str(tmp_path)), block


def test_a_cards_name_wins_over_a_recipes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "names", lambda *given: ["slake", "quickstart"])
    found = offered(capsys, "slake", root=tmp_path)
    assert [source["card"] for source in found["sources"]] == ["slake"]  # type: ignore[attr-defined]


def test_a_recipes_cards_go_below_its_own_data_root(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "defaults: [lingshu_7b, _self_]\nname: mine\ndata_root: /big\n", encoding="utf-8"
    )
    assert cli.main(["data", "fetch", "mine.yaml", "--json"]) == 0
    assert all(
        source["into"].startswith("/big/") for source in json.loads(capsys.readouterr().out)["sources"]
    )


def test_unknown_names_and_json_with_yes_are_mistakes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["data", "fetch", "slack", "--data-root", str(tmp_path)]) == 78
    assert "nearest" in capsys.readouterr().err
    assert cli.main(["data", "fetch", "slake", "--json", "--yes", "--data-root", str(tmp_path)]) == 64
