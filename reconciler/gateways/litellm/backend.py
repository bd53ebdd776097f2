"""Backend `litellm`: LiteLLM Proxy over its management API.

Source: LiteLLM 1.106.2, proxy/management_endpoints, read and observed.
Deployments make model aliases, unified access groups
access groups; teams carry access, budget and limits; keys are declared by alias. What is done about a kind is its row
(`rows.KINDS`).
"""

import asyncio
from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from reconciler.core.access.litellm.providers import InferProvider, inference
from reconciler.core.access.litellm.rules import LiteLLMRules
from reconciler.core.model.changes import Action, Change, Step
from reconciler.core.model.kinds import Resource
from reconciler.core.model.refs import Ref
from reconciler.core.plan.comparison import differences
from reconciler.core.plan.support import Support
from reconciler.gateways import Opening, former_identities, identity
from reconciler.gateways.base import (
    Gateway,
    GatewayError,
    Landed,
    Live,
    Operations,
    Receipt,
    Seen,
    present,
    verdict,
)
from reconciler.gateways.http import open_http
from reconciler.gateways.litellm.caches import holding, holds_everywhere, lifetimes, lifetimes_of
from reconciler.gateways.litellm.connection import Desk
from reconciler.gateways.litellm.facts import Facts, Lifetimes
from reconciler.gateways.litellm.kind import Verbs, VirtualKeys
from reconciler.gateways.litellm.live import facts_of, live_of, rules_of
from reconciler.gateways.litellm.organizations import licensed
from reconciler.gateways.litellm.reading import kinds_of, snapshot
from reconciler.gateways.litellm.rows import KINDS
from reconciler.gateways.litellm.support import support
from reconciler.gateways.litellm.teams import (
    grant_credits,
    granted,
    mark_now,
    operations_of_mark,
)
from reconciler.gateways.litellm.version import require_endpoints
from reconciler.gateways.shapes import understood

# The database pool of the proxy is the limit (observed on 1.106.2).
CONCURRENCY, MOST_CONCURRENCY = 4, 4
# A write to a model reloads all models of the process that answers.
SECONDS = 60.0


@asynccontextmanager
async def opened(opening: Opening) -> AsyncIterator[Gateway]:
    """The proxy at the settings' url. Raises GatewayError where something else answers, or an endpoint is missing."""
    settings = opening.settings
    concurrency = min(settings.concurrency or CONCURRENCY, MOST_CONCURRENCY)
    async with _connection(opening, concurrency) as http:
        version = await require_endpoints(http)
        organizations = settings.organizations != "never" and await licensed(http)
        desk = Desk(http, organizations, settings.usd_per_credit)
        name, called = (
            identity(settings, opening.directory),
            former_identities(settings, opening.directory),
        )
        infer = inference(opening.prices)
        yield LiteLLM(name, concurrency, desk, version, infer, lifetimes_of(settings), called)


def _connection(opening: Opening, concurrency: int) -> Any:
    headers = {"litellm-changed-by": SecretStr("reconciler")}
    if opening.admin_key:
        headers["Authorization"] = SecretStr(f"Bearer {opening.admin_key.get_secret_value()}")
    return open_http(
        str(opening.settings.url),
        headers=headers,
        concurrency=concurrency,
        seconds=opening.settings.timeout_seconds or SECONDS,
        key_env=opening.settings.admin_key_env,
        read_only=opening.read_only,
    )


