"""A server to measure, remote or embedded: its facts, its images and the service in use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_ddperf.deepdetect.client import PROBE_TIMEOUT_S, Client, extract_server_facts, wait_until_up
from pytest_ddperf.errors import ServerError, ServerGoneError, ServerUnreachableError, ServiceNotFoundError
from pytest_ddperf.servers.backends import require_backend
from pytest_ddperf.servers.batches import build_batch
from pytest_ddperf.servers.request_images import load_images
from pytest_ddperf.servers.services import explain_missing_model, find_other_side, open_service

if TYPE_CHECKING:
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.records import ServerFacts
    from pytest_ddperf.deepdetect.protocol import Answer, Info, ServiceInfo
    from pytest_ddperf.servers.batches import Batch
    from pytest_ddperf.servers.connection import Connection
    from pytest_ddperf.servers.request_images import BenchImages
    from pytest_ddperf.servers.services import OpenService


class Target:
    """One server, from `open` to `close`, with at most one service of ours at a time.

    Attributes:
        facts: facts of the server; None unless it is open.
        current_service: the service in use; None if there is none.
        warm: the service of ours that has made its first prediction; None if there is none.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.options = connection.options
        self.current_service: OpenService | None = None
        self.warm: OpenService | None = None
        self._described: ServiceInfo | None = None
        self._used: set[str] = set()
        self._images: BenchImages | None = None
        self._restarted = False
        self.facts: ServerFacts | None = None

    @property
    def is_open(self) -> bool:
        """Whether `open` has succeeded."""
        return self.facts is not None

    def open(self, wait_s: float = 0.0) -> ServerFacts:
        """Lock the server, start it if it is embedded, and ask for its facts. Does nothing if already open.

        `wait_s` is the minimum time to wait for the server, in seconds; the options may set a longer one.

        Raises:
            ServerUnreachableError: nothing responds at the URL in time.
            ConfigurationError: the options do not fit, or the embedded server's packages are missing.
        """
        if self.facts is not None:
            return self.facts
        client = self.connection.open()
        try:
            info = wait_until_up(client, max(wait_s, self.options.wait_s))
            require_backend(self.options, info)
            self._images = load_images(self.options)
            self.facts = extract_server_facts(info, client.display_url)
        except BaseException:
            self.close()
            raise
        return self.facts

    def is_up(self) -> bool:
        """Return whether the open server responds to one quick request."""
        try:
            self.client.info(timeout_s=PROBE_TIMEOUT_S)
        except ServerError:
            return False
        return True

    def restart(self) -> None:
        """Close an embedded server that died, so that the next `open` starts it again, once.

        Raises:
            ServerGoneError: it died twice.
        """
        if self._restarted:
            raise ServerGoneError("The embedded server died twice; it is restarted only once")
        self._restarted = True
        tail = self.connection.log_tail or "nothing"
        self.connection.say(f"ddperf: the embedded server died and is restarted. The end of its log: {tail}")
        self.forget_service()  # the service ended with the server
        self.close()

    def refresh_facts(self) -> ServerFacts:
        """Return the facts of the open server, updated if it last reported another version."""
        facts, info = self.open(), self.info
        if (info.version, info.commit) != (facts.version, facts.commit):
            self.facts = facts = extract_server_facts(info, facts.url)
        return facts

    def was_replaced(self) -> bool:
        """Return whether the server's description of the service in use changed; then forget the service.

        A replacement with the same description is noticed by its predictions.
        """
        described = self.describe_service()
        if described is None:
            return False
        described = replace(described, stats=None, max_batch_size=None)  # known once a network is loaded
        before, self._described = self._described, described
        if before is None or before == described:
            return False
        self.forget_service()
        return True

    def describe_service(self) -> ServiceInfo | None:
        """Return the description of the service in use in the server's latest `/info`; None if there is none."""
        return None if self.current_service is None else self.info.find_service(self.current_service.name)

    def forget_service(self) -> None:
        """Forget the current service, because it no longer exists: the next call looks it up or creates it again."""
        self.current_service = self._described = None

    @property
    def client(self) -> Client:
        """The client of the open server."""
        return self.connection.client

    @property
    def info(self) -> Info:
        """What the open server last reported about itself; empty before its first answer."""
        return self.client.latest_info

    @property
    def images(self) -> BenchImages:
        """The bench images of the open server."""
        if self._images is None:
            raise ServerUnreachableError("The server is not open.")
        return self._images

    def service_for(self, model: Network, batch_size: int = 1) -> OpenService:
        """Return the service of a model: an existing one, or one created from the repository.

        The service created for the previous model is deleted first, because a TK1 has 2 GiB. If each batch size needs a
        service of its own, as with TensorRT's engines, the service of the previous batch size is deleted too.

        Raises:
            ServiceNotFoundError: the service does not exist and cannot be created.
            ServerError: the server refused.
            ConfigurationError: the folder of a user's own network cannot be read.
        """
        service = self.current_service
        if service is not None and service.model == model.id and service.engine in {None, batch_size}:
            return service
        self.release_service()
        self.current_service = open_service(self.client, self.options.of(model.id), model, batch_size)
        self._used.add(self.current_service.name)
        if self.current_service.created:
            self.client.in_flight.created.discard(self.current_service.name)
        return self.current_service

    def use_other_size(self, model: Network, refusal: ServerError) -> int:
        """Use images of a network's other size from now on; a service that we created for it is recreated.

        `refusal` is the error of its first prediction.

        Returns:
            The new width and height, pixels.

        Raises:
            ModelMissingError: the service has no network.
            ServerError: the server refused something else.
        """
        options = self.options.of(model.id)
        side = find_other_side(refusal, options, model)
        if side is None:
            raise explain_missing_model(refusal, options, model) from None
        self.release_service()
        parameters = replace(options.parameters, img_width=side, img_height=side)
        self.options = replace(self.options, by_model={**self.options.by_model, model.id: parameters})
        return side

    def batch(self, service: OpenService, batch_size: int) -> Batch:
        """Build a batch of a service that can be predicted repeatedly.

        Raises:
            ConfigurationError: there are fewer images than the batch size.
        """
        return build_batch(self.client, self.options.of(service.model), self.images, service, batch_size)

    def predict(self, model: Network, batch_size: int, cell: object) -> Answer:
        """Make one checked prediction of a network, whose service is recreated if it was deleted since it was opened.

        `cell` is named in a message about that. The time limit is that of a service's first prediction.

        Raises:
            ServiceNotFoundError: the service does not exist and cannot be created.
            ServerError: the prediction failed, or the response does not match the request.
        """
        try:
            return self._predict(model, batch_size)
        except ServiceNotFoundError:
            self.forget_service()
            answer = self._predict(model, batch_size)
            self.connection.say(
                f"ddperf: {cell}: the service of {model.id} was deleted from the server; it was recreated"
            )
            return answer

    def _predict(self, model: Network, batch_size: int) -> Answer:
        service = self.service_for(model, batch_size)
        answer = self.batch(service, batch_size).predict(self.options.cold_start_timeout_s).answer
        self.warm = service
        return answer

    def release_service(self) -> None:
        """Delete the last service if we created it; other services stay. Does nothing if the server is gone."""
        service = self.current_service
        self.forget_service()
        if service is not None and (service.created or service.name in self.client.in_flight.created):
            self._used.discard(service.name)
            self.delete_service(service.name)

    def delete_service(self, name: str) -> None:
        """Delete a service; a failure is reported, and does not matter if the service is gone."""
        try:
            self.client.delete_service(name)
        except ServiceNotFoundError:  # another client deleted it, or the server was restarted
            if self.client.in_flight.is_creating(name):
                self.connection.say(
                    f"ddperf: the server may still be creating the service {name}, because the request timed out; "
                    "delete it when it exists, or restart the server"
                )
        except ServerError as error:
            self.connection.say(f"ddperf: the service {name} could not be deleted: {error}")

    def finish(self) -> None:
        """Finish measuring the server: delete our services, and all used ones if that was requested, and close.

        Our services include those whose creation is not known to have failed, e.g. because it timed out. May be called
        twice.
        """
        try:
            if self.connection.is_open:
                self.release_service()
                used = self._used if self.options.parameters.delete_services else set()
                for name in sorted(used | self.client.in_flight.created):
                    self.delete_service(name)
        finally:  # Ctrl-C during a deletion, which waits for the server, must not keep the board from being restored
            self._used.clear()
            self.close()

    def close(self) -> None:
        """Delete our service and close the connection. May be called twice."""
        try:
            if self.connection.is_open:
                self.release_service()
        finally:
            self.facts = None
            self.connection.close()
