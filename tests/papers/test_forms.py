"""The papers of a form: every item of every template is answered or asked, whatever a run knows, and nothing else is said."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import paper_run
import pytest

import lingshu_train
from lingshu_train import papers
from lingshu_train.errors import DataError
from lingshu_train.papers import _form, _known, _text
from lingshu_train.papers._form import Answer, Filled, absent, partly, told

GOLDEN = Path(__file__).parents[1] / "golden" / "papers"
FORMS = tuple(name for name in papers.names() if _form.of(papers.module(name)))
MARK = re.compile(r"^\[TO BE WRITTEN: (.+)\]$", re.MULTILINE)
NUMBERS = {
    "claim": [str(number) for number in range(1, 45)],
    "tripod_llm": [
        *("1", "2", "3a", "3b", "4", "5a", "5b", "5c", "5d", "5e", "6a", "6b", "6c", "6d", "6e"),
        *("7a", "7b", "7c", "7d", "7e", "8a", "8b", "8c", "9a", "9b", "10", "11", "12", "13"),
        *("14a", "14b", "14c", "14d", "14e", "14f", "15", "16a", "16b", "16c", "16d", "17", "18"),
        *("19a", "19b", "19c", "19d", "19e", "19f", "19g"),
    ],
}
"""The checklists' own numbers, in their order."""
SECTIONS = (
    *("1.", "1.1.", "1.2.", "1.3.", "2.", "2.1.", "2.2.", "2.2.1.", "2.2.2.", "2.3.", "2.4.", "2.5.", "2.6."),
    *("3.", "3.1.", "3.2.", "3.3."),
)
"""The sections of the Commission's template."""


def page(run: Path, name: str) -> _text.Page:
    known = _known.known(run)
    template = _form.template(papers.module(name))
    form = _form.of(papers.module(name))
    assert form is not None
    return _text.Page(
        name=name, template=template, filled=_form.fill(template, form.answers(known), name=name), known=known
    )


def by_key(run: Path, name: str) -> dict[str, Filled]:
    return {one.item.key: one for one in page(run, name).filled}


def golden_text(run: Path, name: str) -> str:
    return _text.markdown(page(run, name)).replace(lingshu_train.__version__, "<version>")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of an open set, a credentialed one and one of the ward's own."""
    root = tmp_path_factory.mktemp("papers")
    with paper_run.built(root, sets=("archive", "open_set", "ward")):
        pass
    return root / "run"


