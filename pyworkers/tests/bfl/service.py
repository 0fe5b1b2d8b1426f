"""The API of Black Forest Labs as far as the engine uses it: a real HTTP server whose answers a test writes."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

KEY = "bfl_secret-Key.123456"


@dataclass(frozen=True)
class Reply:
    """An answer. cut: bytes left out at the end; before: called when the request has arrived."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut: int = 0
    before: Callable[[], object] = lambda: None


def png(width: int = 64, height: int = 48, colour: str = "#2266aa") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


class FakeBFL:
    """submits, polls and samples are the replies of each kind in turn; the last one stays."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.submits = [Reply(body={"id": "t1", "polling_url": f"{self.url}/v1/get_result?id=t1", "cost": 4.0})]
        self.polls = [self.ready()]
        self.samples = [Reply(body=png())]
        self.released = threading.Event()
        """Set at the end: until then a reply may hang."""
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def ready(self, name: str = "a") -> Reply:
        return Reply(body={"id": "t1", "status": "Ready", "result": {"sample": f"{self.url}/sample/{name}.png?sig=x"}})

    def hang(self) -> None:
        self.released.wait(60)

    def kinds(self) -> list[str]:
        return [method + " " + path.split("?")[0] for method, path, _, _ in self.requests]

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def take(self, handler: _Handler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append((handler.command, handler.path, headers, json.loads(body) if body else None))
        path = handler.path.split("?")[0]
        replies = self.submits if handler.command == "POST" else self.polls if "get_result" in path else self.samples
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        reply.before()
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        handler.send_header("content-length", str(len(content)))
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[: len(content) - reply.cut])
        handler.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    fake: FakeBFL

    def do_GET(self) -> None:
        try:
            self.fake.take(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass
