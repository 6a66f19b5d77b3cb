"""Let the execution cache notice changes in `ood_helpers`.

MyST-NB runs a notebook again only when its own code cells change. Here the cache folder is named after everything else
that decides an output, the package (code, settings and weights), the recorded benchmarks that chapters show, and the
lock file: any edit there starts a new cache.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

PREFIX = ".jupyter_cache-"
IGNORED = {".pyc", ".pt", ".md"}  # byte code; checkpoints of a training run; exercises, which no chapter runs


def fingerprint(root: Path) -> str:
    """Return 16 hexadecimal digits that change with any file of the package, the records, and the lock."""
    rooms = (root / "ood_helpers", root / "benchmarks" / "results")
    files = [p for room in rooms for p in room.rglob("*") if p.is_file() and p.suffix not in IGNORED]
    digest = hashlib.sha256()
    for path in [*sorted(files), root / "requirements.lock"]:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def use_cache_of_this_package(app, config) -> None:
    """Point MyST-NB to the cache of the present package, and remove those of earlier ones."""
    build = Path(app.outdir).parent
    cache = build / (PREFIX + fingerprint(Path(app.srcdir)))
    for old in build.glob(PREFIX + "*"):
        if old != cache:
            shutil.rmtree(old)
    config.nb_execution_cache_path = str(cache)


def setup(app):
    app.connect("config-inited", use_cache_of_this_package)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
