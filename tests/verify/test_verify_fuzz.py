"""Metamorphic properties: what must never be right, and what must never change a verdict."""

from __future__ import annotations

import string

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingshu_train.verify import Item, Policy, gold_problem, stated_answer, verify

FAST = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

WORDS = ("fibroma", "lipoma", "cyst", "abscess", "embolus", "stenosis", "oedema", "ulcer", "polyp", "ectasia")
SIDES = ("left", "right", "upper", "lower")
FULL_WIDTH = str.maketrans({char: chr(ord(char) + 0xFEE0) for char in string.ascii_letters + string.digits})

phrases = st.tuples(st.sampled_from(SIDES), st.sampled_from(WORDS)).map(" ".join)


@st.composite
def choices(draw: st.DrawFn) -> Item:
    texts = draw(st.lists(phrases, min_size=3, max_size=6, unique=True))
    options = dict(zip(string.ascii_uppercase, texts, strict=False))
    return Item(
        question="Which lesion?",
        question_type="mcq",
        answer=draw(st.sampled_from(list(options))),
        options=options,
    )


@st.composite
def quantities(draw: st.DrawFn) -> Item:
    value = draw(st.decimals(min_value="0.1", max_value=999, places=1))
    unit = draw(st.sampled_from(("mm", "cm", "mg", "mL", "HU", "hours", "mmol/L")))
    return Item(question="How much?", question_type="numeric", answer=f"{value} {unit}")


@st.composite
def short_answers(draw: st.DrawFn) -> Item:
    return Item(question="What is seen?", question_type="short", answer=draw(phrases))


@st.composite
def selections(draw: st.DrawFn) -> Item:
    options = dict(zip("ABCDE", ("liver", "kidney", "spleen", "heart", "lung"), strict=True))
    letters = draw(st.sets(st.sampled_from("ABCDE"), min_size=1, max_size=4))
    return Item(
        question="Which organs?",
        question_type="multi_select",
        answer=",".join(sorted(letters)),
        options=options,
    )


polar = st.sampled_from(
    [
        Item(question="Is there a fracture?", question_type="yes_no", answer="yes"),
        Item(question="Is there a fracture?", question_type="yes_no", answer="no"),
        Item(question="图中有骨折吗？", question_type="yes_no", answer="有"),
        Item(question="肺部正常吗？", question_type="yes_no", answer="不正常"),
    ]
)
items = st.one_of(choices(), quantities(), short_answers(), selections(), polar)
policies = st.sampled_from(list(Policy))


def tagged(text: str) -> str:
    return f"<think>The picture is read.</think><answer>{text}</answer>"


def gold_text(item: Item) -> st.SearchStrategy[str]:
    forms = [item.answer]
    if item.question_type == "mcq":
        text = item.options[item.answer]
        forms += [f"{item.answer}. {text}", f"({item.answer})", text, f"The answer is {item.answer}"]
    return st.sampled_from(forms)


def near_item(item: Item) -> st.SearchStrategy[str]:
    """Texts of other answers to the same question."""
    if item.question_type in ("mcq", "multi_select"):
        others = [name for name in item.options if name not in item.answer]
        return st.sampled_from(others + [item.options[name] for name in others]) if others else st.just("Z")
    if item.question_type == "yes_no":
        opposite = {"yes": "no", "no": "yes", "有": "没有", "不正常": "正常"}
        return st.just(opposite[item.answer])
    return st.sampled_from(("another answer", "12345.5 km", "left nothing"))


@FAST
@given(st.data(), items, policies)
def test_the_gold_and_its_forms_are_right(data: st.DataObject, item: Item, policy: Policy) -> None:
    assert gold_problem(item) is None
    assert verify(tagged(data.draw(gold_text(item))), item, policy).correct


@FAST
@given(st.data(), items, policies)
def test_another_answer_joined_to_the_gold_is_wrong(data: st.DataObject, item: Item, policy: Policy) -> None:
    right, other = data.draw(gold_text(item)), data.draw(near_item(item))
    joint = data.draw(
        st.sampled_from((" or ", " and ", ", ", "/", "; ", " or maybe ", "\n", "或", " vs ", " -> "))
    )
    first, second = data.draw(st.permutations((right, other)))
    assert not verify(tagged(f"{first}{joint}{second}"), item, policy).correct


