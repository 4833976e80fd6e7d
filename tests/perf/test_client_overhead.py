"""What a prediction costs on top of the server's work: the client's way against dd_bench's."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from typing import TYPE_CHECKING

import requests
from scripted_deepdetect import ScriptedDeepDetect

from pytest_ddperf.deepdetect.client import Client, encode
from pytest_ddperf.deepdetect.protocol import build_predict_body
from pytest_ddperf.servers.batches import Batch

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PREDICTIONS = 400


def serve(pipe: Connection) -> None:
    """Serve predictions that take no time, in a process of its own, until the pipe says so."""
    with ScriptedDeepDetect(services=["resnet50"]) as server:
        pipe.send(server.url)
        pipe.recv()


def test_the_client_costs_at_most_half_of_a_new_connection_each_time() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        url = str(ours.recv())
        kept_ms, new_ms = _alternating(url)
    finally:
        ours.send("stop")
        process.join(10)
    ratio = statistics.median(kept / new for kept, new in zip(kept_ms, new_ms, strict=True))
    print(f"\n{'way':<34}{'median ms':>12}{'fastest ms':>12}   CPU")
    for way, times in (("pytest-ddperf, connection kept", kept_ms), ("dd_bench, a new one each time", new_ms)):
        print(f"{way:<34}{statistics.median(times):>12.3f}{min(times):>12.3f}")
    print(f"median of the ratios pair by pair {ratio:.2f}, at most 0.50")
    assert ratio <= 0.5


def _alternating(url: str) -> tuple[list[float], list[float]]:
    """CPU milliseconds of this process for both ways, in turns; the server is another process."""
    body = build_predict_body("resnet50", ["/srv/bench/img_00.jpg"])
    kept_ms, new_ms = [], []
    with Client(url) as client:
        endpoint = Batch(client, "resnet50", encode(body), lambda _: None)
        endpoint.predict()
        for _ in range(PREDICTIONS):
            began_s = time.process_time()
            endpoint.predict()
            between_s = time.process_time()
            requests.post(f"{url}/predict", json=body, timeout=10)
            kept_ms.append((between_s - began_s) * 1000)
            new_ms.append((time.process_time() - between_s) * 1000)
    return kept_ms, new_ms
