"""The clinical score's findings against the labels that people gave the reports of OpenI (Indiana University, 3,955 reports).

    python benchmarks/clinical.py REPORTS.tgz

REPORTS.tgz is `torchxrayvision/data/NLMCXR_reports.tgz` of the wheel torchxrayvision 1.5.7 (CC BY-NC-ND 4.0: read here, nothing of it
is kept). The labels are the MeSH majors of a report; a finding of ours is there where one of the majors that mean it is. A label
says nothing of what was denied, and its makers saw findings and impression. The lexicon was mended by looking at every second report
(`seen`); `unseen` are the others. Reports without findings and impression and
those that were not indexed are left out. The result is benchmarks/results/clinical.json.
"""

from __future__ import annotations

import argparse
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import circumstances

from lingshu_train.metrics._clinical import findings

RESULT = Path(__file__).resolve().parent / "results" / "clinical.json"
MAJORS = {
    "pleural effusion": r"pleural effusion|costophrenic angle/.*blunted|hydropneumothorax",
    "pneumothorax": r"(hydro|hemo)?pneumothorax",
    "cardiomegaly": r"cardiomegaly|cardiac shadow/.*enlarged",
    "consolidation": r"consolidation|infiltrate|airspace disease",
    "pneumonia": r"pneumonia(/|$)",
    "atelectasis": r"pulmonary atelectasis",
    "edema": r"pulmonary edema|pulmonary congestion|heart failure",
    "nodule": r"nodule",
    "mass": r"mass(/|$)",
    "opacity": r"opacity|density/lung",
    "emphysema": r"(pulmonary |bullous )?emphysema|lung/.*hyperdistention|diaphragm/.*flattened|lung, hyperlucent|pulmonary disease, chronic",
    "fracture": r"fractures, bone",
    "degenerative change": r".*/degenerative|spondylosis|osteophyte",
    "scoliosis": r"scoliosis",
    "hernia": r"hernia",
    "granuloma": r"granuloma|granulomatous disease|calcified granuloma",
    "calcification": r"calcinosis|calcified granuloma|.*/calcified",
    "elevated diaphragm": r"diaphragm/.*elevated|diaphragmatic eventration",
    "fibrosis": r"cicatrix|pulmonary fibrosis|fibrosis",
    "pleural thickening": r"thickening/pleura|pleura/.*thickening",
    "device": r"catheters, indwelling|implanted medical device|medical device|tube, inserted|surgical instruments|sutures",
    "tortuous aorta": r"aorta(, thoracic)?/(.*tortuous|.*ectatic)",
    "free air": r"pneumoperitoneum",
}


def reports(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Findings and impression of each report, and its majors in small letters."""
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".xml") else None
            if stream is None:
                continue
            root = ElementTree.fromstring(stream.read())
            parts = {one.get("Label"): one.text or "" for one in root.iter("AbstractText")}
            text = ". ".join(parts.get(label) or "" for label in ("FINDINGS", "IMPRESSION")).strip(". ")
            yield text, tuple((one.text or "").strip().lower() for one in root.iter("major"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reports", type=Path)
    told = circumstances.told()
    halves = ("unseen", "seen")
    hits, missed, false = ({half: Counter[str]() for half in halves} for _ in range(3))
    read, normal = 0, Counter[bool]()
    for number, (text, majors) in enumerate(reports(parser.parse_args().reports)):
        if not text or not majors or any(one.startswith(("no indexing", "technical")) for one in majors):
            continue
        read += 1
        said = {one.name for one in findings(text) if one.there}
        wanted = {name for name, meant in MAJORS.items() if any(re.match(meant, one) for one in majors)}
        half = halves[number % 2]
        hits[half].update(said & wanted)
        missed[half].update(wanted - said)
        false[half].update(said - wanted)
        if majors == ("normal",):
            normal[not said] += 1
    shown = hits["unseen"], missed["unseen"], false["unseen"]
    rows = [row(name, *(counted[name] for counted in shown)) for name in MAJORS]
    all_of = {half: row("all", *(each[half].total() for each in (hits, missed, false))) for half in halves}
    result: dict[str, Any] = {
        **told,
        "source": "OpenI / Indiana University chest X-ray reports in torchxrayvision 1.5.7, MeSH majors",
        "reports": read,
        "normal_reports": normal.total(),
        "normal_without_a_finding": normal[True],
        "all": all_of,
        "findings_of_the_unseen": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(all_of), f"{normal[True]} of {normal.total()} normal reports without a finding")


def row(name: str, hits: int, missed: int, false: int) -> dict[str, Any]:
    precision, recall = hits / max(1, hits + false), hits / max(1, hits + missed)
    return {
        "finding": name,
        "labelled": hits + missed,
        "found": hits + false,
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f1": round(2 * hits / max(1, 2 * hits + missed + false), 3),
    }


if __name__ == "__main__":
    main()
