"""A headless Chromium in real time, spoken to by its DevTools protocol; for pages that compute."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import websocket

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    " --disable-component-update --disable-quic --remote-debugging-port=0 --remote-allow-origins=*"
)


CARD = FLAGS.replace("--disable-gpu", "--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader --ignore-gpu-blocklist")
CARD += " --enable-features=Vulkan,WebGPU --use-vulkan=swiftshader --use-angle=swiftshader"  # a graphics card, imitated


class Browser:
    """One page of a new browser; `asked` has the address of every request that it made."""

    def __init__(self, width=1280, height=900, *, flags=FLAGS):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        flags = [*flags.split(), f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}"]
        self.process = subprocess.Popen([CHROMIUM, *flags, "about:blank"], stderr=subprocess.DEVNULL)
        told = Path(self._profile.name) / "DevToolsActivePort"
        end = time.monotonic() + 60
        while not told.exists() or len(told.read_text().split()) < 2:
            if time.monotonic() > end:
                raise TimeoutError("Chromium did not say at which port it listens")
            time.sleep(0.05)
        port = told.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            page = next(one for one in json.load(answer) if one["type"] == "page")
        self._socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=300)
        self._number, self.asked, self.errors = 0, [], []
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        self.process.terminate()
        self.process.wait(30)
        self._profile.cleanup()

    def call(self, method, **parameters):
        """Give one command and return its result; what happens meanwhile is noted."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv())
            if told.get("id") == self._number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return told["result"]
            self._note(told)

    def _note(self, told):
        if told["method"] == "Network.requestWillBeSent":
            self.asked.append(told["params"]["request"]["url"])
        elif told["method"] == "Runtime.exceptionThrown":
            self.errors.append(told["params"]["exceptionDetails"])

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, address):
        self.call("Page.navigate", url=str(address))
        self.wait("document.readyState === 'complete'", 60)

    def run(self, expression):
        """Return the value of a JavaScript expression, awaited if it is a promise."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return found["result"].get("value")

    def wait(self, condition, seconds=60):
        """Wait until an expression is true; TimeoutError if it does not become so."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise TimeoutError(condition)
            time.sleep(0.05)

    def picture(self, file, whole=True):
        """Save what the page shows as a PNG file."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(file).write_bytes(base64.b64decode(found["data"]))
