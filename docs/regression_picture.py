"""The README's picture of a run with a regression in it: `python docs/regression_picture.py` draws it again.

pytest runs on a server that is as fast as the TK1's published table says, but for one cell that takes 1.3 times as
long. The picture is what it prints, in colour, without the lines of pytest's header and of the history, which name this
machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from terminal_svg import svg

ROOT = Path(__file__).parents[1]
PICTURE = Path(__file__).parent / "images" / "regression.svg"
COMMAND = ("pytest", "benchmarks", "--platform=tk1", "-k", "squeezenet")
COLUMNS = 110
_LEFT_OUT = re.compile(r"platform |benchmark: |rootdir: |configfile: |plugins: |cachedir: |hypothesis |history: ")


def printed() -> list[str]:
    """The lines that the run prints, with colours; it has failed, since a cell regressed."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from page_reader import Rack  # noqa: PLC0415 - behind the path that it is found by

    with tempfile.TemporaryDirectory() as folder, Rack() as rack:
        rack.slow("slow squeezenet_v1.1-b8 1.3")
        project = Path(folder)
        shutil.copytree(ROOT / "benchmarks", project / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
        images = "ddperf_data_dir = /srv/bench\nddperf_bench_files = images.txt\n"
        (project / "pytest.ini").write_text(f"[pytest]\n{images}", encoding="utf-8")
        (project / "ddperf.toml").write_text('[platforms.tk1]\nurl = "http://tk1.lan:8080"\n', encoding="utf-8")
        names = "".join(f"img_{number:03d}.jpg\n" for number in range(128))
        (project / "images.txt").write_text(names, encoding="utf-8")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("DDPERF_", "GITHUB_", "PYTEST_"))
        }
        done = subprocess.run(  # noqa: S603 - the project's own command
            [sys.executable, "-m", *COMMAND],
            cwd=project,
            env={
                **kept,
                "http_proxy": rack.url,
                "no_proxy": "127.0.0.1",
                "COLUMNS": str(COLUMNS),
                "PYTEST_ADDOPTS": "--color=yes -p no:cacheprovider",
                "XDG_CACHE_HOME": folder,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 1:
        raise RuntimeError(f"pytest ended with status {done.returncode}, not 1:\n{done.stdout}{done.stderr}")
    return [line for line in done.stdout.splitlines() if not _LEFT_OUT.match(re.sub(r"\x1b\[[\d;]*m", "", line))]


def picture() -> str:
    """The run as an SVG, under the command that is typed."""
    command = " ".join(COMMAND)
    return svg([f"\x1b[1m$ {command}\x1b[0m", *printed()], COLUMNS, f"{command}: one cell is 30 % slower")


def main() -> int:
    """Write the picture."""
    PICTURE.write_text(picture(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
