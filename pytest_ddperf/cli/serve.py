"""The subcommand `ddperf serve`: run the embedded server in the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.embedded.launch import require_extra
from pytest_ddperf.servers import generated_images

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def serve(*, port: int, data_dir: Path | None, options: Sequence[str]) -> int:
    """Run the embedded server in this process until it is stopped.

    Args:
        port: port to listen on; 0 for a free one.
        data_dir: folder of images that requests name by path; None for the generated bench images.
        options: further arguments of `python -m pytest_ddperf.embedded`.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: the packages of the embedded server are not installed.
    """
    require_extra()
    folder = data_dir or generated_images.ensure_bench_images()
    from pytest_ddperf.embedded.__main__ import main  # noqa: PLC0415 - an optional extra

    return main(["--port", str(port), "--data-dir", str(folder), *options], prog="ddperf serve")
