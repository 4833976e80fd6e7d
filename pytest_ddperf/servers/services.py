"""Services on a server: the one that is there, or one that is created, and batches for it to predict."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ddperf.core.limits import MODEL, fill_template
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect import protocol
from pytest_ddperf.deepdetect.endpoint import ServiceEndpoint
from pytest_ddperf.errors import RequestRefusedError, ServiceExistsError, ServiceNotFoundError
from pytest_ddperf.models.check import resolve_service_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.deepdetect.protocol import Answer, ServiceInfo
    from pytest_ddperf.deepdetect.timed import Timed
    from pytest_ddperf.servers.request_images import BenchImages

MAX_BATCH_SIZE = 256
"""`maxBatchSize` of a service that is for all batch sizes; only TensorRT looks at it."""

_NO_MODEL = re.compile(r"destination model directory .* does not exist|could not load .* from repo", re.DOTALL)
"""Of a model folder that is not there, or holds no network: DeepDetect in general, and its NCNN backend."""

DEFAULT_SIDE = 224
"""Width and height, in pixels, of a service that we create for a network whose input size is not known."""

DEFAULT_CLASSES = 1000
"""Classes of a service that we create for a network of which nobody says how many it tells apart: ImageNet's."""

_EMBEDDED_BACKEND = "onnxruntime"


@dataclass(frozen=True, slots=True)
class OpenService:
    """A service that is ready to predict.

    Args:
        created: whether we created it, and so delete it.
        create_ms: how long its creation took; None where it was there.
        width: what to ask for, in pixels; None leaves it to the service.
        height: what to ask for, in pixels; None leaves it to the service.
        task: what it is asked for.
        engine: the batch size that it was created for; None where it is for all.
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
    """One batch of one service, ready to be predicted again and again.

    Args:
        endpoint: what is measured.
        check: raises `AnswerError` for an answer that is not one prediction for each image.
    """

    endpoint: ServiceEndpoint
    check: Callable[[Answer], None]

    def predict(self, timeout_s: float | None = None) -> Timed:
        """One prediction, checked.

        Args:
            timeout_s: how long the server may be silent; default: as for any answer.

        Raises:
            ServerError: the server refused, failed, or answered something else.
        """
        timed = self.endpoint.predict(timeout_s)
        self.check(timed.answer)
        return timed


def open_service(client: Client, options: ServerOptions, model: Network, batch_size: int) -> OpenService:
    """The service of a model: the one that is there, or one created from the repository.

    Args:
        client: of the open server.
        options: how it is used.
        model: the network.
        batch_size: what the service is created for, where there is one for each.

    Raises:
        ServiceNotFoundError: it is neither there nor can it be created.
        ServerError: the server refused.
        ConfigurationError: the folder of a network of the user's cannot be read.
    """
    name = fill_template(options.service, model.id).lower()
    try:
        service = _existing(client.service(name), options)
    except ServiceNotFoundError:
        service = _create(client, options, name, model, batch_size)
    return replace(service, task=model.task, model=model.id)


def build_batch(
    client: Client, options: ServerOptions, images: BenchImages, service: OpenService, batch_size: int
) -> Batch:
    """A batch of a service, ready to be predicted again and again.

    Raises:
        ConfigurationError: there are fewer images than the batch is large.
    """
    data, uris = images.batch(batch_size)
    body = protocol.build_predict_body(
        service.name,
        data,
        width=service.width,
        height=service.height,
        gpu=service.gpu,
        gpuid=options.gpuid,
        interp=options.knobs.image_interp,
        cuda=options.knobs.gpu_resize,
        output={"best": 1} if service.task is Task.CLASSIFICATION else None,
        task=service.task,
    )
    check = functools.partial(
        protocol.check_predictions,
        expected_uris=uris,
        url=client.display_url,
        service=service.name,
        task=service.task,
        input_size=(service.width, service.height) if service.width and service.height else None,
    )
    return Batch(ServiceEndpoint(client, service.name, body), check)


def _existing(info: ServiceInfo, options: ServerOptions) -> OpenService:
    gpu = options.gpu if info.gpu is None else info.gpu
    width = options.knobs.img_width or info.width
    height = options.knobs.img_height or info.height
    return OpenService(info.name, info.mllib, False, None, width, height, gpu, info.datatype or "fp32")


def _create(client: Client, options: ServerOptions, name: str, model: Network, batch_size: int) -> OpenService:

    repository = _repository(options, model)
    if repository is None:
        raise ServiceNotFoundError(
            f"There is no service for {model.id}, and it cannot be created: no model folder is known. Create it, "
            "name it with --ddperf-service=TEMPLATE, or name the folder on the server with "
            "--ddperf-repository=DIR/{model}.",
            cause=f"The network has no service{_named(options)}, and none can be created: no model folder is known. "
            "Create it, name it with --ddperf-service=TEMPLATE, or name the folder on the server with "
            "--ddperf-repository=DIR/{model}.",
            url=client.display_url,
            service=name,
        )
    knobs = options.knobs
    facts = resolve_service_facts(
        model,
        _EMBEDDED_BACKEND if options.is_embedded else options.mllib,
        named=options.is_embedded or options.mllib_named,
    )
    engine = knobs.engine_for(facts.mllib, batch_size)
    width = knobs.img_width or facts.width or DEFAULT_SIDE
    height = knobs.img_height or facts.height or DEFAULT_SIDE
    body = protocol.build_service_body(
        mllib=facts.mllib,
        repository=repository,
        width=width,
        height=height,
        gpu=options.gpu,
        gpuid=options.gpuid,
        datatype=options.datatype,
        max_batch_size=engine or MAX_BATCH_SIZE,
        max_workspace_size=knobs.max_workspace_size,
        nclasses=knobs.nclasses or facts.nclasses or DEFAULT_CLASSES,
        bw=knobs.bw,
        rgb=knobs.rgb,
        histogram_equalization=knobs.histogram_equalization,
        scale=knobs.scale,
        dla=knobs.dla,
        task=model.task,
    )
    try:
        create_ms = client.create_service(name, body, timeout_s=options.cold_start_timeout_s)
    except ServiceExistsError:
        return _existing(client.service(name), options)
    except RequestRefusedError as error:
        if _NO_MODEL.search(error.dd_msg) is None:
            raise
        raise ServiceNotFoundError(
            f"There is no service for {model.id}, and the server finds no network in its model folder {repository}, "
            "or may not write there. Put the network's files there, or name the folder with --ddperf-repository=DIR.",
            cause=f"The network has no service{_named(options)}, and the server finds no network in its model folder "
            f"{repository if model.is_own else options.repository or repository}, or may not write there. Put the "
            "network's files there, or name the folder with --ddperf-repository=DIR.",
            url=client.display_url,
            service=name,
            http_status=error.http_status,
            dd_code=error.dd_code,
            dd_msg=error.dd_msg,
        ) from None
    return OpenService(name, facts.mllib, True, create_ms, width, height, options.gpu, options.datatype, engine=engine)


def _named(options: ServerOptions) -> str:
    """How services are named, where that is not by their networks alone."""
    return "" if options.service == MODEL else f" ({options.service})"


def _repository(options: ServerOptions, model: Network) -> str | None:
    """The model folder as the server sees it; None where none is known. Those of the user's own are taken literally."""
    if model.is_own:
        return model.path if options.is_embedded and model.path is not None else model.repository
    template = options.repository or (MODEL if options.is_embedded else None)
    return None if template is None else fill_template(template, model.id)
