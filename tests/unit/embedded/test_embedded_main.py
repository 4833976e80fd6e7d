from __future__ import annotations

import socket

from pytest_ddperf.embedded.__main__ import _listen


def test_it_listens_so_that_answers_leave_at_once() -> None:
    with _listen("127.0.0.1", 0) as listener:
        # asyncio turns Nagle's delay off on connections whose protocol says TCP, and on no others
        assert listener.proto == socket.IPPROTO_TCP
