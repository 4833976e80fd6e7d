"""SIGTERM ends a run as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.plugin.sigterm import treat_as_interrupt

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_is_a_keyboard_interrupt_until_it_is_put_back() -> None:
    as_usual = treat_as_interrupt()
    with pytest.raises(KeyboardInterrupt):
        _send_and_wait()
    as_usual()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def _send_and_wait() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)


def test_who_handles_it_otherwise_keeps_that() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    treat_as_interrupt()()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_who_handles_it_otherwise_since_keeps_that() -> None:
    as_usual = treat_as_interrupt()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    as_usual()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_in_a_thread_nothing_is_changed() -> None:
    thread = threading.Thread(target=treat_as_interrupt)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
