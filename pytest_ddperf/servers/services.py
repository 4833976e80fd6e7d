"""Services on a server: find or create one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ddperf.core.limits import MODEL
from pytest_ddperf.core.service_parameters import AUTO, TEMPLATES, TENSORRT, TORCH, runs_on_gpu
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect import protocol
from pytest_ddperf.deepdetect.build_flags import ignores_precision, is_built, read_words
from pytest_ddperf.deepdetect.status import requires_other_size
from pytest_ddperf.errors import (
    AnswerError,
    BackendMissingError,
    ModelMissingError,
    RequestRefusedError,
    ServerFailedError,
    ServiceExistsError,
    ServiceNotFoundError,
)
from pytest_ddperf.models.check import resolve_service_facts
from pytest_ddperf.servers.backends import (
    EMBEDDED_BACKEND,
    choose_device,
    describe_backends,
    describe_choice,
    is_not_built,
    list_backends,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.service_parameters import ServiceParameters
    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.deepdetect.protocol import Info, ServiceInfo
    from pytest_ddperf.errors import ServerError

MAX_BATCH_SIZE = 256
"""`maxBatchSize` of a service used for all batch sizes; only TensorRT uses it."""

_NO_TORCH_MODEL = "needs either: traced net"
"""Part of the Torch backend's error for a model folder that contains no network."""

_NO_MODEL = re.compile(
    rf"""destination\ model\ directory\ .*\ does\ not\ exist
    | could\ not\ load\ .*\ from\ repo                # NCNN
    | {re.escape(_NO_TORCH_MODEL)}
    | no\ deploy\ file\ in\ .*\ for\ initializing     # Caffe, with the first prediction
    | No\ model\ to\ parse\ for\ conversion           # TensorRT, with the first prediction
    """,
    re.DOTALL | re.VERBOSE,
)
"""Errors for a model folder that is missing or contains no network that the backend can read."""

_NO_FOLDER = (
    "and no model folder is known from which to create one. Create the service, name it with "
    "--ddperf-service=TEMPLATE, or name the model folder on the server with --ddperf-repository=DIR/{model}."
)
_NO_NETWORK = (
    "and the server finds no network in the {}, or cannot write to it. Put the network's files there, or "
    "name another folder with --ddperf-repository=DIR."
)

_FROM_TEMPLATE = "the network is one of DeepDetect's templates, with random weights"

DEFAULT_SIDE = 224
"""Width and height, in pixels, of a service that we create for a network with unknown input size."""

DEFAULT_CLASSES = 1000
"""Number of classes of a service that we create for a network whose number is unknown: ImageNet's."""


@dataclass(frozen=True, slots=True)
class OpenService:
    """A service that is ready to predict.

    Args:
        created: whether we created it; then we also delete it.
        create_ms: how long its creation took, milliseconds; None if it already existed.
        width: the width to request, in pixels; None leaves it to the service.
        height: the height to request, in pixels; None leaves it to the service.
        datatype: the precision in which it runs.
        engine: the batch size that it was created for; None if it serves all.
        template: name of the template that created its network; "" for a network from files.
        is_cold: whether its first prediction takes longer: it loads the network or builds the engine.
        notes: what distinguishes it from what was requested.
        choice: why its backend was chosen, if it is neither the platform's nor the user's; else "".
    """

    name: str
    mllib: str
    created: bool
    create_ms: float | None
    width: int | None
    height: int | None
    gpu: bool
    datatype: str
    task: Task = Task.CLASSIFICATION
    engine: int | None = None
    model: str = ""
    template: str = ""
    is_cold: bool = False
    notes: tuple[str, ...] = ()
    choice: str = ""


def check_parameters(options: ServerOptions, networks: Iterable[Network], info: Info) -> None:
    """Check before the first test that the services' backends read the parameters that the user set for this run.

    Services of a user's own networks that do not exist yet are checked when they are created.

    Raises:
        ConfigurationError: a backend ignores such a parameter or would run something else for its value, or no server
            can create a service of that name.
    """
    for model in networks:
        of_model = options.of(model.id)
        found = find_service(of_model, model, info)
        backends = [found.mllib] if found and found.mllib else []
        if not backends and not model.is_own:
            backends = list_backends(of_model, model, info)
        if len(backends) == 1 or (backends and is_built(info.compile_flags, backends[0])):  # else the creation decides
            of_model.parameters.check(backends[0])


def find_service(options: ServerOptions, model: Network, info: Info) -> ServiceInfo | None:
    """Return the existing service of a network; None if there is none.

    Raises:
        ConfigurationError: no server can create a service of that name.
    """
    return info.find_service(_name_service(options, model))


