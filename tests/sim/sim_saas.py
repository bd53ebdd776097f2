"""SaaS LiteLLM 1.0.2 in memory, as its server is: no operation ids, no preconditions, `add` counts each time it comes.

Written from what the server was seen to do; `test_sim_saas` compares it with the double on a real socket. A team's id is
LiteLLM's for ever: a team that was deleted cannot be made again.
"""

import re
from collections.abc import Callable
from typing import Any

from sim_embedded import Account, Effect, Refused, Row, Tables, stamp
from sim_network import Request

MARK = re.compile(r"\[(?P<operation>reconciler:[^\]]*)\]\s*$")
PATHS = {f"/api/{kind}": {} for kind in ("organizations", "models", "model-access-groups", "teams")}


class Saas:
    """`serve(request)` is (status, body), as `sim_embedded.Embedded`."""

    def __init__(self, clock: Callable[[], float], token: Callable[[], str]) -> None:
        self.clock, self.token = clock, token
        self.tables = Tables()
        self.keys: dict[str, str] = {}
        self.litellm: set[str] = set()
        self.account = Account()
        self.sender = ""
        self.kinds = {
            "organizations": self._organizations,
            "models": self._models,
            "model-access-groups": self._groups,
            "teams": self._teams,
            "credits": self._credits,
        }

    def serve(self, request: Request) -> tuple[int, Any]:
        self.sender = request.sender
        parts = [part for part in request.url.path.split("/") if part]
        if parts == ["openapi.json"]:
            return 200, {"paths": PATHS}
        handle = self.kinds.get(parts[1]) if len(parts) > 1 and parts[0] == "api" else None
        if handle is None:
            return 404, {"detail": "Not Found"}
        try:
            return 200, handle(request, parts[2:])
        except Refused as no:
            return no.status, no.body

    # --- what others do

    def bought(self, team: str, amount: int) -> tuple[str, str, Row]:
        return "POST", f"/api/credits/teams/{team}/add", {"credits": amount, "reason": "bought"}

    def made(self, team: str, organization: str, credits_: int) -> tuple[str, str, Row]:
        body = {
            "organization_id": organization,
            "team_id": team,
            "access_groups": [],
            "credits_allocated": credits_,
        }
        return "POST", "/api/teams/create", body

    def founded(self, organization: str) -> tuple[str, str, Row]:
        body = {"organization_id": organization, "name": "X", "create_default_team": False}
        return "POST", "/api/organizations/create", body

    def toggled(self, team: str) -> tuple[str, str, Row]:
        verb = "suspend" if self.tables.teams[team]["status"] == "active" else "resume"
        return "PUT", f"/api/teams/{team}/{verb}", {}

    # --- organizations, models, groups

    def _organizations(self, request: Request, parts: list[str]) -> Any:
        rows, body = self.tables.organizations, request.body or {}
        match request.method, parts:
            case "GET", []:
                return [{**row, "default_team": None} for row in rows.values()]
            case "POST", ["create"]:
                name = body["organization_id"]
                if name in rows:
                    raise Refused(400, f"Organization with ID '{name}' already exists")
                rows[name] = {"organization_id": name, "name": body["name"], "status": "active"}
                rows[name]["metadata"] = body.get("metadata", {})
                self._touched("organization", name)
                return {**rows[name], "default_team": None}
            case "GET", [name]:
                return {**self._organization(name), "default_team": None}
        raise Refused(404, "Not Found")

    def _organization(self, name: str) -> Row:
        if name not in self.tables.organizations:
            raise Refused(404, f"Organization '{name}' not found")
        return self.tables.organizations[name]

    def _models(self, request: Request, parts: list[str]) -> Any:
        rows, body = self.tables.aliases, request.body or {}
        match request.method, parts:
            case "GET", []:
                return [self._model(name) for name in rows]
            case "POST", ["create"]:
                name = body["model_alias"]
                if name in rows:
                    raise Refused(400, f"Model alias '{name}' already exists")
                rows[name] = {
                    key: body.get(key)
                    for key in ("model_alias", "display_name", "provider", "actual_model")
                }
                rows[name] |= {
                    key: body.get(key) or None for key in ("pricing_input", "pricing_output")
                }
                rows[name] |= {
                    "description": body.get("description"),
                    "status": "active",
                    "litellm_model_id": None,
                }
                self._touched("model_alias", name)
                return self._model(name)
            case "GET", [name]:
                return self._model(name)
            case "PUT", [name]:
                self._model(name)
                self._set(
                    "model_alias",
                    rows,
                    name,
                    {key: value for key, value in body.items() if value is not None},
                )
                return self._model(name)
            case "DELETE", [name]:
                self._model(name)
                for group in self.tables.groups.values():
                    group["model_aliases"] = [
                        each for each in group["model_aliases"] if each != name
                    ]
                del rows[name]
                self._touched("model_alias", name)
                return {"message": f"Model alias '{name}' deleted successfully"}
        raise Refused(404, "Not Found")

    def _model(self, name: str) -> Row:
        if name not in self.tables.aliases:
            raise Refused(404, f"Model alias '{name}' not found")
        holders = [
            group for group, row in self.tables.groups.items() if name in row["model_aliases"]
        ]
        return {**self.tables.aliases[name], "access_groups": holders, "teams_using": None}

    def _groups(self, request: Request, parts: list[str]) -> Any:
        rows, body = self.tables.groups, request.body or {}
        match request.method, parts:
            case "GET", []:
                return [self._shown(name) for name in rows]
            case "POST", ["create"]:
                name = body["group_name"]
                if name in rows:
                    raise Refused(400, f"Model access group '{name}' already exists")
                for alias in body.get("model_aliases", []):
                    self._model(alias)
                rows[name] = {
                    key: body.get(key) for key in ("group_name", "display_name", "description")
                }
                rows[name] |= {
                    "status": "active",
                    "model_aliases": list(body.get("model_aliases", [])),
                }
                self._touched("access_group", name)
                return self._shown(name)
            case "GET", [name]:
                return self._shown(name)
            case "PUT", [name]:
                self._group(name)
                self._set(
                    "access_group",
                    rows,
                    name,
                    {key: value for key, value in body.items() if value is not None},
                )
                return self._shown(name)
            case "PUT", [name, "models"]:
                self._group(name)
                for alias in body["model_aliases"]:
                    self._model(alias)
                self._group(name)["model_aliases"] = list(body["model_aliases"])
                self._touched("access_group", name)
                return self._shown(name)
            case "DELETE", [name]:
                self._group(name)
                if users := self._users(name):
                    said = f"Cannot delete access group '{name}' - still in use by teams: {', '.join(users)}"
                    raise Refused(400, said)
                del rows[name]
                self._touched("access_group", name)
                return {"message": f"Model access group '{name}' deleted successfully"}
        raise Refused(404, "Not Found")

    def _group(self, name: str) -> Row:
        if name not in self.tables.groups:
            raise Refused(404, f"Model access group '{name}' not found")
        return self.tables.groups[name]

    def _shown(self, name: str) -> Row:
        row = self._group(name)
        shown = ("model_alias", "display_name", "provider", "actual_model")
        members = [
            {key: self.tables.aliases[alias][key] for key in shown}
            for alias in row["model_aliases"]
        ]
        return {**row, "model_aliases": members, "teams_using": self._users(name) or None}

    def _users(self, name: str) -> list[str]:
        return [team for team, row in self.tables.teams.items() if name in row["access_groups"]]

    # --- teams

    def _teams(self, request: Request, parts: list[str]) -> Any:
        rows, body = self.tables.teams, request.body or {}
        match request.method, parts:
            case "GET", []:
                return [self._row(name) for name in rows]
            case "POST", ["create"]:
                return self._create(body)
            case "GET", [name]:
                return self._team(name)
            case "PUT", [name, ("suspend" | "resume") as verb]:
                status, said = (
                    ("suspended", "suspended") if verb == "suspend" else ("active", "resumed")
                )
                self._stored(name)
                self._set("team", rows, name, {"status": status})
                return {
                    "team_id": name,
                    "status": status,
                    "message": f"Team '{name}' has been {said}",
                }
            case "PUT", [name]:
                return self._update(name, body)
            case "DELETE", [name]:
                self._stored(name)
                made = self.account.makers[name], self.account.made[name]
                self.account.deleted.append((name, *made, self.sender, request.sent))
                del rows[name], self.keys[name]
                self._touched("team", name)
                return {"team_id": name, "message": f"Team '{name}' deleted successfully"}
        raise Refused(404, "Not Found")

    def _create(self, body: Row) -> Row:
        name, rows = body["team_id"], self.tables.teams
        self._organization(body["organization_id"])
        if name in rows:
            raise Refused(400, f"Team '{name}' already exists")
        for group in body["access_groups"]:
            self._group(group)
        if name in self.litellm:
            said = f"Team id = {name} already exists. Please use a different team id."
            raise Refused(500, f"Failed to create team in LiteLLM: {said}")
        self.litellm.add(name)
        self.keys[name] = f"sk-{self.token()}"
        self.account.births[name] = self.account.births.get(name, 0) + 1
        self.account.makers[name], self.account.made[name] = self.sender, self.clock()
        rows[name] = {
            "team_id": name,
            "organization_id": body["organization_id"],
            "access_groups": list(body["access_groups"]),
            "status": "active",
            "credits_allocated": 0,
            "credits_used": 0,
            "created_at": stamp(self.clock()),
            "budget_mode": body.get("budget_mode") or "job_based",
            "credits_per_dollar": body.get("credits_per_dollar") or 10.0,
            "tokens_per_credit": body.get("tokens_per_credit") or 10_000,
        }
        if body.get("credits_allocated"):
            self._moved(name, body["credits_allocated"], None)
        self._touched("team", name)
        return {
            "team_id": name,
            "organization_id": body["organization_id"],
            "access_groups": body["access_groups"],
            "allowed_model_aliases": sorted(self.allowed(name, every=True)),
            "credits_allocated": rows[name]["credits_allocated"],
            "credits_remaining": rows[name]["credits_allocated"],
            "virtual_key": self.keys[name],
            "message": "Team created successfully with LiteLLM integration",
        }

    def _update(self, name: str, body: Row) -> Row:
        row = self._stored(name)
        for group in body.get("access_groups") or []:
            self._group(group)
        changes = {key: value for key, value in body.items() if value is not None and key in row}
        moved = (
            changes.pop("credits_allocated", row["credits_allocated"]) - row["credits_allocated"]
        )
        self._set("team", self.tables.teams, name, changes)
        row = self.tables.teams[name]
        if moved:
            self._moved(name, moved, None)
        shown = (
            "team_id",
            "credits_allocated",
            "credits_used",
            "budget_mode",
            "credits_per_dollar",
        )
        rest = row["credits_allocated"] - row["credits_used"]
        told = {"credits_remaining": rest, "message": "Team updated successfully"}
        return {**{key: row[key] for key in shown}, **told}

    def _stored(self, name: str) -> Row:
        if name not in self.tables.teams:
            raise Refused(404, f"Team '{name}' not found")
        return self.tables.teams[name]

    def _row(self, name: str) -> Row:
        row = {
            key: value
            for key, value in self.tables.teams[name].items()
            if key != "tokens_per_credit"
        }
        rest = row["credits_allocated"] - row["credits_used"]
        return {**row, "credits_remaining": rest, "virtual_key": self.keys[name]}

    def _team(self, name: str) -> Row:
        row = self._stored(name)
        rest = row["credits_allocated"] - row["credits_used"]
        return {
            "team_id": name,
            "organization_id": row["organization_id"],
            "credits": self._balance(name),
            "access_groups": row["access_groups"],
            "allowed_model_aliases": sorted(self.allowed(name, every=True)),
            "virtual_key": self.keys[name],
            "credits_allocated": row["credits_allocated"],
            "credits_remaining": rest,
        }

    def _balance(self, name: str) -> Row:
        row = self.tables.teams[name]
        plain = {key: value for key, value in row.items() if key != "access_groups"}
        refill = {
            "auto_refill": False,
            "refill_amount": None,
            "refill_period": None,
            "last_refill_at": None,
        }
        rest = row["credits_allocated"] - row["credits_used"]
        more = {"credits_remaining": rest, "credit_limit": None, "cost_markup_percentage": 0.0}
        return {**plain, **refill, **more}

    def allowed(self, name: str, *, every: bool = False) -> set[str]:
        """The aliases in any of the team's groups: the active ones, that it may call, or every one."""
        aliases, groups = self.tables.aliases, self.tables.groups
        names = {
            alias
            for group in self.tables.teams[name]["access_groups"]
            for alias in groups[group]["model_aliases"]
        }
        return {alias for alias in names if every or aliases[alias]["status"] == "active"}

    # --- credits

    def _credits(self, request: Request, parts: list[str]) -> Any:
        match request.method, parts:
            case "POST", ["teams", name, "add"]:
                reason, amount = (
                    request.body.get("reason", "Manual credit allocation"),
                    request.body["credits"],
                )
                if name not in self.tables.teams:
                    raise AssertionError(f"a ghost of {name} was made")
                row = self._moved(name, amount, reason)
                return {"team_id": name, "credits_added": amount, "transaction": row}
            case "PATCH", ["teams", name, "conversion-rates"]:
                self._stored(name)
                changes = {key: value for key, value in request.body.items() if value is not None}
                self._set("team", self.tables.teams, name, changes)
                shown = ("team_id", "tokens_per_credit", "credits_per_dollar")
                told = {key: self.tables.teams[name][key] for key in shown}
                return {**told, "message": "Conversion rates updated successfully"}
            case "GET", ["teams", name, "transactions"]:
                return self._transactions(request, name)
        raise Refused(404, "Not Found")

    def _transactions(self, request: Request, name: str) -> Row:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        caller = next((team for team, known in self.keys.items() if known == key), None)
        if caller is None:
            raise Refused(401, "Invalid API key")
        if self.tables.teams[caller]["status"] != "active":
            raise Refused(403, "Team access is suspended. Please contact support.")
        if caller != name:
            raise Refused(403, "Cannot access credit transactions for a different team")
        rows = [row for row in reversed(self.tables.transactions) if row["team_id"] == name]
        rows = rows[: int(request.params.get("limit", "50"))]
        return {"team_id": name, "total": len(rows), "transactions": rows}

    def _moved(self, name: str, amount: int, reason: str | None) -> Row:
        """`reason` None: a change without a transaction, as at creation or by a PUT."""
        team = self.tables.teams[name]
        before = team["credits_allocated"] - team["credits_used"]
        team["credits_allocated"] += amount
        mark = MARK.search(reason or "")
        effect = Effect(
            name,
            self.account.births[name],
            amount,
            mark["operation"] if mark else None,
            self.sender,
            self.clock(),
        )
        self.account.effects.append(effect)
        row = {
            "transaction_id": f"transaction-{len(self.tables.transactions)}",
            "team_id": name,
            "organization_id": team["organization_id"],
            "job_id": None,
            "transaction_type": "allocation",
            "credits_amount": amount,
            "credits_before": before,
            "credits_after": before + amount,
            "reason": reason,
            "created_at": stamp(self.clock()),
        }
        if reason is not None:
            self.tables.transactions.append(row)
        return row

    # --- the account

    def _set(self, kind: str, rows: dict[str, Row], name: str, changes: Row) -> None:
        if any(rows[name].get(key) != value for key, value in changes.items()):
            rows[name] = {**rows[name], **changes}
            self._touched(kind, name)

    def _touched(self, kind: str, name: str) -> None:
        self.account.touched.append((kind, name, self.sender))
