"""One HTTP exchange at a time, bounded in size and time, that a cancel interrupts and that never raises.

A failed exchange is an Answer too: an exception would carry the request, and with it the key, in its traceback.
"""

from __future__ import annotations

import http.client
import queue
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apibr_worker.runtime.api import Context
from apibr_worker.runtime.sentences import Sentence, say

BROKE_OFF = say("the connection broke off")
_CHUNK = 1 << 16
_LOOK_SECONDS = 0.25
"""Between two checks of the cancel flag while the network is waited for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome. status 0: no answer came, and `failure` says why; sent: whether the request may have arrived."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    failure: Sentence | None = None
    sent: bool = True

    @property
    def ok(self) -> bool:
        """Whether the whole answer is there and says yes."""
        return self.status == 200 and self.failure is None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could lead the key anywhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Transport:
    """Opens connections: over the environment's proxy and with checked certificates, or plainly to this machine."""

    def __init__(self, *, local: bool, timeout: float = 30.0) -> None:
        # ProxyHandler({}): a proxy of the environment is not for this machine.
        proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
        secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(proxies, secure, _NoRedirects())
        self._timeout = timeout

    def exchange(self, context: Context, request: urllib.request.Request, *, limit: int) -> Answer:
        """Sends the request and reads at most limit bytes; Canceled is all that it raises.

        The exchange runs in a thread that a cancel leaves behind; it ends by itself when its time is over.
        """
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(self._exchange(request, limit)), daemon=True).start()
        while True:
            try:
                return answers.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                context.check_cancel()

    def _exchange(self, request: urllib.request.Request, limit: int) -> Answer:
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _read(response, response.status, limit)
        except urllib.error.HTTPError as error:
            with error:
                return _read(error, error.code, limit)
        except Exception as error:
            return _failed(error)


def _read(response: Any, status: int, limit: int) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    body = bytearray()
    try:
        while chunk := response.read(_CHUNK):
            body += chunk
            if len(body) > limit:
                return Answer(status, headers=headers, failure=say("the answer is too large"))
    except (OSError, http.client.HTTPException):
        return Answer(status, headers=headers, failure=BROKE_OFF)
    # urllib takes a body that ends too early for a whole one.
    announced = headers.get("content-length", "")
    if announced.isdecimal() and len(body) < int(announced):
        return Answer(status, headers=headers, failure=BROKE_OFF)
    return Answer(status, bytes(body), headers)


def _failed(error: Exception) -> Answer:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLError):
        return Answer(0, failure=say("this computer does not trust its certificate"), sent=False)
    if isinstance(reason, TimeoutError):
        return Answer(0, failure=say("it did not answer in time"))
    # URLError: no connection came about. Anything else broke one.
    unsent = isinstance(error, urllib.error.URLError) and isinstance(reason, OSError)
    return Answer(0, failure=say("it could not be reached") if unsent else BROKE_OFF, sent=not unsent)
