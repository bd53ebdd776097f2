"""Requests to a forge: patient where that is safe, with one clear line per failure, and no token in any of them.

| what went wrong | GET, PUT, PATCH, DELETE | POST |
|---|---|---|
| no connection was made | again | again: nothing was sent |
| cut, timed out, 5xx | again | an error: it may have been done, and a second one would be a second comment |
| a limit of requests (429; 403 that says so) | again after the wait that is asked for | the same |
| any other answer | an error | an error |

Sources: "Rate limits for the REST API" and "Using pagination in the REST API" of GitHub
(https://docs.github.com/en/rest/using-the-rest-api); "REST API" of GitLab (https://docs.gitlab.com/api/rest/) and its
"Rate limits" (https://docs.gitlab.com/security/rate_limits/).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import GenericAlias
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.gateways.answers import detail

Row = TypeVar("Row", bound=BaseModel)
SECONDS = 60.0
PAGE = 100
MOST_PAGES = 100
MOST_REDIRECTS = 5
MOST_JSON, MOST_ARCHIVE = 32 << 20, 512 << 20
# How long GitHub wants one to wait where a limit names no time.
UNNAMED_WAIT = 60.0
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
FORBIDDEN, TOO_MANY, BROKEN = 403, 429, 500


class ForgeError(ReconcilerError):
    """What a service did not do. `status` is None where it did not answer.

    With `retry` the same request may be sent again, after as many seconds as `after` says.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        retry: bool = False,
        after: float = 0.0,
    ) -> None:
        super().__init__(error("forge", message, hint=hint))
        self.status, self.retry, self.after = status, retry, after


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is sent, and how many seconds are waited for it in all."""

    attempts: int = 5
    first_seconds: float = 0.5
    most_in_all: float = 180.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Rest:
    """The API of one service. `hints`: status -> what to do about it."""

    service: str
    client: httpx.Client
    token: SecretStr
    hints: Mapping[int, str] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)

    def rows(self, path: str, row: type[Row], params: Mapping[str, str] | None = None) -> list[Row]:
        """A whole list, page by page."""
        form: Any = GenericAlias(list, row)
        return [
            entry for page in self.pages(path, params) for entry in self._read(path, form, page)
        ]

    def pages(self, path: str, params: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The bodies of a list's pages. Of the link to the next one only the query counts: the host stays ours."""
        query = httpx.QueryParams({"per_page": str(PAGE), **(params or {})})
        for _ in range(MOST_PAGES):
            answer = self._patiently("GET", path, params=query)
            yield answer.content
            following = answer.links.get("next", {}).get("url")
            if following is None:
                return
            query = httpx.URL(following).params
        raise ForgeError(f"{self.service}: {path} has more than {MOST_PAGES * PAGE:,} entries")

    def one(self, path: str, row: type[Row]) -> Row:
        return self.read(path, row, self._patiently("GET", path).content)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        self._patiently(method, path, json=body)

    def read(self, path: str, row: type[Row], body: bytes) -> Row:
        """A value out of an answer. Raises ForgeError where the answer has another form."""
        value: Row = self._read(path, row, body)
        return value

    def _read(self, path: str, form: Any, body: bytes) -> Any:
        try:
            return TypeAdapter(form).validate_json(body)
        except ValidationError as problem:
            where = ".".join(map(str, problem.errors(include_input=False)[0]["loc"]))
            says = f"{self.service}: GET {path} answered something else than documented: {where}"
            raise ForgeError(says) from None

    def archive(self, path: str) -> bytes:
        """A file, which the service may keep elsewhere: the token does not go there.

        "Download an artifact" (https://docs.github.com/en/rest/actions/artifacts), "Download job artifacts"
        (https://docs.gitlab.com/api/job_artifacts/): the answer may be a redirect to a storage.
        """
        answer = self._patiently("GET", path, most=MOST_ARCHIVE)
        with httpx.Client(timeout=SECONDS) as anonymous:
            for _ in range(MOST_REDIRECTS):
                if not answer.is_redirect:
                    return answer.content
                place = answer.url.join(answer.headers.get("location", ""))
                self._require_as_safe(place)
                answer = self._patiently("GET", str(place), client=anonymous, most=MOST_ARCHIVE)
        raise ForgeError(f"{self.service}: GET {path} is redirected for ever")

    def _require_as_safe(self, place: httpx.URL) -> None:
        if place.scheme not in ("https", self.client.base_url.scheme) or not place.host:
            raise ForgeError(f"{self.service} redirects to what is no https")

    # ---- one request

    def _patiently(
        self, method: str, path: str, *, client: httpx.Client | None = None, **how: Any
    ) -> httpx.Response:
        jitter = wait_random_exponential(multiplier=self.patience.first_seconds, max=15)

        def wait(state: RetryCallState) -> float:
            problem = state.outcome.exception() if state.outcome else None
            return jitter(state) + (problem.after if isinstance(problem, ForgeError) else 0)

        def enough(state: RetryCallState) -> bool:
            waits = state.idle_for + state.upcoming_sleep
            return (
                state.attempt_number >= self.patience.attempts or waits > self.patience.most_in_all
            )

        retrying = Retrying(
            retry=retry_if_exception(lambda p: isinstance(p, ForgeError) and p.retry),
            wait=wait,
            stop=enough,
            sleep=self.patience.sleep,
            reraise=True,
        )
        # The address of a storage is signed: it is a secret of its own, and is not shown.
        shown = f"{method} {path if client is None else 'the storage'}"
        answer: httpx.Response = retrying(
            self._once, client or self.client, shown, method, path, how
        )
        return answer

    def _once(
        self, client: httpx.Client, shown: str, method: str, url: str, how: Mapping[str, Any]
    ) -> httpx.Response:
        request = {name: value for name, value in how.items() if name != "most"}
        with (
            self._failing(shown, repeatable=method != "POST"),
            client.stream(method, url, **request) as streamed,
        ):
            answer = self._whole(shown, streamed, how.get("most", MOST_JSON))
        if answer.is_success or (answer.is_redirect and "most" in how):
            return answer
        raise self._refused(shown, method, answer)

    def _whole(self, shown: str, streamed: httpx.Response, most: int) -> httpx.Response:
        body = bytearray()
        for chunk in streamed.iter_bytes():
            body += chunk
            if len(body) > most:
                raise ForgeError(f"{self.service}: {shown} answered more than {most >> 20:,} MB")
        headers = [
            (name, value)
            for name, value in streamed.headers.multi_items()
            if name not in _OF_THE_BODY
        ]
        return httpx.Response(
            streamed.status_code, headers=headers, content=bytes(body), request=streamed.request
        )

    @contextmanager
    def _failing(self, shown: str, *, repeatable: bool) -> Iterator[None]:
        try:
            yield
        except _UNSENT:
            raise ForgeError(f"{self.service}: {shown}: no connection", retry=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            says = (
                f"{self.service}: {shown}: {type(problem).__name__} before the answer was complete"
            )
            raise ForgeError(says, retry=repeatable) from None

    def _refused(self, shown: str, method: str, answer: httpx.Response) -> ForgeError:
        status, reason = answer.status_code, detail(answer, [self.token.get_secret_value()])
        after = wanted_wait(answer, self.patience.now())
        broken = status >= BROKEN and method != "POST"
        says = f"{self.service}: {shown} was refused: {status} {reason}"
        if after is not None:
            hint = f"its limit of requests ends in {after:,.0f} s"
            return ForgeError(says, hint=hint, status=status, retry=True, after=after)
        return ForgeError(says, hint=self.hints.get(status), status=status, retry=broken)


def wanted_wait(answer: httpx.Response, now: float) -> float | None:
    """Seconds until a limit of requests ends; None for an answer that is about none.

    | status | headers | wait |
    |---|---|---|
    | 429, 403 | retry-after | so long |
    | 429, 403 with x-ratelimit-remaining: 0 | x-ratelimit-reset; GitLab: ratelimit-reset (epoch) | until then |
    | 429, 403 about a secondary rate limit | neither | a minute |
    | any other | | no limit |
    """
    headers, status = answer.headers, answer.status_code
    if status not in (TOO_MANY, FORBIDDEN):
        return None
    if headers.get("retry-after", "").isdecimal():
        return float(headers["retry-after"])
    reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset", "")
    used_up = headers.get("x-ratelimit-remaining") == "0" or status == TOO_MANY
    if used_up and reset.isdecimal():
        return max(0.0, float(reset) - now)
    secondary = b"secondary rate limit" in answer.content
    return UNNAMED_WAIT if status == TOO_MANY or secondary else None
