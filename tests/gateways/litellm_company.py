"""A random company for a real LiteLLM Proxy: as YAML, with edits of the config and of the live proxy."""

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Config = dict[str, dict[str, Any]]
MODELS = [
    "openai/gpt-4o",
    "openai/gpt-4o-mini",
    "anthropic/claude-3-5-sonnet-20240620",
    "azure/gpt-4o",
    "groq/llama3-8b-8192",
]
DURATIONS = ["1d", "7d", "14d", "30d", "1mo"]


def some(rng: random.Random, names: list[str], most: int) -> list[str]:
    return sorted(rng.sample(names, rng.randint(0, min(most, len(names)))))


class Company:
    """Names start with the prefix, so that several may live on one proxy."""

    def __init__(
        self, prefix: str, seed: int, sizes: tuple[int, int, int, int] = (20, 6, 5, 40)
    ) -> None:
        self.prefix, self.rng = prefix, random.Random(seed)
        aliases, groups, plans, teams = sizes
        self.serial = 0
        self.config: Config = {"model_aliases": {}, "access_groups": {}, "plans": {}, "teams": {}}
        for _ in range(aliases):
            self.config["model_aliases"][self.new("m")] = self.alias()
        for _ in range(groups):
            self.config["access_groups"][self.new("g")] = self.group()
        for _ in range(plans):
            self.config["plans"][self.new("p")] = self.plan()
        for _ in range(teams):
            self.config["teams"][self.new("t")] = self.team()

    def new(self, kind: str) -> str:
        self.serial += 1
        return f"{self.prefix}-{kind}{self.serial}"

    def names(self, section: str) -> list[str]:
        return sorted(self.config[section])

    def alias(self) -> dict[str, Any]:
        rng = self.rng
        found: dict[str, Any] = {"description": rng.choice(["good", "cheap", "fast & new"])}
        if rng.random() < 0.3:
            found["deployments"] = [self.deployment() for _ in range(rng.randint(1, 3))]
        else:
            found["litellm_model"] = rng.choice(MODELS)
            found["litellm_params"] = self.params()
        if rng.random() < 0.5:
            found |= {
                "pricing_input": rng.choice([0.15, 2.5, 0.123456]),
                "pricing_output": rng.choice([0.6, 10, 3]),
            }
        if rng.random() < 0.15:
            found["status"] = rng.choice(["inactive", "deprecated"])
        return found

    def deployment(self) -> dict[str, Any]:
        found = {
            "litellm_model": self.rng.choice(MODELS),
            "litellm_params": {"mock_response": "hello"},
        }
        more = {
            "api_base": "https://x.example/v1",
            "rpm": 1000,
            "weight": 2,
            "api_key": "os.environ/SOME_KEY",
        }
        return found | {key: value for key, value in more.items() if self.rng.random() < 0.4}

    def params(self) -> dict[str, Any]:
        more = {
            "timeout": 30,
            "rpm": 5000,
            "tags": ["a"],
            "api_key": "os.environ/OTHER_KEY",
            "max_retries": 2,
        }
        return {"mock_response": "hello"} | {
            key: value for key, value in more.items() if self.rng.random() < 0.3
        }

    def group(self) -> dict[str, Any]:
        return {
            "description": self.rng.choice(["a", "b"]),
            "model_aliases": some(self.rng, self.names("model_aliases"), 6),
        }

    def plan(self) -> dict[str, Any]:
        return {"access_groups": some(self.rng, self.names("access_groups"), 2), **self.limits()}

    def limits(self) -> dict[str, Any]:
        rng = self.rng
        found: dict[str, Any] = {}
        if rng.random() < 0.4:
            found |= {
                "max_budget_usd": rng.choice([1000, 2000.5]),
                "budget_duration": rng.choice(DURATIONS),
            }
            found |= {"soft_budget_usd": 900} if rng.random() < 0.5 else {}
        elif rng.random() < 0.6:
            found |= {
                "credits_allocated": rng.choice([5000, 9000]),
                "usd_per_credit": rng.choice([0.1, 0.25]),
            }
        found |= {"tpm_limit": rng.choice([900_000, 800_000])} if rng.random() < 0.5 else {}
        return found | ({"rpm_limit": 90_000} if rng.random() < 0.3 else {})

    def team(self) -> dict[str, Any]:
        rng = self.rng
        found: dict[str, Any] = {"team_alias": rng.choice(["Blue", "Red"])}
        found |= {"plan": rng.choice(self.names("plans"))} if rng.random() < 0.7 else self.limits()
        found["access_groups"] = some(rng, self.names("access_groups"), 2)
        if rng.random() < 0.3:
            found["models"] = some(rng, self.names("model_aliases"), 3) + (
                ["openai/*"] if rng.random() < 0.3 else []
            )
        if rng.random() < 0.2:
            found["model_aliases"] = {
                f"{self.prefix}-fast": rng.choice(self.names("model_aliases"))
            }
        if rng.random() < 0.1:
            found["status"] = "suspended"
        if rng.random() < 0.4:
            found["metadata"] = {
                "owner": rng.choice(["ops", "dev"]),
                "nested": {"a": rng.randint(0, 2)},
            }
        if rng.random() < 0.3 and self._in_credits(found):
            found["top_ups"] = [{"id": f"promo-{rng.randint(0, 3)}", "amount": 500}]
        return found

    def _in_credits(self, team: dict[str, Any]) -> bool:
        plan = self.config["plans"].get(team.get("plan", ""), {})
        return "credits_allocated" in team or "credits_allocated" in plan

    # ---- edits of the config

    def edit(self) -> str:
        """One random change; what it was, for the message of a failing test."""
        rng = self.rng
        section = rng.choice(["model_aliases", "access_groups", "plans", "teams", "teams"])
        make = {
            "model_aliases": self.alias,
            "access_groups": self.group,
            "plans": self.plan,
            "teams": self.team,
        }[section]
        name = rng.choice(self.names(section))
        what = rng.random()
        if what < 0.15:
            name = self.new(section[0])
            self.config[section][name] = make()
            return f"new {section}/{name}"
        if what < 0.3 and len(self.config[section]) > 2:
            self.remove(section, name)
            return f"removed {section}/{name}"
        if what < 0.6:
            self.config[section][name] = make()
            return f"another {section}/{name}"
        return self._one_field(section, name, make())

    def _one_field(self, section: str, name: str, other: dict[str, Any]) -> str:
        spec, field = self.config[section][name], self.rng.choice(sorted(other))
        if field in {"deployments", "litellm_model", "litellm_params"} and field not in spec:
            return "nothing"
        if field in {
            "credits_allocated",
            "usd_per_credit",
            "soft_budget_usd",
            "max_budget_usd",
            "budget_duration",
        }:
            return "nothing"
        spec[field] = other[field]
        return f"{field} of {section}/{name}"

    def remove(self, section: str, name: str) -> None:
        """Takes a name out, and out of everything that refers to it."""
        del self.config[section][name]
        for each in self.config["access_groups"].values():
            each["model_aliases"] = [m for m in each["model_aliases"] if m != name]
        for each in (*self.config["plans"].values(), *self.config["teams"].values()):
            each["access_groups"] = [g for g in each.get("access_groups", []) if g != name]
        for team in self.config["teams"].values():
            if team.get("plan") == name:
                del team["plan"]
            if "top_ups" in team and not self._in_credits(team):
                del team["top_ups"]

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._tidy()
        (directory / "company.yaml").write_text(
            yaml.safe_dump(deepcopy(self.config), sort_keys=False)
        )

    def _tidy(self) -> None:  # noqa: C901  the rules of a valid config, one by one
        for team in self.config["teams"].values():
            if "top_ups" in team and not self._in_credits(team):
                del team["top_ups"]
            plan = self.config["plans"].get(team.get("plan", ""), {})
            both = {**plan, **team}
            if "credits_allocated" in both and "max_budget_usd" in both:
                for field in ("max_budget_usd", "soft_budget_usd", "budget_duration"):
                    team.pop(field, None)
                if "max_budget_usd" in plan:
                    for field in ("credits_allocated", "usd_per_credit", "top_ups"):
                        team.pop(field, None)
        for plan in self.config["plans"].values():
            if "credits_allocated" in plan and "max_budget_usd" in plan:
                for field in ("credits_allocated", "usd_per_credit"):
                    del plan[field]
        if any(
            "top_ups" in team and not self._in_credits(team)
            for team in self.config["teams"].values()
        ):
            self._tidy()


