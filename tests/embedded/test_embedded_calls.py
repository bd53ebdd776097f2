"""The team's request path: the checks in their order and words, LiteLLM's answer, one credit per success."""

import asyncio
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import pytest
from embedded_world import served

from reconciler.embedded.app import create_app

# LiteLLM's own types make pydantic warn; here a warning would become the provider's failure.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")

CHAT = {"model": "a", "messages": [{"role": "user", "content": "hello"}]}

ALLOWED = ("RECONCILER_TEST_UNSET", "RECONCILER_TEST_PROVIDER_KEY")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    allowed = {"allow_env": ALLOWED, "allow_local": ["127.0.0.1"]}
    with served(tmp_path_factory.mktemp("calls") / "gateway.db", **allowed) as running:
        running.organization()
        running.alias("a", litellm_params={"mock_response": "hello from a"})
        running.alias("slow", litellm_params={"mock_response": "hello", "mock_delay": 0.3})
        running.alias("off", status="deprecated", litellm_params={"mock_response": "x"})
        running.alias("limited", litellm_params={"mock_response": "litellm.RateLimitError"})
        running.alias("unkeyed", litellm_params={"api_key": "os.environ/RECONCILER_TEST_UNSET"})
        running.alias(
            "unreachable",
            litellm_params={"api_base": "http://127.0.0.1:9/SECRET-PATH", "max_retries": 0},
        )
        running.alias("elsewhere", litellm_params={"mock_response": "x"})
        running.group("g", "a", "slow", "off", "limited", "unkeyed", "unreachable")
        yield running


@pytest.fixture
def team(gateway, request):
    """A team of this test's own, with three credits."""
    name = f"team-{abs(hash(request.node.name))}"
    created = gateway.team(name, "g", credits_allocated=3)
    return name, created["virtual_key"]


def used(gateway, name):
    return gateway.get(f"/api/teams/{name}")["credits_used"]


def refusal(response, status, error):
    """The refusal in the documented form: OpenAI's shape holds the same words."""
    body = response.json()
    heading, _, message = body["error"]["message"].partition(": ")
    assert (response.status_code, heading) == (status, error), response.text
    return {**body, "error": heading, "message": message}


def test_an_answer_names_the_alias_and_costs_a_credit(gateway, team):
    name, key = team
    answer = gateway.call(key, "a", temperature=0.5, user="u")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["model"], body["object"]) == ("a", "chat.completion")
    assert body["choices"][0]["message"]["content"] == "hello from a"
    assert used(gateway, name) == 1
    [deduction, _] = gateway.get(f"/api/credits/transactions?team_id={name}")["transactions"]
    assert (deduction["type"], deduction["amount"], deduction["balance_after"]) == (
        "deduction",
        1,
        2,
    )


def test_a_streamed_answer_comes_in_chunks_and_costs_a_credit(gateway, team):
    name, key = team
    body = {**CHAT, "stream": True}
    with gateway.http.stream(
        "POST", "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
    ) as got:
        assert got.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in got.iter_lines() if line]
    assert events.pop() == "[DONE]"
    chunks = [json.loads(event) for event in events]
    assert {(chunk["model"], chunk["object"]) for chunk in chunks} == {
        ("a", "chat.completion.chunk")
    }
    assert (
        "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        == "hello from a"
    )
    assert used(gateway, name) == 1


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer sk-nobody"}, {"Authorization": "Basic x"}]
)
def test_an_unknown_key(gateway, headers):
    for response in (
        gateway.http.post("/v1/chat/completions", json=CHAT, headers=headers),
        gateway.http.get("/v1/models", headers=headers),
    ):
        assert "virtual key" in refusal(response, 401, "Invalid API key")["message"]


def test_the_checks_come_in_the_documented_order(gateway, team):
    """Group, active, credits, alias: with everything wrong, each repair uncovers the next refusal."""
    name, key = team
    gateway.put(f"/api/teams/{name}", access_groups=[], status="suspended", credits_allocated=0)
    denied = refusal(gateway.call(key, "off"), 403, "Model access denied")
    assert denied["message"] == "Team does not have access to model 'off'"
    gateway.put(f"/api/teams/{name}", access_groups=["g"])
    assert "suspended" in refusal(gateway.call(key, "off"), 403, "Team suspended")["message"]
    gateway.put(f"/api/teams/{name}", status="active")
    assert refusal(gateway.call(key, "off"), 403, "Insufficient credits")["credits_remaining"] == 0
    gateway.post("/api/credits/add", team_id=name, amount=1)
    denied = refusal(gateway.call(key, "off"), 403, "Model access denied")
    assert denied["message"] == "Model 'off' is deprecated"
    assert denied["available_models"] == ["a", "limited", "slow", "unkeyed", "unreachable"]
    assert gateway.call(key, "a").status_code == 200
    refusal(gateway.call(key, "a"), 403, "Insufficient credits")


@pytest.mark.parametrize("model", ["elsewhere", "no-such-model", "openai/gpt-4", "ü"])
def test_a_model_in_none_of_the_groups_is_denied_with_what_is_available(gateway, team, model):
    denied = refusal(gateway.call(team[1], model), 403, "Model access denied")
    assert denied["message"] == f"Team does not have access to model '{model}'"
    assert denied["available_models"] == ["a", "limited", "slow", "unkeyed", "unreachable"]


