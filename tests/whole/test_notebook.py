"""docs/notebook.ipynb runs from an empty folder, and what it shows is what comes out.

`python tests/whole/test_notebook.py` runs it and stores its outputs.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def executed(folder: Path) -> nbformat.NotebookNode:
    """The notebook after a run in `folder`. An error in a cell is raised."""
    found = nbformat.read(NOTEBOOK, as_version=4)
    told = {**os.environ, "PYTHONPATH": str(ROOT), "LINGSHU_CARDS": "", "OMP_NUM_THREADS": "1"}
    client = NotebookClient(
        found, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=told, cwd=str(folder))
    return found


def values(found: nbformat.NotebookNode) -> list[str]:
    """The value of each cell that has one. What is printed on the way may differ between machines."""
    told = [
        output["data"]["text/plain"]
        for cell in found.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    return [re.sub(r"[0-9a-f]{12}", "HASH", text) for text in told]


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_comes_out(tmp_path: Path) -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    assert len(values(stored)) >= 8, "store its outputs: python tests/whole/test_notebook.py"
    assert values(executed(tmp_path)) == values(stored)
    assert str(Path.home()) not in NOTEBOOK.read_text(encoding="utf-8")


def _store() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = executed(Path(folder))
    for cell in found.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    NOTEBOOK.write_text(nbformat.writes(found).replace(folder, "/project") + "\n", encoding="utf-8")


def _joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """What is printed in a row as one text, and of a progress bar its last state: what a reader sees."""
    kept: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = re.sub(r"[^\n]*\r", "", output.text)
    return [output for output in kept if output.get("text") != "\n"]


if __name__ == "__main__":
    sys.exit(_store())