def open_service(client: Client, options: ServerOptions, model: Network, batch_size: int) -> OpenService:
    """Return the service of a model: an existing one, or one created from the repository.

    It is created for the batch size if each batch size has its own service. The client has asked for `/info` before.

    Raises:
        ServiceNotFoundError: the service does not exist and cannot be created.
        ServerError: the server refused.
        ConfigurationError: the folder of a user's own network cannot be read.
    """
    name = _name_service(options, model)
    try:
        service = _existing(client.service(name), options)
    except ServiceNotFoundError:
        service = _create(client, options, name, model, batch_size)
    return _with_actual_precision(replace(service, task=model.task, model=model.id), client.latest_info)


def find_fixed_batch(service: OpenService, described: ServiceInfo) -> int | None:
    """Return the batch size that a service's network was exported with; None if the server does not report one.

    DeepDetect repeats the `maxBatchSize` of the creation, so a report of another one is that of the network. The
    embedded server reports only that of a network. `described` is the description after a prediction.
    """
    reported = described.max_batch_size
    if reported is None or reported < 1:
        return None
    if described.mllib == EMBEDDED_BACKEND:
        return reported
    return reported if service.created and reported != (service.engine or MAX_BATCH_SIZE) else None


def _with_actual_precision(service: OpenService, info: Info) -> OpenService:
    """Return a service with the precision in which it runs, if the server ignores the requested one."""
    if service.mllib.lower() != TENSORRT or service.datatype not in {"fp16", "int8"}:
        return service
    if not ignores_precision(info.deps_version):
        return service
    version = read_words(info.deps_version)["TENSORRT_VERSION"]
    note = (
        f"{service.datatype} has no effect: the server was built with TensorRT {version}, and from 10.12 on DeepDetect "
        "builds every engine in the default precision, so this was measured in fp32"
    )
    return replace(service, datatype="fp32", notes=(*service.notes, note))


def _existing(info: ServiceInfo, options: ServerOptions) -> OpenService:
    asked = (options.parameters.mllib, options.platform_mllib)
    mllib = info.mllib or next((one for one in asked if one != AUTO), "unknown")
    options.parameters.check(mllib)
    parameters = options.parameters.restrict_to(mllib)
    gpu = runs_on_gpu(mllib, parameters.gpu if info.gpu is None else info.gpu)
    width = parameters.img_width or info.width
    height = parameters.img_height or info.height
    datatype = info.datatype or "fp32"
    if parameters.mllib == TORCH and ("datatype" in parameters.named or parameters.datatype != "fp32"):
        datatype = parameters.datatype  # that of each prediction counts
    template = info.template if parameters.mllib == TORCH else ""
    notes = [_FROM_TEMPLATE] if template else []
    actual = {"mllib": mllib, "gpu": gpu, "datatype": datatype, "template": template}
    if unread := options.parameters.list_creation_only(mllib, actual):
        has = "has" if len(unread) == 1 else "have"
        notes.append(f"{', '.join(unread)} {has} no effect: the service already existed, with the backend {mllib}")
    return OpenService(
        info.name,
        mllib,
        False,
        None,
        width,
        height,
        gpu,
        datatype,
        template=template,
        # its first prediction builds the engine, for minutes
        is_cold=parameters.mllib == TENSORRT and info.stats is not None and info.stats.predict_count == 0,
        notes=tuple(notes),
    )


def _create(client: Client, options: ServerOptions, name: str, model: Network, batch_size: int) -> OpenService:
    repository = find_repository(options, model)
    if repository is None:
        raise ServiceNotFoundError(
            f"There is no service for {model.id}, {_NO_FOLDER}",
            cause=f"The network has no service{_named(options)}, {_NO_FOLDER}",
            url=client.display_url,
            service=name,
        )
    info = client.latest_info
    backends = list_backends(options, model, info)
    refused: ServerError | None = None
    for backend in backends:
        try:
            asked = replace(options.parameters, mllib=backend, gpu=choose_device(options, info))
            service = _create_with(client, options, asked, model, name, repository=repository, batch_size=batch_size)
        except (RequestRefusedError, ServerFailedError) as error:
            if not is_not_built(error):
                raise explain_missing_model(error, options, model) from None
            refused = error
        else:
            if options.is_embedded and "mllib" in asked.typed and options.parameters.mllib not in {AUTO, backend}:
                note = (
                    f"--ddperf-mllib={options.parameters.mllib} has no effect: the embedded server of a run uses "
                    f"{backend}; start one with `ddperf serve` to use another backend"
                )
                service = replace(service, notes=(*service.notes, note))
            if not service.created or model.is_own:  # of which no table is published
                return service
            return replace(service, choice=describe_choice(options, backend, info))
    tried = f"the backend {' or '.join(backends)}" if backends else "a backend that can be chosen"
    raise BackendMissingError(
        f"The server does not have {tried}: {describe_backends(info)}. Name another one with --ddperf-mllib=NAME",
        url=client.display_url,
        service=name,
        http_status=None if refused is None else refused.http_status,
        dd_code=None if refused is None else refused.dd_code,
    )


