"""Closed vocabularies: what an imaging modality and a language are called here. Standard library only.

Publishers spell a modality as they like; rows are chosen and balanced by it, so one modality must be one word. Words of the
vocabulary are those of the data cards. Where the cards make a difference (a mammogram is no x-ray), so does the vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, get_args

ModalityWord = Literal[
    "x-ray",
    "mammogram",
    "portal image",
    "fluoroscopy",
    "angiography",
    "ct",
    "mri",
    "pet",
    "spect",
    "bone scan",
    "scintigraphy",
    "ultrasound",
    "oct",
    "fundus photograph",
    "scanning laser fundus",
    "infrared reflectance",
    "dermoscopy",
    "endoscopy",
    "colposcopy",
    "photograph",
    "histopathology",
    "histology",
    "microscopy",
    "phase microscopy",
    "fluorescence",
    "electron microscopy",
    "ecg",
    "figure",
    "document",
    "text",
]
MODALITIES: tuple[ModalityWord, ...] = get_args(ModalityWord)

_SPELLINGS: Mapping[ModalityWord, str] = {
    "x-ray": "xray, x rays, xrays, radiograph, radiographs, radiography, x ray radiography, plain film, plain radiograph, "
    "digital radiography, computed radiography, chest x ray, chest radiograph, cxr, dr, cr, dx",
    "mammogram": "mammograms, mammography, digital mammography, mg",
    "portal image": "portal, rtimage",
    "fluoroscopy": "x ray fluoroscopy, rf",
    "angiography": "angiogram, x ray angiography, dsa, xa",
    "ct": "computed tomography, cat, ct angiography, cta, cbct, cone beam ct",
    "mri": "mr, magnetic resonance, t1, t1w, t1 weighted, t1 weighted mri, t2, t2w, t2 weighted, t2 weighted mri, flair, dwi, "
    "mra, mr angiography, fmri, mpmri",
    "pet": "positron emission tomography, pet ct, pt",
    "spect": "single photon emission computed tomography",
    "bone scan": "bone scintigraphy",
    "scintigraphy": "nuclear medicine, nm",
    "ultrasound": "us, ultrasonography, sonography, sonogram, echocardiography, echocardiogram, doppler, doppler ultrasound",
    "oct": "optical coherence tomography, opt",
    "fundus photograph": "fundus, fundus photo, fundus photography, color fundus photography, colour fundus photography, cfp, "
    "retinal photograph, retinal photography, op",
    "scanning laser fundus": "slo, slo fundus, scanning laser ophthalmoscopy",
    "infrared reflectance": "near infrared reflectance, iri",
    "dermoscopy": "dermatoscopy, dermoscopic",
    "endoscopy": "endoscopic, colonoscopy, gastroscopy, bronchoscopy, laparoscopy, capsule endoscopy, es",
    "colposcopy": "colposcopic",
    "photograph": "photo, photos, photographs, photography, clinical photograph, clinical photography, digital photograph, "
    "digital photography, xc",
    "histopathology": "pathology, histopathological, h e, whole slide, wsi, sm",
    "histology": "immunohistochemistry, ihc, histological",
    "microscopy": "microscope, microscopic, light microscopy, bright field microscopy, brightfield microscopy, gm",
    "phase microscopy": "phase, phase contrast, phase contrast microscopy",
    "fluorescence": "fluorescence microscopy, immunofluorescence",
    "electron microscopy": "em, sem, tem",
    "ecg": "ekg, electrocardiogram, electrocardiography",
    "figure": "figures, chart, diagram, plot, illustration",
    "document": "documents, scanned document",
    "text": "text only",
}
"""Other spellings, each as `_key` leaves it. Two and three letters are mostly those of DICOM's tag Modality."""
_NOUNS = frozenset(("image", "images", "imaging", "scan", "scans", "picture", "pictures", "slice", "slices"))

_CODES = (
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz "
    "ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii "
    "ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi "
    "mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw "
    "sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk "
    "ur uz ve vi vo wa wo xh yi yo za zh zu"
)
LANGUAGES = frozenset(_CODES.split())
"""Two-letter codes of ISO 639-1."""


@lru_cache(maxsize=1024)  # asked for every row, of which many have the same word
def modality(text: str) -> str:
    """The vocabulary's word for a publisher's; a word it does not know in lower case, spaces single; empty stays empty.

    Case, punctuation, what stands in parentheses and nouns such as "scan" make no difference. Twice is as once.
    """
    words = _key(text.partition("(")[0]).split()
    while words:
        found = _words().get(" ".join(words))
        if found:
            return found
        if words.pop() not in _NOUNS:
            break
    return " ".join(text.casefold().split())


def unknown(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts of modalities that are no word of the vocabulary; where none is stated there is nothing to know."""
    return {word: count for word, count in counts.items() if word and word not in MODALITIES}


def _key(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


@lru_cache(maxsize=1)
def _words() -> Mapping[str, ModalityWord]:
    return {_key(word): word for word in MODALITIES} | {
        spelling: word for word, spellings in _SPELLINGS.items() for spelling in spellings.split(", ")
    }