@FAST
@given(st.data(), items, policies)
def test_a_negated_or_hedged_gold_is_wrong(data: st.DataObject, item: Item, policy: Policy) -> None:
    right = data.draw(gold_text(item))
    broken = data.draw(
        st.sampled_from(
            ("not {}", "maybe {}", "{}?", "possibly {}", "不是{}", "可能{}", "{} is wrong", "I doubt {}")
        )
    )
    assert not verify(tagged(broken.format(right)), item, policy).correct


STATEMENTS = {
    "Is there a pneumothorax?": (
        ("there is a pneumothorax", "a small pneumothorax is seen", "pneumothorax is present"),
        ("there is no pneumothorax", "no pneumothorax is seen", "pneumothorax is absent"),
    ),
    "Is the heart enlarged?": (
        ("the heart is enlarged", "it is enlarged"),
        ("the heart is not enlarged", "the heart is of normal size", "it is normal"),
    ),
    "Was contrast given?": (
        ("contrast was given", "it was given"),
        ("contrast was not given", "no contrast was given"),
    ),
    "Is this tumour malignant?": (
        ("it is malignant", "the tumour is malignant"),
        ("it is benign", "the tumour is not malignant"),
    ),
}


CHINESE = {
    "图中有无骨折？": (("有骨折", "可见骨折", "骨折可见"), ("无骨折", "没有骨折", "未见骨折")),
    "肝脏是否肿大？": (("肝脏肿大", "肝脏明显肿大"), ("肝脏未肿大", "肝脏不肿大", "不肿大")),
    "这是增强扫描吗？": (("这是增强扫描", "是增强扫描"), ("这不是增强扫描", "并非增强扫描")),
    "双肺纹理是否正常？": (("双肺纹理正常", "正常"), ("双肺纹理异常", "不正常")),
    "该结节是恶性的吗？": (("是恶性的", "该结节是恶性的"), ("该结节是良性的", "不是恶性的", "良性")),
}


@FAST
@given(st.data(), st.sampled_from(sorted(CHINESE)), st.booleans(), policies)
def test_a_chinese_answer_whose_explanation_says_the_opposite_is_wrong(
    data: st.DataObject, question: str, said: bool, policy: Policy
) -> None:
    answer = "是" if said else "否"
    item = Item(question=question, question_type="yes_no", answer=answer)
    joint = data.draw(st.sampled_from(("，", "。", "；", "，因为", "，但", "，所以", "，其实", " - ")))
    against = data.draw(st.sampled_from(CHINESE[question][said]))
    agreed = data.draw(st.sampled_from(CHINESE[question][not said]))
    assert verify(tagged(f"{answer}，{agreed}"), item, policy).correct == (policy is Policy.lenient)
    assert not verify(tagged(f"{answer}{joint}{against}"), item, policy).correct
    assert not verify(tagged(against), item, policy).correct


@FAST
@given(st.data(), st.sampled_from(sorted(STATEMENTS)), st.booleans(), policies)
def test_an_answer_whose_explanation_says_the_opposite_is_wrong(
    data: st.DataObject, question: str, said: bool, policy: Policy
) -> None:
    words = (", ", ". ", "; ", " because ", ", since ", ", but ", ", in fact ", ", so ", ", rather ", " - ")
    against = data.draw(st.sampled_from(STATEMENTS[question][said]))
    answer = "Yes" if said else "No"
    item = Item(question=question, question_type="yes_no", answer=answer.lower())
    assert verify(tagged(answer), item, policy).correct
    assert not verify(tagged(f"{answer}{data.draw(st.sampled_from(words))}{against}"), item, policy).correct
    agreed = data.draw(st.sampled_from(STATEMENTS[question][not said]))
    assert verify(tagged(f"{answer}, {agreed}"), item, policy).correct == (policy is Policy.lenient)
    assert not verify(tagged(f"{agreed} {against}"), item, policy).correct
    assert not verify(tagged(f"{against} & {agreed}"), item, policy).correct