def _create_with(
    client: Client,
    options: ServerOptions,
    asked: ServiceParameters,
    model: Network,
    name: str,
    *,
    repository: str,
    batch_size: int,
) -> OpenService:
    facts = resolve_service_facts(model, asked.mllib)
    asked.check(asked.mllib)
    parameters = replace(
        asked.restrict_to(asked.mllib),
        mllib=asked.mllib,
        img_width=asked.img_width or facts.width or DEFAULT_SIDE,
        img_height=asked.img_height or facts.height or DEFAULT_SIDE,
        nclasses=asked.nclasses or facts.nclasses or DEFAULT_CLASSES,
    )
    engine = parameters.engine_for(batch_size)

    def put(parameters: ServiceParameters) -> float:
        body = protocol.build_service_body(
            repository,
            parameters,
            max_batch_size=engine or MAX_BATCH_SIZE,
            task=model.task,
            # the server refuses an engine of the same name that has another batch size
            engine_file=f"TRTengine_b{engine}_" if parameters.mllib.lower() == TENSORRT else None,
            backend=parameters.mllib.lower(),
        )
        return client.create_service(name, body, timeout_s=options.cold_start_timeout_s)

    is_torch = parameters.mllib == TORCH
    template = parameters.template if is_torch and parameters.template != AUTO else ""
    try:
        try:
            create_ms = put(parameters)
        except ServerFailedError as error:
            if template or not is_torch or model.template is None or _NO_TORCH_MODEL not in error.dd_msg:
                raise
            template = model.template  # the model folder contains no network
            create_ms = put(replace(parameters, template=template))
    except ServiceExistsError:
        return _existing(client.service(name), options)
    if template:
        _check_template(client, name, template, parameters.nclasses or DEFAULT_CLASSES)
    return OpenService(
        name,
        parameters.mllib,
        True,
        create_ms,
        parameters.img_width,
        parameters.img_height,
        runs_on_gpu(parameters.mllib, parameters.gpu),
        parameters.datatype,
        engine=engine,
        template=template,
        is_cold=True,
        notes=(_FROM_TEMPLATE,) if template else (),
    )


def _check_template(client: Client, name: str, template: str, nclasses: int) -> None:
    """Check that a service created from a template contains the network of that name; delete it if not.

    Raises:
        AnswerError: it has another number of parameters.
        ServerError: the server refused.
    """
    expected, params = TEMPLATES[template].count_params(nclasses), client.service(name).model_stats.params
    if params in {None, expected}:
        return
    client.delete_service(name)
    raise AnswerError(
        f"The server created another network from the template {template}: it has {params:,} parameters instead of "
        f"{expected:,}. Put a model in the folder of the network, or measure another server.",
        url=client.display_url,
        service=name,
    )


def explain_missing_model(error: ServerError, options: ServerOptions, model: Network) -> ServerError:
    """Return the error for a service whose model folder contains no network; any other error unchanged.

    Depending on the backend, such a service is refused, or is created and fails with its first prediction.
    """
    if _NO_MODEL.search(error.dd_msg) is None:
        return error
    repository = find_repository(options, model)
    of_all = repository if model.is_own else options.repository or repository
    where, of_all = (f"model folder {one}" if one else "service's model folder" for one in (repository, of_all))
    return ModelMissingError(
        f"There is no service for {model.id}, {_NO_NETWORK.format(where)}",
        cause=f"The network has no service{_named(options)}, {_NO_NETWORK.format(of_all)}",
        url=error.url,
        service=error.service,
        http_status=error.http_status,
        dd_code=error.dd_code,
        dd_msg=error.dd_msg,
    )


def find_other_side(error: ServerError, options: ServerOptions, model: Network) -> int | None:
    """Return the other width and height of a network whose service refused images of the usual size, pixels.

    None if the service refused something else, the user set the size, or the network has a single one.
    """
    asked = options.parameters
    if asked.img_width or asked.img_height or not requires_other_size(error.dd_msg):
        return None
    return model.other_side


def _name_service(options: ServerOptions, model: Network) -> str:
    """Return the name of a network's service as the server stores it.

    Raises:
        ConfigurationError: no server can create a service of that name.
    """
    name = options.service.replace(MODEL, model.id).lower()
    protocol.check_service_name(name)
    return name


def _named(options: ServerOptions) -> str:
    """Return the service name pattern in parentheses; empty if services are named by their networks alone."""
    return "" if options.service == MODEL else f" ({options.service})"


def find_repository(options: ServerOptions, model: Network) -> str | None:
    """Return the model folder as the server sees it, None if unknown; folders of a user's own networks are literal."""
    if model.is_own:
        return model.path if options.is_embedded and model.path is not None else model.repository
    template = options.repository or (MODEL if options.is_embedded else None)
    return None if template is None else template.replace(MODEL, model.id)