@pytest.fixture
def run(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, with its cards in sight."""
    monkeypatch.setenv("LINGSHU_CARDS", str(made.parent / "cards"))
    return made


@pytest.mark.parametrize("name", FORMS)
def test_the_paper_of_a_small_run_is_the_committed_one(name: str, run: Path) -> None:
    again = "if the change is meant: python tests/papers/test_forms.py --write"
    assert golden_text(run, name) == (GOLDEN / f"{name}.md").read_text(encoding="utf-8"), again


def test_no_golden_paper_outlives_its_paper() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.md")) == sorted(FORMS)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_checklist_has_every_number_of_its_publication_once_and_in_order(name: str) -> None:
    assert [item.number for item in _form.template(papers.module(name)).items] == NUMBERS[name]


def test_the_summary_has_the_sections_of_the_commissions_template_in_order() -> None:
    titles = [section.title.split()[0] for section in _form.template(papers.module("training_data")).sections]
    assert titles == ["Public", *SECTIONS]


@pytest.mark.parametrize("until", [*paper_run.NAMES])
@pytest.mark.parametrize("origin", ["nothing", "hub"])
def test_every_item_is_told_or_marked_however_far_the_run_is(until: str, origin: str, tmp_path: Path) -> None:
    start = _known.Origin(kind="hub", name="someone/base", commit="c" * 40) if origin == "hub" else None
    with paper_run.built(tmp_path, until=until, origin=start) as folder:
        for name in FORMS:
            found = page(folder, name)
            for one in found.filled:
                known = one.answer.lines or one.answer.table or one.answer.absent
                assert known or one.gaps, f"{name} {one.item.key}: neither filled nor marked"
                assert all(line.strip() for line in one.answer.lines), f"{name} {one.item.key}: an empty line"
                widths = {len(row) for row in one.answer.table}
                assert len(widths) <= 1 and len(one.answer.table) != 1, (
                    f"{name} {one.item.key}: a table is uneven or empty"
                )
            text = _text.markdown(found)
            assert len(MARK.findall(text)) == len(found.gaps)
            assert f"## Still to be written ({len(found.gaps)})" in text
            for missing in paper_run.NAMES[paper_run.NAMES.index(until) + 1 :]:
                assert f"{missing} (to do)" in text.partition("## ")[0]


@pytest.mark.parametrize("name", FORMS)
def test_html_and_json_say_what_markdown_says(name: str, run: Path) -> None:
    found = page(run, name)
    html, data = _text.html(found), json.loads(_text.json_text(found))
    items = [item for section in data["sections"] for item in section["items"]]
    assert [item["key"] for item in items] == [one.item.key for one in found.filled]
    assert html.count("<mark>[TO BE WRITTEN: ") == len(found.gaps) == len(data["to_be_written"])
    assert "<script" not in html
    for item in items:
        for line in item["lines"]:
            assert _text._plain(line) in _text.markdown(found)


@pytest.mark.parametrize("form", ["md", "html", "json"])
def test_no_row_of_the_data_and_no_place_of_this_machine_is_told(form: str, run: Path) -> None:
    for name in FORMS:
        found = page(run, name)
        text = {"md": _text.markdown, "html": _text.html, "json": _text.json_text}[form](found)
        assert paper_run.SECRET not in text
        assert str(run.parent) not in text


def test_counts_are_those_of_what_training_could_read(run: Path) -> None:
    """Four rows of six are in the training split, of two pictures and one patient, whatever reads them how often."""
    found = _known.known(run)
    assert {name: (one.rows, one.pictures, one.groups) for name, one in found.counted.items()} == {
        name: (4, 2, 1) for name in ("archive", "open_set", "ward")
    }
    assert found.pictures == 6
    bytes_of_a_row = len(f"Where is {paper_run.SECRET}?left".encode())
    assert {one.text for one in found.counted.values()} == {4 * bytes_of_a_row}


def test_withdrawn_rows_are_not_counted_and_are_told(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, until="instruct") as folder:
        (path,) = folder.glob("instruct-*/manifest.json")
        data = json.loads(path.read_text(encoding="utf-8"))
        corpus = json.loads(next(folder.glob("data-*/corpus/corpus.json")).read_text(encoding="utf-8"))
        data["stage"]["withdrawn"] = {"data": {"fingerprint": corpus["fingerprint"], "rows": "0-1"}}
        path.write_text(json.dumps(data), encoding="utf-8")
        assert (_known.known(folder).counted["open_set"].rows, _known.known(folder).pictures) == (2, 1)
        assert any(
            "consent to 2 rows of data was withdrawn" in line
            for line in by_key(folder, "claim")["c35"].answer.lines
        )


def test_a_set_is_listed_where_its_access_puts_it(run: Path) -> None:
    found = by_key(run, "training_data")

    def listed(key: str) -> str:
        return " ".join(cell for row in found[key].answer.table for cell in row)

    assert "(open_set)" in listed("public_large") and "(archive)" not in listed("public_large")
    assert "(archive)" in listed("private_known")
    assert "(ward)" in listed("private_unknown")
    for key in ("licensed_used", "private_used", "crawled_used", "user_model", "user_services", "other_used"):
        assert found[key].gaps == ("yes or no, of: ward",), key


def test_with_publishers_sets_alone_the_run_answers_what_follows_from_them(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        found = by_key(folder, "training_data")
    assert found["private_used"].answer.lines == ("No: every set can be had by anybody (section 2.1).",)
    assert found["crawled_used"].answer.lines[0].startswith("No: ")
    assert found["user_model"].status == "told" and found["user_description"].status == "does not apply"
    # Whether an agreement was concluded, no manifest knows.
    assert found["licensed_used"].gaps == ("yes or no",)


def test_sets_that_name_web_addresses_leave_the_question_of_crawlers_open(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, format="caption_urls") as folder:
        assert by_key(folder, "training_data")["crawled_used"].gaps == ("yes or no, of: open_set",)


def test_learning_from_its_own_answers_counts_as_synthetic_data(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, until="instruct") as folder:
        assert by_key(folder, "training_data")["synthetic_used"].answer.lines[0].startswith("No ")
    with paper_run.built(tmp_path / "further") as folder:
        assert by_key(folder, "training_data")["synthetic_used"].answer.lines[0].startswith("Yes: in rl ")


def test_of_a_kind_that_is_not_known_here_nothing_is_claimed(tmp_path: Path) -> None:
    with paper_run.built(tmp_path, until="instruct") as folder:
        (path,) = folder.glob("instruct-*/manifest.json")
        path.write_text(
            path.read_text(encoding="utf-8").replace('"kind": "sft"', '"kind": "unheard_of"'),
            encoding="utf-8",
        )
        stage = path.with_name("stage.json")
        stage.write_text(
            stage.read_text(encoding="utf-8").replace('"kind": "sft"', '"kind": "unheard_of"'),
            encoding="utf-8",
        )
        (gap,) = by_key(folder, "training_data")["synthetic_used"].gaps
        assert "instruct" in gap and gap.startswith("yes or no")


def test_a_model_from_the_hub_is_named_and_its_own_summary_is_asked_for(tmp_path: Path) -> None:
    start = _known.Origin(kind="hub", name="someone/base", commit="c" * 40)
    with paper_run.built(tmp_path, origin=start, until="instruct") as folder:
        one = by_key(folder, "training_data")["dependencies"]
    assert "someone/base" in one.answer.lines[0] and "c" * 40 in one.answer.lines[0]
    assert one.gaps == ("the model that this one was made from, with a link to its summary",)


def test_a_beginning_that_is_damaged_is_not_taken_for_random_weights(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        assert by_key(folder, "claim")["c24"].answer.lines == (
            "Started from random weights: no other model is behind it.",
        )
        (path,) = folder.glob("base-*/manifest.json")
        path.write_text("{", encoding="utf-8")
        assert by_key(folder, "claim")["c24"].status == "to be written"
        assert "Damaged: " in golden_text(folder, "claim").partition("## ")[0]


def test_results_stand_with_their_intervals_and_their_leaks(run: Path) -> None:
    found = by_key(run, "claim")
    head, *rows = found["c37"].answer.table
    assert head == ("Task", "Questions", "Best constant answer", "instruct", "rl")
    # 6 of 6 answers of rl are right, 3 of 6 of instruct: Wilson's bounds.
    assert rows[-1] == (
        "all tasks",
        "6",
        "100.0 %",
        "50.0 % (18.8 % to 81.2 %)",
        "100.0 % (61.0 % to 100.0 %)",
    )
    assert any("archive: 50% of its questions" in line for line in found["c40"].answer.lines)


def test_what_the_cards_say_of_people_is_quoted_and_what_they_do_not_is_asked(run: Path) -> None:
    one = by_key(run, "claim")["c11"]
    assert one.answer.lines[0] == "The card archive says: Names and dates were de-identified by hand."
    assert one.gaps == ("how the data was de-identified, by whom, to which standard",)


def test_energy_is_asked_since_nothing_measured_it(run: Path) -> None:
    one = by_key(run, "tripod_llm")["t12"]
    assert one.answer.table[1:][2] == ("instruct", "30 s", "42 s", "100 MiB")
    assert one.gaps == ("energy, cost and emissions: the run measures none of them",)


def test_a_card_that_changed_or_is_gone_cannot_speak_for_the_run(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        paper_run.write_card(tmp_path / "cards", "open_set", access="gated")
        assert "the card here is not the one that the run read" in by_key(folder, "claim")["c07"].gaps[1]
        (tmp_path / "cards" / "open_set.md").unlink()
        found = by_key(folder, "training_data")
        assert found["public_used"].answer.lines == ()
        assert found["private_unknown"].answer.table[1][3] == "CC-BY-4.0", "the licence that the run recorded"


def test_a_run_whose_corpus_is_not_here_says_that_it_is_not_counted(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        for path in folder.glob("data-*/corpus/corpus.json"):
            path.unlink()
        found = by_key(folder, "training_data")
    assert found["image_size"].status == "in part"
    (line,) = found["image_size"].answer.lines
    assert line.startswith("Not counted: ") and str(tmp_path) not in line


def test_a_run_that_was_moved_tells_the_same(tmp_path: Path) -> None:
    with paper_run.built(tmp_path) as folder:
        before = {name: golden_text(folder, name) for name in FORMS}
        moved = folder.rename(tmp_path / "elsewhere")
        assert {name: golden_text(moved, name) for name in FORMS} == before


def test_an_answer_says_for_itself_what_is_missing() -> None:
    item = _form.Item(key="a", number="1", label="A", asks="all of it")

    def status(answer: Answer) -> tuple[str, tuple[str, ...]]:
        one = Filled(item=item, answer=answer)
        return one.status, one.gaps

    assert status(told("known")) == ("told", ())
    assert status(told("")) == ("to be written", ("all of it",))
    assert status(partly("known")) == ("in part", ("all of it",))
    assert status(partly("", gaps=("this",))) == ("to be written", ("this",))
    assert status(absent("since it is so")) == ("does not apply", ())
    assert told("", where=("nowhere",)).where == ()


TABLE = "| Key | No. | Item | To be written by a person |\n|---|---|---|---|\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## Section\n", "has no title"),
        ("# Title\n", "no section"),
        (
            f"# Title\n\n{TABLE}| a | 1 | A | b |\n\n## Section\n",
            r"bad.md:3: a table before the first heading",
        ),
        (f"# Title\n\n## Section\n\n{TABLE}| a | 1 | A |\n", r"bad.md:7: has 3 cells"),
        (f"# Title\n\n## Section\n\n{TABLE}| a | 1 | A | |\n", r"bad.md:7: an item needs"),
        (f"# Title\n\n## Section\n\nSome words.\n\n{TABLE}", r"bad.md:5: below a heading stand tables alone"),
        (
            f"# Title\n\n## Section\n\n{TABLE}| a | 1 | A | b |\n| a | 2 | B | c |\n",
            "the key 'a' stands twice",
        ),
    ],
)
def test_a_template_that_is_off_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        _form.read(path)


def test_an_answer_to_no_item_is_refused() -> None:
    made = _form.template(papers.module("claim"))
    with pytest.raises(DataError, match="answers c45, which its template does not list"):
        _form.fill(made, {"c45": told("x")}, name="claim")


def test_a_text_of_the_run_is_no_markup() -> None:
    assert _text._plain("a | b\n<script> *c*") == "a \\| b \\<script> \\*c\\*"


if __name__ == "__main__" and "--write" in sys.argv:
    import tempfile

    GOLDEN.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as beside,
        paper_run.built(Path(beside), sets=("archive", "open_set", "ward")) as made_run,
    ):
        for one in FORMS:
            (GOLDEN / f"{one}.md").write_text(golden_text(made_run, one), encoding="utf-8")
