"""The embedded gateway in memory: the same answers to the same requests (`test_sim_doubles`), a thousand times as fast.

Beside what the API shows it keeps an account of who made, changed and rotated what, which only the laws read.
"""

import copy
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sim_machine import EPOCH
from sim_network import Request

Row = dict[str, Any]
NEW = {
    ("organizations", "create"),
    ("model-aliases", "create"),
    ("model-access-groups", "create"),
    ("teams", "create"),
    ("credits", "add"),
    ("operations", "void"),
}
ENVELOPES = {
    "organizations": "organizations",
    "model-aliases": "model_aliases",
    "model-access-groups": "access_groups",
    "teams": "teams",
}
IDS = {
    "organizations": "organization_id",
    "model-aliases": "alias",
    "model-access-groups": "group_name",
    "teams": "team_id",
}
GATEWAY_ID = "4c0f2a9e-7d53-4be1-9a40-5d1c3a7d7b10"
# What tells a client which dialect this is, and what it can do.
PATHS = {
    f"/api/{kind}": {}
    for kind in ("organizations", "model-aliases", "model-access-groups", "teams")
}
PATHS |= {"/api/operations/void": {}, "/api/credits/add": {}}


class Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, detail: str, code: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.body = status, {"detail": detail, **({"code": code} if code else {})}


def stamp(seconds: float) -> str:
    """A gateway's own clock, whole seconds."""
    return f"{EPOCH + timedelta(seconds=int(seconds)):%Y-%m-%dT%H:%M:%SZ}"


def _missing(what: str, name: str) -> Refused:
    return Refused(404, f"{what} '{name}' not found")


def _exists(what: str, name: str) -> Refused:
    return Refused(409, f"{what} '{name}' already exists")


@dataclass(frozen=True)
class Effect:
    """One change of a team's credits. `born` names the team's life: one that is made again is another."""

    team: str
    born: int
    amount: int
    operation: str | None
    sender: str
    at: float


