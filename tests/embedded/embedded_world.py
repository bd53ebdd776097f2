"""A served gateway for the tests: over a real socket, on a file that a test may look into."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from reconciler.embedded.app import close, create_app
from reconciler.embedded.server import running


@dataclass(frozen=True)
class Gateway:
    url: str
    database: Path
    http: httpx.Client

    def ok(self, method: str, path: str, **request: Any) -> Any:
        response = self.http.request(method, path, **request)
        assert response.status_code == 200, (
            f"{method} {path}: {response.status_code} {response.text}"
        )
        return response.json()

    def get(self, path: str) -> Any:
        return self.ok("GET", path)

    def post(self, path: str, **body: Any) -> Any:
        return self.ok("POST", path, json=body)

    def put(self, path: str, **body: Any) -> Any:
        return self.ok("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        return self.ok("DELETE", path)

    def refused(self, method: str, path: str, status: int, **request: Any) -> str:
        response = self.http.request(method, path, **request)
        assert response.status_code == status, (
            f"{method} {path}: {response.status_code} {response.text}"
        )
        assert list(response.json()) == ["detail"]
        return response.json()["detail"]

    def call(self, key: str, model: str, **extra: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **extra}
        return self.http.post(
            "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
        )

    def dump(self) -> str:
        return dump(self.database)

    def alias(self, name: str, /, **fields: Any) -> Any:
        return self.post(
            "/api/model-aliases/create", alias=name, **{"litellm_model": f"openai/{name}", **fields}
        )

    def group(self, name: str, /, *aliases: str, **fields: Any) -> Any:
        return self.post(
            "/api/model-access-groups/create", group_name=name, model_aliases=aliases, **fields
        )

    def organization(self, name: str = "org_acme", /, **fields: Any) -> Any:
        return self.post(
            "/api/organizations/create", organization_id=name, **{"name": name, **fields}
        )

    def team(self, name: str, /, *groups: str, **fields: Any) -> Any:
        body = {"organization_id": "org_acme", "team_id": name, "access_groups": groups, **fields}
        return self.post("/api/teams/create", **body)


def dump(database: Path) -> str:
    """Everything that the file holds: equal dumps mean that nothing was written."""
    with closing(sqlite3.connect(database)) as db:
        return "\n".join(db.iterdump())


@contextmanager
def served(database: Path, **options: Any) -> Iterator[Gateway]:
    app = create_app(database, **options)
    with running(app) as url, httpx.Client(base_url=url, timeout=30, verify=False) as http:
        yield Gateway(url, database, http)
    close(app)
