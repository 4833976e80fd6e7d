from __future__ import annotations

import socket

import pytest

from pytest_ddperf.embedded.__main__ import _listen


def test_it_listens_so_that_answers_leave_at_once() -> None:
    with _listen("127.0.0.1", 0, "serve") as listener:
        # asyncio turns Nagle's delay off on connections whose protocol says TCP, and on no others
        assert listener.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_a_usage_error_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with _listen("127.0.0.1", 0, "ddperf serve") as listener:
        listener.listen()
        with pytest.raises(SystemExit) as ended:
            _listen("127.0.0.1", listener.getsockname()[1], "ddperf serve")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("ddperf serve: cannot listen on 127.0.0.1, port ")
