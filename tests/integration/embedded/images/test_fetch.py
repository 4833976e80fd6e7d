from __future__ import annotations

import http.server
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.embedded.images import fetch as fetching
from pytest_ddperf.embedded.images.fetch import ImageReadError, fetch

if TYPE_CHECKING:
    from collections.abc import Iterator


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/image")
            self.end_headers()
            return
        self.send_response(200 if self.path.startswith("/image") else 404)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_url_of_this_host_is_read(site: str) -> None:
    assert fetch(f"{site}/image?size=2") == b"/image?size=2"


@pytest.mark.parametrize("path", ["/none", "/moved"])
def test_what_is_no_200_is_named(site: str, path: str) -> None:
    with pytest.raises(ImageReadError, match=f"could not be read or does not exist: {site}{path}$"):
        fetch(site + path)


def test_a_refused_connection_is_reported_as_deepdetect_tells_it() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(ImageReadError, match=rf"^Failed to connect to 127\.0\.0\.1 port {port} after \d+ ms"):
            fetch(f"http://127.0.0.1:{port}/image")


@pytest.mark.parametrize(
    "url",
    ["http://192.0.2.1/a.jpg", "https://127.0.0.1/a.jpg", "http://localhost.example.org/a.jpg", "http://169.254.1.1/"],
)
def test_other_hosts_are_not_asked(url: str) -> None:
    with pytest.raises(ImageReadError, match="only http URLs of this host are allowed"):
        fetch(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/", "http://127.0.0.1:99999/", "http://[::1/"])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(ImageReadError, match="could not be read"):
        fetch(url)


def test_a_file_that_is_too_large_is_not_read_to_its_end(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_FILE_BYTES", 5)
    with pytest.raises(ImageReadError, match="could not be read"):
        fetch(f"{site}/image")


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FETCH_TIMEOUT_S", 0.3)
    ended = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                while not ended.wait(0.05):
                    connection.sendall(b"H")
            except OSError:
                ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=[listener])
        thread.start()
        with pytest.raises(ImageReadError, match="could not be read"):
            fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/a.jpg")
        assert ended.wait(10)  # it noticed that nobody listens
        thread.join()
