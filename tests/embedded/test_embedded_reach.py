"""What an alias's parameters may reach: variables that are allowed by name, and no address of the gateway's own machine."""

import itertools
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from embedded_world import served
from pydantic import SecretStr

from reconciler.embedded.egress import Local

pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")

VARIABLES = {
    "RECONCILER_ADMIN_KEY": "the-admin-key",
    "MY_ADMIN_KEY": "the-admin-key",  # the same under another name
    "OPENAI_API_KEY": "ambient-openai-key",
    "ANTHROPIC_API_KEY": "ambient-anthropic-key",
    "SOME_SECRET": "some-secret-value",
    "_lower9": "lower-secret-value",
}
ALLOWED_NAME, ALLOWED_VALUE = "PROVIDER_KEY", "allowed-value"
PLACES = {
    "api_key": lambda text: {"api_key": text},
    "a header": lambda text: {"extra_headers": {"X-Some": text}},
    "a list": lambda text: {"stop": ["x", text]},
    "deep": lambda text: {"extra_body": {"a": [{"b": text}]}},
    "the answer": lambda text: {"mock_response": text},
}
NOT_WHOLE = [
    "x os.environ/{name}",
    "os.environ/{name}/v1",
    "OS.ENVIRON/{name}",
    "os.environ/",
    "oidc/env/{name}",
    " oidc/file//x",
]


class Sink(BaseHTTPRequestHandler):
    """A server that somebody listens at; it notes what arrives, and may send the caller elsewhere."""

    arrived: ClassVar[list[str]] = []
    elsewhere: ClassVar[str | None] = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.arrived.append(
            f"{self.server.server_port} {self.headers} {body.decode(errors='replace')}"
        )
        if self.elsewhere and self.elsewhere not in self.headers.get("Host", ""):
            self.send_response(307)
            self.send_header("Location", f"http://{self.elsewhere}/v1/chat/completions")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
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

    do_GET = do_POST  # noqa: N815  as http.server names it

    def log_message(self, *_words):
        pass


