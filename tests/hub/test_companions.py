"""`lingshu data fetch` of a card whose data has several sources: all that can be had comes, the rest is said."""

from __future__ import annotations

from pathlib import Path

import file_server
import pytest
from fetching import ROWS, get, left, made, sha256, zipped

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import fetched, presence
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks import check as checking
from lingshu_train.errors import CannotCreate, DataError, LingshuError, MissingInput, NotPermitted, RunAgain
from lingshu_train.hub import fetch, offering
from lingshu_train.hub.sources import _job, physionet

pytestmark = pytest.mark.usefixtures("alone")

ROWS_FILE = "{kind: http, name: rows, files: [{url: WEB/train.json}], companions: [%s]}"
PICTURES = "{kind: http, name: pictures, revision: '2', into: imgs, files: [{url: WEB/imgs.zip}], unpack: [imgs.zip]}"
BY_HAND = "{kind: local, name: The Atlas, into: atlas, how_to_get: ask the atlas for its films}"


@pytest.fixture
def served(web: file_server.Files) -> file_server.Files:
    web.content = {"/train.json": ROWS, "/imgs.zip": zipped({"x1/source.png": b"pixels"})}
    return web


def card_of(web: file_server.Files, folder: Path, *companions: str, own: str = ROWS_FILE) -> Card:
    source = (own % ", ".join(companions)).replace("WEB", web.address)
    return made(folder, source, files="train: train.json")


def fetch_all(card: Card, root: Path) -> list[LingshuError]:
    return list(fetch.fetch(card, root, say=lambda line: None).left)


def test_all_sources_come_into_their_folders_and_the_record_says_which_revision_of_each(
    served: file_server.Files, tmp_path: Path
) -> None:
    card = card_of(served, tmp_path, PICTURES)
    said = get(card, tmp_path / "data").splitlines()
    folder = tmp_path / "data" / "made"
    assert left(folder) == {"train.json", "imgs/imgs.zip", "imgs/x1/source.png", fetched.RECORD}
    assert [line.split(":")[0] for line in said] == ["made", "made, pictures"]
    record = fetched.read(folder)
    assert record is not None and record.name == "rows" and set(record.files) == {"train.json"}
    (pictures,) = record.companions
    assert (pictures.name, pictures.revision, pictures.into) == ("pictures", "2", "imgs")
    assert pictures.files["imgs/imgs.zip"].unpacked == 1
    assert cards.root(card, tmp_path / "data") == folder
    assert not any(
        "imgs.zip" in line
        for line in checking.check(card, tmp_path / "data", folder=tmp_path / "cards").problems
    )
    served.requests.clear()
    (folder / "imgs" / "imgs.zip").unlink()
    assert "is here already" in get(card, tmp_path / "data") and served.requests == []


def test_a_companion_that_fails_half_way_goes_on_and_only_then_is_the_card_here(
    served: file_server.Files, tmp_path: Path
) -> None:
    served.content["/imgs.zip"] += bytes(200_000)
    card = card_of(served, tmp_path, PICTURES.replace(", unpack: [imgs.zip]", ""))
    served.cut, served.cut_at, served.down_after = 0, 150_000, 2
    served.cut = 2  # Of the rows nothing is cut: they are shorter.
    (fault,) = fetch_all(card, tmp_path / "data")
    assert isinstance(fault, RunAgain)
    assert (tmp_path / "data" / "made" / "train.json").read_bytes() == ROWS, "what came stays"
    assert cards.root(card, tmp_path / "data") is None, "half of a set must not count as present"
    served.cut = served.down_after = 0
    served.requests.clear()
    get(card, tmp_path / "data")
    assert [(path, asked) for path, asked, _ in served.requests] == [("/imgs.zip", "bytes=150000-")]
    assert cards.root(card, tmp_path / "data") is not None


def test_a_source_that_fails_does_not_keep_the_others_from_coming(
    served: file_server.Files, tmp_path: Path
) -> None:
    del served.content["/train.json"]
    card = card_of(served, tmp_path, PICTURES)
    (fault,) = fetch_all(card, tmp_path / "data")
    assert isinstance(fault, MissingInput) and "train.json: the server answers 404" in str(fault)
    assert (tmp_path / "data" / "made" / "imgs" / "x1" / "source.png").is_file()
    served.content["/train.json"] = ROWS
    served.requests.clear()
    get(card, tmp_path / "data")
    assert [path for path, _, _ in served.requests] == ["/train.json"]


def test_what_a_person_has_to_add_is_said_and_missed_until_it_is_there(
    served: file_server.Files, tmp_path: Path
) -> None:
    card, root = card_of(served, tmp_path, PICTURES, BY_HAND), tmp_path / "data"
    (fault,) = fetch_all(card, root)
    assert fault.exit_code == 66 and str(fault).startswith(
        "made, The Atlas: ask the atlas for its films; put it into atlas/"
    )
    assert cards.root(card, root) is None
    missing = presence.how_to_get(card, root)
    assert "The Atlas: ask the atlas for its films" in missing and "data fetch" not in missing, (
        "the rest has come"
    )
    assert checking.check(card, root, folder=tmp_path / "cards").exit_code == 66

    (root / "made" / "atlas" / "1").mkdir(parents=True)
    assert cards.root(card, root) is None, "a folder without a file is not it"
    (root / "made" / "atlas" / "1" / "film.png").write_bytes(b"film")
    assert cards.root(card, root) == root / "made"
    served.requests.clear()
    assert "is here already" in get(card, root) and served.requests == []


