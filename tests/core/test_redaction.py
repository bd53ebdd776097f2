"""Known secrets in a text of somebody else's: nothing of them is left, however they are quoted."""

import base64
import html
import json
import random
import string
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.model.secrets.redaction import PIECE, SECRET, redacted

ODD = string.ascii_letters + string.digits + " \"'\\/+=&<>%\n\täλ漢🔑"
PEM = "-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----\n"


def secret(rng: random.Random) -> str:
    """A key, a passphrase of odd characters, or a private key of several lines."""
    plain = "".join(rng.choices(string.ascii_letters + string.digits, k=64))
    odd = "".join(rng.choices(ODD, k=rng.randint(PIECE, 60)))
    return rng.choice(
        (plain[: rng.randint(PIECE, 64)], f"sk-{plain[:20]}", odd, PEM.format(plain, plain[::-1]))
    )


QUOTATIONS = {
    "as it is": lambda value: value,
    "header": lambda value: f"x-admin-key: {value}",
    "json": lambda value: json.dumps({"api_key": value}),
    "json in json": lambda value: json.dumps({"api_key": value}, ensure_ascii=False),
    "python": lambda value: repr({"headers": [("authorization", f"Bearer {value}")]}),
    "path": quote,
    "query": lambda value: urlencode({"key": value}),
    "plus": quote_plus,
    "html": html.escape,
    "basic": lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
    "basic, alone": lambda value: base64.b64encode(value.encode()).decode(),
    "url-safe base64": lambda value: base64.urlsafe_b64encode(f"xx{value}".encode()).decode(),
    "cut short": lambda value: value[: max(PIECE, len(value) // 2)] + "...",
    "pydantic": lambda value: (
        f"[type=missing, input_value='{value[:25]}...{value[-25:]}', input_type=str]"
    ),
    "wrapped": lambda value: "\n".join(value[at : at + 40] for at in range(0, len(value), 40)),
}


def left(text: str, quoted: str) -> list[str]:
    """The runs of so many characters of the quotation that can still be read, without our own mask."""
    shown = text.replace(SECRET, "\0")
    runs = {quoted[at : at + PIECE] for at in range(len(quoted) - PIECE + 1)}
    return [run for run in runs if run in shown]


@pytest.mark.parametrize("way", QUOTATIONS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_nothing_of_a_secret_is_left_however_it_is_quoted(way, seed):
    value = secret(random.Random(seed))
    core = QUOTATIONS[way](value)
    text = redacted(f"refused: {core} (try again)", [f"Bearer {value}"])
    assert left(text, value) == []
    assert left(text, json.dumps(value)[1:-1]) == []
    encoded = base64.b64encode(value.encode()).decode()
    assert left(text, encoded) == []
    assert text.startswith("refused: ")


@given(seed=st.integers(0, 2**32))
def test_a_text_without_secrets_stays_as_it_is(seed):
    rng = random.Random(seed)
    text = "team acme-prod has no access group 'gpt-4'; max_tokens must be at most 4096 (see https://docs.example/x)"
    assert redacted(text, [secret(rng), "sk-0123456789abcdef", "longest-secret-of-all"]) == text


@pytest.mark.parametrize("value", ["k", "abc", "hunter2", "pässwd"])
def test_a_short_secret_is_cut_out_as_a_word(value):
    assert (
        redacted(f"key {value}: no. '{value}' ({value})", [value])
        == f"key {SECRET}: no. '{SECRET}' ({SECRET})"
    )
    assert redacted(f"x{value}x", [value]) == f"x{value}x"


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-0123456789abcdefgh_-x",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_0123456789abcdefghijABCD",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "postgresql://reconciler:hunter2@",
        PEM.format("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "uO5Hb7Ce1Q"),
    ],
)
def test_what_has_the_form_of_a_secret_is_cut_out_too(text):
    cut = redacted(f"not allowed: {text} ", [])
    assert left(cut, text) == []
    assert cut.startswith(f"not allowed: {SECRET}")


def test_no_secret_at_all_is_no_trouble():
    assert redacted("", ["", "Bearer "]) == ""
    assert redacted("fine", [""]) == "fine"