@FAST
@given(st.data(), items, policies)
def test_a_second_block_or_a_retraction_is_wrong(data: st.DataObject, item: Item, policy: Policy) -> None:
    right, other = data.draw(gold_text(item)), data.draw(near_item(item))
    after = data.draw(
        st.sampled_from(
            (
                "<answer>{}</answer>",
                " Actually, {}",
                " Correction: {}",
                " Wait, the answer is {}",
                "<!-- {} -->",
                "更正：{}",
                " or {}",
                " \\boxed{{{}}}",
                "<answer>",
                "</answer>",
                "<think>{}",
            )
        )
    )
    assert not verify(tagged(right) + after.format(other), item, policy).correct
    assert not verify(tagged(right) + f"<answer>{right}</answer>", item, policy).correct


@FAST
@given(st.data(), items, policies)
def test_dress_does_not_change_the_verdict(data: st.DataObject, item: Item, policy: Policy) -> None:
    text = data.draw(st.one_of(gold_text(item), near_item(item)))
    plain = verify(tagged(text), item, policy).correct
    dressed = data.draw(
        st.sampled_from(
            [
                f" {text}\n",
                f"{text}.",
                f"**{text}**",
                f"\\boxed{{{text}}}",
                f"“{text}”",
                text.translate(FULL_WIDTH),
                text.replace(" ", "  "),
                f"\u200b{text}",
                f"({text})",
                f"`{text}`",
            ]
        )
    )
    assert verify(tagged(dressed), item, policy).correct == plain
    if item.question_type != "numeric":
        assert verify(tagged(text.upper()), item, policy).correct == plain
    spaced = f"<think>\n\nx\n</think>\n\n<answer>\n\n{text}\n\n</answer>\n"
    assert verify(spaced, item, policy).correct == plain


@FAST
@given(choices(), st.randoms(use_true_random=False), policies)
def test_options_shuffled_with_their_letters_keep_the_verdict(
    item: Item, random: object, policy: Policy
) -> None:
    names = list(item.options)
    moved = names[:]
    random.shuffle(moved)  # type: ignore[attr-defined]
    renamed = dict(zip(names, moved, strict=True))
    other = Item(
        question=item.question,
        question_type="mcq",
        answer=renamed[item.answer],
        options={renamed[name]: text for name, text in item.options.items()},
    )
    for name, text in item.options.items():
        assert verify(tagged(text), item, policy).correct == verify(tagged(text), other, policy).correct
        letter = verify(tagged(name), item, policy).correct
        assert letter == verify(tagged(renamed[name]), other, policy).correct


@FAST
@given(choices(), policies)
def test_every_option_echo_is_wrong(item: Item, policy: Policy) -> None:
    listing = "\n".join(f"{name}. {text}" for name, text in item.options.items())
    letters = "".join(item.options)
    for text in (
        listing,
        letters,
        ", ".join(letters),
        " or ".join(item.options.values()),
        " ".join(item.options.values()),
    ):
        assert not verify(tagged(text), item, policy).correct
        assert not verify(text, item, policy).correct
    assert not verify("".join(f"<answer>{name}</answer>" for name in item.options), item, policy).correct


@FAST
@given(st.text(max_size=600), items, policies)
def test_no_text_raises_and_no_noise_is_right(text: str, item: Item, policy: Policy) -> None:
    for response in (text, tagged(text), f"\\boxed{{{text}}}", f"### Final Answer: {text}"):
        verify(response, item, policy)
    stated_answer(text, item)


@FAST
@given(st.text(alphabet="AB()[]{}<>/\\ answerthikboxd,.;:|*$#-是或不12xX^%\n'\"", max_size=120), items)
def test_no_grammar_shaped_text_raises(text: str, item: Item) -> None:
    verify(text, item, Policy.lenient)
    verify(tagged(text), item, Policy.strict)
