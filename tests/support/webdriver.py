"""A headless Chromium controlled over WebDriver (chromedriver): JSON over HTTP, sent with `requests`.

with Chromium(tmp_path) as browser:
    browser.open(page.as_uri())
    assert browser.run("return document.title") == "..."
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

import requests

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element's id in WebDriver's JSON, from its specification."""

KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "ArrowRight": "\ue014",
    "ArrowUp": "\ue013",
    "End": "\ue010",
}

_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
_START_S = 60


def missing() -> str:
    """Return why there is no browser to test with, "" if there is one."""
    if _browser() is None:
        return "there is no Chromium here (Debian: apt-get install chromium chromium-driver)"
    return "" if shutil.which("chromedriver") else "Chromium is here, its chromedriver is not (Debian: chromium-driver)"


def _found(name: str) -> str:
    return shutil.which(name) or name


def _browser() -> str | None:
    return next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )


class Chromium:
    """A browser with an empty profile; it ends with its driver at the end of the `with` block.

    Args:
        folder: folder for its profile and its driver's output.
        width: width of the window in pixels.
        height: height of the window in pixels.
    """

    def __init__(self, folder: Path, width: int = 1200, height: int = 1400) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "chromedriver.log"
        with self._log.open("w") as log:
            self._driver = subprocess.Popen([_found("chromedriver"), "--port=0"], stdout=log, stderr=subprocess.STDOUT)
        self._session = ""
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy between two processes of this machine
        try:
            self._url = f"http://127.0.0.1:{self._port()}/session"
            arguments = [*_OPTIONS, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}"]
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": _browser(), "args": arguments},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            self._session = self._say("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            self.open("about:blank")  # the browser's own first page sends requests
            self.requested()
        except BaseException:
            self.close()
            raise

    def open(self, url: str) -> None:
        """Load a page, and wait until it is loaded."""
        self._say("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the script returns
        """Run a function body in the page and return its value."""
        return self._say("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Click the first element that matches the selector; it must be visible, as for a user."""
        self._say("POST", f"/element/{self._element(selector)}/click", {})

    def hover(self, selector: str) -> None:
        """Move the pointer onto the middle of an element."""
        origin = {ELEMENT: self._element(selector)}
        move = {"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": origin}
        self._say("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, by their names in `KEYS` or as they are."""
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._say("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def emulate(self, command: str, **values: object) -> None:
        """Send a command of the DevTools protocol."""
        self._say("POST", "/goog/cdp/execute", {"cmd": command, "params": values})

    def screenshot(self, path: Path) -> None:
        """Save the contents of the window as PNG."""
        path.write_bytes(base64.b64decode(self._say("GET", "/screenshot")))

    def console(self) -> list[str]:
        """Return the console output since the last call, including errors of scripts and policies."""
        return [entry["message"] for entry in self._say("POST", "/se/log", {"type": "browser"})]

    def requested(self) -> list[str]:
        """Return the addresses that the pages requested since the last call."""
        events = [
            json.loads(entry["message"])["message"] for entry in self._say("POST", "/se/log", {"type": "performance"})
        ]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def close(self) -> None:
        """End the browser and its driver."""
        try:
            if self._session:
                self._say("DELETE", "")
        finally:
            self._session = ""
            self._http.close()
            self._driver.terminate()
            self._driver.wait(30)

    def _element(self, selector: str) -> str:
        found: dict[str, str] = self._say("POST", "/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]

    def _port(self) -> int:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._driver.poll() is None:
            for line in self._log.read_text().splitlines():
                if "started successfully on port" in line:
                    return int(line.rsplit(" ", 1)[1].rstrip("."))
            time.sleep(0.05)
        raise RuntimeError(f"chromedriver did not start: {self._log.read_text()}")

    def _say(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON of any shape
        url = f"{self._url}/{self._session}{path}" if self._session else self._url
        answer = self._http.request(method, url, json=body, timeout=120)
        value = answer.json()["value"]
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {value['error']}: {value['message']}")
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
