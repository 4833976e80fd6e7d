"""The parameters of a service, each defined once. Pure.

Options, keys of ddperf.toml, help, pages and requests derive from it. Every pytest run imports this module, because the
options are part of `pytest --help`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping  # noqa: TC003 - a NamedTuple reads its fields' types at run time
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from pytest_ddperf.core.limits import COUNT, FACTOR, GPU, SWITCH, ValueType, choice, non_empty
from pytest_ddperf.errors import ConfigurationError

CAFFE, NCNN, TORCH, ONNXRUNTIME, TENSORRT = "caffe", "ncnn", "torch", "onnxruntime", "tensorrt"

KNOWN_BACKENDS: Final = frozenset({CAFFE, NCNN, TORCH, ONNXRUNTIME, TENSORRT})
"""The backends of which it is known what they read."""

AUTO: Final = "auto"
"""Value of `mllib`: one of the server's backends; of `template`: the network's own, if its folder contains no model."""


class Template(NamedTuple):
    """A network that DeepDetect's Torch backend creates without a model file, with random weights.

    Args:
        params: number of parameters with 1,000 classes, as reported by a DeepDetect server.
        features: inputs of its last layer, which has a weight per input and a bias for each class.
    """

    params: int
    features: int

    def count_params(self, nclasses: int) -> int:
        """Return the number of parameters with this number of classes."""
        return self.params + (nclasses - 1000) * (self.features + 1)


TEMPLATES: Final[Mapping[str, Template]] = {
    "resnet18": Template(11_689_512, 512),
    "resnet34": Template(21_797_672, 512),
    "resnet50": Template(25_557_032, 2048),
    "resnet101": Template(44_549_160, 2048),
    "resnet152": Template(60_192_808, 2048),
    "resnext50_32x4d": Template(25_028_904, 2048),
    "resnext101_32x8d": Template(88_791_336, 2048),
    "wideresnet50_2": Template(68_883_240, 2048),
    "wideresnet101_2": Template(126_886_696, 2048),
    "vit": Template(86_567_656, 768),
    "visformer": Template(22_718_424, 384),
}
"""The templates that classify images, by name. A server also accepts names that only contain one of the last two."""

SERVICES: Final = "server and services"
IMAGES: Final = "images"
"""Groups of options."""


class Sent(NamedTuple):
    """Where a request contains a parameter.

    Args:
        section: part of the request's `parameters`: `input` or `mllib`.
        name: DeepDetect's name for it.
        backends: the backends that read it there; () for all.
        of_dd_bench: whether dd_bench sends it there, to any backend; else only a backend that reads it gets it.
    """

    section: str
    name: str
    backends: tuple[str, ...] = ()
    of_dd_bench: bool = True


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
        condition: how a value other than the default is described among the conditions of a measurement, as part of
            the image preparation; `{}` is the value. "" if it is not a condition, or is recorded apart.
        setting: the same for a setting of the service that changes its speed.
        only_under_load: whether that setting changes the speed only if several clients predict at the same time.
        values: the valid values by backend, where a backend would silently run something else for others.
        always_on: the backends that do not read it because they always do what it requests.
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
    setting: str = ""
    only_under_load: bool = False
    values: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    always_on: tuple[str, ...] = ()
    of_network: bool = True
    of_dd_bench: bool = True

    def describe(self, default: object) -> str:
        """Return the help text of an option with this default."""
        if default is None or default is False:
            return self.help
        return f"{self.help}; default: {str(default).removesuffix('.0')}"

    @property
    def readers(self) -> frozenset[str]:
        """The backends that read it; empty for all."""
        backends = [one.backends for one in (self.creation, self.prediction) if one is not None]
        return frozenset[str]().union(*backends) if all(backends) else frozenset()

    def is_ignored_by(self, backend: str) -> bool:
        """Whether a backend neither reads it nor does what it requests anyway; False for an unknown backend."""
        readers = self.readers
        return bool(readers) and backend in KNOWN_BACKENDS - readers and backend not in self.always_on


def _parameter(*values: Any, **more: Any) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    one = Parameter(*values, **more)
    return field(default=one.default, metadata={"parameter": one})


def _if_set(value: Any) -> Any:  # noqa: ANN401 - a parameter's own type
    return value or None


_BLOB: Final = non_empty("the name of a blob")


@dataclass(frozen=True, slots=True)
class ServiceParameters:
    """Parameters of a service and its requests, under dd_bench's names; `PARAMETERS` has what is known of each.

    Sizes are in pixels, the workspace in MiB. None means the network's own value, or the server's default.

    Args:
        named: names of those that the user set for this run or this network, not for a whole platform.
        typed: names of those that the user set for this run: on the command line or in the environment.
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
                           creation=Sent("mllib", "gpu", (CAFFE, TORCH)),
                           prediction=Sent("mllib", "gpu", (CAFFE,)), always_on=(TENSORRT,))
    gpuid: int = _parameter(0, GPU, SERVICES, "index of the GPU; -1: all", metavar="N",
                            creation=Sent("mllib", "gpuid", (CAFFE, TORCH, TENSORRT)),
                            prediction=Sent("mllib", "gpuid", (CAFFE, TENSORRT)), setting="GPU {}")
    dla: bool = _parameter(False, SWITCH, SERVICES, "create services on a Jetson's DLA core",
                           creation=Sent("mllib", "dla", (TENSORRT,)), encode=lambda on: 0 if on else None,
                           condition="DLA")
    datatype: str = _parameter("fp32", choice("fp32", "fp16", "fp64", "int8"), SERVICES, "precision of "
                               "created services, on Torch of all; fp64: Torch only, int8: TensorRT only",
                               metavar="fp32|fp16|fp64|int8",
                               creation=Sent("mllib", "datatype", (TENSORRT, NCNN, TORCH)),
                               prediction=Sent("mllib", "datatype", (TORCH,), of_dd_bench=False),
                               values={TORCH: ("fp32", "fp16", "fp64"), TENSORRT: ("fp32", "fp16", "int8"),
                                       NCNN: ("fp32", "fp16")})
    template: str = _parameter(AUTO, choice(AUTO, *TEMPLATES), SERVICES, "Torch template of created services, "
                               "such as resnet50, or auto (the network's own, if its model folder is empty)",
                               metavar="NAME",
                               creation=Sent("mllib", "template", (TORCH,), of_dd_bench=False),
                               encode=lambda name: None if name == AUTO else name, of_dd_bench=False)
    nclasses: int | None = _parameter(None, COUNT, SERVICES, "number of classes of created services",
                                      "the network's", "N", creation=Sent("mllib", "nclasses"))
    max_workspace_size: int = _parameter(1024, COUNT, SERVICES, "workspace of a TensorRT engine, MiB", metavar="N",
                                         creation=Sent("mllib", "maxWorkspaceSize", (TENSORRT,)))
    concurrent_predict: bool = _parameter(True, SWITCH, SERVICES, "whether a Torch service runs the predictions of "
                                          "several clients at the same time", metavar="true|false",
                                          creation=Sent("mllib", "concurrent_predict", (TORCH,), of_dd_bench=False),
                                          encode=lambda on: None if on else False, only_under_load=True,
                                          setting="one prediction at a time", of_dd_bench=False)
    input_blob: str | None = _parameter(None, _BLOB, SERVICES, "name of an NCNN network's input", "data", "NAME",
                                        creation=Sent("mllib", "inputBlob", (NCNN,), of_dd_bench=False),
                                        setting="input blob {}", of_dd_bench=False)
    output_blob: str | None = _parameter(None, _BLOB, SERVICES, "name of an NCNN network's output", "by task, such "
                                         "as prob", "NAME",
                                         creation=Sent("mllib", "outputBlob", (NCNN,), of_dd_bench=False),
                                         setting="output blob {}", of_dd_bench=False)
    ncnn_threads: int | None = _parameter(None, COUNT, SERVICES, "threads of created NCNN services", "one per core",
                                          "N", creation=Sent("mllib", "threads", (NCNN,), of_dd_bench=False),
                                          setting="{} threads", of_dd_bench=False)
    image_interp: str | None = _parameter(None, choice("nearest", "linear", "cubic", "area", "lanczos4"), IMAGES,
                                          "resize filter: nearest, linear, cubic, area or lanczos4", "the server's",
                                          "NAME", prediction=Sent("input", "interp"), encode=_if_set,
                                          condition="interpolation {}")
    gpu_resize: bool = _parameter(False, SWITCH, IMAGES, "resize images on the GPU",
                                  prediction=Sent("input", "cuda"), encode=_if_set, condition="resized on the GPU")
    named: frozenset[str] = frozenset()
    typed: frozenset[str] = frozenset()
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
        changed = [(value, one) for _, value, one in self._changed() if created or one.prediction]
        return ", ".join(one.condition.format(value) for value, one in changed if one.condition)

    def settings(self, *, created: bool, gpu: bool, under_load: bool) -> str:
        """Describe non-default settings of a service that change its speed; "" for the default.

        Args:
            created: whether the run created the service.
            gpu: whether the service runs on a GPU.
            under_load: whether several clients predict at the same time.
        """
        found = []
        for name, value, one in self._changed():
            matters = created or (one.prediction is not None and self.mllib in one.prediction.backends)
            matters = matters and (gpu or name != "gpuid") and (under_load or not one.only_under_load)
            if one.setting and matters:
                found.append(one.setting.format(value))
        return ", ".join(found)

    def restrict_to(self, backend: str) -> ServiceParameters:
        """Return the parameters of a service of this backend: those that the backend ignores have their defaults."""
        backend = backend.lower()  # TensorRT has several spellings
        defaults = {name: one.default for name, one in PARAMETERS.items() if one.is_ignored_by(backend)}
        return replace(self, mllib=backend, **defaults)

    def check(self, backend: str) -> None:
        """Check that the parameters mean something to the backend of a service.

        Raises:
            ConfigurationError: a value is not one of the backend's, or the backend ignores a parameter that the user
                set for this run.
        """
        backend = backend.lower()
        for name, value, one in self._changed():
            if backend in one.values and value not in one.values[backend]:
                raise ConfigurationError(
                    f"{format_option(name, value)} cannot be used with {backend}, the backend of the service; expected "
                    f"{' or '.join(one.values[backend])}."
                )
            if name in self.typed and one.is_ignored_by(backend):
                raise ConfigurationError(
                    f"{format_option(name, value)} has no effect: {backend}, the backend of the service, ignores it. "
                    f"Omit it, or use a service of {' or '.join(sorted(one.readers))}."
                )

    def describe_ignored(self, backend: str) -> dict[str, str]:
        """Describe by name the parameters that a backend ignores; `check` refuses those set for this run."""
        backend = backend.lower()
        return {
            name: f"{name} = {_format_value(value)} has no effect: {backend} ignores it"
            for name, value, one in self._changed()
            if one.is_ignored_by(backend)
        }

    def list_creation_only(self, backend: str, actual: Mapping[str, object]) -> list[str]:
        """List the options set for this run that have no effect on an existing service: only its creation reads them.

        Args:
            backend: the backend of the service.
            actual: what is known of the service, by name; options with these values are omitted.
        """
        return [
            format_option(name, value)
            for name, value, one in self._changed()
            if name in self.typed
            and (name == "mllib" or one.creation is not None)
            and not (one.prediction and (not one.prediction.backends or backend.lower() in one.prediction.backends))
            and str(value).lower() != str(actual.get(name)).lower()
        ]

    def _changed(self) -> list[tuple[str, Any, Parameter]]:
        """The parameters with other values than their defaults."""
        values = ((name, getattr(self, name), one) for name, one in PARAMETERS.items())
        return [(name, value, one) for name, value, one in values if value != one.default]

    def request_section(
        self, request: Literal["creation", "prediction"], section: str, backend: str = ""
    ) -> dict[str, object]:
        """Build what a request contains of the parameters.

        Args:
            request: the kind of request.
            section: `input` or `mllib`.
            backend: the backend of the service; "" for what dd_bench sends.
        """
        found: dict[str, object] = {}
        for name, one in PARAMETERS.items():
            sent: Sent | None = getattr(one, request)
            value = one.encode(getattr(self, name))
            if sent is None or sent.section != section or value is None:
                continue
            if sent.of_dd_bench or backend in sent.backends:
                found[sent.name] = value
        return found


def runs_on_gpu(backend: str, requested: bool) -> bool:
    """Whether a service of a backend runs on a GPU if its creation requested that: TensorRT always does, NCNN never."""
    backend, gpu = backend.lower(), PARAMETERS["gpu"]
    return backend in gpu.always_on or (requested and not gpu.is_ignored_by(backend))


def format_option(name: str, value: object) -> str:
    """Return an option with a value as the user types it.

    Args:
        name: the option's name, with underscores.
        value: its value; a flag is True.
    """
    return f"--ddperf-{name.replace('_', '-')}" + ("" if value is True else f"={_format_value(value)}")


def _format_value(value: object) -> str:
    """Return a value as in an option or in ddperf.toml."""
    return str(value).lower() if isinstance(value, bool) else str(value)


PARAMETERS: Final[dict[str, Parameter]] = {
    one.name: one.metadata["parameter"] for one in fields(ServiceParameters) if one.metadata
}
"""The parameters by name, in the order of their options in each group."""

DD_BENCH_DEFAULTS: Final = ServiceParameters(img_width=224, img_height=224, mllib="caffe", nclasses=1000)
"""dd_bench's defaults."""
