"""The images of a batch as sent in a request: by path if the server can read them, else inline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.config.text_files import read_text
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.servers import generated_images

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.config.server_options import ServerOptions


@dataclass(frozen=True, slots=True)
class BenchImages:
    """The bench images as sent in a request.

    Args:
        route: `path` or `inline`.
        data: what is sent, one entry per image; no path twice, because a server answers each path once.
    """

    route: str
    data: tuple[str, ...]

    def batch(self, batch_size: int) -> tuple[Sequence[str], Sequence[str]]:
        """Return the first `batch_size` images as (data, uris); a server returns inline images under their indices.

        Raises:
            ConfigurationError: there are fewer images than the batch size.
        """
        if batch_size > len(self.data):
            raise ConfigurationError(
                f"A batch of {batch_size} needs {batch_size} different images, because a server answers each image "
                f"once, and there are {len(self.data)}. Add images with --ddperf-data-dir and --ddperf-bench-files, or "
                f"limit the batches with --ddperf-max-batch-size={len(self.data)}."
            )
        data = self.data[:batch_size]
        return data, data if self.route == "path" else [str(number) for number in range(batch_size)]


def load_images(options: ServerOptions, say: Callable[[str], None] = lambda _: None) -> BenchImages:
    """Load the bench images that the options name; by default the generated ones.

    Generated images are sent by path if the server sees this machine's files, else inline. By default nothing is
    printed, for a server that was probed.

    Raises:
        ConfigurationError: the folder's images are unknown, or the list cannot be read.
    """
    data_dir, listed = options.data_dir, options.bench_files
    if data_dir is None:
        folder = generated_images.ensure_bench_images()
        paths = [folder / name for name in generated_images.list_bench_images(folder)]
        if options.is_embedded:
            return BenchImages("path", tuple(str(path) for path in paths))
        return BenchImages("inline", tuple(generated_images.encode_inline(paths)))
    return list_images(
        data_dir,
        None if listed is None else Path(listed),
        say,
        option="--ddperf-bench-files",
        unlisted=f"--ddperf-data-dir={data_dir} is not a folder on this machine, so the names of its images are "
        "unknown. List them in a file, one per line, and name that file with --ddperf-bench-files=FILE.",
    )


def list_images(
    data_dir: str, listed: Path | None, say: Callable[[str], None], *, option: str, unlisted: str
) -> BenchImages:
    """Return the paths of the images in a folder of the server, each once.

    Args:
        data_dir: the folder as the server sees it.
        listed: the file that lists the images' names; None for all images of the folder, seen from this machine.
        say: prints a line for the user.
        option: the option that names such a file.
        unlisted: the message if there is no such file and no such folder on this machine.

    Raises:
        ConfigurationError: the names of the images are unknown, or there are none.
    """
    folder = Path(data_dir)
    if listed is not None:
        text = read_text(listed, f"names of images, one per line ({option})")
        names = [name for line in text.splitlines() if (name := line.strip())]
    elif folder.is_dir():
        names = generated_images.list_bench_images(folder)
    else:
        raise ConfigurationError(unlisted)
    if not names:
        raise ConfigurationError(f"{listed or folder} contains no images; at least one is needed.")
    different = dict.fromkeys(names)
    if twice := len(names) - len(different):
        say(f"ddperf: duplicate images in the list: {twice}; each image is sent once, because a server answers it once")
    prefix = data_dir.rstrip("/")
    return BenchImages("path", tuple(f"{prefix}/{name}" for name in different))
