"""A program that asked for JSON gets JSON, also where the command fails: every command that has --format json."""

import json
from collections.abc import Iterator

import click
import pytest
from e2e_world import Place

from reconciler.cli import COMMANDS, group

ARGUMENTS = {
    "explain": ("acme-prod",),
    "access": ("--live",),
    "compare": ("--from", "base", "--to", "base"),
    "show": ("team", "acme-prod"),
    "history": ("1",),
}
# What an invalid manifest does not keep from answering: they are not about what is declared, or show it as it is.
ANSWERING = {"show", "history", "unlock", "version", "prices"}
# Their document is the list of findings itself; the others have one of their own and fail with an object.
FINDINGS_ARE_THE_DOCUMENT = {"validate", "lint"}


def with_json(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from with_json(command.get_command(click.Context(command), name), (*words, name))
    elif any("--format" in parameter.opts for parameter in command.params):
        yield words


FORMATTED = tuple(with_json(group, ()))
ASKING = tuple(
    words
    for words in FORMATTED
    if any(each.name == "gateway" for each in group.get_command(None, words[0]).params)
)


def asked(words: tuple[str, ...]) -> tuple[str, ...]:
    return (*words, *ARGUMENTS.get(words[0], ()), "--format", "json")


def findings_of(out: str, words: tuple[str, ...]) -> list[dict]:
    document = json.loads(out)
    if words[0] in FINDINGS_ARE_THE_DOCUMENT and isinstance(document, list):
        return document
    assert document["exit_code"] == 1
    return document["findings"]


def test_there_are_such_commands():
    assert {words[0] for words in FORMATTED} >= {
        "plan",
        "drift",
        "explain",
        "access",
        "compare",
        "policy",
        "lint",
    }
    assert {words[0] for words in FORMATTED} <= COMMANDS.keys()


@pytest.mark.parametrize(
    "words", [words for words in FORMATTED if words[0] not in ANSWERING], ids=" ".join
)
def test_an_invalid_config(place: Place, words):
    place.write("wrong.yaml", "teams:\n  x: {plan: nowhere}\n")
    done = place.reconciler(*asked(words), code=1)
    (finding,) = findings_of(done.out, words)
    assert (finding["code"], finding["file"], finding["line"]) == (
        "dangling-reference",
        "config/wrong.yaml",
        2,
    )


@pytest.mark.parametrize(
    "words", [words for words in FORMATTED if words[0] in ANSWERING], ids=" ".join
)
def test_what_answers_though_a_manifest_is_invalid(place: Place, words):
    place.applied()
    place.write("wrong.yaml", "teams:\n  x: {plan: nowhere}\n")
    assert json.loads(place.reconciler(*asked(words)).out)


@pytest.mark.parametrize("words", FORMATTED, ids=" ".join)
def test_a_mistake_on_the_command_line(place: Place, words):
    done = place.reconciler(*asked(words), "--nonsense", code=1)
    (finding,) = findings_of(done.out, words)
    assert "--nonsense" in finding["message"]
    assert "--nonsense" in done.err


@pytest.mark.parametrize("words", [("plan",), ("drift",), ("access",)], ids=" ".join)
def test_a_gateway_that_is_not_there(place: Place, words):
    place.environ["LOCAL_ADMIN_KEY"] = "k"
    place.edit("reconciler.yaml", "http://127.0.0.1:8003", "http://127.0.0.1:9")
    done = place.reconciler(*asked(words), "--gateway", "local-http", code=1)
    assert findings_of(done.out, words)[0]["level"] == "error"
    assert done.err


def test_two_documents_are_never_printed(place: Place):
    (place.directory / "out").write_text("a file", encoding="utf-8")
    done = place.reconciler("plan", "--format", "json", "--report", "out/plan.html", code=1)
    assert "exit_code" not in json.loads(done.out)
    assert "cannot write out/plan.html" in done.err
