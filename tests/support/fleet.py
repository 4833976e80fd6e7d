"""Several boards at once: a project with a scripted server for each platform, as fast as its published table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from bench_project import BenchProject, TableServer

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

    import pytest

CELLS = ("--ddperf-models=googlenet,squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
"""Options for four cells per platform."""

NAMES = tuple(f"{model}-b{size}" for model in ("googlenet", "squeezenet_v1.1") for size in (1, 8))
"""Names of these cells without the platform, in measuring order."""


class Fleet:
    """A server for each platform, in the order of `--platform`.

    Args:
        project: the project in which pytest runs; its server is that of its platform.
        others: the other platforms.
    """

    def __init__(self, project: BenchProject, *others: str) -> None:
        self.project = project
        self.servers = {project.platform: project.server} | {name: TableServer(name) for name in others}

    def where(self, *platforms: str) -> tuple[str, str]:
        """Return the options that name platforms (all by default) and their servers."""
        names = platforms or tuple(self.servers)
        urls = ",".join(f"{name}={self.servers[name].url}" for name in names)
        return f"--platform={','.join(names)}", f"--ddperf-url={urls}"

    def run(self, *args: str) -> pytest.RunResult:
        """Run `pytest benchmarks` on all platforms, four cells each, in this process."""
        return self.project.bare("benchmarks", *self.where(), *CELLS, *args)

    def start(self, *args: str, platforms: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Like `run`, in a separate process, without waiting for it to end."""
        return self.project.start(*self.where(*platforms), *CELLS, *args)

    def delay(self, seconds: float) -> None:
        """Let each prediction really take this long, so that two clients would overlap."""
        for server in self.servers.values():
            server._delay_s = seconds

    @property
    def most_concurrent(self) -> dict[str, int]:
        """Return, by platform, the maximum number of concurrent requests to its server."""
        return {name: server.most_concurrent for name, server in self.servers.items()}

    @property
    def alone(self) -> dict[str, int]:
        """Return the required value of `most_concurrent`."""
        return dict.fromkeys(self.servers, 1)

    def cells(self, **outcomes: str) -> dict[str, str]:
        """Return the verdicts of all cells: `ok` unless given for a platform (`tk1="crashed"`)."""
        return {f"{name}-{cell}": outcomes.get(name, "ok") for name in self.servers for cell in NAMES}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers.values():
            server.close()
