"""The toy's gateway over a real socket: collections of JSON objects by id."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Collections = dict[str, dict[str, dict[str, Any]]]


@contextmanager
def serving() -> Iterator[tuple[str, Collections]]:
    """The url, and what is stored: collection -> id -> object."""
    stored: Collections = {name: {} for name in ("models", "groups", "teams", "badges")}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, item = self._place()
            self._answer(stored[name].get(item) if item else list(stored[name].values()))

        def do_POST(self) -> None:
            name, _ = self._place()
            body = self._body()
            stored[name][body["id"]] = body
            self._answer(body)

        def do_PUT(self) -> None:
            name, item = self._place()
            stored[name][item] |= self._body()
            self._answer(stored[name][item])

        def do_DELETE(self) -> None:
            name, item = self._place()
            self._answer(stored[name].pop(item, None))

        def _place(self) -> tuple[str, str]:
            _, name, *item = self.path.split("?")[0].split("/")
            return name, item[0] if item else ""

        def _body(self) -> dict[str, Any]:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, value: Any) -> None:
            text = json.dumps(value).encode()
            self.send_response(404 if value is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", stored
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
