"""Fetch what runs networks in a page: six files of onnxruntime-web, of one version, known by its hash.

    python book/get_runtime.py          into the environment, where a build of the book looks for them

The archive (33 MB) comes by npm where there is one, so that its settings count, else from the npm registry itself.
Without a network nothing is left behind, and the book is built all the same, with still pictures in place of panels.

To update: set VERSION, and INTEGRITY to what `npm view onnxruntime-web@VERSION dist.integrity` prints; then run
`make book check-site`, whose tests walk in a browser beside the package.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

NAME, VERSION = "onnxruntime-web", "1.30.0"  # MIT license, Microsoft
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
ADDRESS = f"https://registry.npmjs.org/{NAME}/-/{NAME}-{VERSION}.tgz"
FILES = {  # by what they are for: a program, what loads its machine code, and that; for the processor, for WebGPU
    "ort": "ort.wasm.min.js",
    "glue": "ort-wasm-simd-threaded.mjs",
    "wasm": "ort-wasm-simd-threaded.wasm",
    "ort-gpu": "ort.webgpu.min.js",
    "glue-gpu": "ort-wasm-simd-threaded.asyncify.mjs",
    "wasm-gpu": "ort-wasm-simd-threaded.asyncify.wasm",
}
FOLDER = Path(sys.prefix) / "share" / f"{NAME}-{VERSION}"
SECONDS = 300  # how long to try


def here() -> dict[str, Path]:
    """Return where the files are, by what they are for; nothing if they are not all here."""
    files = {use: FOLDER / name for use, name in FILES.items()}
    return files if all(file.is_file() for file in files.values()) else {}


def archive() -> bytes:
    """Return the package's archive, from npm or from its registry; OSError if neither gives it."""
    if npm := shutil.which("npm"):
        with tempfile.TemporaryDirectory() as place:
            command = [npm, "pack", f"{NAME}@{VERSION}", "--silent", "--pack-destination", place]
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
            if done.returncode == 0:
                return next(Path(place).glob("*.tgz")).read_bytes()
    with urllib.request.urlopen(ADDRESS, timeout=30) as answer:
        return answer.read()


def unpack(content: bytes) -> None:
    """Check the archive's hash and keep the files; ValueError if it is another archive."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY:
        raise ValueError(f"{NAME} {VERSION}: got an archive with {found}, expected {INTEGRITY}")
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as place, tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for name in FILES.values():
            (Path(place) / name).write_bytes(tar.extractfile(f"package/dist/{name}").read())
        shutil.copytree(place, FOLDER, dirs_exist_ok=True)


def main() -> int:
    """Fetch the files unless they are here; say so where that cannot be."""
    if here():
        return 0
    try:
        unpack(archive())
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"{NAME} {VERSION} could not be fetched ({error}): the book will have still pictures for panels.")
        return 0
    print(f"{NAME} {VERSION} is in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
