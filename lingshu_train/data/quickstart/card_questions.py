"""Questions answered by the data card: modality, body part, plane, side; and captions, which say all."""

from __future__ import annotations

from collections.abc import Mapping

from lingshu_train.data.quickstart.package_images import LabelledPicture
from lingshu_train.data.quickstart.pixel_questions import SHADES, lesions_in_words, with_lesions
from lingshu_train.data.quickstart.pool import Answered, Draw

NAMES: Mapping[str, tuple[str, ...]] = {
    "bone scan": ("bone scan", "bone scintigraphy", "scintigraphy"),
    "ct": ("CT", "computed tomography"),
    "fluorescence": ("fluorescence", "fluorescence microscopy"),
    "fundus photograph": ("fundus", "fundus photograph", "fundus photography"),
    "histology": ("histology", "histopathology", "immunohistochemistry"),
    "mammogram": ("mammogram", "mammography"),
    "mri": ("MRI", "MR", "magnetic resonance imaging"),
    "phase microscopy": ("phase", "phase microscopy"),
    "portal image": ("portal", "portal image", "portal imaging"),
    "ultrasound": ("ultrasound", "US", "sonography"),
    "x-ray": ("X-ray", "radiograph", "radiography"),
}
"""A card's modality: the answer that counts as right, then its aliases."""
WHOLE = ("bone scan", "mammogram")
"""Names that already stand for the picture: "a mammogram", not "a mammogram image"."""
PLANES = {"A": "axial", "B": "coronal", "C": "sagittal"}
SIDES = {"A": "left", "B": "right"}


def caption(draw: Draw) -> Answered:
    """Half of the captions have drawn lesions and say so."""
    if draw.n % 2:
        count, shade = draw.n // 2 % 4, list(SHADES.values())[draw.n // 8 % 2]
        picture, image = with_lesions(draw, count=count, shade=shade, radius=draw.rng.uniform(4, 8))
        text = f"{_described(picture)} with {lesions_in_words(count, shade)}."
    else:
        modalities = draw.known(lambda item: item.modality)
        wanted = modalities[draw.n // 2 % len(modalities)]
        picture = draw.picture(lambda item: item.modality == wanted)
        image, text = draw.toned(picture), f"{_described(picture)}."
    return Answered(picture=picture, image=image, question="Describe the image.", kind="free", answer=text)


def modality(draw: Draw) -> Answered:
    found = draw.known(lambda item: item.modality)
    wanted = found[draw.n % len(found)]
    picture = draw.picture(lambda item: item.modality == wanted)
    name, *aliases = NAMES[wanted]
    return Answered(
        picture=picture,
        image=draw.toned(picture),
        question="Which imaging modality is this?",
        kind="short",
        answer=name,
        aliases=tuple(aliases),
        reasoning=f"The image looks like {name}.",
    )


def body_part(draw: Draw) -> Answered:
    found = draw.known(lambda item: item.body_part)
    wanted = found[draw.n % len(found)]
    picture = draw.picture(lambda item: item.body_part == wanted)
    return Answered(
        picture=picture,
        image=draw.toned(picture),
        question="Which body part is shown?",
        kind="short",
        answer=wanted,
        reasoning=f"The image shows the {wanted}.",
    )


def plane(draw: Draw) -> Answered:
    """Heads only: they alone come in all three planes, and any other body part would give the plane away."""
    letter = "ABC"[draw.n % 3]
    picture = draw.picture(lambda item: item.plane == PLANES[letter] and item.body_part == "head")
    return Answered(
        picture=picture,
        image=draw.toned(picture),
        question="In which plane was this slice cut?",
        kind="mcq",
        answer=letter,
        options=PLANES,
        reasoning=f"The slice is {PLANES[letter]}.",
    )


def laterality(draw: Draw) -> Answered:
    """Breasts only: their side is in the header and can be seen from where the chest wall is."""
    letter = "AB"[draw.n % 2]
    picture = draw.picture(lambda item: item.laterality == SIDES[letter] and item.body_part == "breast")
    return Answered(
        picture=picture,
        image=draw.toned(picture),
        question="Is this the left or the right breast?",
        kind="mcq",
        answer=letter,
        options=SIDES,
        reasoning=f"The breast is the {SIDES[letter]} one.",
    )


def _described(picture: LabelledPicture) -> str:
    name = NAMES[picture.modality][0]
    words = f"{picture.plane} {name}".strip()
    article = "An" if words[0] in "aeiouAEIOU" or words.startswith(("MR", "X-")) else "A"
    where = f" of the {picture.body_part}" if picture.body_part else ""
    return f"{article} {words}{'' if name in WHOLE else ' image'}{where}"
