"""Connections that take their time: who sends half a request and waits does not hold a place for ever.

uvicorn has no limit for a request that is on its way; this one has two: for its headers, and for all of it.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

KEEP_ALIVE_SECONDS = (
    75  # longer than clients keep a connection: none is closed under a request that is on its way
)
HEADER_SECONDS = 10.0
REQUEST_SECONDS = 60.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it; a request that does not arrive in time gets 408, and its connection ends."""

    _waiting_for: type[h11.SEND_BODY] | type[h11.IDLE] | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def on_response_complete(self) -> None:
        """Until the next request begins, it is uvicorn's keep-alive that ends the connection."""
        super().on_response_complete()
        begun, _ = self.conn.trailing_data
        if self.conn.their_state is h11.IDLE and not begun:
            self._stop()
        else:
            self._watch()

    def _watch(self) -> None:
        """One deadline for each part of a request: more bytes of it do not put it off."""
        state = self.conn.their_state
        waiting_for = state if state in (h11.IDLE, h11.SEND_BODY) else None
        if waiting_for is self._waiting_for:
            return
        self._stop()
        self._waiting_for = waiting_for
        if waiting_for is not None:
            seconds = HEADER_SECONDS if waiting_for is h11.IDLE else REQUEST_SECONDS
            self._deadline = self.loop.call_later(seconds, self._too_late)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._waiting_for = None

    def _too_late(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [("Connection", "close"), ("Content-Length", "0")]
            for event in (
                h11.Response(status_code=408, reason=b"Request Timeout", headers=headers),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
