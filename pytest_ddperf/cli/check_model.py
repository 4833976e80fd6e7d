"""The subcommand `ddperf check-model`: check that DeepDetect can use a model folder, and compute the network's cost."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from pytest_ddperf.cli.arguments import parse_path
from pytest_ddperf.core.argument_parser import argument_type
from pytest_ddperf.core.limits import numbers
from pytest_ddperf.models import check
from pytest_ddperf.models.caffe.cost import truncate_count
from pytest_ddperf.text import remove_control_characters

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_ddperf.models.findings import KindCheck

MISSING = 1
"""Exit status if DeepDetect cannot use the folder as it is."""

DEFAULT_BATCH_SIZES = "1,2,4,8,16,32,64,128"
_WIDEST = 100
_MEBI = 2**20
_BATCH_SIZES = numbers("batch sizes from 1 to 10000", int, lambda size: 1 <= size <= 10_000, 1, 2, 4, 8)
_DESCRIPTION = """\
Check whether a folder contains what DeepDetect needs, and compute the cost of the network: multiply-adds and
parameters, counted as in the performance report, and the memory of each batch size. The cost is computed from
deploy.prototxt or the .onnx file (with the extra `embedded`). For NCNN and Torch files fewer figures are available.
"""
_EPILOG = "The exit status is 0 if DeepDetect can use the folder as it is, 1 if something is missing."


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
    parser = commands.add_parser(
        "check-model", help="check the folder of a network of your own", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("folder", metavar="DIR", type=parse_path, help="folder with the files of the network")
    parser.add_argument(
        "--batch-sizes",
        type=argument_type(_BATCH_SIZES),
        metavar="N[,N]",
        default=DEFAULT_BATCH_SIZES,
        help="batch sizes to compute the memory for; default: %(default)s",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the result of the check.

    Returns:
        The exit status: 0 if DeepDetect can use a network in the folder, else `MISSING`.

    Raises:
        ConfigurationError: the folder does not exist.
    """
    checks = check.check_folder(arguments.folder, arguments.batch_sizes)
    width = min(_WIDEST, max(40, shutil.get_terminal_size().columns))
    # escape bytes of the name that cannot be decoded
    name = arguments.folder.resolve().name.encode(errors="backslashreplace").decode()
    for line in format_checks(name, checks, width):
        sys.stdout.write(remove_control_characters(line) + "\n")
    return 0 if any(one.usable for one in checks) else MISSING


def format_checks(name: str, checks: Sequence[KindCheck], width: int) -> Iterator[str]:
    """Yield the lines that describe the networks in the folder `name`, for a terminal of that many columns."""
    if not checks:
        text = (
            f"{name}: no network found. DeepDetect reads deploy.prototxt with a .caffemodel (Caffe), an .onnx file "
            "(TensorRT), .param with .bin (NCNN), or a .pt file (Torch)."
        )
        yield from textwrap.wrap(text, width)
        return
    for number, one in enumerate(checks):
        if number:
            yield ""
        verdict = "DeepDetect can use it as it is" if one.usable else "DeepDetect cannot use it yet"
        yield from textwrap.wrap(f"{name}, {one.kind}: {verdict}", width)
        yield from _findings(one, width)
        yield from _cost(one, width)
        yield from _memory(one, width)


def _findings(one: KindCheck, width: int) -> Iterator[str]:
    for finding in one.findings:
        head = f"  {finding.level:<8} {finding.about:<8} "
        yield from textwrap.wrap(
            finding.text,
            width,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_on_hyphens=False,
        )


def _cost(one: KindCheck, width: int) -> Iterator[str]:
    if one.parameters is None:
        return
    yield ""
    least = "at least " if one.incomplete else ""
    if one.operations is not None and one.true_multiply_adds is not None:
        operations, of_all = (
            f"{least}{truncate_count(each, 9):>10}" for each in (one.operations, one.true_multiply_adds)
        )
        yield f"  multiply-adds, 10^9    {operations}  as the report counts (*)"
        yield f"                         {of_all}  including depthwise layers"
    yield f"  parameters, 10^6       {least}{truncate_count(one.parameters, 6):>10}  as the report counts: no biases"
    if one.operations is not None:
        note = (
            "(*) Depthwise layers and layers without multiply-adds count with their parameters. Figures are truncated."
        )
        yield from textwrap.wrap(note, width, initial_indent="  ", subsequent_indent="  ")


def _memory(one: KindCheck, width: int) -> Iterator[str]:
    if not one.memory:
        return
    yield ""
    yield "  memory, MiB      weights  activations        total"
    for each in one.memory:
        if each.why_not:
            head = f"  batch {each.batch_size:<8} "
            yield from textwrap.wrap(each.why_not, width, initial_indent=head, subsequent_indent=" " * len(head))
        else:
            weights, activations = each.weights / _MEBI, each.activations / _MEBI
            total = weights + activations
            yield f"  batch {each.batch_size:<8} {weights:>9,.1f} {activations:>12,.1f} {total:>12,.1f}"
    if not all(each.why_not for each in one.memory):
        yield from textwrap.wrap(one.memory_note, width, initial_indent="  ", subsequent_indent="  ")
