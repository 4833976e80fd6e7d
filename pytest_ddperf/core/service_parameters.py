"""The parameters of a service, each defined once. Pure.

Options, keys of ddperf.toml, help, pages and requests derive from it. Every pytest run imports this module, because the
options are part of `pytest --help`.
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - a NamedTuple reads its fields' types at run time
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, NamedTuple

from pytest_ddperf.core.limits import COUNT, FACTOR, INDEX, SWITCH, ValueType, choice, non_empty

TENSORRT = "tensorrt"
TORCH = "torch"

AUTO: Final = "auto"
"""Value of `mllib`: one of the server's backends; of `template`: the network's own, if its folder contains no model."""

TEMPLATE_NAMES: Final = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "wideresnet50_2",
    "wideresnet101_2",
    "vit",
    "visformer",
)
"""The names of `networks.TEMPLATES`. A server also accepts names that only contain one of the last two."""

SERVICES: Final = "server and services"
IMAGES: Final = "images"
"""Groups of options."""


class Sent(NamedTuple):
    """Where a request contains a parameter.

    Args:
        section: part of the request's `parameters`: `input` or `mllib`.
        name: DeepDetect's name for it.
        backends: the backends that read it there; () for all.
    """

    section: str
    name: str
    backends: tuple[str, ...] = ()


class Parameter(NamedTuple):
    """One parameter; its name with hyphens is the option's, its name itself the key in ddperf.toml.

    Args:
        default: the value if nothing else is given.
        type: the valid values.
        group: the group of its option.
        help: help text without the default; `ddperf bench` shows it, too.
        unset: for the help text: the source of the value if the option is not given; "" shows the default, if any.
        metavar: how the value is shown in the help; None for a flag.
        creation: where the request that creates a service contains it; None if it does not.
        prediction: the same for a prediction.
        encode: converts the value for requests; None is not sent.
        condition: how a value other than the default is described among the conditions of a measurement; `{}` is the
            value. "" if it is not a condition, or is recorded apart.
        of_network: whether ddperf.toml can set it for a single network.
        of_dd_bench: whether `ddperf bench` has the option, too, with dd_bench's meaning.
    """

    default: Any
    type: ValueType
    group: str
    help: str
    unset: str = ""
    metavar: str | None = None
    creation: Sent | None = None
    prediction: Sent | None = None
    encode: Callable[[Any], Any] = lambda value: value
    condition: str = ""
    of_network: bool = True
    of_dd_bench: bool = True

    def describe(self, default: object) -> str:
        """Return the help text of an option with this default."""
        if default is None or default is False:
            return self.help
        return f"{self.help}; default: {str(default).removesuffix('.0')}"


def _parameter(*values: Any, **more: Any) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    one = Parameter(*values, **more)
    return field(default=one.default, metadata={"parameter": one})


def _if_set(value: Any) -> Any:  # noqa: ANN401 - a parameter's own type
    return value or None


@dataclass(frozen=True, slots=True)
class ServiceParameters:
    """Parameters of a service and its requests, under dd_bench's names; `PARAMETERS` has what is known of each.

    Sizes are in pixels, the workspace in MiB. None means the network's own value, or the server's default.

    Args:
        named: names of those that the user set for this run or this network, not for a whole platform.
    """

    # fmt: off
    img_width: int | None = _parameter(None, COUNT, IMAGES, "input width in pixels", "the network's", "N",
                                       creation=Sent("input", "width"), prediction=Sent("input", "width"))
    img_height: int | None = _parameter(None, COUNT, IMAGES, "input height in pixels", "the network's", "N",
                                        creation=Sent("input", "height"), prediction=Sent("input", "height"))
    bw: bool = _parameter(False, SWITCH, IMAGES, "create services for black and white images",
                          creation=Sent("input", "bw"), condition="black and white")
    rgb: bool = _parameter(False, SWITCH, IMAGES, "create services for RGB channel order",
                           creation=Sent("input", "rgb"), condition="rgb")
    scale: float = _parameter(1.0, FACTOR, IMAGES, "create services that multiply pixel values by F", metavar="F",
                              creation=Sent("input", "scale"), encode=float,  # real servers refuse the integer 1
                              condition="scale {:g}")
    histogram_equalization: bool = _parameter(False, SWITCH, IMAGES, "create services that equalize the histogram",
                                              creation=Sent("input", "histogram_equalization"),
                                              condition="histogram equalisation")
    recreate: bool = _parameter(False, SWITCH, SERVICES, "recreate our service for every batch size (always done for "
                                "TensorRT)", of_dd_bench=False)
    delete_services: bool = _parameter(False, SWITCH, SERVICES, "delete the measured services at the end, including "
                                       "those that existed before", of_network=False, of_dd_bench=False)
    mllib: str = _parameter(AUTO, non_empty("the name of a backend"), SERVICES, "backend of created services",
                            "auto, the platform's or else one that the server has", "NAME")
    gpu: bool = _parameter(False, SWITCH, SERVICES, "create services on the GPU", "if the platform has one",
                           creation=Sent("mllib", "gpu", ("caffe", "torch")),
                           prediction=Sent("mllib", "gpu", ("caffe",)))
    gpuid: int = _parameter(0, INDEX, SERVICES, "index of the GPU", metavar="N",
                            creation=Sent("mllib", "gpuid", ("caffe", "torch", TENSORRT)),
                            prediction=Sent("mllib", "gpuid", ("caffe", TENSORRT)))
    dla: bool = _parameter(False, SWITCH, SERVICES, "create services on a Jetson's DLA core",
                           creation=Sent("mllib", "dla", (TENSORRT,)), encode=lambda on: 0 if on else None,
                           condition="DLA")
    datatype: str = _parameter("fp32", choice("fp32", "fp16"), SERVICES, "precision of created services",
                               metavar="fp32|fp16", creation=Sent("mllib", "datatype", (TENSORRT, "ncnn")))
    template: str = _parameter(AUTO, choice(AUTO, *TEMPLATE_NAMES), SERVICES, "Torch template of created services, "
                               "such as resnet50, or auto (the network's own, if its model folder is empty)",
                               metavar="NAME",
                               creation=Sent("mllib", "template", (TORCH,)),
                               encode=lambda name: None if name == AUTO else name, of_dd_bench=False)
    nclasses: int | None = _parameter(None, COUNT, SERVICES, "number of classes of created services",
                                      "the network's", "N", creation=Sent("mllib", "nclasses"))
    max_workspace_size: int = _parameter(1024, COUNT, SERVICES, "workspace of a TensorRT engine, MiB", metavar="N",
                                         creation=Sent("mllib", "maxWorkspaceSize", (TENSORRT,)))
    image_interp: str | None = _parameter(None, choice("nearest", "linear", "cubic", "area", "lanczos4"), IMAGES,
                                          "resize filter: nearest, linear, cubic, area or lanczos4", "the server's",
                                          "NAME", prediction=Sent("input", "interp"), encode=_if_set,
                                          condition="interpolation {}")
    gpu_resize: bool = _parameter(False, SWITCH, IMAGES, "resize images on the GPU",
                                  prediction=Sent("input", "cuda"), encode=_if_set, condition="resized on the GPU")
    named: frozenset[str] = frozenset()
    # fmt: on

    def engine_for(self, batch_size: int) -> int | None:
        """The batch size a service is created for; None if one service is used for all batch sizes.

        TensorRT builds an engine for one batch size; running it at another would not measure the same thing.
        """
        return batch_size if self.recreate or self.mllib.lower() == TENSORRT else None

    def preparation(self, *, created: bool) -> str:
        """Describe non-default image preparation; "" for the default.

        Args:
            created: whether the run created the service; an existing service uses the parameters it was created with.
        """
        values = ((one, getattr(self, name)) for name, one in PARAMETERS.items() if created or one.prediction)
        return ", ".join(one.condition.format(value) for one, value in values if one.condition and value != one.default)

    def request_section(self, request: Literal["creation", "prediction"], section: str) -> dict[str, object]:
        """Build what a request contains of the parameters.

        Args:
            request: the kind of request.
            section: `input` or `mllib`.
        """
        found: dict[str, object] = {}
        for name, one in PARAMETERS.items():
            sent: Sent | None = getattr(one, request)
            value = one.encode(getattr(self, name))
            if sent is not None and sent.section == section and value is not None:
                found[sent.name] = value
        return found


PARAMETERS: Final[dict[str, Parameter]] = {
    one.name: one.metadata["parameter"] for one in fields(ServiceParameters) if one.metadata
}
"""The parameters by name, in the order of their options in each group."""

DD_BENCH_DEFAULTS: Final = ServiceParameters(img_width=224, img_height=224, mllib="caffe", nclasses=1000)
"""dd_bench's defaults."""