def edit_live(proxy: Any, prefix: str, rng: random.Random) -> str:
    """What another hand does to objects of the company, over the API or in the UI."""
    teams = [t for t in proxy.call("GET", "/team/list") if t["team_id"].startswith(f"{prefix}-")]
    groups = [
        g
        for g in proxy.call("GET", "/v1/access_group")
        if g["access_group_name"].startswith(f"{prefix}-")
    ]
    rows = [
        r
        for r in proxy.call("GET", "/v2/model/info", size="1000")["data"]
        if r["model_name"].startswith(f"{prefix}-")
    ]
    team, group, row = rng.choice(teams), rng.choice(groups), rng.choice(rows)
    row_id, info = row["model_info"]["id"], {"id": row["model_info"]["id"]}
    names = sorted({r["model_name"] for r in rows})
    edits = [
        ("PATCH", f"/team/{team['team_id']}", {"tpm_limit": rng.randint(100_000, 200_000)}),
        ("PATCH", f"/team/{team['team_id']}", {"blocked": not team["blocked"]}),
        ("PATCH", f"/team/{team['team_id']}", {"models": ["no-default-models", rng.choice(names)]}),
        ("PATCH", f"/team/{team['team_id']}", {"access_group_ids": [group["access_group_id"]]}),
        ("PATCH", f"/team/{team['team_id']}", {"metadata": {"owner": "hand", "theirs": {"k": 1}}}),
        ("PATCH", f"/team/{team['team_id']}", {"team_alias": "by hand", "budget_duration": "30d"}),
        (
            "PUT",
            f"/v1/access_group/{group['access_group_id']}",
            {"access_model_names": rng.sample(names, 2)},
        ),
        ("PUT", f"/v1/access_group/{group['access_group_id']}", {"description": None}),
        ("PATCH", f"/model/{row_id}/update", {"litellm_params": {"rpm": 77}, "model_info": info}),
        (
            "PATCH",
            f"/model/{row_id}/update",
            {"litellm_params": {"model": "openai/o1"}, "model_info": info},
        ),
        ("PATCH", f"/model/{row_id}/update", {"blocked": True, "model_info": info}),
        (
            "PATCH",
            f"/model/{row_id}/update",
            {"model_info": {**info, "theirs": {"k": 1}, "access_groups": ["legacy"]}},
        ),
        ("POST", "/model/delete", {"id": row_id}),
        ("POST", "/team/delete", {"team_ids": [team["team_id"]]}),
        ("DELETE", f"/v1/access_group/{group['access_group_id']}", None),
    ]
    method, path, body = rng.choice(edits)
    proxy.call(method, path, body)
    return f"{method} {path} {body}"
