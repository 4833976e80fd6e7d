"""Several boards at once: a project with a scripted server for each platform, each as fast as its table says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from bench_project import BenchProject, TableServer

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

    import pytest

CELLS = ("--ddperf-models=googlenet,squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
"""Four cells a platform."""

NAMES = tuple(f"{model}-b{size}" for model in ("googlenet", "squeezenet_v1.1") for size in (1, 8))
"""Of these cells, without the platform, in the order in which they are measured."""


class Fleet:
    """A server for each platform, in the order of `--platform`.

    Args:
        project: where pytest runs; its own server is that of its platform.
        others: the further platforms.
    """

    def __init__(self, project: BenchProject, *others: str) -> None:
        self.project = project
        self.servers = {project.platform: project.server} | {name: TableServer(name) for name in others}

    def where(self, *platforms: str) -> tuple[str, str]:
        """The options that name platforms, all by default, and their servers."""
        names = platforms or tuple(self.servers)
        urls = ",".join(f"{name}={self.servers[name].url}" for name in names)
        return f"--platform={','.join(names)}", f"--ddperf-url={urls}"

    def run(self, *args: str) -> pytest.RunResult:
        """`pytest benchmarks` on all of them, four cells each, in this process."""
        return self.project.bare("benchmarks", *self.where(), *CELLS, *args)

    def start(self, *args: str, platforms: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """The same in a process of its own, without waiting for its end."""
        return self.project.start(*self.where(*platforms), *CELLS, *args)

    def delay(self, seconds: float) -> None:
        """Let predictions really take so long, so that two clients would meet."""
        for server in self.servers.values():
            server._delay_s = seconds

    @property
    def most_concurrent(self) -> dict[str, int]:
        """By platform, how many requests its server had at once, at most."""
        return {name: server.most_concurrent for name, server in self.servers.items()}

    @property
    def alone(self) -> dict[str, int]:
        """What `most_concurrent` must be."""
        return dict.fromkeys(self.servers, 1)

    def cells(self, **outcomes: str) -> dict[str, str]:
        """Verdicts of all cells: `ok`, or what is given for a platform (`tk1="crashed"`)."""
        return {f"{name}-{cell}": outcomes.get(name, "ok") for name in self.servers for cell in NAMES}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers.values():
            server.close()
