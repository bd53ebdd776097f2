"""The gateway that endpoint rows describe: reads lists, carries out steps, looks at what became of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from reconciler.core.changes import Action, Step
from reconciler.core.findings import Finding
from reconciler.core.kinds import Resource, Team
from reconciler.core.refs import Ref
from reconciler.core.state import State
from reconciler.core.support import Support
from reconciler.gateways.answers import oddity
from reconciler.gateways.base import GatewayError, Landed, Live, Receipt
from reconciler.gateways.endpoints import Body, Endpoint, Request, Wire
from reconciler.gateways.http import Http

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Dialect:
    """One management API: its rows, its abilities, and the few things that are not a matter of rows.

    `grant` adds credits under their operation id; `granted` says whether that happened, None where nobody can tell.
    `key` asks for a team's virtual key again (or for a new one), for when the answer that held it was lost.
    `rename` are the requests of a rename, where `support.renames` has the kind.
    `fixed` refs exist but are out of the API's reach. `explain` makes a server's failure say what to do.
    """

    endpoints: Mapping[str, Endpoint]
    support: Support
    grant: Callable[[Http, Step], Awaitable[Receipt]]
    granted: Callable[[Http, Step], Awaitable[bool | None]]
    fixed: Callable[[Ref], bool] = lambda _ref: False
    explain: Callable[[str, GatewayError], GatewayError] = lambda _what, error: error
    note: Callable[[Step], str | None] = lambda _step: None
    rename: Callable[[Step], Iterable[Request]] = lambda _step: ()
    probe: Callable[[Http, str, str], Awaitable[bool]] | None = None
    key: Callable[[Http, str], Awaitable[Any]] | None = None


@dataclass(frozen=True, slots=True)
class RestGateway:
    """A connected gateway (see `base.Gateway`); `findings` are told with everything that is read."""

    identity: str
    concurrency: int
    http: Http
    dialect: Dialect
    findings: tuple[Finding, ...] = ()

    @property
    def support(self) -> Support:
        return self.dialect.support

    @property
    def lost(self) -> bool:
        """Whether a write got no answer, and may still arrive."""
        return bool(self.http.lost)

    async def probe(self, team: str, model: str) -> bool:
        """Whether the gateway would let the team call the model now. Raises GatewayError where it has no such check."""
        if self.dialect.probe is None:
            hint = "set probe_key_env and probe_team to a team's virtual key"
            raise GatewayError("this gateway cannot be probed without a virtual key", hint=hint)
        return await self.dialect.probe(self.http, team, model)

    async def read(self) -> Live:
        rows = tuple(self.dialect.endpoints.values())
        answers = await asyncio.gather(*map(self._list, rows), return_exceptions=True)
        lists: list[tuple[Endpoint, list[Body]]] = []
        for row, answer in zip(rows, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            lists.append((row, answer))
        return self._live(lists)

    async def _list(self, endpoint: Endpoint) -> list[Body]:
        try:
            return endpoint.listed(await self.http.get(endpoint.collection, params=endpoint.query))
        except GatewayError as error:
            raise self.dialect.explain(f"list {endpoint.kind}", error) from error

    def _live(self, lists: list[tuple[Endpoint, list[Body]]]) -> Live:
        bodies = {Ref(row.kind, body[row.id]): (row, body) for row, listed in lists for body in listed}
        resources = {ref: _decoded(row, body) for ref, (row, body) in bodies.items()}
        runtime = {
            ref: {key: body[key] for key in row.runtime if body.get(key) is not None}
            for ref, (row, body) in bodies.items()
            if row.runtime
        }
        fixed = frozenset(filter(self.dialect.fixed, bodies))
        return Live(State(resources), fixed, runtime, self.findings)

    async def perform(self, step: Step) -> Receipt:
        try:
            return await self._perform(step)
        except GatewayError as error:
            raise self.dialect.explain(f"{step.action} {step.ref.kind}", error) from error

    async def _perform(self, step: Step) -> Receipt:
        match step.action:
            case Action.RENAME:
                return await self._rename(step)
            case Action.CREATE:
                return await self._create(step)
            case Action.EXPAND | Action.CONTRACT:
                return await self._update(step)
            case Action.DELETE:
                return await self._delete(step)
            case Action.GRANT:
                return await self.dialect.grant(self.http, step)
            case Action.TOUCH:
                return await self._touch(step)

    async def _create(self, step: Step) -> Receipt:
        first, *more = self._endpoint(step).creation(step.ref.name, _present(step.after))
        answer = await self.http.send(first.method, first.path, first.body)
        try:
            for request in more:
                await self.http.send(request.method, request.path, request.body, repeatable=True)
        except GatewayError as error:
            message = f"{step.ref} was created, but not completed: {error}"
            raise GatewayError(message, hint=error.hint or "apply again", status=error.status) from error
        return Receipt(secret=_virtual_key(answer), note=self.dialect.note(step))

    async def _rename(self, step: Step) -> Receipt:
        """Not sent again in doubt: a second one would not find the old name."""
        for request in self.dialect.rename(step):
            await self.http.send(request.method, request.path, request.body)
        return Receipt()

    async def _renamed(self, step: Step) -> Landed:
        former = await self._found(Ref(step.ref.kind, str(step.renamed_from)))
        latter = await self._found(step.ref)
        if (former is None) == (latter is None):
            return Landed.UNKNOWN
        return Landed.APPLIED if former is None else Landed.ABSENT

    async def _update(self, step: Step) -> Receipt:
        before, after, endpoint = _present(step.before), _present(step.after), self._endpoint(step)
        whole = tuple(wire for wire in endpoint.changed(before, after) if wire.whole)
        if whole:
            _unmoved(step.ref, whole, before, after, await self._found(step.ref))
        for request in endpoint.updating(step.ref.name, before, after):
            await self.http.send(request.method, request.path, request.body, repeatable=True)
        return Receipt(note=self.dialect.note(step))

    async def _delete(self, step: Step) -> Receipt:
        try:
            await self.http.send("DELETE", self._endpoint(step).item(step.ref.name), repeatable=True)
        except GatewayError as error:
            if error.status != NOT_FOUND:
                raise
            return Receipt(note="was already gone")
        return Receipt(note=self.dialect.note(step))

    async def _touch(self, step: Step) -> Receipt:
        """Sends the sets that the object has right now: nothing changes here, the gateway passes them on again."""
        found, endpoint = await self._found(step.ref), self._endpoint(step)
        if found is None:
            raise _gone(step.ref)
        body: dict[str, Any] = {}
        for wire in endpoint.wires:
            if wire.whole:
                body |= wire.encode(step.ref.name, getattr(found, wire.field))
        await self.http.send(endpoint.update, endpoint.item(step.ref.name), body, repeatable=True)
        return Receipt()

    async def reissue(self, step: Step) -> Receipt:
        """The virtual key of a team that was created, where its answer was lost; nothing for other kinds."""
        if self.dialect.key is None or step.ref.kind != Team.kind:
            return Receipt()
        return Receipt(secret=_virtual_key(await self.dialect.key(self.http, step.ref.name)))

    async def landed(self, step: Step) -> Landed:
        if step.action is Action.GRANT:
            told = await self.dialect.granted(self.http, step)
            return Landed.UNKNOWN if told is None else Landed.APPLIED if told else Landed.ABSENT
        if step.action is Action.RENAME:
            return await self._renamed(step)
        found = await self._found(step.ref)
        if step.action is Action.DELETE:
            return Landed.APPLIED if found is None else Landed.ABSENT
        if found is None:
            return Landed.ABSENT if step.action is Action.CREATE else Landed.UNKNOWN
        # A touch leaves no trace; sending it again is always right.
        return Landed.ABSENT if step.action is Action.TOUCH else self._compared(step, found)

    def _compared(self, step: Step, found: Resource) -> Landed:
        """Applied where every field has its new value. Absent, so safe to send again, where the rest are as before."""
        before, after = step.before, self.support.normalise(step.ref, _present(step.after))
        wires = self._endpoint(step).changed(before, after)
        open_fields = [w.field for w in wires if getattr(found, w.field) != getattr(after, w.field)]
        if not open_fields:
            return Landed.APPLIED
        untouched = before is not None and all(getattr(found, each) == getattr(before, each) for each in open_fields)
        return Landed.ABSENT if untouched else Landed.UNKNOWN

    async def _found(self, ref: Ref) -> Resource | None:
        """The object as it is now, None where the gateway has none."""
        endpoint = self.dialect.endpoints[ref.kind]
        try:
            body = await self.http.get(endpoint.item(ref.name))
        except GatewayError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return _decoded(endpoint, endpoint.flat(body))

    def _endpoint(self, step: Step) -> Endpoint:
        return self.dialect.endpoints[step.ref.kind]


def _decoded(endpoint: Endpoint, body: Body) -> Resource:
    try:
        return endpoint.decoded(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        name = body.get(endpoint.id) if isinstance(body, Mapping) else None
        message = f"{endpoint.kind}/{name}: the gateway answered in an unknown shape ({oddity(error)})"
        raise GatewayError(message) from error


def _unmoved(ref: Ref, wires: tuple[Wire, ...], before: Resource, after: Resource, found: Resource | None) -> None:
    """A set is replaced as a whole, so what another hand changed in it since the plan would be lost: refuse."""
    if found is None:
        raise _gone(ref)
    for wire in wires:
        now = getattr(found, wire.field)
        if now not in (getattr(before, wire.field), getattr(after, wire.field)):
            message = f"{ref} moved since the plan: its {wire.field} are now {', '.join(sorted(now)) or 'none'}"
            raise GatewayError(message, hint="plan again, then apply")


def _gone(ref: Ref) -> GatewayError:
    return GatewayError(f"{ref} no longer exists on the gateway", hint="plan again, then apply", status=NOT_FOUND)


def _present(resource: Resource | None) -> Resource:
    if resource is None:
        raise ValueError("the step lacks the resource that its action needs")
    return resource


def _virtual_key(answer: Any) -> SecretStr | None:
    key = answer.get("virtual_key") if isinstance(answer, Mapping) else None
    return SecretStr(key) if key else None
