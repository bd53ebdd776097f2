"""OpenAI's official client against the gateway: what it calls works, and what is refused it shows the reason of."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import openai
import pytest
from embedded_world import served

pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")

MESSAGES = [{"role": "user", "content": "hello"}]
USUAL = {
    "frequency_penalty": 0.1,
    "logit_bias": {"1": 1},
    "logprobs": True,
    "max_completion_tokens": 10,
    "metadata": {"a": "b"},
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": 0.1,
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": {"type": "text"},
    "safety_identifier": "s",
    "seed": 1,
    "service_tier": "auto",
    "stop": ["x"],
    "store": False,
    "temperature": 1,
    "tool_choice": "auto",
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
        }
    ],
    "top_logprobs": 1,
    "top_p": 1,
    "user": "u",
    "verbosity": "low",
}
HINTS = {
    "metadata": {"a": "b"},
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "safety_identifier": "s",
    "service_tier": "auto",
    "store": False,
    "user": "u",
    "verbosity": "low",
}


class Provider(BaseHTTPRequestHandler):
    """A provider that refuses every call with one status, in words that quote a key; `fine` answers."""

    seen: ClassVar[list[dict]] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(body)
        model = body["model"]
        status = 200 if model == "fine" else int(model)
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
        refusal = {"error": {"message": "SECRET sk-1234", "type": "x", "code": "x"}}
        content = json.dumps(answer if status == 200 else refusal).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words):
        pass


PROVIDER_STATUSES = (400, 401, 403, 404, 422, 429, 500, 503)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/v1"
    with served(
        tmp_path_factory.mktemp("openai") / "gateway.db", allow_env=[], allow_local=["127.0.0.1"]
    ) as running:
        running.organization()
        running.alias("chat", litellm_params={"mock_response": "hello from chat"})
        running.alias(
            "claude",
            litellm_model="anthropic/c",
            litellm_params={"mock_response": "hello from claude"},
        )
        running.alias(
            "vectors",
            litellm_model="openai/text-embedding-3-small",
            litellm_params={"mock_response": [0.5, 0.25]},
        )
        running.alias("off", status="inactive", litellm_params={"mock_response": "x"})
        running.alias("other", litellm_params={"mock_response": "x"})
        remote = {"api_base": base, "max_retries": 0}
        for name in ("fine", *PROVIDER_STATUSES):
            running.alias(f"says-{name}", litellm_model=f"openai/{name}", litellm_params=remote)
        says = [f"says-{name}" for name in ("fine", *PROVIDER_STATUSES)]
        running.group("g", "chat", "claude", "vectors", "off", *says)
        yield running
    server.shutdown()
    server.server_close()


def client_of(gateway, key, **options):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, **options)


@pytest.fixture
def client(gateway, request):
    name = f"team-{abs(hash(request.node.name))}"
    key = gateway.team(name, "g", credits_allocated=50)["virtual_key"]
    with client_of(gateway, key) as client:
        client.team = name
        yield client


def used(gateway, client):
    return gateway.get(f"/api/teams/{client.team}")["credits_used"]


def test_thirty_calls_in_parallel(gateway, client):
    async def chat():
        async with openai.AsyncOpenAI(
            base_url=client.base_url, api_key=client.api_key, max_retries=0
        ) as client_:
            calls = (
                client_.chat.completions.create(model="chat", messages=MESSAGES) for _ in range(30)
            )
            return await asyncio.gather(*calls)

    answers = asyncio.run(chat())
    assert {answer.choices[0].message.content for answer in answers} == {"hello from chat"}
    assert used(gateway, client) == 30


@pytest.mark.parametrize("model", ["chat", "claude"])
def test_the_usual_parameters_of_a_chat(client, model):
    answer = client.chat.completions.create(
        model=model, messages=MESSAGES, **(USUAL if model == "chat" else HINTS)
    )
    assert (answer.model, answer.choices[0].message.content) == (model, f"hello from {model}")


def test_hints_that_a_provider_does_not_know_are_not_sent_to_it(client):
    Provider.seen.clear()
    answer = client.chat.completions.create(
        model="says-fine", messages=MESSAGES, temperature=0.5, **HINTS
    )
    assert answer.choices[0].message.content == "from afar"
    [seen] = Provider.seen
    assert (seen["temperature"], seen["prompt_cache_key"]) == (0.5, "k")


def test_a_streamed_chat(gateway, client):
    stream = client.chat.completions.create(model="chat", messages=MESSAGES, stream=True)
    assert (
        "".join(part.choices[0].delta.content or "" for part in stream if part.choices)
        == "hello from chat"
    )
    assert used(gateway, client) == 1


def test_embeddings(gateway, client):
    answer = client.embeddings.create(model="vectors", input=["one", "two"], dimensions=2, user="u")
    assert (answer.model, answer.data[0].embedding) == ("vectors", [0.5, 0.25])
    assert client.embeddings.create(model="vectors", input="one").data[0].embedding == [0.5, 0.25]
    assert used(gateway, client) == 2


def test_responses(gateway, client):
    answer = client.responses.create(
        model="chat", input="hello", instructions="be brief", store=False, temperature=0.5
    )
    assert (answer.model, answer.output_text) == ("chat", "hello from chat")
    turns = [{"role": "user", "content": "hello"}]
    with client.responses.stream(model="chat", input=turns) as stream:
        text = "".join(
            event.delta for event in stream if event.type == "response.output_text.delta"
        )
        assert (text, stream.get_final_response().output_text) == (
            "hello from chat",
            "hello from chat",
        )
    events = list(client.responses.create(model="chat", input="hello", stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert used(gateway, client) == 3


def test_models_are_listed_and_shown(client):
    models = client.models.list().data
    assert {model.id for model in models} >= {"chat", "claude", "vectors"}
    assert "off" not in {model.id for model in models}
    assert client.models.retrieve("chat") == models[0]
    assert models[0].created > 1_700_000_000


def refused(kind, call, *words):
    """The exception that the client raises; its text, which is all that most users see, holds the words."""
    with pytest.raises(kind) as raised:
        call()
    for word in words:
        assert word in str(raised.value), str(raised.value)
    assert raised.value.message
    assert isinstance(raised.value.body, dict)
    assert set(raised.value.body) == {"message", "type", "code", "param"}
    return raised.value


def chat(client, model="chat", **more):
    return client.chat.completions.create(model=model, messages=MESSAGES, **more)


def test_a_refusal_is_read_in_the_exception(gateway, client):
    nobody = client_of(gateway, "sk-nobody")
    forbidden = openai.PermissionDeniedError
    error = refused(
        openai.AuthenticationError, lambda: chat(nobody), "Invalid API key", "virtual key"
    )
    assert (error.code, error.type) == ("invalid_api_key", "authentication_error")
    for model, words in (
        ("other", "Team does not have access to model 'other'"),
        ("unheard-of", "Team does not have access to model 'unheard-of'"),
        ("off", "Model 'off' is inactive"),
    ):
        error = refused(
            forbidden,
            lambda model=model: chat(client, model),
            "Model access denied",
            words,
            "'claude'",
        )
        assert (error.code, error.param) == ("model_access_denied", "model")
    gateway.put(f"/api/teams/{client.team}", status="suspended")
    for call in (
        chat,
        lambda client: client.models.list(),
        lambda client: client.models.retrieve("chat"),
    ):
        refused(forbidden, lambda call=call: call(client), "Team suspended", "contact support")
    gateway.put(f"/api/teams/{client.team}", status="active", credits_allocated=0)
    assert (
        refused(forbidden, lambda: chat(client), "Insufficient credits", "no credits left").code
        == "insufficient_credits"
    )


def test_what_is_no_request_is_read_in_the_exception(client):
    unprocessable = openai.UnprocessableEntityError
    for call, words in (
        (lambda: chat(client, extra_body={"api_base": "http://x"}), "api_base: unknown field"),
        (lambda: chat(client, extra_body={"mock_response": "x"}), "mock_response: unknown field"),
        (lambda: client.chat.completions.create(model="chat", messages=[]), "messages"),
        (lambda: client.chat.completions.create(model="chat", messages=["x"]), "messages[0]"),
        (
            lambda: client.embeddings.create(
                model="vectors", input="x", extra_body={"stream": True}
            ),
            "stream",
        ),
        (lambda: client.embeddings.create(model="vectors", input=3), "input"),
        (
            lambda: client.responses.create(model="chat", input="x", extra_body={"api_key": "x"}),
            "api_key: unknown field",
        ),
        (
            lambda: client.responses.create(model="chat", input="x", background=True),
            "background: unknown field",
        ),
    ):
        refused(unprocessable, call, words)
    error = refused(
        openai.NotFoundError,
        lambda: client.models.retrieve("off"),
        "The team has no model 'off'",
        "'claude'",
    )
    assert error.code == "model_not_found"
    refused(openai.NotFoundError, lambda: client.post("/nowhere", cast_to=object), "Not Found")
    refused(
        openai.APIStatusError,
        lambda: client.delete("/models", cast_to=object),
        "Method Not Allowed",
    )
    large = "x" * 10_000_001
    refused(
        openai.APIStatusError,
        lambda: client.embeddings.create(model="vectors", input=large),
        "10 MB",
    )


@pytest.mark.parametrize(
    ("call", "status"),
    [
        *(("chat", status) for status in PROVIDER_STATUSES),
        *((call, status) for call in ("stream", "responses") for status in (400, 429, 500)),
        ("embeddings", 400),  # LiteLLM repeats the others here, whatever max_retries says
    ],
)
def test_a_provider_s_refusal_is_the_caller_s_where_it_is_about_the_request(
    gateway, client, status, call
):
    calls = {
        "chat": lambda: chat(client, f"says-{status}"),
        "stream": lambda: list(chat(client, f"says-{status}", stream=True)),
        "embeddings": lambda: client.embeddings.create(model=f"says-{status}", input="x"),
        "responses": lambda: client.responses.create(model=f"says-{status}", input="x"),
    }
    error = refused(
        openai.APIStatusError, calls[call], "Provider error", f"No answer for model 'says-{status}'"
    )
    assert error.status_code == (status if status in (400, 422, 429) else 502)
    assert "SECRET" not in str(error)
    assert used(gateway, client) == 0
    if status == 429:
        assert (error.response.headers["Retry-After"], error.code) == ("7", "rate_limit_exceeded")


def test_a_bad_key_is_a_bad_key_whatever_the_body(gateway):
    for path in ("chat/completions", "embeddings", "responses"):
        for content in (b"{", b"{}", b""):
            answer = httpx.post(
                f"{gateway.url}/v1/{path}",
                content=content,
                headers={"Authorization": "Bearer sk-no"},
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_body_that_is_no_json_is_read_too(client):
    answer = httpx.post(
        f"{client.base_url}chat/completions",
        content=b"{",
        headers={"Authorization": f"Bearer {client.api_key}"},
    )
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "not JSON" in answer.json()["error"]["message"]


def test_the_documented_path_keeps_the_documented_shape(gateway, client):
    def call(model, key=client.api_key, **more):
        body = {"model": model, "messages": MESSAGES, **more}
        answer = gateway.http.post(
            "/api/jobs/j/llm-call", json=body, headers={"Authorization": f"Bearer {key}"}
        )
        return answer.status_code, answer.json()

    assert call("other")[1].keys() == {"error", "message", "available_models"}
    status, body = call("says-429")
    assert (status, body["error"]) == (429, "Provider error")
    assert call("chat", "sk-no") == (
        401,
        {
            "error": "Invalid API key",
            "message": "Send the team's virtual key as Authorization: Bearer sk-...",
        },
    )
    assert call("chat", api_base="x") == (422, {"detail": "api_base: unknown field"})
