"""The worlds of the fault suites: a gateway on a real socket, a fault proxy before it, a config, a ledger, strangers."""

import json
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driver import APPLY, KILLED, Driver, Ended
from fault_company import Account, Company, write
from proxy import FaultProxy, fault_proxy
from pydantic import SecretStr
from saas_litellm import saas_double

from reconciler.embedded.app import close, create_app
from reconciler.embedded.server import running
from reconciler.ledger import open_ledger

KEY = "RECONCILER_TEST_KEY"
ADMIN_KEY = "test-admin-key-of-the-fault-suites"
TIMEOUT = 0.8
ROUNDS = 14
CALM_AFTER = 7


@dataclass(frozen=True)
class Gateway:
    """A running gateway: `ask(method, path, body)` speaks to it past the proxy, `dump()` is its whole state."""

    backend: str
    url: str
    admin_key: str
    dump: Callable[[], dict[str, Any]]
    aliases: str
    alias_id: str

    def ask(self, method: str, path: str, body: Any = None, *, bearer: str | None = None) -> Any:
        headers = {"X-Admin-Key": self.admin_key, "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {bearer}"} if bearer else {}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    @property
    def documented(self) -> bool:
        return self.backend == "embedded"

    def listed(self, path: str, envelope: str) -> list[dict[str, Any]]:
        answer = self.ask("GET", path)
        return answer[envelope] if self.documented else answer

    def buy(self, team: str, amount: int) -> None:
        """What a customer's own top-up does."""
        if self.documented:
            self.ask(
                "POST",
                "/api/credits/add",
                {"team_id": team, "amount": amount, "description": "bought"},
            )
        else:
            self.ask(
                "POST", f"/api/credits/teams/{team}/add", {"credits": amount, "reason": "bought"}
            )

    def credits(self) -> dict[str, int]:
        return {
            row["team_id"]: row["credits_allocated"] for row in self.listed("/api/teams", "teams")
        }

    def team_groups(self) -> dict[str, frozenset[str]]:
        return {
            row["team_id"]: frozenset(row["access_groups"])
            for row in self.listed("/api/teams", "teams")
        }

    def groups(self) -> dict[str, frozenset[str]]:
        if self.documented:
            rows = self.ask("GET", "/api/model-access-groups?include=model_aliases")[
                "access_groups"
            ]
            return {row["group_name"]: frozenset(row["model_aliases"]) for row in rows}
        rows = self.ask("GET", "/api/model-access-groups")
        return {
            row["group_name"]: frozenset(each["model_alias"] for each in row["model_aliases"])
            for row in rows
        }

    def alias_models(self) -> dict[str, str]:
        rows = self.listed(self.aliases, "model_aliases")
        model = (lambda row: row["litellm_model"]) if self.documented else _joined
        return {row[self.alias_id]: model(row) for row in rows}

    def operations(self, team: str) -> Counter[str]:
        """Operation id -> how often the gateway booked it."""
        if self.documented:
            rows = self.ask("GET", f"/api/credits/transactions?team_id={team}&limit=1000")[
                "transactions"
            ]
            return Counter(row["operation_id"] for row in rows if row["operation_id"])
        rows = [row for row in self.dump()["transactions"] if row["team_id"] == team]
        marks = [
            row["reason"].rpartition("[")[2].rstrip("]")
            for row in rows
            if "[" in (row["reason"] or "")
        ]
        return Counter(marks)


def _joined(row: dict[str, Any]) -> str:
    return f"{row['provider']}/{row['actual_model']}"


@contextmanager
def embedded_gateway(directory: Path) -> Iterator[Gateway]:
    app = create_app(directory / "gateway.db", admin_key=SecretStr(ADMIN_KEY))
    with running(app) as url:
        gateway = Gateway("embedded", url, ADMIN_KEY, dict, "/api/model-aliases", "alias")
        yield gateway
    close(app)


@contextmanager
def saas_gateway(_directory: Path) -> Iterator[Gateway]:
    # More of its slots than the reconciler uses: requests that their client gave up on are still being served.
    with saas_double(request_seconds=0, litellm_seconds=0, max_concurrency=64) as double:
        yield Gateway(
            "saas-litellm", double.url, double.admin_key, double.dump, "/api/models", "model_alias"
        )


GATEWAYS = {"embedded": embedded_gateway, "saas": saas_gateway}


