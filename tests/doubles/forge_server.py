"""A web API over real sockets for stand-ins of GitHub and GitLab: pages, tokens, faults, and what was asked for."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

CUT = 0


@dataclass(frozen=True)
class Asked:
    """One request; names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    body: dict[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """`body` is JSON, or bytes as they are. The status CUT ends the connection without an answer."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"message": message})


@dataclass
class Fault:
    """What a request is answered instead, as often as `times` says; with `after` once it was carried out."""

    method: str
    path: str
    answer: Answer
    times: int = 1
    after: bool = False


@dataclass
class Server:
    """`routed` answers a request; `faults` come first."""

    routed: Callable[[Asked], Answer]
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def paths(self, *methods: str) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.asked if each.method in methods]

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        for fault in self.faults:
            fits = asked.method in fault.method.split("|") and re.search(fault.path, asked.path)
            if fits and fault.times > 0:
                fault.times -= 1
                if fault.after:
                    self._carried_out(asked)
                return fault.answer
        return self._carried_out(asked)

    def _carried_out(self, asked: Asked) -> Answer:
        try:
            return self.routed(asked)
        except RefusedError as refusal:
            return refusal.answer


def paged(found: list[Any], asked: Asked, base: str, wrap: str | None = None) -> Answer:
    """A page of a list with a link to the next one, as both services write it (RFC 8288)."""
    size = min(100, int(asked.query.get("per_page", "30" if wrap else "20")))
    page = int(asked.query.get("page", 1))
    part = found[size * (page - 1) : size * page]
    headers = {}
    if size * page < len(found):
        query = urlencode({**asked.query, "page": page + 1})
        headers["Link"] = f'<{base}{asked.path}?{query}>; rel="next", <{base}/x?page=9>; rel="last"'
    return Answer(200, {"total_count": len(found), wrap: part} if wrap else part, headers)


class Handler(BaseHTTPRequestHandler):
    server_of: Server
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # in one packet: two would wait for each other's acknowledgement

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query)),
            json.loads(sent) if sent else {},
            headers,
        )
        with self.server_of.lock:
            answer = self.server_of.answer(asked)
        if answer.status == CUT:
            self.close_connection = True
            return
        raw = answer.body
        if not isinstance(raw, bytes):
            raw = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  names of http.server

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving(server: Server) -> Iterator[None]:
    bound = type("Bound", (Handler,), {"server_of": server})
    http = ThreadingHTTPServer(("127.0.0.1", 0), bound)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
