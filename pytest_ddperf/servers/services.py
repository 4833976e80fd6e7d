"""Services on a server: find or create one, and build batches for it to predict."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ddperf.core.limits import MODEL, fill_template
from pytest_ddperf.core.service_parameters import ONNXRUNTIME, TORCH
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect import protocol
from pytest_ddperf.deepdetect.endpoint import ServiceEndpoint
from pytest_ddperf.errors import RequestRefusedError, ServiceExistsError, ServiceNotFoundError
from pytest_ddperf.models.check import resolve_service_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.deepdetect.protocol import Answer, Info, ServiceInfo
    from pytest_ddperf.deepdetect.timed import Timed
    from pytest_ddperf.models.folder import ModelFacts
    from pytest_ddperf.servers.request_images import BenchImages

MAX_BATCH_SIZE = 256
"""`maxBatchSize` of a service used for all batch sizes; only TensorRT uses it."""

_NO_MODEL = re.compile(r"destination model directory .* does not exist|could not load .* from repo", re.DOTALL)
"""Errors for a model folder that is missing or contains no network: DeepDetect in general, and its NCNN backend."""

_NO_FOLDER = (
    "and no model folder is known from which to create one. Create the service, name it with "
    "--ddperf-service=TEMPLATE, or name the model folder on the server with --ddperf-repository=DIR/{model}."
)
_NO_NETWORK = (
    "and the server finds no network in the model folder {}, or cannot write to it. Put the network's files there, or "
    "name another folder with --ddperf-repository=DIR."
)

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
        task: the task requested of it.
        engine: the batch size that it was created for; None if it serves all.
        model: id of its network.
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


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of one service, which can be predicted repeatedly.

    Args:
        endpoint: the endpoint to measure.
        check: raises `AnswerError` unless the response holds one prediction per image.
    """

    endpoint: ServiceEndpoint
    check: Callable[[Answer], None]

    def predict(self, timeout_s: float | None = None) -> Timed:
        """Predict once and check the response.

        Args:
            timeout_s: how long the server may be silent, seconds; default: the limit for any response.

        Raises:
            ServerError: the server refused, failed, or returned something else.
        """
        timed = self.endpoint.predict(timeout_s)
        self.check(timed.answer)
        return timed


def check_parameters(options: ServerOptions, networks: Iterable[Network], info: Info) -> None:
    """Check before the first test that the services' backends read the parameters that the user set for this run.

    Services of a user's own networks that do not exist yet are checked when they are created.

    Args:
        options: how to use the server.
        networks: the networks to measure.
        info: the server's services.

    Raises:
        ConfigurationError: a backend ignores such a parameter or would run something else for its value, or no server
            can create a service of that name.
    """
    existing = {one.name.lower(): one.mllib for one in info.services}
    for model in networks:
        of_model = options.of(model.id)
        mllib = existing.get(_name_service(of_model, model))
        if mllib or not model.is_own:
            of_model.parameters.check(mllib or _resolve_facts(of_model, model).mllib)


