"""One modality is one word, however a publisher spells it; a word that nobody knows is kept, and one that nobody may use is
refused with the list."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingshu_train import vocabulary
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Lingshu
from lingshu_train.data.order.mix import Mix
from lingshu_train.data.questions import templates
from lingshu_train.data.quickstart.card_questions import NAMES
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.schema import parse
from lingshu_train.vocabulary import MODALITIES, modality

PUBLISHED = {
    # SLAKE, VQA-RAD
    **{"X-Ray": "x-ray", "CT": "ct", "MRI": "mri"},
    # OmniMedVQA, as its files have them: one hyphen and one parenthesis are theirs
    "CT(Computed Tomography)": "ct",
    "MR (Mag-netic Resonance Imaging)": "mri",
    "OCT (Optical Coherence Tomography": "oct",
    "Fundus Photography": "fundus photograph",
    "Microscopy Images": "microscopy",
    "Dermoscopy": "dermoscopy",
    "ultrasound": "ultrasound",
    "Infrared Reflectance Imaging": "infrared reflectance",
    "Digital Photography": "photograph",
    "Colposcopy": "colposcopy",
    # DICOM
    **{
        "MR": "mri",
        "CR": "x-ray",
        "DX": "x-ray",
        "US": "ultrasound",
        "MG": "mammogram",
        "PT": "pet",
        "XC": "photograph",
    },
    # Articles
    **{
        "X-ray": "x-ray",
        "x-ray": "x-ray",
        "xray": "x-ray",
        "Radiograph": "x-ray",
        "X-ray radiography": "x-ray",
    },
    **{"CT scan": "ct", "T2-weighted MRI": "mri", "MR imaging": "mri", "FLAIR": "mri", "PET/CT": "pet"},
    **{"Light microscopy": "microscopy", "H&E": "histopathology", "Whole-slide image": "histopathology"},
    "Clinical photography": "photograph",
    **{
        "Mammography": "mammogram",
        "Bone scan": "bone scan",
        "bone scintigraphy": "bone scan",
        "portal imaging": "portal image",
    },
    **{"Phase-contrast microscopy": "phase microscopy", "Fluorescence microscopy": "fluorescence"},
}


@pytest.mark.parametrize(("text", "word"), PUBLISHED.items())
def test_a_publisher_s_spelling_is_the_vocabulary_s_word(text: str, word: str) -> None:
    assert modality(text) == word


@pytest.mark.parametrize(
    "text", ["Adaptive Optics Ophthalmoscopy", "image", "scan of the liver", "(CT)", "", "  ", "!"]
)
def test_a_word_that_is_not_known_stays_what_it_is_but_for_case_and_spaces(text: str) -> None:
    assert modality(text) == " ".join(text.casefold().split())
    assert modality(f" {text.upper()}  ") == modality(text)


def test_no_spelling_stands_for_two_words_and_each_can_be_met() -> None:
    listed = [
        (spelling, word) for word, text in vocabulary._SPELLINGS.items() for spelling in text.split(", ")
    ]
    both = [*listed, *((word, word) for word in MODALITIES)]
    assert len({vocabulary._key(spelling) for spelling, _ in both}) == len(both)
    assert all(modality(spelling) == word for spelling, word in both)


SPELLINGS = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda word, case, mark, noun: case(word.replace(" ", mark)) + noun,
        st.sampled_from([*MODALITIES, *PUBLISHED, "adaptive optics"]),
        st.sampled_from([str.upper, str.title, str.lower, str.swapcase]),
        st.sampled_from([" ", "-", "_", "  "]),
        st.sampled_from(["", " scan", " Images", " imaging scans", " (of a head)", "\n"]),
    ),
)


@given(text=SPELLINGS)
@settings(max_examples=500)
def test_twice_is_as_once(text: str) -> None:
    assert modality(modality(text)) == modality(text)


def test_the_words_of_the_cards_the_templates_and_the_quickstart_are_the_vocabulary_s() -> None:
    assert set(NAMES) <= set(MODALITIES)
    assert {modality(text) for text in templates.MODALITIES} <= set(MODALITIES)
    for name in cards.names():
        block = cards.load(name).lingshu
        stated = block.fields.get("modality")
        assert stated is None or modality(stated) in block.modality, name


def card(**changes: object) -> dict[str, object]:
    source = {"kind": "hub", "name": "a/b"}
    return {"source": source, "access": "open", "licence": {"id": "MIT"}, "format": "x", **changes}


def test_a_recipe_and_a_card_may_spell_as_they_like_and_mean_the_same() -> None:
    mix = parse(Mix, {"corpus": "a", "modalities": ["X-Ray", "CT scan"]}, where="data.0", error=RecipeError)
    assert mix.modalities == ("x-ray", "ct")
    assert parse(Lingshu, card(modality=["X-Ray"]), where="made", error=DataError).modality == ("x-ray",)


def test_a_recipe_or_a_card_with_an_unknown_word_is_refused_with_the_list() -> None:
    with pytest.raises(
        RecipeError, match=r"data\.0\.modalities\.1: .*'x-ray', .*'text', got 'x-rey'"
    ) as refused:
        parse(Mix, {"corpus": "a", "modalities": ["ct", "x-rey"]}, where="data.0", error=RecipeError)
    assert "\n" not in str(refused.value)
    with pytest.raises(DataError, match=r"made\.modality\.0: .*'mri'.*got 'mister'"):
        parse(Lingshu, card(modality=["mister"]), where="made", error=DataError)
    with pytest.raises(DataError, match=r"made\.modality\.0: .*got 3"):
        parse(Lingshu, card(modality=[3]), where="made", error=DataError)


@pytest.mark.parametrize("language", ["english", "EN", "xx", ""])
def test_a_language_is_a_code_of_iso_639_1(language: str) -> None:
    with pytest.raises(DataError, match=rf"made\.language\.1: must be a two-letter code .*got '{language}'"):
        parse(Lingshu, card(language=["zh", language]), where="made", error=DataError)
