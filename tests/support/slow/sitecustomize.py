"""On the path of a test's processes: a step takes seconds as long as the file named in LINGSHU_TEST_SLOW is there."""

import os
import time

from lingshu_train.runs import ledger

STEP_S = 3.0
_append = ledger.Ledger.append


def _slowly(self: ledger.Ledger, step: int, values: dict[str, ledger.Column]) -> None:
    _append(self, step, values)
    if os.path.exists(os.environ.get("LINGSHU_TEST_SLOW", "")):
        time.sleep(STEP_S)


ledger.Ledger.append = _slowly  # type: ignore[method-assign]
