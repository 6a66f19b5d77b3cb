"""Switch on the buttons for Binder and Colab: `make launch REPOSITORY=https://github.com/me/my-book`.

Writes the address into `_config.yml`, and a set-up cell before each chapter that fetches the book where it is not
installed, as on Colab; the pages do not show it. Commit both. Without an address there are no buttons.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat
from nbformat import v4

ROOT = Path(__file__).resolve().parents[1]
MARK = "# Launch buttons, by `make launch`\n"
CONFIG = (
    MARK
    + """repository:
  url: {address}
  branch: {branch}

launch_buttons:
  binderhub_url: https://mybinder.org
  colab_url: https://colab.research.google.com
  notebook_interface: jupyterlab
"""
)
CELL = """# Where the book is not installed, as on Colab: fetch it, and keep the torch that is there.
try:
    import ood_helpers
except ImportError:
    !git clone --quiet --depth 1 --branch {branch} {address} unseen-domains
    %pip install --quiet "./unseen-domains[astro]"
    %cd -q unseen-domains/notebooks"""


def main() -> None:
    """Write the address into the settings and the set-up cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="such as https://github.com/me/my-book")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    options = parser.parse_args()
    if not re.fullmatch(r"(https|file)://[^\s\"']+", options.address):
        parser.error(f"address: got {options.address!r}, expected such as https://github.com/me/my-book")
    told = {"address": options.address.rstrip("/"), "branch": options.branch}
    config = options.root / "_config.yml"
    before = config.read_text(encoding="utf-8").split("\n" + MARK)[0].rstrip("\n")
    config.write_text(f"{before}\n\n{CONFIG.format(**told)}", encoding="utf-8")
    notebooks = sorted((options.root / "notebooks").glob("*.ipynb"))
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if cell.id != "set-up"]
        first = v4.new_code_cell(CELL.format(**told), id="set-up", metadata={"tags": ["remove-cell"]})
        notebook.cells = [cells[0], first, *cells[1:]]
        nbformat.write(notebook, path)
    print(f"Buttons lead to {told['address']}; set-up cells are in {len(notebooks)} notebooks.")


if __name__ == "__main__":
    main()
