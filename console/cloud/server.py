"""One HTTP server on 127.0.0.1 for all services: Batch is ours, the rest is moto's."""

import re
import secrets
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import Forbidden
from werkzeug.serving import WSGIRequestHandler, make_server

from console.cloud.moto_patches import patch_moto
from console.cloud.moves import MOVES, move_service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")


class CloudServer:
    """The server, on a port that was free.

    Any program on this machine, and any page in a browser, could ask; only requests signed with
    the access key that this cloud made up are answered.
    """

    def __init__(self) -> None:
        patch_moto()
        self.access_key = secrets.token_hex(16)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._batch: WSGIApplication | None = None
        # moto has no isolation: a transaction that fails would undo its neighbours' writes.
        self.one_at_a_time = threading.Lock()
        self._notice: Callable[[str, WSGIEnvironment], None] = _ignore
        self._server = make_server(
            HOST, 0, self._serve, threaded=True, request_handler=_QuietHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Return the endpoint for all services."""
        return f"http://{HOST}:{self._server.server_port}"

    def mount_batch(self, application: "WSGIApplication") -> None:
        """Serve Batch's calls by an application."""
        self._batch = application

    def tell(self, notice: "Callable[[str, WSGIEnvironment], None]") -> None:
        """Tell of every request: its service, and the request.

        Of DynamoDB's that is before it is served, under their lock, of others after.
        """
        self._notice = notice

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None or not secrets.compare_digest(scope["key"], self.access_key):
            return Forbidden()(environ, start_response)
        service = scope["service"]
        if service == "batch" and self._batch is not None:
            return self._batch(environ, start_response)
        if service == "dynamodb":
            with self.one_at_a_time:
                self._notice(service, environ)
                return list(self._moto(environ, start_response))
        serve: WSGIApplication = self._moto
        if service == "sqs" and environ.get("HTTP_X_AMZ_TARGET") in MOVES:
            serve = move_service
        answer: Iterable[bytes] = serve(environ, start_response)
        # Only now: what is saved before a change is told of must not count as saved with it.
        self._notice(service, environ)
        return answer


def _ignore(service: str, environ: "WSGIEnvironment") -> None:
    """Take no note of a request."""


class _QuietHandler(WSGIRequestHandler):
    """Writes no line per request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return
