"""Make the figure pack: `make figures` runs the chapters once more and writes every figure at print size, with words.

`_build/figures` then has a PNG of 300 dots per inch for each figure, and `figures.md` with captions, alternative texts
and the license. Latents that chapters share are read from the last build.
"""

from __future__ import annotations

import argparse
import base64
import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
LICENSE = "*Unseen Domains from a Frozen Diffusion Model*, CC-BY-4.0. For real images see the book's page of credits."


def main() -> None:
    """Write the figures of all chapters, or of those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", help="such as 04_separability; by default all")
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "figures")
    options = parser.parse_args()
    os.environ |= {"OOD_HELPERS_DPI": "300", "OOD_HELPERS_STATIC": "1"}
    options.output.mkdir(parents=True, exist_ok=True)
    told = [f"# Figures\n\n{LICENSE}\n"]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if options.chapters and path.stem not in options.chapters:
            continue
        print(f"running {path.name}", flush=True)
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(path.parent)}}).execute()
        for name, picture, caption, alt in figures_of(notebook):
            file = f"{path.stem[:2]}-{name.removeprefix('fig-')}.png"
            (options.output / file).write_bytes(picture)
            told.append(f"## {file}\n\n{caption}\n\nAlternative text: {alt}\n")
    (options.output / "figures.md").write_text("\n".join(told), encoding="utf-8")
    print(f"{options.output}: {len(told) - 1} figures")


def figures_of(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, bytes, str, str]]:
    """Yield name, PNG, caption and alternative text of every figure of an executed notebook."""
    for cell in notebook.cells:
        settings = cell.metadata.get("mystnb", {})
        if "figure" not in settings:
            continue
        for output in cell.outputs:
            if picture := output.get("data", {}).get("image/png"):
                words = settings["figure"]["caption"], settings["image"]["alt"]
                yield settings["figure"]["name"], base64.b64decode(picture), *words


if __name__ == "__main__":
    main()
