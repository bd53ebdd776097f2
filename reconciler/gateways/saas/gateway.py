"""The gateway that endpoint rows describe: reads lists, carries out steps, looks at what became of them."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from reconciler.core.model.changes import Action, Change, Step
from reconciler.core.model.findings import Finding
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.core.model.state import State
from reconciler.core.plan.support import Support
from reconciler.gateways.base import (
    GatewayError,
    Incomplete,
    Landed,
    Live,
    Operations,
    Receipt,
    Seen,
    present,
    verdict,
)
from reconciler.gateways.endpoints import Body, Endpoint, Wire, never, opened
from reconciler.gateways.http import Http
from reconciler.gateways.request import Request
from reconciler.gateways.saas.dialect import Dialect
from reconciler.gateways.saas.requests import (
    MOVED,
    Memory,
    Requests,
    before_ref,
    first_operation,
    gone,
    moved,
    operation_of,
    voided,
)
from reconciler.gateways.shapes import checked, sound, understood

NOT_FOUND, CONFLICT = 404, 409
LOOKS = 3


@dataclass(frozen=True, slots=True)
class RestGateway:
    """A connected gateway (see `base.Gateway`); `findings` are told with everything that is read."""

    identity: str
    concurrency: int
    http: Http
    dialect: Dialect
    findings: tuple[Finding, ...] = ()
    called: tuple[str, ...] = ()
    memory: Memory = field(default_factory=Memory)

    @property
    def seconds(self) -> float:
        return self.http.seconds

    def guard(self, check: Callable[[], None]) -> None:
        self.http.before_send.append(check)

    @property
    def support(self) -> Support:
        return self.dialect.support

    @property
    def lost(self) -> bool:
        """Whether a write got no answer, and may still arrive."""
        return bool(self.http.lost)

    @understood(unknown=False)
    async def probe(self, team: str, model: str) -> bool | None:
        return await self.dialect.probe(self.http, team, model) if self.dialect.probe else None

    async def holds_everywhere(self, changes: Iterable[Change]) -> tuple[int, str]:  # noqa: ARG002  whatever they are
        return 0, "holds everywhere at once"

    @understood(unknown=False)
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
        bodies = {
            Ref(row.kind, body[row.id]): (row, body) for row, listed in lists for body in listed
        }
        for ref, (_, body) in bodies.items():
            self.memory.see(ref, body)
        resources = {ref: opened(row, body) for ref, (row, body) in bodies.items()}
        runtime = {
            ref: {key: body[key] for key in row.runtime if body.get(key) is not None}
            for ref, (row, body) in bodies.items()
            if row.runtime
        }
        fixed = frozenset(filter(self.dialect.fixed, bodies))
        return checked(Live(State(resources), fixed, runtime, self.findings))

    @understood(unknown=True)
    async def perform(self, step: Step, key: SecretStr | None = None) -> Receipt:
        try:
            return await self._decided_afresh(step, key)
        except Incomplete:
            raise
        except GatewayError as error:
            raise self.dialect.explain(f"{step.action} {step.ref.kind}", error) from error

    async def _decided_afresh(self, step: Step, key: SecretStr | None) -> Receipt:
        """Where the object moved since it was read, but not in what the step is about, the step is still right."""
        for _ in range(LOOKS):
            try:
                return await self._perform(step, key)
            except GatewayError as error:
                if error.status != MOVED:
                    raise
                self._require_unmoved(step, await self._found(before_ref(step)))
        raise GatewayError(f"{step.ref} moves all the time", hint="plan again, then apply")

    async def _perform(self, step: Step, key: SecretStr | None) -> Receipt:
        match step.action:
            case Action.RENAME:
                return await self._rename(step)
            case Action.CREATE:
                return await self._create(step, key)
            case Action.EXPAND | Action.CONTRACT:
                return await self._update(step)
            case Action.DELETE:
                return await self._delete(step)
            case Action.GRANT:
                return await self.dialect.grant(self.http, step, self.memory)
            case Action.TOUCH:
                return await self._touch(step)

    def _requests(self, step: Step, about: Ref | None) -> Requests:
        named = step if self.support.voids else replace(step, operation=None)
        return Requests(self.http, self.memory, named, about)

    async def _create(self, step: Step, key: SecretStr | None) -> Receipt:
        requests = self._requests(step, None)
        first, *more = self._writes(step)
        body = {**first.body, "virtual_key": key} if key else first.body
        try:
            answer = await requests.send(replace(first, body=body))
        except GatewayError as error:
            error.exists = error.status == CONFLICT or "already exists" in str(error)
            raise
        receipt = Receipt(secret=key or _virtual_key(answer), note=self.dialect.note(step))
        try:
            for request in more:
                await requests.send(request)
        except GatewayError as error:
            message = f"{step.ref} was created, but not completed: {error}"
            raise Incomplete(message, receipt, error) from error
        return receipt

    def _writes(self, step: Step) -> tuple[Request, ...]:
        """The requests of a step, but for grants and touches, which know of one."""
        endpoint = self._endpoint(step)
        match step.action:
            case Action.CREATE:
                return tuple(endpoint.creation(step.ref.name, present(step.after)))
            case Action.EXPAND | Action.CONTRACT:
                return tuple(
                    endpoint.updating(step.ref.name, present(step.before), present(step.after))
                )
            case Action.DELETE:
                return (Request("DELETE", endpoint.item(step.ref.name)),)
            case Action.RENAME:
                return tuple(self.dialect.rename(step))
            case Action.GRANT | Action.TOUCH:
                return ()

    async def _rename(self, step: Step) -> Receipt:
        """Without operation ids not sent again in doubt: a second one would not find the old name."""
        requests = self._requests(step, before_ref(step))
        for request in self._writes(step):
            await requests.send(request)
        return Receipt()

    async def _update(self, step: Step) -> Receipt:
        before, after, endpoint = present(step.before), present(step.after), self._endpoint(step)
        whole = any(wire.whole for wire in endpoint.changed(before, after))
        if whole and step.ref not in self.memory.generations:
            self._require_unmoved(step, await self._found(step.ref))
        requests = self._requests(step, step.ref)
        for request in self._writes(step):
            await requests.send(request)
        return Receipt(note=self.dialect.note(step))

    def _require_unmoved(self, step: Step, found: Resource | None) -> None:
        """Raises GatewayError where what the step is about is not any more as it was when the step was decided.

        A set is replaced as a whole, so what another hand changed in it since the plan would be lost.
        """
        if found is None:
            raise gone(step.ref)
        before = step.before
        if before is None:
            return
        after = step.after or before
        for wire in (
            self._endpoint(step).changed(before, after) if step.after else self._shown(step)
        ):
            if step.after and not wire.whole:
                continue
            now = getattr(found, wire.field)
            if now not in (getattr(before, wire.field), getattr(after, wire.field)):
                raise moved(step.ref, wire.field, now)

    def _shown(self, step: Step) -> tuple[Wire, ...]:
        """The fields that a deletion was decided on: all that a read shows, but for credits, which customers move."""
        wires = self._endpoint(step).wires
        return tuple(
            wire for wire in wires if wire.decode and wire.listed and wire.change is not never
        )

    async def _delete(self, step: Step) -> Receipt:
        requests = self._requests(step, step.ref)
        try:
            for request in self._writes(step):
                await requests.send(request)
        except GatewayError as error:
            if error.status != NOT_FOUND:
                raise
            return Receipt(note="was already gone")
        return Receipt(note=self.dialect.note(step))

    async def _touch(self, step: Step) -> Receipt:
        """Sends the sets that the object has right now: nothing changes here, the gateway passes them on again."""
        found, endpoint = await self._found(step.ref), self._endpoint(step)
        if found is None:
            raise gone(step.ref)
        body: dict[str, Any] = {}
        for wire in endpoint.wires:
            if wire.whole:
                body |= wire.encode(step.ref.name, getattr(found, wire.field))
        await self._requests(step, step.ref).send(
            Request(endpoint.update, endpoint.item(step.ref.name), body)
        )
        return Receipt()

    @understood(unknown=False)
    async def operations(self, teams: Collection[str]) -> Mapping[str, Operations]:
        return await self.dialect.operations(self.http, teams, self.memory)

    @understood(unknown=False)
    async def accepts(self, ref: Ref, key: SecretStr) -> bool | None:
        return await self.dialect.accepts(self.http, ref.name, key)

    @understood(unknown=True)
    async def reissue(self, ref: Ref, key: SecretStr | None) -> Receipt:
        answer = await self.dialect.key(self.http, ref.name, key)
        return Receipt(secret=key or _virtual_key(answer))

    def renewal(self, ref: Ref, key: SecretStr | None) -> str | None:
        name = self.dialect.key_operation
        return name(ref.name, key) if name is not None else None

    @understood(unknown=True)
    async def void_renewals(self, operations: Collection[str]) -> Mapping[str, bool]:
        return await voided(self.http, list(operations))

    @understood(unknown=True)
    async def void_keys(
        self, ref: Ref, keys: Sequence[tuple[SecretStr, str | None]]
    ) -> tuple[bool, ...]:
        renewal = self.dialect.key_operation
        if renewal is None:
            raise GatewayError(f"this gateway cannot void requests ({ref})")
        operations = [first_operation(of) if of else renewal(ref.name, key) for key, of in keys]
        done = await voided(self.http, operations)
        return tuple(done[operation] for operation in operations)

    @understood(unknown=True)
    async def void(self, steps: Sequence[Step]) -> Mapping[Step, Landed]:
        operations = {step: self._operations(step) for step in steps}
        done = await voided(self.http, [name for names in operations.values() for name in names])
        verdicts: dict[Step, Landed] = {}
        for step, names in operations.items():
            if not names:  # of an earlier version, which named only grants
                verdicts[step] = await self.landed(step)
            else:
                verdicts[step] = (
                    Landed.APPLIED if all(done[name] for name in names) else Landed.ABSENT
                )
        return verdicts

    def _operations(self, step: Step) -> tuple[str, ...]:
        """The operation ids of all requests that the step sends."""
        if step.credit is not None:
            return (str(step.credit.operation_id),)
        if step.operation is None:
            return ()
        return tuple(
            operation_of(step, number) for number in range(max(1, len(self._writes(step))))
        )

    @understood(unknown=False)
    async def landed(self, step: Step) -> Landed:
        return verdict(step, await self._seen(step), lambda found: self._same(step, found))

    async def _seen(self, step: Step) -> Seen:
        if step.action is Action.GRANT:
            return Seen(done=await self.dialect.granted(self.http, step))
        if step.action is Action.RENAME:
            former = await self._found(before_ref(step))
            return Seen(now=await self._found(step.ref), former=former)
        return Seen(now=await self._found(step.ref))

    def _same(self, step: Step, found: Resource) -> Iterator[tuple[bool, bool]]:
        """A creation is ours where all that its first request says is there; what later ones add is left to a plan."""
        before, after = step.before, self.support.normalise(step.ref, present(step.after))
        for wire in self._endpoint(step).changed(before, after):
            now = getattr(found, wire.field)
            if before is not None:
                yield now == getattr(after, wire.field), now == getattr(before, wire.field)
            elif wire.created:
                yield now == getattr(after, wire.field), False

    async def _found(self, ref: Ref) -> Resource | None:
        """The object as it is now, None where the gateway has none."""
        endpoint = self.dialect.endpoints[ref.kind]
        try:
            body = await self.http.get(endpoint.item(ref.name))
        except GatewayError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        self.memory.see(ref, body)
        return _decoded(endpoint, endpoint.flat(body))

    def _endpoint(self, step: Step) -> Endpoint:
        return self.dialect.endpoints[step.ref.kind]


def _decoded(endpoint: Endpoint, body: Body) -> Resource:
    """The resource in an answer. Raises GatewayError where a field has a type that its kind does not know."""
    resource = opened(endpoint, body)
    sound(Ref(endpoint.kind, body[endpoint.id]), resource)
    return resource


def _virtual_key(answer: Any) -> SecretStr | None:
    key = answer.get("virtual_key") if isinstance(answer, Mapping) else None
    return SecretStr(key) if key and isinstance(key, str) else None