def test_every_change_takes_effect_at_the_next_call(gateway, team):
    name, key = team
    gateway.put(f"/api/teams/{name}", access_groups=[])
    assert gateway.call(key, "a").status_code == 403
    gateway.put(f"/api/teams/{name}", access_groups=["g"])
    assert gateway.call(key, "a").status_code == 200
    gateway.post(f"/api/teams/{name}/suspend")
    assert gateway.call(key, "a").status_code == 403
    models = gateway.http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    refusal(models, 403, "Team suspended")


def test_models_are_the_active_aliases_of_the_groups(gateway, team):
    models = gateway.http.get("/v1/models", headers={"Authorization": f"Bearer {team[1]}"}).json()
    assert [row["id"] for row in models["data"]] == [
        "a",
        "limited",
        "slow",
        "unkeyed",
        "unreachable",
    ]


@pytest.mark.parametrize(
    ("model", "words", "status"),
    [
        ("limited", "the provider's rate limit is reached (RateLimitError 429)", 429),
        (
            "unkeyed",
            "the environment variable RECONCILER_TEST_UNSET is not set in the gateway",
            502,
        ),
        ("unreachable", "InternalServerError 500", 502),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_fails_costs_nothing_and_its_words_are_not_repeated(
    gateway, team, monkeypatch, model, words, status, stream
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-SECRET-0123456789")
    name, key = team
    answer = gateway.call(key, model, stream=stream)
    assert words in refusal(answer, status, "Provider error")["message"]
    assert "SECRET" not in answer.text
    assert used(gateway, name) == 0


class Provider(BaseHTTPRequestHandler):
    """An OpenAI-like provider that takes its time and notes what reached it."""

    calls: ClassVar[list[tuple[str, str | None, str]]] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.calls.append((self.path, self.headers["Authorization"], body["model"]))
        time.sleep(0.3)
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "from afar"},
        }
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "afar",
            "choices": [choice],
        }
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words):
        pass


@pytest.fixture
def provider(gateway, monkeypatch):
    monkeypatch.setenv("RECONCILER_TEST_PROVIDER_KEY", "provider-key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/v1"
    parameters = {"api_base": base, "api_key": "os.environ/RECONCILER_TEST_PROVIDER_KEY"}
    gateway.alias("remote", litellm_model="openai/afar-1", litellm_params=parameters)
    gateway.group("remote", "remote")
    yield Provider
    server.shutdown()
    server.server_close()


def test_the_last_credits_are_spent_once(gateway, team, provider):
    """Ten calls at once for three credits: three reach the provider, with the key that the alias refers to."""
    name, key = team
    gateway.put(f"/api/teams/{name}", access_groups=["remote"])
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: gateway.call(key, "remote"), range(10)))
    assert Counter(answer.status_code for answer in answers) == {200: 3, 403: 7}
    assert {answer.json()["model"] for answer in answers if answer.status_code == 200} == {"remote"}
    assert provider.calls == [("/v1/chat/completions", "Bearer provider-key", "afar-1")] * 3
    assert used(gateway, name) == 3


def test_a_slow_answer_holds_nobody_up(gateway, team):
    answered = []
    call = threading.Thread(
        target=lambda: answered.append(gateway.call(team[1], "slow").status_code)
    )
    call.start()
    while call.is_alive():
        gateway.get("/health")
        answered.append("health")
        time.sleep(0.01)
    call.join()
    assert answered.index(200) > 5


def test_a_stream_that_breaks_off_is_given_back(team, gateway, monkeypatch):
    """LiteLLM cannot be told to fail in the middle, so the stream here is the test's own."""

    class Chunk:
        def model_dump(self, **_options):
            return {"choices": [{"delta": {"content": "half"}}]}

    async def broken():
        yield Chunk()
        raise ConnectionError("sk-SECRET")

    async def complete(*_call):
        return broken()

    monkeypatch.setattr("reconciler.embedded.calls.answering.complete", complete)
    name, key = team
    answer = gateway.call(key, "a", stream=True)
    assert answer.status_code == 200
    assert '"provider_error"' in answer.text
    assert "SECRET" not in answer.text
    assert used(gateway, name) == 0
    moves = [
        row["type"]
        for row in gateway.get(f"/api/credits/transactions?team_id={name}")["transactions"]
    ]
    assert moves == ["refund", "deduction", "allocation"]


def test_it_answers_in_process_too():
    app = create_app(":memory:", tokens=lambda: "fixed")

    async def chat():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://embedded"
        ) as http:
            await http.post("/api/organizations/create", json={"organization_id": "o", "name": "O"})
            alias = {
                "alias": "a",
                "litellm_model": "openai/x",
                "litellm_params": {"mock_response": "hi"},
            }
            await http.post("/api/model-aliases/create", json=alias)
            await http.post(
                "/api/model-access-groups/create", json={"group_name": "g", "model_aliases": ["a"]}
            )
            team = {
                "organization_id": "o",
                "team_id": "t",
                "access_groups": ["g"],
                "credits_allocated": 1,
            }
            key = (await http.post("/api/teams/create", json=team)).json()["virtual_key"]
            assert key == "sk-fixed"
            return await http.post(
                "/v1/chat/completions", json=CHAT, headers={"Authorization": f"Bearer {key}"}
            )

    assert asyncio.run(chat()).json()["choices"][0]["message"]["content"] == "hi"
