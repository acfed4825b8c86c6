"""What a browser asks for, and all that goes wrong with it."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from console.serve import HOST

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

GIVEN_UP = "net::ERR_ABORTED"
"""A viewer moved on before the answer was there; what it still wants it asks for again."""
BEYOND_US = ("Accessing element.ref was removed in React 19.",)
"""Errors on the console that Mirador shows with any manifest."""
OWN_SCHEMES = ("data", "blob")


class Traffic:
    """Listens to all pages of a context.

    `loaded` are the URLs that came whole. `unanswerable` are those that a viewer wrongly asks for:
    that they are not there is no failure.
    """

    def __init__(self, context: "BrowserContext") -> None:
        self.loaded: set[str] = set()
        self.failures: list[str] = []
        self.unanswerable: set[str] = set()
        self._refused: set[str] = set()
        context.on("request", self._asked)
        context.on("response", self._answered)
        context.on("requestfinished", self._finished)
        context.on("requestfailed", self._failed)
        context.on("console", self._said)
        context.on("weberror", self._threw)

    def _asked(self, request: "Request") -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in OWN_SCHEMES and parts.hostname != HOST:
            self.failures.append(f"asked another host: {request.url}")

    def _answered(self, response: "Response") -> None:
        if response.status >= 400:
            self._refused.add(response.url)
            self._note(response.url, f"{response.status} {response.url}")

    def _finished(self, request: "Request") -> None:
        if request.url not in self._refused:
            self.loaded.add(request.url)

    def _failed(self, request: "Request") -> None:
        if request.failure != GIVEN_UP:
            self._note(request.url, f"{request.failure} {request.url}")

    def _said(self, message: "ConsoleMessage") -> None:
        if message.type == "error" and not message.text.startswith(BEYOND_US):
            self._note(message.location["url"], f"console: {message.text}")

    def _threw(self, error: "WebError") -> None:
        self.failures.append(f"uncaught: {error.error}")

    def _note(self, url: str, failure: str) -> None:
        if url not in self.unanswerable:
            self.failures.append(failure)
