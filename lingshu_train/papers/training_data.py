"""The public summary of training content that the AI Act asks of providers (Article 53(1)(d)), in the Commission's form."""

from __future__ import annotations

from collections.abc import Mapping

from lingshu_train.papers import _about_data, _about_training, _bands
from lingshu_train.papers._form import Answer, Rows, absent, partly, told
from lingshu_train.papers._known import Known, Source

PUBLIC = ("open", "gated")
"""Access of sets that anybody can have, for free and as a whole; others need an approval by name, or nobody published them."""
NOTHING = "optional, and the run has nothing to add"
NEITHER = "training reads text and images and nothing else"


def answers(known: Known) -> Mapping[str, Answer]:
    """By the template's keys."""
    return {
        **_general(known),
        **_sizes(known),
        **_public(known),
        **_private(known),
        **_crawled(known),
        **_users(known),
        **_synthetic(known),
        **_other(known),
        **_processing(known),
    }


def _general(known: Known) -> dict[str, Answer]:
    pushes = [f"Sent to {push.url} on {push.at[:10]}, commit {push.commit}." for push in known.pushes]
    started = _about_training.origin(known)
    return {
        "updated": partly(
            f"The run's last stage finished on {known.finished[:10]}." if known.finished else ""
        ),
        "model_name": partly(_about_training.name(known), *pushes),
        "dependencies": told(started) if known.rooted and known.origin is None else partly(started),
        "market_date": partly(
            *(f"{line} Whether that placed it on the market is not told." for line in pushes)
        ),
    }


def _sizes(known: Known) -> dict[str, Answer]:
    languages = _about_data.languages(known)
    problems = _about_data.problems(known.training)
    return {
        "text_size": _bands.text(known),
        "text_content": partly(
            *_about_data.written_by_rule(known), *(_what(one) for one in known.training if one.card)
        ),
        "image_size": _bands.images(known),
        "image_content": told(_kinds(known)),
        **dict.fromkeys(("audio", "video", "other_modalities"), absent(NEITHER)),
        "latest_date": _latest(known),
        "languages": told(
            f"By the codes of ISO 639-1, as the cards have them: {languages}." if languages else ""
        ),
        "characteristics": partly(*_about_data.composition(known), *_about_data.counted(known)),
        "comments": told(*problems) if problems else absent(NOTHING),
    }


def _latest(known: Known) -> Answer:
    """What a download recorded of itself, where the data folder is here."""
    dates = _about_data.obtained(known)
    without = _about_data.names(one for one in known.training if one.name not in dates)
    latest = max(dates.values(), default="")
    month = f"Of what was downloaded: {latest[5:7]}/{latest[:4]}." if latest else ""
    over = "The run is over: it is not trained on new data." if known.lineage and not known.missing else ""
    if without or not known.training:
        gap = f"month and year (MM/YYYY) in which the data was obtained of: {without}" if without else ""
        return partly(month, over, gaps=(gap,) if gap else ())
    return told(month, over)


def _kinds(known: Known) -> str:
    named = ", ".join(name for name, _ in _about_data.totals(known, "modalities").most_common() if name)
    return f"Medical images: {named}." if named else ""


def _what(one: Source) -> str:
    """The set's kind of content, as its card lists it."""
    block = one.card.lingshu if one.card else None
    return f"{one.name}: {', '.join(block.task)}" if block and block.task else ""


def _public(known: Known) -> dict[str, Answer]:
    public = [one for one in known.training if one.access in PUBLIC]
    unknown = [one for one in known.training if not one.access]
    if unknown and not public:
        return {
            "public_used": partly(
                gaps=(f"yes or no, of: {_about_data.names(unknown)}", *_about_data.gone(unknown))
            )
        }
    if not public:
        no = absent("no set of the run is publicly available")
        keys = ("public_modalities", "public_large", "public_other", "public_comments")
        return {"public_used": told("No." if known.training else ""), **dict.fromkeys(keys, no)}
    large = _bands.large(known, public)
    small = [one for one in public if one not in large]
    gated = _about_data.names(one for one in public if one.access == "gated")
    return {
        "public_used": told("Yes."),
        "public_modalities": _bands.modalities(known, public),
        "public_large": _listed(known, public, large),
        "public_other": told(table=_about_data.sources(known, small))
        if small and not known.uncounted
        else absent("every set is listed above"),
        "public_comments": told(
            "By access: sets that are open or gated stand here, those that need an approval by name in 2.2.2.",
            f"Gated, to be had by anybody who accepts the publisher's terms: {gated}." if gated else "",
            table=_links(public),
        ),
    }


def _listed(known: Known, public: list[Source], large: list[Source]) -> Answer:
    """The large ones; all of them where their sizes are not known."""
    lines = _about_data.counted(known)
    if known.uncounted:
        return partly(
            *lines, table=_about_data.sources(known, public), gaps=("which of these sets are large",)
        )
    table, gone = _about_data.sources(known, large), _about_data.gone(public)
    return partly(*lines, table=table, gaps=gone) if gone else told(*lines, table=table)


def _links(named: list[Source]) -> Rows:
    rows = [
        (one.name, one.card.lingshu.source.home, one.card.lingshu.source.revision or "not pinned")
        for one in named
        if one.card
    ]
    return (("Data set", "Link", "Version"), *rows) if rows else ()


