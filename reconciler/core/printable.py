"""Texts that somebody else wrote, made harmless: no character of them steers a terminal or hides."""

import re

# Characters that Python counts as printable and that show nothing: Default_Ignorable_Code_Point beyond category Cf
# (Unicode 15, DerivedCoreProperties.txt), and the blank Braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def safe(text: str) -> str:
    r"""The text on one line, with everything unprintable or invisible escaped: `\x1b`, `\u202e`, `\ud800`."""
    if text.isprintable() and not _INVISIBLE.search(text):
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    if char.isprintable() and not _INVISIBLE.match(char):
        return char
    return char.encode("unicode_escape").decode()
