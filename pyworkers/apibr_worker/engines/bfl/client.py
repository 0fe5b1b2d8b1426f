"""The API of Black Forest Labs: a task is submitted, its polling URL asked until it is ready, its picture downloaded.

As documented at docs.bfl.ai in 2026: POST /v1/<model> with the header x-key answers {id, polling_url}; the polling URL
must be used as given, since it names the region; the picture's own link expires after ten minutes.
"""

from __future__ import annotations

import ipaddress
import json
import re
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from apibr_worker.engines.bfl.transport import BROKE_OFF, Answer, Transport
from apibr_worker.runtime.api import Context, EngineError, InvalidInputError
from apibr_worker.runtime.sentences import say

DEFAULT_URL = "https://api.bfl.ai"
MODELS = ("flux-kontext-pro", "flux-kontext-max")
_DOMAINS = ("bfl.ai", "bfl.ml")
_JSON_LIMIT = 1 << 20
PICTURE_LIMIT = 64 << 20
"""Bytes of a delivered picture; a PNG of one megapixel has 3 MB at most."""
_REDIRECTS = 3
"""How often the link of a picture may lead on to another address."""
_WORDS = 160
"""Characters of the service's own words that are shown."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service is and how it knows us. local: it is a program on this machine, spoken to without TLS."""

    key: str = field(repr=False)
    url: str
    model: str
    local: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds between polls (from first, growing to longest) and their number; tries and the first gap after a
    failure; seconds for an answer.
    """

    first: float = 0.5
    growth: float = 1.3
    longest: float = 5.0
    polls: int = 180
    tries: int = 4
    gap: float = 1.0
    longest_retry_after: float = 60.0
    answer: float = 30.0

    def between_polls(self) -> Iterator[float]:
        """One gap before each poll."""
        gap = self.first
        for _ in range(self.polls):
            yield gap
            gap = min(gap * self.growth, self.longest)


def settings(environment: Mapping[str, str]) -> Settings:
    """Settings from APIBR_BFL_KEY, APIBR_BFL_URL and APIBR_BFL_MODEL. Raises EngineError for unusable ones."""
    key = environment.get("APIBR_BFL_KEY", "").strip()
    url = (environment.get("APIBR_BFL_URL") or DEFAULT_URL).rstrip("/")
    model = environment.get("APIBR_BFL_MODEL") or MODELS[0]
    if not key:
        raise EngineError(
            "model_missing",
            say("the key of the Black Forest Labs API is not set: set engines.bfl.key, or choose another model"),
        )
    # Checked here: http.client would quote a key that no header can hold in its error.
    if not re.fullmatch(r"[\x21-\x7e]{1,512}", key):
        raise EngineError(
            "model_missing",
            say(
                "the key of the Black Forest Labs API has characters that a key cannot have: "
                "set it again in engines.bfl.key"
            ),
        )
    parts = urlsplit(url)
    local = parts.scheme == "http" and _loopback(parts.hostname or "")
    if not local and (parts.scheme != "https" or not parts.hostname or parts.username):
        raise EngineError("model_missing", say("engines.bfl.url must be an https address, such as https://api.bfl.ai"))
    if model not in MODELS:
        raise EngineError(
            "model_missing", say("the model of the Black Forest Labs API must be one of %s", ", ".join(MODELS))
        )
    return Settings(key, url, model, local)


def trusted(url: str, known: Settings) -> bool:
    """Whether the service may send us there: https and its own domains, or this machine when it is there itself."""
    parts = _parts(url)
    if parts is None:
        return False
    host = parts.hostname or ""
    if known.local:
        return parts.scheme in ("http", "https") and _loopback(host)
    return parts.scheme == "https" and (host == urlsplit(known.url).hostname or _official(host))


def takes_key(url: str, known: Settings) -> bool:
    """Whether the key may go there: scheme, host and port are those of the setting.

    When the setting is the service's own address, its regions may have it too.
    """
    parts, ours = _parts(url), urlsplit(known.url)
    if parts is None:
        return False
    if _origin(parts) == _origin(ours):
        return True
    regions = _official(ours.hostname or "") and _official(parts.hostname or "")
    return regions and _origin(parts)[::2] == _origin(ours)[::2] == ("https", 443)


def _parts(url: str) -> SplitResult | None:
    """The parts of a plain address; None for anything else, and for an address with a name or password in it."""
    if not re.fullmatch(r"[\x21-\x7e]{1,4096}", url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return None
    return None if parts.username is not None or parts.password is not None else parts


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", usual if parts.port is None else parts.port


def _official(host: str) -> bool:
    return any(host == end or host.endswith(f".{end}") for end in _DOMAINS)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Submitted:
    """A task that the service has accepted, and what it says about the cost."""

    polling_url: str
    cost: float | None = None


class Client:
    """The service for one run. field names the request's text for errors about it: prompt or instruction.

    over: the last task has ended for good, and asking again brings no picture. gone: the service no longer knows it.
    """

    def __init__(self, context: Context, known: Settings, *, field: str, patience: Patience) -> None:
        self._context = context
        self._known = known
        self._field = field
        self._transport = Transport(local=known.local, timeout=patience.answer)
        self._patience = patience
        self._progress: Callable[[float], None] = lambda _: None
        self._share = 0.0
        self.over = self.gone = False

    def submit(self, task: dict[str, Any]) -> Submitted:
        """Hands the task in; from then on it is paid for. Raises EngineError or InvalidInputError."""
        submitted = self._json(self._submit(task))
        url, cost = submitted.get("polling_url"), submitted.get("cost")
        if not isinstance(url, str) or not takes_key(url, self._known):
            raise EngineError(
                "internal",
                say(
                    "Black Forest Labs answered with an address that is not its own, and the key "
                    "was not sent there: scheme, host and port must be those of engines.bfl.url"
                ),
            )
        paid = float(cost) if isinstance(cost, (int, float)) and not isinstance(cost, bool) else None
        return Submitted(url, paid)

    def fetch(self, task: Submitted, progress: Callable[[float], None]) -> bytes:
        """Waits for the task's picture and returns its bytes as they came.

        progress is called at each poll with a share of 0..1. Raises EngineError or InvalidInputError.
        """
        self._progress, self._share = progress, 0.0
        self.over = self.gone = False
        answer = self._download(self._sample(task.polling_url))
        if _expired(answer):
            # The task knows a fresh link.
            answer = self._download(self._sample(task.polling_url))
        if _expired(answer):
            self.over = True
            raise EngineError(
                "internal", say("the link to the picture expired before the picture was downloaded: try again")
            )
        if not answer.ok:
            raise self._error(answer)
        return answer.body

    def _submit(self, task: dict[str, Any]) -> Answer:
        body = json.dumps(task).encode()
        headers = {"content-type": "application/json", "accept": "application/json", "x-key": self._known.key}
        url = f"{self._known.url}/v1/{self._known.model}"
        # An exchange that may have arrived is not repeated: it would be paid twice.
        return self._asked(
            lambda: _request(url, headers, body),
            _JSON_LIMIT,
            repeat=lambda answer: not answer.sent if answer.status == 0 else answer.status >= 500,
        )

    def _own(self, url: Any) -> str:
        """The address, when it is the service's own."""
        if isinstance(url, str) and trusted(url, self._known):
            return url
        raise EngineError(
            "internal",
            say(
                "Black Forest Labs answered with an address that is not its own; nothing was "
                "sent there: try again later"
            ),
        )

    def _sample(self, polling_url: str) -> str:
        """Polls until the picture is ready; returns its link."""
        headers = {"accept": "application/json", "x-key": self._known.key}
        for gap in self._patience.between_polls():
            self._context.wait(gap)
            answer = self._asked(lambda: _request(polling_url, headers), _JSON_LIMIT, repeat=_later)
            found = self._json(answer, missing={"status": "Task not found"})
            self._share = max(self._share, _share(found.get("progress")))
            self._progress(self._share)
            link = self._link(found)
            if link is not None:
                return link
        raise EngineError("internal", say("Black Forest Labs did not finish the picture in time: try again later"))

    def _link(self, found: dict[str, Any]) -> str | None:
        """The link of a finished task, None while it is pending."""
        status, result = found.get("status"), found.get("result")
        self.gone = status == "Task not found"
        self.over = status in ("Request Moderated", "Content Moderated", "Error", "Failed")
        match status:
            case "Ready":
                link = result.get("sample") if isinstance(result, dict) else None
                return self._own(link)
            case "Request Moderated":
                raise InvalidInputError(
                    say(
                        "Black Forest Labs refused the %s or the picture sent with it%s: change one of them",
                        self._field,
                        self._reasons(found),
                    ),
                    field=self._field,
                )
            case "Content Moderated":
                raise InvalidInputError(
                    say(
                        "Black Forest Labs made a picture and held it back%s: change the %s, or try another seed",
                        self._reasons(found),
                        self._field,
                    ),
                    field=self._field,
                )
            case "Task not found":
                raise EngineError("internal", say("Black Forest Labs no longer knows the task: try again"))
            case "Error" | "Failed":
                raise EngineError(
                    "internal", say("Black Forest Labs could not make the picture%s: try again", self._reasons(found))
                )
            case _:
                return None

    def _download(self, link: str) -> Answer:
        # Without the key: the link is signed, and leads to a storage, which may lead on to another of the service's.
        for _ in range(_REDIRECTS + 1):
            request = _request(link, {})
            answer = self._asked(lambda request=request: request, PICTURE_LIMIT, repeat=_later)
            if not 300 <= answer.status < 400:
                return answer
            link = self._own(urljoin(link, answer.headers.get("location", "")))
        raise EngineError("internal", say("the link to the picture redirects too many times: try again later"))

    def _asked(
        self, request: Callable[[], urllib.request.Request], limit: int, *, repeat: Callable[[Answer], bool]
    ) -> Answer:
        """The last answer of as many tries as the failures allow."""
        gap = self._patience.gap
        for _ in range(self._patience.tries - 1):
            answer = self._transport.exchange(self._context, request(), limit=limit)
            if answer.status != 429 and not repeat(answer):
                return answer
            self._progress(self._share)  # a sign of life
            self._context.wait(min(_retry_after(answer, gap), self._patience.longest_retry_after))
            gap *= 2
        return self._transport.exchange(self._context, request(), limit=limit)

    def _json(self, answer: Answer, missing: dict[str, Any] | None = None) -> dict[str, Any]:
        if missing is not None and answer.status == 404:
            return missing
        if not answer.ok:
            raise self._error(answer)
        found = _parsed(answer.body)
        if not isinstance(found, dict):
            raise EngineError(
                "internal", say("Black Forest Labs answered with something that is not its API: check engines.bfl.url")
            )
        return found

    def _error(self, answer: Answer) -> EngineError:
        """A refusal of the service, as an error for the user."""
        status = answer.status
        if status in (0, 200):
            return EngineError(
                "internal",
                say(
                    "the request to Black Forest Labs failed (%s): check the network connection and try again",
                    answer.failure or BROKE_OFF,
                ),
            )
        if status in (401, 403):
            return EngineError(
                "model_missing", say("Black Forest Labs refused the API key: set a valid one in engines.bfl.key")
            )
        if status == 402:
            return EngineError(
                "model_missing",
                say("the Black Forest Labs account has no credits left: add some, or choose another model"),
            )
        if status == 429:
            wait = round(_retry_after(answer, 60))
            return EngineError(
                "internal", say("Black Forest Labs takes no more requests for now: try again in %d s", wait)
            )
        if status in (400, 422):
            return InvalidInputError(
                say(
                    "Black Forest Labs did not accept the request%s: change the %s or the picture",
                    self._said(_parsed(answer.body)),
                    self._field,
                ),
                field=self._field,
            )
        if 300 <= status < 400:
            return EngineError(
                "internal",
                say(
                    "Black Forest Labs redirects to another address (status %d), and the key is "
                    "not sent there: check engines.bfl.url",
                    status,
                ),
            )
        if status >= 500:
            return EngineError(
                "internal", say("Black Forest Labs has a problem of its own (status %d): try again later", status)
            )
        return EngineError("internal", say("Black Forest Labs answered with status %d: check engines.bfl.url", status))

    def _reasons(self, found: dict[str, Any]) -> str:
        return self._said(found.get("details"))

    def _said(self, details: Any) -> str:
        """What the service says, as " (words)", without anything that might be the key or the request."""
        words = " ".join(_strings(details))
        words = re.sub(r"\s+", " ", re.sub(r"[^\w .,:;'()-]+", " ", words.replace(self._known.key, ""))).strip()
        return f" ({words[:_WORDS]})" if words else ""