def test_files_show_that_a_person_has_put_a_companion_beside_the_rows(
    served: file_server.Files, tmp_path: Path
) -> None:
    beside = BY_HAND.replace("into: atlas", "shown_by: ['films/*.png', 'films/*.csv']")
    card, root = card_of(served, tmp_path, beside), tmp_path / "data"
    assert len(fetch_all(card, root)) == 1
    films = root / "made" / "films"
    films.mkdir()
    (films / "1.png").write_bytes(b"film")
    assert cards.root(card, root) is None
    (films / "list.csv").write_bytes(b"name")
    assert cards.root(card, root) is not None
    with pytest.raises(DataError, match="shown_by: say which files show that it is there"):
        made(tmp_path, "{kind: http, name: x, companions: [{kind: local, name: y}]}", name="nowhere")


def test_a_set_that_a_person_placed_as_a_whole_counts_as_it_is(
    served: file_server.Files, tmp_path: Path
) -> None:
    card = card_of(served, tmp_path, PICTURES, BY_HAND)
    folder = tmp_path / "data" / "made"
    folder.mkdir(parents=True)
    (folder / "train.json").write_bytes(ROWS)
    assert cards.root(card, tmp_path / "data") == folder
    assert "is here already" in get(card, tmp_path / "data") and served.requests == []


def test_companions_come_where_the_cards_own_files_are_got_by_hand(
    served: file_server.Files, tmp_path: Path
) -> None:
    card = card_of(
        served,
        tmp_path,
        PICTURES,
        own="{kind: local, name: mine, how_to_get: ask the ward, companions: [%s]}",
    )
    root = tmp_path / "data"
    (fault,) = fetch_all(card, root)
    assert isinstance(fault, MissingInput) and "ask the ward" in str(fault)
    assert "and for pictures: lingshu data fetch made --yes" in presence.how_to_get(card, root)
    (root / "made" / "train.json").write_bytes(ROWS)
    assert cards.root(card, root) == root / "made"


def test_a_companion_with_another_access_is_the_only_one_that_waits_for_a_person(
    served: file_server.Files, tmp_path: Path
) -> None:
    gated = "{kind: physionet, name: set/1.0.0, access: credentialed, into: films}"
    card, root = card_of(served, tmp_path, gated), tmp_path / "data"
    own, further = offering.of(card, root)
    assert (own.turn, further.turn, further.why) == ("fetch", "person", "credentialed")
    (fault,) = fetch_all(card, root)
    assert isinstance(fault, NotPermitted) and fault.exit_code == 77
    assert (root / "made" / "train.json").is_file() and cards.root(card, root) is None
    # Whoever gets it without the command may put it there.
    (root / "made" / "films").mkdir()
    (root / "made" / "films" / "1.png").write_bytes(b"film")
    assert "put there by hand" in get(card, root)
    assert cards.root(card, root) is not None


