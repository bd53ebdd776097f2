"""The LiteLLM proxy as the SaaS server sees it, kept in memory: teams, keys, and failures on demand."""

import asyncio
import hashlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Operation = Literal["team/new", "key/generate", "team/update"]


class LiteLLMError(Exception):
    """LiteLLM answered with an error, or not at all."""


@dataclass
class LiteLLMTeam:
    team_id: str
    team_alias: str
    models: list[str]
    max_budget: float | None
    metadata: dict[str, Any]


@dataclass
class LiteLLMKey:
    key: str
    key_alias: str
    team_id: str
    models: list[str]
    max_budget: float | None


@dataclass
class _Failure:
    operation: Operation
    times: int
    message: str
    after_effect: bool


@dataclass
class LiteLLMStandIn:
    """What LiteLLM holds; `down = True` refuses every call, `fail_next` a single one.

    An empty `models` list means every model of the proxy, for a team as for a key.
    `seconds` is how long each call takes: the only time in which the one-worker server serves somebody else.
    """

    seconds: float = 0.0
    down: bool = False
    teams: dict[str, LiteLLMTeam] = field(default_factory=dict)
    keys: dict[str, LiteLLMKey] = field(default_factory=dict)
    calls: list[tuple[Operation, str]] = field(default_factory=list)
    _failures: list[_Failure] = field(default_factory=list)
    _keys_made: int = 0

    def fail_next(
        self,
        operation: Operation,
        *,
        times: int = 1,
        message: str = "timed out",
        after_effect: bool = False,
    ) -> None:
        """Fails the next `times` calls of one operation; with `after_effect` LiteLLM did the work and then timed out."""
        self._failures.append(_Failure(operation, times, message, after_effect))

    def dump(self) -> dict[str, Any]:
        return {
            "teams": {team_id: asdict(team) for team_id, team in self.teams.items()},
            "keys": {key: asdict(value) for key, value in self.keys.items()},
        }

    def delete_team(self, team_id: str) -> None:
        """LiteLLM's own `POST /team/delete`, an operator's only cure for a burnt id; removes the team's keys too."""
        del self.teams[team_id]
        self.keys = {key: value for key, value in self.keys.items() if value.team_id != team_id}

    def key_allows(self, key: str, model: str) -> bool:
        """Whether a call straight at LiteLLM would pass: key and team must both allow the model."""
        entry = self.keys.get(key)
        if entry is None or entry.team_id not in self.teams:
            return False
        lists = (entry.models, self.teams[entry.team_id].models)
        return all(not models or model in models for models in lists)

    async def new_team(
        self,
        team_id: str,
        team_alias: str,
        models: Sequence[str],
        max_budget: float | None,
        metadata: dict[str, Any],
    ) -> None:
        failure = await self._begin("team/new", team_id)
        if team_id in self.teams:
            raise LiteLLMError(
                f"Team id = {team_id} already exists. Please use a different team id."
            )
        self.teams[team_id] = LiteLLMTeam(
            team_id, team_alias, list(models), max_budget, deepcopy(metadata)
        )
        _end(failure)

    async def generate_key(
        self, team_id: str, models: Sequence[str], max_budget: float | None
    ) -> str:
        failure = await self._begin("key/generate", team_id)
        self._keys_made += 1
        key = "sk-" + hashlib.sha256(f"{team_id}/{self._keys_made}".encode()).hexdigest()[:22]
        self.keys[key] = LiteLLMKey(key, f"{team_id}_key", team_id, list(models), max_budget)
        _end(failure)
        return key

    async def update_team(self, team_id: str, models: Sequence[str]) -> None:
        failure = await self._begin("team/update", team_id)
        if team_id not in self.teams:
            raise LiteLLMError(f"Team not found, passed team_id={team_id}")
        self.teams[team_id].models = list(models)
        _end(failure)

    async def _begin(self, operation: Operation, team_id: str) -> _Failure | None:
        self.calls.append((operation, team_id))
        await asyncio.sleep(self.seconds)
        if self.down:
            raise LiteLLMError("All connection attempts failed")
        failure = self._take(operation)
        if failure and not failure.after_effect:
            raise LiteLLMError(failure.message)
        return failure

    def _take(self, operation: Operation) -> _Failure | None:
        failure = next((each for each in self._failures if each.operation == operation), None)
        if failure is not None:
            failure.times -= 1
            self._failures = [each for each in self._failures if each.times > 0]
        return failure


def _end(failure: _Failure | None) -> None:
    if failure is not None:
        raise LiteLLMError(failure.message)