def _request(url: str, headers: dict[str, str], body: bytes | None = None) -> urllib.request.Request:
    """A POST when there is a body. The address is one that settings or trusted has let pass: https, or this machine."""
    return urllib.request.Request(url, body, {"user-agent": "apibr-studio", **headers})  # noqa: S310


def _strings(details: Any, depth: int = 0) -> Iterator[str]:
    """Texts in a JSON value, except those that repeat the request."""
    if isinstance(details, str):
        yield details
    elif isinstance(details, dict) and depth < 4:
        for name, value in details.items():
            if name not in ("input", "ctx", "url", "loc", "type"):
                yield from _strings(value, depth + 1)
    elif isinstance(details, list) and depth < 4:
        for value in details[:8]:
            yield from _strings(value, depth + 1)


def _expired(answer: Answer) -> bool:
    """Whether a download's link has expired: storages answer 403, 404 or 410, and other refusals mean the same."""
    return 400 <= answer.status < 500 and answer.status != 429


def _later(answer: Answer) -> bool:
    """Whether asking again may help; only for requests that may be repeated."""
    return answer.status == 0 or answer.status >= 500 or (answer.status == 200 and answer.failure == BROKE_OFF)


def _retry_after(answer: Answer, otherwise: float) -> float:
    """Seconds of Retry-After. Its other form, a date, is not used by this API."""
    given = answer.headers.get("retry-after", "").strip()
    return float(given) if re.fullmatch(r"\d{1,6}(\.\d+)?", given) else otherwise


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _share(progress: Any) -> float:
    return min(1.0, max(0.0, float(progress))) if isinstance(progress, (int, float)) else 0.0