def open_service(client: Client, options: ServerOptions, model: Network, batch_size: int) -> OpenService:
    """Return the service of a model: an existing one, or one created from the repository.

    Args:
        client: a client of the open server.
        options: how to use the server.
        model: the network.
        batch_size: the batch size to create the service for, if each batch size has its own service.

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
    return replace(service, task=model.task, model=model.id)


def build_batch(
    client: Client, options: ServerOptions, images: BenchImages, service: OpenService, batch_size: int
) -> Batch:
    """Build a batch of a service that can be predicted repeatedly.

    Raises:
        ConfigurationError: there are fewer images than the batch size.
    """
    data, uris = images.batch(batch_size)
    body = protocol.build_predict_body(
        service.name,
        data,
        replace(
            options.parameters.restrict_to(service.mllib),
            img_width=service.width,
            img_height=service.height,
            gpu=service.gpu,
            datatype=service.datatype,
        ),
        output={"best": 1} if service.task is Task.CLASSIFICATION else None,
        task=service.task,
        backend=service.mllib.lower(),
    )
    size = (service.width, service.height) if service.width and service.height else None
    return bind_batch(client, service.name, body, uris, task=service.task, input_size=size)


def bind_batch(
    client: Client,
    service: str,
    body: Mapping[str, object],
    uris: Sequence[str],
    *,
    task: Task,
    input_size: tuple[int, int] | None,
) -> Batch:
    """Build a batch from the body of its request.

    Args:
        client: a client of the server.
        service: name of the service.
        body: the request, from `protocol.build_predict_body`.
        uris: the images that each answer must contain.
        task: the task of the service.
        input_size: width and height of the network's input, pixels; None if unknown.
    """
    check = functools.partial(
        protocol.check_predictions,
        expected_uris=uris,
        url=client.display_url,
        service=service,
        task=task,
        input_size=input_size,
    )
    return Batch(ServiceEndpoint(client, service, body), check)


def _existing(info: ServiceInfo, options: ServerOptions) -> OpenService:
    mllib = info.mllib or options.parameters.mllib
    options.parameters.check(mllib)
    parameters = options.parameters.restrict_to(mllib)
    gpu = parameters.gpu if info.gpu is None else info.gpu
    width = parameters.img_width or info.width
    height = parameters.img_height or info.height
    datatype = info.datatype or "fp32"
    if parameters.mllib == TORCH and ("datatype" in parameters.named or parameters.datatype != "fp32"):
        datatype = parameters.datatype  # that of each prediction counts
    return OpenService(info.name, mllib, False, None, width, height, gpu, datatype)


def _create(client: Client, options: ServerOptions, name: str, model: Network, batch_size: int) -> OpenService:

    repository = _repository(options, model)
    if repository is None:
        raise ServiceNotFoundError(
            f"There is no service for {model.id}, {_NO_FOLDER}",
            cause=f"The network has no service{_named(options)}, {_NO_FOLDER}",
            url=client.display_url,
            service=name,
        )
    asked, facts = options.parameters, _resolve_facts(options, model)
    asked.check(facts.mllib)
    parameters = replace(
        asked.restrict_to(facts.mllib),
        mllib=facts.mllib,
        img_width=asked.img_width or facts.width or DEFAULT_SIDE,
        img_height=asked.img_height or facts.height or DEFAULT_SIDE,
        nclasses=asked.nclasses or facts.nclasses or DEFAULT_CLASSES,
    )
    engine = parameters.engine_for(batch_size)
    body = protocol.build_service_body(
        repository,
        parameters,
        max_batch_size=engine or MAX_BATCH_SIZE,
        task=model.task,
        backend=facts.mllib.lower(),
    )
    try:
        create_ms = client.create_service(name, body, timeout_s=options.cold_start_timeout_s)
    except ServiceExistsError:
        return _existing(client.service(name), options)
    except RequestRefusedError as error:
        if _NO_MODEL.search(error.dd_msg) is None:
            raise
        raise ServiceNotFoundError(
            f"There is no service for {model.id}, {_NO_NETWORK.format(repository)}",
            cause=f"The network has no service{_named(options)}, "
            + _NO_NETWORK.format(repository if model.is_own else options.repository or repository),
            url=client.display_url,
            service=name,
            http_status=error.http_status,
            dd_code=error.dd_code,
            dd_msg=error.dd_msg,
        ) from None
    return OpenService(
        name,
        parameters.mllib,
        True,
        create_ms,
        parameters.img_width,
        parameters.img_height,
        parameters.gpu,
        parameters.datatype,
        engine=engine,
    )


def _name_service(options: ServerOptions, model: Network) -> str:
    """Return the name of a network's service as the server stores it.

    Raises:
        ConfigurationError: no server can create a service of that name.
    """
    name = fill_template(options.service, model.id).lower()
    protocol.check_service_name(name)
    return name


def _resolve_facts(options: ServerOptions, model: Network) -> ModelFacts:
    """Return the settings with which the service of a network is created."""
    return resolve_service_facts(
        model,
        ONNXRUNTIME if options.is_embedded else options.parameters.mllib,
        named=options.is_embedded or "mllib" in options.parameters.named,
    )


def _named(options: ServerOptions) -> str:
    """Return the service name pattern in parentheses; empty if services are named by their networks alone."""
    return "" if options.service == MODEL else f" ({options.service})"


def _repository(options: ServerOptions, model: Network) -> str | None:
    """Return the model folder as the server sees it, None if unknown; folders of a user's own networks are literal."""
    if model.is_own:
        return model.path if options.is_embedded and model.path is not None else model.repository
    template = options.repository or (MODEL if options.is_embedded else None)
    return None if template is None else fill_template(template, model.id)