def _private(known: Known) -> dict[str, Answer]:
    own = _about_data.local(known.training)
    credentialed = [one for one in known.training if one.access == "credentialed"]
    about = f"yes or no, of: {_about_data.names(own)}" if own else "yes or no"
    none = absent("no set of the run needs an approval by name")
    unknown = absent("every set of the run is publicly known")
    if own:
        used = partly("Yes." if credentialed else "", gaps=(about,))
    else:
        used = told(
            ("Yes." if credentialed else "No: every set can be had by anybody (section 2.1).")
            if known.training
            else ""
        )
    return {
        "licensed_used": partly(
            "No agreement is recorded: the run knows the terms that each publisher states (section 3.1).",
            gaps=(about,),
        ),
        "licensed_modalities": partly("Not told by the run."),
        "private_used": used,
        "private_modalities": _bands.modalities(known, [*credentialed, *own])
        if credentialed or own
        else none,
        "private_known": told(
            "Publicly known, and given to persons whom the publisher has approved:",
            table=_about_data.sources(known, credentialed),
        )
        if credentialed
        else none,
        "private_unknown": partly(table=_about_data.sources(known, own)) if own else unknown,
        "private_comments": told(table=_links(credentialed)) if credentialed else absent(NOTHING),
    }


def _crawled(known: Known) -> dict[str, Answer]:
    own = (*_about_data.local(known.training), *_about_data.by_address(known.training))
    keys = (
        *("crawler_names", "crawler_purposes", "crawler_behaviour", "crawl_period", "crawled_content"),
        *("crawled_modalities", "crawled_domains", "crawled_comments"),
    )
    if own:
        return {
            "crawled_used": partly(
                "lingshu-train has no crawler. Nobody but those who brought them can tell of these sets:",
                gaps=(f"yes or no, of: {_about_data.names(own)}",),
            )
        }
    none = absent("no crawler was used")
    answer = told(
        "No: lingshu-train has no crawler, and every set is a release that others compiled (sections 2.1 and 2.2.2)."
        if known.training
        else ""
    )
    return {"crawled_used": answer, **(dict.fromkeys(keys, none) if known.training else {})}


def _users(known: Known) -> dict[str, Answer]:
    own = _about_data.local(known.training)
    if own or not known.training:
        gap = f"yes or no, of: {_about_data.names(own)}" if own else "yes or no"
        return {"user_model": partly(gaps=(gap,)), "user_services": partly(gaps=(gap,))}
    none = absent("no user data was used")
    no = told("No: the run read the sets of sections 2.1 and 2.2.2 and nothing else.")
    keys = ("user_description", "user_modalities", "user_comments")
    return {"user_model": no, "user_services": no, **dict.fromkeys(keys, none)}


def _synthetic(known: Known) -> dict[str, Answer]:
    own = _about_training.writes_itself(known)
    judges = _about_training.judges(known)
    bought = _about_data.quoted(known.training, r"GPT|ChatGPT|language model|generated by|synthetic")
    comments = (
        told(
            "Sets of others that models wrote, in the words of their cards; they are listed in section 2:",
            *bought,
        )
        if bought
        else absent(NOTHING)
    )
    untold = _about_training.untold(known)
    if untold and not own:
        gap = (
            f"yes or no: what {', '.join(untold)} learns from is not known here, since its kind is a plugin's"
        )
        return {"synthetic_used": partly(gaps=(gap,)), "synthetic_comments": comments}
    if not own:
        keys = ("synthetic_modalities", "synthetic_market", "synthetic_other")
        none = absent("no stage of the run learns from what a model wrote for it")
        no = told("No stage of the run had a model write data for it." if known.lineage else "")
        return {
            "synthetic_used": no,
            **(dict.fromkeys(keys, none) if known.lineage else {}),
            "synthetic_comments": comments,
        }
    return {
        "synthetic_used": told(
            f"Yes: in {', '.join(own)} the model learns from answers that it writes itself, as reinforcement learning does. "
            "They are scored, and are no data set of their own.",
            *_about_training.rewards(known),
        ),
        "synthetic_modalities": told("Text."),
        "synthetic_market": partly(_about_training.origin(known), *judges)
        if known.origin or judges
        else absent("no model that is on the market wrote or scored it"),
        "synthetic_other": told(
            f"The model itself, as it is at each step of {', '.join(own)}; sections 1 and 2 say what it was trained on."
        ),
        "synthetic_comments": comments,
    }


def _other(known: Known) -> dict[str, Answer]:
    rules = _about_data.written_by_rule(known)
    own = _about_data.local(known.training)
    if known.export:
        # Whether rules wrote text, only the run's corpora tell.
        return {}
    if own:
        gap = f"where this data comes from and what it is: {_about_data.names(own)}"
        return {
            "other_used": partly(gaps=(f"yes or no, of: {_about_data.names(own)}",)),
            "other_description": partly(*rules, gaps=(gap,)),
            "other_comments": absent(NOTHING),
        }
    return {
        "other_used": told(
            ("Yes: text that fixed rules make." if rules else "No.") if known.training else ""
        ),
        "other_description": told(*rules) if rules else absent("no other source was used"),
        "other_comments": absent(NOTHING),
    }


def _processing(known: Known) -> dict[str, Answer]:
    return {
        "tdm_measures": partly(
            "Terms of every set, as its data card has them; what was not read at the source counts as not known.",
            table=_about_data.licence_terms(known),
            gaps=(
                "what was done, by the provider and by those from whom datasets were obtained, to honour opt-outs",
                *_about_data.gone(known.training),
            ),
        ),
        "tdm_comments": absent(NOTHING),
        "illegal_content": partly(
            "lingshu-train looks for no illegal content. It reads listed sets alone, and what it refuses or withdraws of "
            "them is counted in section 3.3."
            if known.training
            else ""
        ),
        "other_processing": told(*_about_data.prepared(known)),
    }