def test_half_of_a_source_is_not_taken_for_what_a_person_put_there(
    served: file_server.Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(physionet, "ENDPOINT", served.address)
    monkeypatch.setattr(_job, "WORKERS", 1)
    files = {"1.png": b"one", "2.png": b"two"}
    sums = "".join(f"{sha256(data)} {name}\n" for name, data in files.items())
    served.content |= {f"/files/set/1.0.0/{name}": data for name, data in files.items() if name == "1.png"}
    served.content["/files/set/1.0.0/SHA256SUMS.txt"] = sums.encode()
    card = card_of(served, tmp_path, "{kind: physionet, name: set/1.0.0, access: credentialed, into: films}")
    with monkeypatch.context() as account:
        account.setenv(physionet.USER, "ada")
        account.setenv(physionet.PASSWORD, "secret")
        assert [type(fault) for fault in fetch_all(card, tmp_path / "data")] == [MissingInput]
    folder = tmp_path / "data" / "made"
    assert (folder / "films" / "1.png").is_file()
    assert [type(fault) for fault in fetch_all(card, tmp_path / "data")] == [NotPermitted], (
        "the account is gone"
    )
    assert cards.root(card, tmp_path / "data") is None


def test_sources_do_not_write_over_each_others_files(served: file_server.Files, tmp_path: Path) -> None:
    served.content["/other/train.json"] = b"[]"
    other = "{kind: http, name: other, files: [{url: WEB/other/train.json}]}"
    card = card_of(served, tmp_path, other)
    with pytest.raises(DataError, match=r"comes from another source of the card too.*`into`"):
        get(card, tmp_path / "data")
    assert (tmp_path / "data" / "made" / "train.json").read_bytes() == ROWS
    served.content["/a.zip"] = zipped({"train.json": b"{}"})
    packed = card_of(served, tmp_path, "{kind: http, name: a, files: [{url: WEB/a.zip}], unpack: [a.zip]}")
    with pytest.raises(CannotCreate, match=r"another .*train\.json lies there already; nothing was unpacked"):
        get(packed, tmp_path / "data")
    assert (tmp_path / "data" / "made" / "train.json").read_bytes() == ROWS


def test_another_revision_of_a_companion_is_never_mixed_in(served: file_server.Files, tmp_path: Path) -> None:
    get(card_of(served, tmp_path, PICTURES), tmp_path / "data")
    moved = card_of(served, tmp_path, PICTURES.replace("'2'", "'3'"))
    with pytest.raises(CannotCreate, match=r"holds pictures at 2, and made, pictures is pictures at 3"):
        get(moved, tmp_path / "data")
    (problem,) = [
        line
        for line in checking.check(moved, tmp_path / "data", folder=tmp_path / "cards").problems
        if "holds revision" in line
    ]
    assert "holds revision 2 of pictures, and the card pins 3" in problem


def test_a_companion_that_a_card_names_later_is_fetched_alone(
    served: file_server.Files, tmp_path: Path
) -> None:
    get(card_of(served, tmp_path), tmp_path / "data")
    served.requests.clear()
    get(card_of(served, tmp_path, PICTURES), tmp_path / "data")
    assert [path for path, _, _ in served.requests] == ["/imgs.zip"]


def test_archives_go_into_folders_of_their_own_and_flat_ones_lose_their_own(
    served: file_server.Files, tmp_path: Path
) -> None:
    served.content["/imgs.zip"] = zipped({"a/b/1.png": b"1", "c/2.png": b"2"})
    flat = PICTURES.replace("into: imgs, ", "").replace(
        "[imgs.zip]", "[{files: '*.zip', into: deep/imgs, flat: true}]"
    )
    card, root = card_of(served, tmp_path, flat), tmp_path / "data"
    said: list[str] = []
    get(card, root, said)
    assert said == ["made, pictures: unpacking imgs.zip into deep/imgs"]
    folder = root / "made"
    assert left(folder) == {"train.json", "imgs.zip", "deep/imgs/1.png", "deep/imgs/2.png", fetched.RECORD}
    (folder / "imgs.zip").unlink()
    served.requests.clear()
    assert "is here already" in get(card, root) and served.requests == [], (
        "it is known that the archive is done"
    )


def test_an_archive_that_was_fetched_before_the_card_unpacked_it_is_unpacked_without_a_server(
    served: file_server.Files, tmp_path: Path
) -> None:
    get(card_of(served, tmp_path, PICTURES.replace(", unpack: [imgs.zip]", "")), tmp_path / "data")
    served.requests.clear()
    get(card_of(served, tmp_path, PICTURES), tmp_path / "data")
    assert served.requests == []
    assert (tmp_path / "data" / "made" / "imgs" / "x1" / "source.png").is_file()


@pytest.mark.parametrize("into", ["../up", "/abs", "a/../../b", ".lingshu-x"])
def test_no_source_goes_out_of_the_data_folder(tmp_path: Path, into: str) -> None:
    for source in (
        f"{{kind: hub, name: a/b, companions: [{{kind: hub, name: c/d, into: {into}}}]}}",
        f"{{kind: hub, name: a/b, unpack: [{{files: '*.zip', into: {into}}}]}}",
    ):
        with pytest.raises(DataError, match="into: "):
            made(tmp_path, source)


def test_a_companion_that_a_person_gets_must_say_how(served: file_server.Files, tmp_path: Path) -> None:
    card = card_of(served, tmp_path, BY_HAND.replace(", how_to_get: ask the atlas for its films", ""))
    found = checking.check(card, tmp_path / "data", folder=tmp_path / "cards")
    told = [line for _, lines in found.told() for line in lines]
    assert any("companions: The Atlas: how_to_get is missing" in line for line in told)


def test_a_dry_run_says_whose_turn_each_source_is_and_what_the_publisher_says_of_its_size(
    served: file_server.Files, tmp_path: Path
) -> None:
    sized = PICTURES.replace("into: imgs", "into: imgs, bytes: 22700000000")
    card, root = card_of(served, tmp_path, sized, BY_HAND), tmp_path / "data"
    found = offering.of(card, root)
    assert [one.turn for one in found] == ["fetch", "fetch", "person"]
    text = offering.text(found)
    assert (
        "22,700,000,000 bytes (22.7 GB), as the publisher states" in text
        and "size      not known before" in text
    )
    totals = offering.totals([found])
    assert (totals.person, totals.bytes, totals.sizes_not_known) == (1, 22_700_000_000, 1)
    assert str(totals).startswith(
        "1 cards: 0 here already, 0 to fetch, 1 that need you first (1 by hand); 22,700,000,000"
    )
    assert served.requests == [] and not root.exists()