@dataclass
class Account:
    """What really happened, by whose hand.

    touched   (kind, name, sender)                births    team -> how often it was made
    rotated   (team, its maker, sender)           makers, made   team -> who made it, when
    deleted   (team, its maker, made when, sender, sent when)
    blind     (kind, name, sender): changed by one to whom the object had not been shown as it was
    shown     sender -> (kind, name) -> the newest generation that the sender was shown
    """

    effects: list[Effect] = field(default_factory=list)
    touched: list[tuple[str, str, str]] = field(default_factory=list)
    births: dict[str, int] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)
    rotated: list[tuple[str, str, str]] = field(default_factory=list)
    deleted: list[tuple[str, str, float, str, float]] = field(default_factory=list)
    blind: list[tuple[str, str, str]] = field(default_factory=list)
    shown: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)

    def digest(self) -> str:
        """The same for two accounts of the same happenings."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


@dataclass(frozen=True)
class Operation:
    """A write by its id: void where there is no answer."""

    asked: str = ""
    answer: Row | None = None


@dataclass
class Tables:
    """What the database holds: all of it is undone where a request is refused half-way."""

    organizations: dict[str, Row] = field(default_factory=dict)
    aliases: dict[str, Row] = field(default_factory=dict)
    groups: dict[str, Row] = field(default_factory=dict)
    teams: dict[str, Row] = field(default_factory=dict)
    transactions: list[Row] = field(default_factory=list)
    operations: dict[str, Operation] = field(default_factory=dict)


class Embedded:
    """`serve(request)` is (status, body). `clock()` is seconds, `token()` makes keys."""

    def __init__(self, clock: Callable[[], float], token: Callable[[], str]) -> None:
        self.clock, self.token = clock, token
        self.tables = Tables()
        self.keys: dict[str, str] = {}
        self.account = Account()
        self.sender = ""
        self.operation: str | None = None
        self.kinds = {
            "organizations": self._organizations,
            "model-aliases": self._aliases,
            "model-access-groups": self._groups,
            "teams": self._teams,
            "credits": self._credits,
            "operations": self._operations,
        }

    def serve(self, request: Request) -> tuple[int, Any]:
        self.sender = request.sender
        parts = [part for part in request.url.path.split("/") if part]
        if parts == ["openapi.json"]:
            return 200, {"paths": PATHS}
        if parts == ["health"]:
            return 200, {"status": "healthy", "gateway_id": GATEWAY_ID}
        if parts == ["api", "gateway"]:
            return 200, {"gateway_id": GATEWAY_ID}
        if parts == ["v1", "models"]:
            return self._models(request.headers.get("authorization", ""))
        handle = self.kinds.get(parts[1]) if len(parts) > 1 and parts[0] == "api" else None
        if handle is None:
            return 404, {"detail": "Not Found"}
        try:
            if request.method == "GET":
                answer = handle(request, parts[2:])
                self._shown(parts[1], answer)
                return 200, answer
            return 200, self._written(request, parts, handle)
        except Refused as no:
            return no.status, no.body

    def _models(self, authorization: str) -> tuple[int, Row]:
        key = authorization.removeprefix("Bearer ")
        team = next((name for name, known in self.keys.items() if known == key), None)
        if team is None:
            said = "Invalid API key: Send the team's virtual key as Authorization: Bearer sk-..."
            return 401, _call_error(said, "authentication_error", "invalid_api_key")
        if self.tables.teams[team]["status"] != "active":
            said = "Team suspended: Team access is suspended. Please contact support."
            return 403, _call_error(said, "permission_error", "team_suspended")
        models = [
            {"id": alias, "object": "model", "owned_by": "reconciler"}
            for alias in sorted(self.allowed(team))
        ]
        return 200, {"object": "list", "data": models}

    # --- writes: once by their id, never on an older generation

    def _written(self, request: Request, parts: list[str], handle: Any) -> Any:
        _require_meant(request.body)
        operation, match = request.headers.get("idempotency-key"), request.headers.get("if-match")
        asked = json.dumps([request.method, request.url.path, request.body], sort_keys=True)
        if match is not None and tuple(parts[1:]) in NEW:
            raise Refused(400, "If-Match: this request does not change one object that exists")
        if operation is not None and operation in self.tables.operations:
            return self._known(operation, asked)
        if match is not None and match.strip() != "*":
            self._require_generation(
                parts[1], parts[2], {int(number) for number in re.findall("[0-9]+", match)}
            )
        self.operation = operation
        before = self._generation(parts)
        answer, secret = _parted(handle(request, parts[2:]))
        if before is not None and before != self._generation(parts):
            self._account_for(parts, before)
        self._shown(parts[1], answer)
        if operation is not None:
            self.tables.operations[operation] = Operation(asked, copy.deepcopy(answer))
        return {**answer, **secret}

    def _known(self, operation: str, asked: str) -> Row:
        known = self.tables.operations[operation]
        self._refuse_void(operation)
        if known.asked != asked:
            detail = (
                f"operation_id '{operation}' was another request: its method, path or body differed"
            )
            raise Refused(422, detail, "operation-reused")
        return copy.deepcopy(known.answer or {})

    def _refuse_void(self, operation: str) -> None:
        known = self.tables.operations.get(operation)
        if known is not None and known.answer is None:
            raise Refused(409, f"operation_id '{operation}' was voided", "operation-voided")

    def _require_generation(self, kind: str, name: str, wanted: set[int]) -> None:
        said, rows = {
            "organizations": ("Organization", self.tables.organizations),
            "model-aliases": ("Model alias", self.tables.aliases),
            "model-access-groups": ("Model access group", self.tables.groups),
            "teams": ("Team", self.tables.teams),
        }[kind]
        if name not in rows:
            raise _missing(said, name)
        if rows[name]["generation"] not in wanted:
            meant = " or ".join(str(number) for number in sorted(wanted))
            detail = f"{said} '{name}' is of generation {rows[name]['generation']}, not {meant}: it has changed since"
            raise Refused(412, detail, "generation-changed")

    def _rows(self, kind: str) -> dict[str, Row]:
        return {
            "organizations": self.tables.organizations,
            "model-aliases": self.tables.aliases,
            "model-access-groups": self.tables.groups,
            "teams": self.tables.teams,
        }.get(kind, {})

    def _generation(self, parts: list[str]) -> int | None:
        """The generation of the object that a path names; None where it names none, or one that is not there."""
        row = self._rows(parts[1]).get(parts[2]) if len(parts) > 2 else None
        return row["generation"] if row is not None else None

    def _account_for(self, parts: list[str], before: int) -> None:
        kind, name, *verb = parts[1:]
        shown = self.account.shown.get(self.sender, {}).get((kind, name))
        if (
            verb != ["rotate-key"] and shown != before
        ):  # a key is not decided on anything of the object
            self.account.blind.append((kind, name, self.sender))

    def _shown(self, kind: str, answer: Row) -> None:
        rows = answer.get(ENVELOPES[kind], (answer,)) if kind in ENVELOPES else ()
        shown = self.account.shown.setdefault(self.sender, {})
        for row in rows:
            if "generation" in row:
                shown[kind, row[IDS[kind]]] = row["generation"]

    def _operations(self, request: Request, parts: list[str]) -> Any:
        if (request.method, parts) != ("POST", ["void"]):
            raise Refused(404, "Not Found")
        granted = {row["operation_id"] for row in self.tables.transactions}
        states = {}
        for operation in request.body["operation_ids"]:
            if operation not in granted:
                self.tables.operations.setdefault(operation, Operation())
            known = self.tables.operations.get(operation)
            states[operation] = "void" if known is not None and known.answer is None else "done"
        return {"operations": states}

    def _set(self, kind: str, rows: dict[str, Row], name: str, changes: Row) -> None:
        """The object's next generation, unless nothing of it changes."""
        before = rows[name]
        after = {**before, **changes}
        if json.dumps(before) != json.dumps(after):
            rows[name] = {**after, "generation": before["generation"] + 1}
            self._touched(kind, name)

    # --- what others do

    def bought(self, team: str, amount: int) -> tuple[str, str, Row]:
        return "POST", "/api/credits/add", {"team_id": team, "amount": amount}

    def made(self, team: str, organization: str, credits_: int) -> tuple[str, str, Row]:
        body = {"organization_id": organization, "team_id": team, "credits_allocated": credits_}
        return "POST", "/api/teams/create", body

    def founded(self, organization: str) -> tuple[str, str, Row]:
        return "POST", "/api/organizations/create", {"organization_id": organization, "name": "X"}

    def toggled(self, team: str) -> tuple[str, str, Row]:
        verb = "suspend" if self.tables.teams[team]["status"] == "active" else "resume"
        return "POST", f"/api/teams/{team}/{verb}", {}

    # --- organizations

    def _organizations(self, request: Request, parts: list[str]) -> Any:
        rows, body = self.tables.organizations, request.body or {}
        match request.method, parts:
            case "GET", []:
                return {"organizations": [self._organization(name) for name in sorted(rows)]}
            case "POST", ["create"]:
                name = body["organization_id"]
                if name in rows:
                    raise _exists("Organization", name)
                rows[name] = {
                    "organization_id": name,
                    "name": body["name"],
                    "metadata": body.get("metadata") or {},
                }
                rows[name] |= {"status": "active", "generation": 1}
                self._touched("organization", name)
                return self._organization(name)
            case "GET", [name]:
                return self._organization(name)
            case "PUT", [name]:
                self._organization(name)
                metadata = body.get("metadata", rows[name]["metadata"]) or {}
                self._set("organization", rows, name, {**body, "metadata": metadata})
                return self._organization(name)
            case "DELETE", [name]:
                if count := self._organization(name)["team_count"]:
                    raise Refused(
                        409,
                        f"Organization has active teams: '{name}' has {count}; delete them first",
                    )
                del rows[name]
                self._touched("organization", name)
                return {"organization_id": name, "message": f"Organization '{name}' deleted"}
        raise Refused(404, "Not Found")

    def _organization(self, name: str) -> Row:
        if name not in self.tables.organizations:
            raise _missing("Organization", name)
        teams = [team for team in self.tables.teams.values() if team["organization_id"] == name]
        total = sum(team["credits_allocated"] for team in teams)
        row = self.tables.organizations[name]
        return {**row, "team_count": len(teams), "total_credits_allocated": total}

    # --- model aliases

    def _aliases(self, request: Request, parts: list[str]) -> Any:
        rows, body = self.tables.aliases, request.body or {}
        match request.method, parts:
            case "GET", []:
                return {"model_aliases": [self._alias(name) for name in sorted(rows)]}
            case "POST", ["create"]:
                name = body["alias"]
                if name in rows:
                    raise _exists("Model alias", name)
                optional = ("description", "display_name", "pricing_input", "pricing_output")
                rows[name] = {
                    "alias": name,
                    "litellm_model": body["litellm_model"],
                    "status": body.get("status", "active"),
                    "litellm_params": body.get("litellm_params") or {},
                    "tags": body.get("tags") or [],
                    "generation": 1,
                    **{key: body.get(key) for key in optional},
                }
                self._touched("model_alias", name)
                return self._alias(name)
            case "GET", [name]:
                return self._alias(name)
            case "PUT", [name]:
                self._alias(name)
                parameters = body.get("litellm_params", rows[name]["litellm_params"]) or {}
                self._set("model_alias", rows, name, {**body, "litellm_params": parameters})
                return self._alias(name)
            case "DELETE", [name]:
                holders = self._alias(name)["access_groups"]
                for group in holders:
                    left = [
                        each for each in self.tables.groups[group]["model_aliases"] if each != name
                    ]
                    self._set("access_group", self.tables.groups, group, {"model_aliases": left})
                del rows[name]
                self._touched("model_alias", name)
                return {
                    "alias": name,
                    "removed_from_groups": holders,
                    "message": f"Model alias '{name}' deleted",
                }
        raise Refused(404, "Not Found")

    def _alias(self, name: str) -> Row:
        if name not in self.tables.aliases:
            raise _missing("Model alias", name)
        row = self.tables.aliases[name]
        holders = sorted(
            group for group, each in self.tables.groups.items() if name in each["model_aliases"]
        )
        return {**row, "active": row["status"] == "active", "access_groups": holders}

    def _require_aliases(self, names: list[str]) -> None:
        for name in names:
            if name not in self.tables.aliases:
                raise _missing("Model alias", name)

    # --- access groups

    def _groups(self, request: Request, parts: list[str]) -> Any:
        rows, body = self.tables.groups, request.body or {}
        match request.method, parts:
            case "GET", []:
                return {"access_groups": [self._group_row(name, request) for name in sorted(rows)]}
            case "POST", ["create"]:
                name = body["group_name"]
                if name in rows:
                    raise _exists("Model access group", name)
                self._require_aliases(body.get("model_aliases", []))
                rows[name] = {
                    "group_name": name,
                    "description": body.get("description"),
                    "display_name": body.get("display_name"),
                    "model_aliases": list(dict.fromkeys(body.get("model_aliases", []))),
                    "generation": 1,
                }
                self._touched("access_group", name)
                return dict(rows[name])
            case "GET", [name]:
                row = self._group(name)
                models = [self.tables.aliases[alias] for alias in row["model_aliases"]]
                shown = [
                    {key: model[key] for key in ("alias", "litellm_model", "description")}
                    for model in models
                ]
                return {**row, "model_aliases": shown, "teams_with_access": self._with_group(name)}
            case "PUT", [name]:
                row = self._group(name)
                if "model_aliases" in body and body["model_aliases"] != row["model_aliases"]:
                    self._require_aliases(body["model_aliases"])
                self._set("access_group", rows, name, body)
                return dict(rows[name])
            case "POST", [name, "add-models"]:
                row = self._group(name)
                self._require_aliases(body["model_aliases"])
                joined = list(dict.fromkeys([*row["model_aliases"], *body["model_aliases"]]))
                self._set("access_group", rows, name, {"model_aliases": joined})
                return dict(rows[name])
            case "POST", [name, "remove-models"]:
                row = self._group(name)
                self._require_aliases(body["model_aliases"])
                left = [each for each in row["model_aliases"] if each not in body["model_aliases"]]
                self._set("access_group", rows, name, {"model_aliases": left})
                return dict(rows[name])
            case "DELETE", [name]:
                self._group(name)
                teams = self._with_group(name)
                for team in teams:
                    kept = [
                        each for each in self.tables.teams[team]["access_groups"] if each != name
                    ]
                    self._set("team", self.tables.teams, team, {"access_groups": kept})
                del rows[name]
                self._touched("access_group", name)
                message = f"Model access group '{name}' deleted"
                return {"group_name": name, "removed_from_teams": teams, "message": message}
        raise Refused(404, "Not Found")

    def _group(self, name: str) -> Row:
        if name not in self.tables.groups:
            raise _missing("Model access group", name)
        return self.tables.groups[name]

    def _group_row(self, name: str, request: Request) -> Row:
        row = self.tables.groups[name]
        shown = {
            key: row[key] for key in ("group_name", "description", "display_name", "generation")
        }
        shown |= {
            "model_count": len(row["model_aliases"]),
            "team_count": len(self._with_group(name)),
        }
        return (
            {**shown, "model_aliases": list(row["model_aliases"])}
            if request.params.get("include")
            else shown
        )

    def _with_group(self, name: str) -> list[str]:
        return sorted(
            team for team, row in self.tables.teams.items() if name in row["access_groups"]
        )

    # --- teams

    def _teams(self, request: Request, parts: list[str]) -> Any:
        rows, body = self.tables.teams, request.body or {}
        match request.method, parts:
            case "GET", []:
                return {"teams": [self._team_row(name) for name in sorted(rows)]}
            case "POST", ["create"]:
                return self._create_team(body)
            case "GET", [name]:
                return self._team(name)
            case "PUT", [name]:
                return self._update_team(name, body)
            case (("PUT" | "POST"), [name, ("suspend" | "resume") as verb]):
                self._stored(name)
                status = "suspended" if verb == "suspend" else "active"
                self._set("team", rows, name, {"status": status})
                return {**self._team(name), "message": f"Team '{name}' is {status}"}
            case "POST", [name, "rotate-key"]:
                self._stored(name)
                self.keys[name] = key = self._free_key(name, body)
                rows[name]["generation"] += 1
                self.account.rotated.append((name, self.account.makers[name], self.sender))
                return {**self._team(name), "virtual_key": key}
            case "DELETE", [name]:
                self._stored(name)
                made = self.account.makers[name], self.account.made[name]
                self.account.deleted.append((name, *made, self.sender, request.sent))
                del rows[name], self.keys[name]
                self._touched("team", name)
                return {"team_id": name, "message": f"Team '{name}' deleted"}
        raise Refused(404, "Not Found")

    def _create_team(self, body: Row) -> Row:
        name = body["team_id"]
        if name in self.tables.teams:
            raise _exists("Team", name)
        self._organization(body["organization_id"])
        key = self._free_key(name, body)
        self._require_groups(body.get("access_groups", []))
        if body.get("credits_allocated") and any(
            row["operation_id"] == self.operation
            for row in self.tables.transactions
            if self.operation
        ):
            said = "UNIQUE constraint failed: transactions.operation_id"
            raise Refused(409, f"the change contradicts what is stored: {said}")
        self.keys[name] = key
        self.account.births[name] = self.account.births.get(name, 0) + 1
        self.account.makers[name], self.account.made[name] = self.sender, self.clock()
        self.tables.teams[name] = {
            "team_id": name,
            "organization_id": body["organization_id"],
            "team_alias": body.get("team_alias"),
            "status": body.get("status", "active"),
            "created_at": stamp(self.clock()),
            "access_groups": list(dict.fromkeys(body.get("access_groups", []))),
            "credits_allocated": 0,
            "credits_used": 0,
            "metadata": body.get("metadata") or {},
            "generation": 1,
        }
        self._allocate(name, body.get("credits_allocated", 0), self.operation)
        self._touched("team", name)
        return {**self._team(name), "virtual_key": key}

    def _free_key(self, name: str, body: Row) -> str:
        key = body.get("virtual_key") or f"sk-{self.token()}"
        if any(known == key for team, known in self.keys.items() if team != name):
            raise Refused(409, "virtual_key: another team has this key")
        return str(key)

    def _update_team(self, name: str, body: Row) -> Row:
        row = self._stored(name)
        if any(key in body and body[key] != row[key] for key in body):
            self._organization(body.get("organization_id", row["organization_id"]))
        if body.get("access_groups", row["access_groups"]) != row["access_groups"]:
            self._require_groups(body["access_groups"])
        changes = {key: value for key, value in body.items() if key != "credits_allocated"}
        if "metadata" in body:
            changes["metadata"] = body["metadata"] or {}
        moved = body.get("credits_allocated", row["credits_allocated"])
        changed = moved != row["credits_allocated"]
        self._set("team", self.tables.teams, name, changes)
        if changed and self.tables.teams[name] is row:
            row["generation"] += 1
        self._allocate(name, moved)
        return self._team(name)

    def _allocate(self, name: str, allocated: int, operation: str | None = None) -> None:
        moved = allocated - self.tables.teams[name]["credits_allocated"]
        if moved:
            self._moved(name, moved, "allocation", f"credits_allocated {allocated}", operation)

    def _stored(self, name: str) -> Row:
        if name not in self.tables.teams:
            raise _missing("Team", name)
        return self.tables.teams[name]

    def _team_row(self, name: str) -> Row:
        row = self.tables.teams[name]
        return {**row, "credits_remaining": row["credits_allocated"] - row["credits_used"]}

    def _team(self, name: str) -> Row:
        self._stored(name)
        return {**self._team_row(name), "allowed_model_aliases": sorted(self.allowed(name))}

    def allowed(self, name: str) -> set[str]:
        """The active aliases in any of the team's groups, whatever its status."""
        aliases, groups = self.tables.aliases, self.tables.groups
        names = {
            alias
            for group in self.tables.teams[name]["access_groups"]
            for alias in groups[group]["model_aliases"]
        }
        return {alias for alias in names if aliases[alias]["status"] == "active"}

    def _require_groups(self, names: list[str]) -> None:
        for name in names:
            if name not in self.tables.groups:
                raise _missing("Model access group", name)

    # --- credits

    def _credits(self, request: Request, parts: list[str]) -> Any:
        match request.method, parts:
            case "POST", ["add"]:
                return self._add(request.body)
            case "GET", ["transactions"]:
                return self._transactions(request)
        raise Refused(404, "Not Found")

    def _add(self, body: Row) -> Row:
        name, amount, operation = body["team_id"], body["amount"], body.get("operation_id")
        known = [
            each
            for each in self.tables.transactions
            if operation and each["operation_id"] == operation
        ]
        if known:
            if (known[0]["team_id"], known[0]["amount"]) != (name, amount):
                was = f"{known[0]['amount']} credits to team '{known[0]['team_id']}'"
                raise Refused(409, f"operation_id '{operation}' already added {was}")
            return {**_added(known[0]), "duplicate": True}
        if operation:
            self._refuse_void(operation)
        allocated = self._stored(name)["credits_allocated"]
        if "previous_operation_id" in body:
            self._require_previous(name, body["previous_operation_id"])
        if allocated + amount < 0:
            raise Refused(422, "amount: credits_allocated would be less than 0")
        row = self._moved(name, amount, "addition", body.get("description"), operation)
        return {**_added(row), "duplicate": False}

    def _require_previous(self, name: str, previous: str | None) -> None:
        rows = [row["operation_id"] for row in self.tables.transactions if row["team_id"] == name]
        newest = next((operation for operation in reversed(rows) if operation is not None), None)
        if newest != previous:
            is_, meant = (f"'{each}'" if each else "none" for each in (newest, previous))
            detail = f"the newest operation of team '{name}' is {is_}, not {meant}"
            raise Refused(409, detail, "operation-order")

    def _moved(
        self, name: str, amount: int, kind: str, description: str | None, operation: str | None
    ) -> Row:
        team = self.tables.teams[name]
        before = team["credits_allocated"]
        team["credits_allocated"] = before + amount
        row = {
            "transaction_id": f"txn_{len(self.tables.transactions) + 1:08d}",
            "team_id": name,
            "type": kind,
            "amount": amount,
            "description": description,
            "operation_id": operation,
            "timestamp": stamp(self.clock()),
            "balance_before": before - team["credits_used"],
            "balance_after": before + amount - team["credits_used"],
            "credits_allocated_before": before,
            "credits_allocated_after": before + amount,
        }
        self.tables.transactions.append(row)
        life = self.account.births[name]
        self.account.effects.append(
            Effect(name, life, amount, operation, self.sender, self.clock())
        )
        return row

    def _transactions(self, request: Request) -> Row:
        asked = request.params
        rows = [
            row
            for row in self.tables.transactions
            if asked.get("team_id") in (None, row["team_id"])
        ]
        rows = [row for row in rows if asked.get("operation_id") in (None, row["operation_id"])]
        if "operation_prefix" in asked:
            rows = [
                row
                for row in rows
                if (row["operation_id"] or "").startswith(asked["operation_prefix"])
            ]
        newest = asked.get("order", "newest") == "newest"
        if newest:
            rows.reverse()
        if "after" in asked:
            after = asked["after"]
            rows = [
                row
                for row in rows
                if (row["transaction_id"] < after) == newest and row["transaction_id"] != after
            ]
        limit = int(asked["limit"]) if "limit" in asked else None
        rows = rows[:limit]
        if asked.get("team_id") and not rows:
            self._stored(asked["team_id"])
        following = rows[-1]["transaction_id"] if rows and len(rows) == limit else None
        return {"team_id": asked.get("team_id"), "transactions": rows, "next": following}

    # --- the account

    def _touched(self, kind: str, name: str) -> None:
        self.account.touched.append((kind, name, self.sender))


def _call_error(message: str, kind: str, code: str) -> Row:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


def _require_meant(body: Any) -> None:
    amount = body.get("amount", 1) if isinstance(body, dict) else 1
    if amount == 0 or (amount < 0 and body.get("operation_id") is None):
        raise Refused(422, "amount: must be at least 1 (an operation_id allows a negative one)")


def _parted(answer: Row) -> tuple[Row, Row]:
    """What may be remembered, and the key, which is shown in this answer only."""
    rest = {key: value for key, value in answer.items() if key != "virtual_key"}
    return rest, {key: value for key, value in answer.items() if key == "virtual_key"}


def _added(row: Row) -> Row:
    return {
        "team_id": row["team_id"],
        "credits_added": row["amount"],
        "credits_allocated": row["credits_allocated_after"],
        "credits_remaining": row["balance_after"],
        "transaction_id": row["transaction_id"],
        "operation_id": row["operation_id"],
    }
