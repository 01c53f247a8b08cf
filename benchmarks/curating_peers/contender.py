"""One step of another library over a file of JSON lines, in the process that starts it: seconds of processor time, peak memory, and
what is left.

    python contender.py datatrove|data_juicer|nemo_curator exact|near|length|pictures INPUT.jsonl FOLDER

Prints one line of JSON. Imports, and the reading of models that no step here has, are not counted in the seconds, and are in the
memory; reading the file is in both.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

RUNS, BANDS, PER_BAND, FEWEST, MOST = 3, 20, 6, 10, 1024


def spent() -> float:
    return sum(
        one.ru_utime + one.ru_stime
        for one in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def peak() -> int:
    """MiB that this process has held at most. Not `ru_maxrss`, which begins with what the process held that started it."""
    told = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(told.partition("VmHWM:")[2].split()[0]) // 1024


def lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def datatrove(step: str, source: Path, folder: Path) -> tuple[float, int]:
    from datatrove.data import Document
    from datatrove.pipeline.dedup import exact_dedup, minhash
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.text import TextNormConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Spaces(WordTokenizer):
        """Words by spaces: its English tokenizer needs a package that it does not bring."""

        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    began = spent()

    def read() -> Any:
        return (Document(text=row["text"], id=str(n)) for n, row in enumerate(lines(source)))

    place = str(folder)
    if step == "length":
        wanted = LambdaFilter(lambda found: FEWEST <= len(found.text.split()) <= MOST)
        left = sum(1 for _ in wanted.run(read()))
    elif step == "exact":
        config = exact_dedup.ExactDedupConfig(content_getter=lambda found: found.text.encode())
        exact_dedup.ExactDedupSignature(f"{place}/sigs", config=config, finder_workers=1).run(read())
        exact_dedup.ExactFindDedups(f"{place}/sigs", f"{place}/dups", config=config).run()
        left = sum(1 for _ in exact_dedup.ExactDedupFilter(f"{place}/dups", config=config).run(read()))
    else:
        # Numbers stay as they are, since "3 mm" is not "30 mm".
        config = minhash.MinhashConfig(
            n_grams=RUNS,
            num_buckets=BANDS,
            hashes_per_bucket=PER_BAND,
            hash_config=HashConfig(precision=64, hash_fc="sha1"),
            norm_config=TextNormConfig(norm_numbers=False),
        )
        minhash.load_word_tokenizer = lambda language: Spaces()
        first = minhash.MinhashDedupSignature(f"{place}/sigs", config=config)
        first.run(read())
        for bucket in range(BANDS):
            minhash.MinhashDedupBuckets(f"{place}/sigs", f"{place}/buckets", config=config).run(
                None, bucket, BANDS
            )
        minhash.MinhashDedupCluster(f"{place}/buckets", f"{place}/gone", config=config).run()
        left = sum(1 for _ in minhash.MinhashDedupFilter(f"{place}/gone").run(read()))
    return spent() - began, left


def data_juicer(step: str, source: Path, folder: Path) -> tuple[float, int]:
    del folder
    from data_juicer.core.data import NestedDataset
    from data_juicer.ops.deduplicator.document_deduplicator import DocumentDeduplicator
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
    from data_juicer.ops.deduplicator.image_deduplicator import ImageDeduplicator
    from data_juicer.ops.filter.words_num_filter import WordsNumFilter

    # Networks, which no hash asks: their torchvision does not load beside a torch for CPUs alone.
    for name, held in (("methods.cnn", "CNN"), ("utils.models", "CustomModel")):
        left_out = ModuleType(f"imagededup.{name}")
        setattr(left_out, held, None)
        sys.modules[left_out.__name__] = left_out
    pictures = ImageDeduplicator(method="phash") if step == "pictures" else None
    began = spent()
    found = NestedDataset.from_list(lines(source))
    if step == "length":
        found = WordsNumFilter(min_num=FEWEST, max_num=MOST, num_proc=1).run(found)
    elif pictures is not None:
        found = found.map(pictures.compute_hash)
        found, _ = pictures.process(found)
    else:
        wanted = (
            DocumentDeduplicator()
            if step == "exact"
            else DocumentMinhashDeduplicator(
                tokenization="space",
                window_size=RUNS,
                num_permutations=BANDS * PER_BAND,
                num_bands=BANDS,
                num_rows_per_band=PER_BAND,
                jaccard_threshold=0.8,
            )
        )
        found = found.map(wanted.compute_hash)
        found, _ = wanted.process(found)
    return spent() - began, len(found)


def nemo_curator(step: str, source: Path, folder: Path) -> tuple[float, int]:
    """Its copies of text are found with cudf, on a GPU: lengths alone."""
    del folder
    assert step == "length", step
    import pandas
    from nemo_curator.stages.text.filters import ScoreFilter
    from nemo_curator.stages.text.filters.heuristic.string import WordCountFilter
    from nemo_curator.tasks import DocumentBatch

    began = spent()
    rows = DocumentBatch(data=pandas.DataFrame(lines(source)), dataset_name="rows")
    wanted = ScoreFilter(WordCountFilter(min_words=FEWEST, max_words=MOST), text_field="text")
    found = wanted.process(rows)
    return spent() - began, 0 if found is None else found.num_items


def main() -> None:
    library, step, source, folder = sys.argv[1:]
    libraries = {"datatrove": datatrove, "data_juicer": data_juicer, "nemo_curator": nemo_curator}
    seconds, left = libraries[library](step, Path(source), Path(folder))
    print(json.dumps({"core_s": round(seconds, 2), "peak_mib": peak(), "left": left}))


if __name__ == "__main__":
    main()