@dataclass
class World:
    """One company on one gateway. `kills` counts the processes that were killed, `ends` the exit codes."""

    gateway: Gateway
    proxy: FaultProxy
    driver: Driver
    ledger_url: str
    account: Account = field(default_factory=Account)
    kills: int = 0
    ends: Counter[int] = field(default_factory=Counter)
    last: Ended | None = None

    @property
    def identity(self) -> str:
        """An embedded gateway is named by its id, every other by its url."""
        if self.gateway.documented:
            return f"{self.gateway.backend} {self.gateway.ask('GET', '/health')['gateway_id']}"
        return f"{self.gateway.backend} {self.proxy.url}"

    @property
    def directory(self) -> Path:
        return self.driver.config

    def declare(self, company: Company, **settings: Any) -> None:
        write(self.directory, company, self.settings(**settings))

    def settings(self, **changes: Any) -> dict[str, Any]:
        gateway = {
            "backend": self.gateway.backend,
            "url": self.proxy.url,
            "admin_key_env": KEY,
            "timeout_seconds": self.proxy.patience,
        }
        ledger = {"url_env": "RECONCILER_TEST_LEDGER", **changes}
        return {"default_gateway": "test", "gateways": {"test": gateway}, "ledger": ledger}

    def apply(self, *more: str, **how: Any) -> Ended:
        self.last = self.driver.run(*APPLY, *more, **how)
        self.ends[self.last.code] += 1
        assert self.last.code in (0, 1, KILLED), self.last
        if self.last.code == KILLED:
            self.kills += 1
        return self.last

    def killed_at(self, write_number: int, stage: str) -> Ended:
        """An apply that is killed at a stage of a write; it may end before it comes to that."""
        first = self.proxy.writes
        process = self.driver.start(*APPLY)

        def watch(now: str, number: int) -> bool:
            if now != stage or number != first + write_number:
                return False
            process.kill()  # waited for by the other thread only: its exit status can be read once
            time.sleep(0.02)
            return True

        self.proxy.watch = watch
        try:
            self.last = process.wait()
        finally:
            self.proxy.watch = lambda _stage, _number: False
        self.ends[self.last.code] += 1
        assert self.last.code in (0, 1, KILLED), self.last
        self.kills += self.last.code == KILLED
        return self.last

    def unlock(self) -> None:
        ended = self.driver.run("unlock", "--yes")
        assert ended.code == 0, ended

    def settle(self) -> None:
        """Waits until the proxy has no request on its way any more."""
        until = time.monotonic() + 10
        while self.proxy.in_flight:
            assert time.monotonic() < until, "a request never ended"
            time.sleep(0.01)

    def converge(
        self, company: Company, rng: random.Random, *, kill: float, buyers: tuple[str, ...] = ()
    ) -> int:
        """Applies under faults and kills until exit 0; how many rounds that took."""
        self.declare(company)
        calm = self.proxy.rates
        for number in range(1, ROUNDS + 1):
            if number > CALM_AFTER:
                self.proxy.heal()
            if number <= CALM_AFTER and rng.random() < kill:
                ended = self.killed_at(
                    rng.randint(1, 12), rng.choice(("arrived", "sent", "committed", "answered"))
                )
            else:
                ended = self.apply()
            if ended.code == KILLED:
                self.unlock()
            if ended.code == 0:
                break
            self._some_buy(rng, buyers)
        self.proxy.rates = calm
        assert ended.code == 0, f"not converged after {ROUNDS} rounds: {ended.said}"
        self.settle()
        self.account.applied(company)
        return number

    def _some_buy(self, rng: random.Random, buyers: tuple[str, ...]) -> None:
        for team in buyers:
            if rng.random() < 0.2:
                self.gateway.buy(team, 13)
                self.account.buys(team, 13)

    # ---- what must be true in the end

    def verify(self, company: Company, before: dict[str, Any]) -> None:
        gateway = self.gateway
        mine = self.strangers_of
        groups = {team: company.groups_of(team) for team in company.teams}
        self.same("groups of teams", mine(gateway.team_groups()), groups)
        self.same("aliases of groups", mine(gateway.groups()), company.groups)
        self.same("models of aliases", mine(gateway.alias_models()), company.aliases)
        self.same("credits", mine(gateway.credits()), self.account.balance)
        self.same("objects of others", self.strangers(), before)
        for team in company.teams:
            twice = {name: count for name, count in gateway.operations(team).items() if count > 1}
            assert not twice, (team, twice)
        self.proxy.heal()
        plan = self.driver.run("plan", "--exit-code")
        assert plan.code == 0, plan.said
        with open_ledger(self.ledger_url) as ledger:
            assert ledger.unsettled(self.identity) == ()
            owned = {name for kind, name in ledger.inventory(self.identity) if kind == "team"}
            assert owned == set(company.teams)

    def same(self, what: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
        names = sorted(found.keys() | wanted)
        wrong = {
            name: (found.get(name), wanted.get(name))
            for name in names
            if found.get(name) != wanted.get(name)
        }
        assert not wrong, f"{what}: name -> (found, wanted): {wrong}\n{self.story()}"

    def story(self) -> str:
        """What the proxy saw, for the message of a failure."""
        return "\n".join(
            f"{each.number} {each.method} {each.path} {each.fault or ''}"
            for each in self.proxy.log[-400:]
            if each.method != "GET"
        )

    @staticmethod
    def strangers_of(found: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in found.items() if not name.startswith("foreign")}

    def strangers(self) -> dict[str, Any]:
        """Every row of somebody else's, as the gateway shows it, times of change included."""
        return foreign_rows(self.gateway)


FOREIGN = "foreign"
COUNTED = (
    "team_count",
    "teams_with_access",
    "teams_using",
)  # what others' use of an object shows in it


def foreign_rows(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, envelope, key in (
        ("/api/organizations", "organizations", "organization_id"),
        (gateway.aliases, "model_aliases", gateway.alias_id),
        ("/api/model-access-groups", "access_groups", "group_name"),
        ("/api/teams", "teams", "team_id"),
    ):
        for row in gateway.listed(path, envelope):
            if row[key].startswith(FOREIGN):
                found[f"{path}/{row[key]}"] = {
                    name: value for name, value in row.items() if name not in COUNTED
                }
    return json.loads(json.dumps(found, sort_keys=True))


def settle_strangers(gateway: Gateway) -> None:
    """An organization, an alias, a group and two teams that are nobody's business."""
    ask = gateway.ask
    ask("POST", "/api/organizations/create", {"organization_id": "foreign-org", "name": "Foreign"})
    alias = {gateway.alias_id: "foreign-m"}
    if gateway.documented:
        alias |= {"litellm_model": "openai/gpt-4"}
    else:
        alias |= {"display_name": "Foreign", "provider": "openai", "actual_model": "gpt-4"}
    ask("POST", f"{gateway.aliases}/create", alias)
    group = {"group_name": "foreign-g", "display_name": "Foreign", "model_aliases": ["foreign-m"]}
    ask("POST", "/api/model-access-groups/create", group)
    for number in (1, 2):
        team = {
            "organization_id": "foreign-org",
            "team_id": f"foreign-t{number}",
            "access_groups": ["foreign-g"],
        }
        ask(
            "POST", "/api/teams/create", {**team, "team_alias": "Foreign", "credits_allocated": 500}
        )


def pre_existing(gateway: Gateway, company: Company, account: Account) -> None:
    """The organization and one team are there already: they are adopted, with the credits that they have."""
    organization = {"organization_id": "acme", "name": "ACME Corp"}
    alone = {} if gateway.documented else {"create_default_team": False}
    gateway.ask("POST", "/api/organizations/create", organization | alone)
    team = min(company.teams)
    body = {
        "organization_id": "acme",
        "team_id": team,
        "access_groups": ["foreign-g"],
        "credits_allocated": 300,
    }
    gateway.ask("POST", "/api/teams/create", body)
    account.balance[team] = 300


@contextmanager
def world(
    kind: str,
    directory: Path,
    seed: int,
    rates=None,
    ledger_url: str | None = None,
    timeout: float = TIMEOUT,
    reads: bool = False,
) -> Iterator[World]:
    with ExitStack() as stack:
        gateway = stack.enter_context(GATEWAYS[kind](directory))
        proxy = stack.enter_context(
            fault_proxy(gateway.url, seed=seed, rates=rates or {}, patience=timeout, reads=reads)
        )
        url = ledger_url or f"sqlite:///{directory / 'ledger.db'}"
        variables = {KEY: gateway.admin_key, "RECONCILER_TEST_LEDGER": url, "NO_COLOR": "1"}
        yield World(gateway, proxy, Driver(directory / "config", variables), url)
