"""What others wrote, as it may be written: nothing steers, nothing hides, no line is a command of a log."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.printable import Printed, ascii_json, json_text, lines, printable, safe
from reconciler.render.layout import printed, text

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# With halves of surrogate pairs, which hypothesis leaves out unless asked.
ANYTHING = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
COMMANDS = [
    "::error::x",
    "  ::add-mask::x",
    "\t::stop-commands::x",
    "a ##[add-mask]b",
    "\u00a0::error::",
]


def harmless(shown: str) -> bool:
    return all(unicodedata.category(char) not in STEERING or char == "\n" for char in shown)


def commands(shown: str) -> list[str]:
    return [line for line in shown.split("\n") if line.strip().startswith("::") or "##[" in line]


@given(ANYTHING)
def test_nothing_that_steers_or_is_no_character_is_left(told):
    for shown in (
        printable(told),
        safe(told),
        json_text([told, {told: 1}]),
        printed([text(told)], color=False),
    ):
        assert harmless(shown)
        shown.encode("utf-8")
    assert "\n" not in safe(told)


@given(ANYTHING)
def test_json_says_the_same_in_ascii(told):
    assert json.loads(json_text([told])) == [told]
    assert json_text([told]).isascii()
    assert ascii_json(json.dumps([told], ensure_ascii=False)) == json_text([told], None)


@pytest.mark.parametrize(
    "char",
    ["\u034f", "\u115f", "\u1160", "\u17b4", "\u2800", "\u3164", "\uffa0", "\ufe0f", "\U000e0100"],
)
def test_characters_that_show_nothing_are_shown(char):
    assert char not in safe(f"a{char}b")


@pytest.mark.parametrize("told", ["plain", "Füße λ 漢字 🔑", "a b", "per cent %0A", "C:\\x1b"])
def test_what_is_printable_stays_as_it_is(told):
    assert printable(told) == safe(told) == told


@pytest.mark.parametrize("told", COMMANDS)
def test_nor_in_json(told):
    assert not commands(json_text({told: [told]}))
    assert json.loads(json_text([told])) == [told]


@pytest.mark.parametrize("told", COMMANDS)
@pytest.mark.parametrize("color", [False, True])
def test_no_line_is_a_command_of_a_log(told, color):
    assert not commands(printable(f"first\n{told}\nlast"))
    assert not commands(printed([text(told), text(("", "title"), told)], color=color))


def test_what_is_printed_stays_and_what_is_added_to_it_does_not():
    red = printed([text(("red", "-"))], color=True)
    assert "\x1b[" in red
    assert printable(red) is red
    for both in (red + "\x1b]0;x\x07", "\x1b]0;x\x07" + red, lines(red, "\x1b]0;x\x07")):
        assert isinstance(both, Printed)
        assert red.rstrip("\n") in both
        assert "\x1b]" not in both
        assert "\x07" not in both