@dataclass
class LiteLLM:
    """A connected proxy (see `base.Gateway`). What the last read found is part of its rules and checks."""

    identity: str
    concurrency: int
    desk: Desk
    version: str
    infer: InferProvider
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    called: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    rules: LiteLLMRules = field(default_factory=LiteLLMRules)
    locks: dict[Ref, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def lost(self) -> bool:
        """Whether a write got no answer, and may still arrive."""
        return bool(self.desk.http.lost)

    @property
    def support(self) -> Support:
        return support(
            self.rules,
            self.facts,
            rate=self.desk.usd_per_credit,
            kinds=kinds_of(self.desk),
            lifetimes=holding(self.lifetimes),
        )

    @understood(unknown=False)
    async def read(self) -> Live:
        found = await snapshot(self.desk)
        self.facts, self.rules = facts_of(found), rules_of(found, self.infer)
        return live_of(found, self.desk.codec)

    @property
    def seconds(self) -> float:
        return self.desk.http.seconds

    def guard(self, check: Callable[[], None]) -> None:
        self.desk.http.before_send.append(check)

    @understood(unknown=True)
    async def perform(self, step: Step, key: SecretStr | None = None) -> Receipt:
        # There is no version to compare: two writers of one object would lose an update (observed on 1.106.2).
        async with self.locks[step.ref]:
            return await self._perform(step, key)

    async def _perform(self, step: Step, key: SecretStr | None) -> Receipt:  # noqa: PLR0911  one for each action
        row = KINDS[step.ref.kind]
        verbs = row.verbs
        match step.action:
            case Action.CREATE if row.keys:
                return await row.keys.create(self.desk, step.ref, step.after, key)
            case Action.CREATE:
                return await verbs.create(self.desk, step.ref, step.after)
            case Action.EXPAND | Action.CONTRACT:
                return await verbs.update(self.desk, step.ref, step.before, step.after)
            case Action.DELETE:
                return await verbs.delete(self.desk, step.ref)
            case Action.GRANT:
                return await grant_credits(self.desk, step)
            case Action.RENAME:
                return await self._rename(step, verbs)
            case Action.TOUCH:
                return Receipt(note="nothing has to be sent again here")

    async def _rename(self, step: Step, verbs: Verbs) -> Receipt:
        if verbs.rename is None or step.renamed_from is None:
            raise GatewayError(f"{step.ref}: LiteLLM Proxy cannot rename a {step.ref.kind}")
        return await verbs.rename(self.desk, step.renamed_from, step.ref.name)

    @understood(unknown=True)
    async def void(self, steps: Sequence[Step]) -> Mapping[Step, Landed]:
        raise GatewayError(f"LiteLLM Proxy cannot void requests ({len(steps)} steps)")

    def renewal(self, ref: Ref, key: SecretStr | None) -> str | None:  # noqa: ARG002  one name for any key
        return f"reconciler:key:{ref.name}"

    @understood(unknown=True)
    async def void_renewals(self, operations: Collection[str]) -> Mapping[str, bool]:
        raise GatewayError(f"LiteLLM Proxy cannot void requests ({len(operations)} renewals)")

    @understood(unknown=True)
    async def void_keys(
        self, ref: Ref, keys: Sequence[tuple[SecretStr, str | None]]
    ) -> tuple[bool, ...]:
        raise GatewayError(f"LiteLLM Proxy cannot void requests ({ref}, {len(keys)} keys)")

    @understood(unknown=False)
    async def operations(self, teams: Collection[str]) -> Mapping[str, Operations]:
        """The last allocation and all top-ups, as they are written down on the team; amounts are not."""
        marks = await asyncio.gather(*(mark_now(self.desk, team) for team in sorted(teams)))
        return {
            team: operations_of_mark(team, mark)
            for team, mark in zip(sorted(teams), marks, strict=True)
        }

    @understood(unknown=False)
    async def accepts(self, ref: Ref, key: SecretStr) -> bool | None:
        """Whether the key of that alias is this one: the proxy shows its SHA-256."""
        async with self.locks[ref]:
            return await self._keys(ref).accepts(self.desk, ref, key)

    @understood(unknown=True)
    async def reissue(self, ref: Ref, key: SecretStr | None) -> Receipt:
        """The virtual key in the place of one whose secret nobody has."""
        async with self.locks[ref]:
            return await self._keys(ref).reissue(self.desk, ref, key)

    @staticmethod
    def _keys(ref: Ref) -> VirtualKeys:
        keys = KINDS[ref.kind].keys
        if keys is None:
            raise GatewayError(f"{ref} has no virtual key on LiteLLM Proxy")
        return keys

    @understood(unknown=False)
    async def holds_everywhere(self, changes: Iterable[Change]) -> tuple[int, str]:
        """(seconds, sentence): when the last process of the proxy decides by the changes."""
        return holds_everywhere(changes, await lifetimes(self.desk.http, self.lifetimes))

    async def probe(self, team: str, model: str) -> bool | None:  # noqa: ARG002  whoever asks
        return None

    @understood(unknown=False)
    async def landed(self, step: Step) -> Landed:
        return verdict(step, await self._seen(step), lambda found: self._same(step, found))

    async def _seen(self, step: Step) -> Seen:
        if step.action is Action.GRANT:
            return Seen(done=await granted(self.desk, step))
        find = KINDS[step.ref.kind].verbs.find
        if step.action is Action.RENAME:
            # Half done is not done: a rename goes on with what still bears the old name.
            left = await find(self.desk, Ref(step.ref.kind, step.renamed_from or ""))
            return Seen(done=left is None)
        return Seen(now=await find(self.desk, step.ref))

    def _same(self, step: Step, found: Resource) -> Iterator[tuple[bool, bool]]:
        kind, before = self.support.kinds[step.ref.kind], step.before
        after = self.support.normalise(step.ref, present(step.after))
        if before is None:
            for name in sorted(kind.readable):
                yield _same(name, found, after, before), False
            return
        for difference in differences(before, after, kind):
            name = difference.name
            yield _same(name, found, after, before), _same(name, found, before, after)


def _same(name: str, found: Resource, wanted: Resource, other: Resource | None) -> bool:
    """Whether a field has the value. Of metadata, the keys that the step is about: others keep theirs in it."""
    now, value = getattr(found, name), getattr(wanted, name)
    if name != "metadata":
        return bool(now == value)
    about = (value or {}).keys() | (getattr(other, name, None) or {}).keys()
    return {key: item for key, item in (now or {}).items() if key in about} == (value or {})