def listening():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def sinks():
    """Two servers on this machine: calls may reach the first."""
    servers = [listening(), listening()]
    yield [f"127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def sink(sinks, monkeypatch):
    monkeypatch.setattr(Sink, "arrived", [])
    monkeypatch.setattr(Sink, "elsewhere", None)
    for name, value in {**VARIABLES, ALLOWED_NAME: ALLOWED_VALUE}.items():
        monkeypatch.setenv(name, value)
    return sinks


@pytest.fixture(scope="module")
def both(sinks, tmp_path_factory):
    """One database, served twice: as a plan opens it, where any name may be written, and as callers meet it."""
    database = tmp_path_factory.mktemp("reach") / "gateway.db"
    allowed = {"allow_env": [ALLOWED_NAME, "MY_ADMIN_KEY"], "allow_local": [sinks[0]]}
    with (
        served(database) as anything,
        served(database, admin_key=SecretStr("the-admin-key"), **allowed) as strict,
    ):
        strict.http.headers["X-Admin-Key"] = "the-admin-key"
        anything.organization()
        anything.group("g")
        key = anything.team("t", "g", credits_allocated=10**6)["virtual_key"]
        yield anything, strict, key


@pytest.fixture
def call(both, request):
    """Writes an alias where anything may be written, and calls it where it may not."""
    anything, strict, key = both
    numbers = itertools.count()

    def called(parameters, litellm_model="openai/x"):
        name = f"alias-{abs(hash(request.node.name))}-{next(numbers)}"
        body = {
            "alias": name,
            "litellm_model": litellm_model,
            "litellm_params": {**parameters, "max_retries": 0},
        }
        anything.alias(
            name,
            litellm_model=litellm_model,
            litellm_params=body["litellm_params"],
            access_groups=["g"],
        )
        return strict.call(key, name)

    return called


def written(gateway, parameters, litellm_model="openai/x"):
    body = {"alias": "new", "litellm_model": litellm_model, "litellm_params": parameters}
    answer = gateway.http.post("/api/model-aliases/create", json=body)
    if answer.status_code == 200:
        gateway.delete("/api/model-aliases/new")
    return answer


def leaked(text):
    return [value for value in VARIABLES.values() if value in text]


@pytest.mark.parametrize("place", PLACES)
def test_only_variables_that_are_allowed_are_ever_sent(both, call, sink, place):
    _, strict, _ = both
    base = f"http://{sink[0]}/v1"
    for name in VARIABLES:
        parameters = {"api_base": base, **PLACES[place](f"os.environ/{name}")}
        if name != "MY_ADMIN_KEY":
            refused = written(strict, parameters)
            assert (refused.status_code, name in refused.text, "--allow-env" in refused.text) == (
                422,
                True,
                True,
            )
        answer = call(parameters)
        assert answer.status_code == 502, name
        assert leaked(answer.text) == []
    assert Sink.arrived == []
    answer = call({"api_base": base, **PLACES[place](f"os.environ/{ALLOWED_NAME}")})
    assert ALLOWED_VALUE in answer.text + "".join(Sink.arrived)


@pytest.mark.parametrize("text", NOT_WHOLE)
@pytest.mark.parametrize("place", [*PLACES, "a name", "api_base", "litellm_model"])
def test_a_reference_is_the_whole_value_or_nothing(both, sink, text, place):
    filled = text.format(name="SOME_SECRET")
    places = {
        **PLACES,
        "a name": lambda text: {"extra_headers": {text: "x"}},
        "api_base": lambda text: {"api_base": text},
    }
    for gateway in both[:2]:
        if place == "litellm_model":
            if gateway is both[1]:
                assert (
                    written(
                        gateway,
                        {},
                        f"openai/{filled}".replace("openai/ ", "")
                        if "oidc" not in text
                        else filled,
                    ).status_code
                    == 422
                )
            continue
        refused = written(gateway, places[place](filled))
        assert (refused.status_code, leaked(refused.text)) == (422, []), filled


def test_the_provider_s_own_key_is_not_sent_to_an_address_of_the_alias_s(call, sink):
    """LiteLLM takes OPENAI_API_KEY and the like by itself where a call brings no key."""
    for model in (
        "openai/x",
        "anthropic/x",
        "mistral/x",
        "azure/x",
        "text-completion-openai/x",
        "hosted_vllm/x",
    ):
        for base in ("api_base", "base_url"):
            call({base: f"http://{sink[0]}/v1"}, model)
    assert Sink.arrived != []
    assert leaked("".join(Sink.arrived)) == []


@pytest.mark.parametrize("provider", ["vertex_ai", "bedrock", "sagemaker", "watsonx"])
def test_a_provider_that_takes_the_machine_s_credentials_keeps_its_address(
    both, call, sink, provider
):
    parameters = {"api_base": "https://models.example/v1"}
    assert "cannot be changed" in written(both[1], parameters, f"{provider}/x").text
    assert "cannot be changed" in call(parameters, f"{provider}/x").text


LOCAL = [
    "http://localhost:{port}/v1",
    "http://LOCALHOST.:{port}/v1",
    "http://a.localhost:{port}/v1",
    "http://127.0.0.1:{port}/v1",
    "http://127.1:{port}/v1",
    "http://127.255.0.9:{port}",
    "http://2130706433:{port}/v1",
    "http://0x7f000001:{port}/v1",
    "http://0177.0.0.1:{port}/v1",
    "http://0.0.0.0:{port}/v1",
    "http://[::1]:{port}/v1",
    "http://[::]:{port}/v1",
    "http://[::ffff:127.0.0.1]:{port}/v1",
    "http://169.254.169.254/latest",
    "http://[fe80::1%25eth0]/v1",
    "http://[fd00:ec2::254]/latest",
    "http://user@127.0.0.1:{port}/v1",
    " http://127.0.0.1:{port}/v1",
]
URLS = {
    "api_base": lambda url: {"api_base": url},
    "base_url": lambda url: {"base_url": url},
    "nested": lambda url: {"extra_body": {"a": [{"callback": url}]}},
}


@pytest.mark.parametrize("url", LOCAL)
def test_addresses_of_the_machine_and_its_link_are_refused(both, call, sink, url):
    filled = url.format(port=sink[1].partition(":")[2])
    for place in URLS.values():
        refused = written(both[1], place(filled))
        assert (refused.status_code, "--allow-local" in refused.text) == (422, True), filled
        answer = call(place(filled))
        assert (answer.status_code, "--allow-local" in answer.text) == (502, True), filled
    assert Sink.arrived == []


def test_other_addresses_may_be_written_and_the_allowed_one_is_called(both, call, sink):
    for url in ("https://models.example/v1", "http://10.0.0.5:8000/v1", f"http://{sink[0]}/v1"):
        assert written(both[1], {"api_base": url}).status_code == 200, url
    answer = call({"api_base": f"http://{sink[0]}/v1"})
    assert answer.json()["choices"][0]["message"]["content"] == "from afar"


@pytest.mark.parametrize("model", ["openai/x", "anthropic/x", "hosted_vllm/x", "mistral/x"])
def test_a_name_that_resolves_to_the_machine_is_refused_at_the_connection(
    both, call, sink, monkeypatch, model
):
    real, port = socket.getaddrinfo, sink[1].partition(":")[2]

    def rebound(host, *more, **named):
        return real(
            "127.0.0.1" if host in ("innocent.example", b"innocent.example") else host,
            *more,
            **named,
        )

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    parameters = {"api_base": f"http://innocent.example:{port}/v1"}
    assert written(both[1], parameters, model).status_code == 200
    answer = call(parameters, model)
    assert answer.status_code == 502
    assert Sink.arrived == []
    allowed = {"api_base": f"http://innocent.example:{sink[0].partition(':')[2]}/v1"}
    call(allowed, model)
    assert len(Sink.arrived) > 0


@pytest.mark.parametrize("model", ["openai/x", "anthropic/x", "hosted_vllm/x", "mistral/x"])
def test_an_answer_that_redirects_to_the_machine_is_not_followed_there(
    call, sink, monkeypatch, model
):
    monkeypatch.setattr(Sink, "elsewhere", sink[1])
    call({"api_base": f"http://{sink[0]}/v1"}, model)
    ports = {line.split()[0] for line in Sink.arrived}
    assert ports == {sink[0].partition(":")[2]}


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "http://127.0.0.1", "127.0.0.1:x", "127.0.0.1/8", "a b", "127.0.0.1:99999"],
)
def test_an_allowed_address_is_one(text):
    with pytest.raises(ValueError, match=r"HOST|port|address|Port"):
        Local.parse(text)


def test_allowed_addresses_may_be_written_in_the_usual_ways():
    parsed = [
        Local.parse(text)
        for text in ("localhost", "127.0.0.1:11434", "::1", "[::1]:80", "169.254.169.254")
    ]
    assert [(one.host, one.port) for one in parsed] == [
        ("localhost", None),
        ("127.0.0.1", 11434),
        ("::1", None),
        ("::1", 80),
        ("169.254.169.254", None),
    ]
