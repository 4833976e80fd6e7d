"""Files of `ddperf bench`: the list of images it reads and the results it writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.config.text_files import replace_file, try_file
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.servers import request_images

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.dd_bench.options import BenchOptions
    from pytest_ddperf.servers.request_images import BenchImages

LIST_NAME = "list_bench_files.txt"
"""Default file with the names of the images, as in dd_bench; the report's images come with a file of this name."""


def list_images(options: BenchOptions, say: Callable[[str], None]) -> BenchImages:
    """Return the paths of the images on the server, without duplicates; `say` prints a line for the user.

    Raises:
        ConfigurationError: the names of the images are unknown, or the list is empty.
    """
    unlisted = (
        f"The names of the images in {Path(options.data_dir)} are unknown: it is not a folder on this machine, and "
        f"there is no {LIST_NAME} here. List them in a file, one per line, and name that file with "
        "--list-bench-files FILE."
    )
    listed = find_list(options)
    return request_images.list_images(options.data_dir, listed, say, option="--list-bench-files", unlisted=unlisted)


def find_list(options: BenchOptions) -> Path | None:
    """Return the file that lists the names of the images; None if there is none."""
    if options.list_bench_files is not None:
        return Path(options.list_bench_files)
    return next((path for path in (Path(LIST_NAME), Path(options.data_dir, LIST_NAME)) if path.is_file()), None)


def check_results(paths: Mapping[str, str | None]) -> dict[str, Path]:
    """Return the requested results files by kind, after checking that they can be written; nothing is written yet.

    Raises:
        ConfigurationError: one of the files cannot be written, or two are the same.
    """
    files = {kind: Path(path) for kind, path in paths.items() if path is not None}
    if len({path.resolve() for path in files.values()}) < len(files):
        shown = " and ".join(f"--{kind}-output={path}" for kind, path in files.items())
        raise ConfigurationError(f"{shown} are the same file; name another file for one of them.")
    for path in files.values():
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder; name a file in it for the results.")
        if not path.parent.is_dir():
            raise ConfigurationError(f"The results cannot be written to {path}: there is no folder {path.parent}.")
        try:
            try_file(path)
        except OSError as error:
            raise ConfigurationError(f"The results cannot be written to {path}: {error.strerror or error}.") from error
    return files


def write_results(path: Path, text: str) -> None:
    """Replace a results file atomically; after each batch size, so that an interrupted run loses no result.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from error
