"""The names in a config directory at a glance: for completions, where speed counts more than every corner of YAML.

Looks at lines only: a section at the left margin, and below it the keys at the first indentation. Names written in
braces on one line are not seen, nor is anything checked.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from reconciler.files.discovery import SETTINGS_FILES, discover
from reconciler.files.yaml.read import MAX_BYTES
from reconciler.system.disk import read_regular

_KEY = re.compile(
    r"""^(?P<indent> *)(?P<quote>["']?)(?P<name>[^\s"'#{}\[\]][^"'#:]*)(?P=quote):(?:\s|$)"""
)


def declared_names(directory: Path, section: str) -> tuple[str, ...]:
    """The names below a section (`teams`) of every manifest, overlays too, sorted. Unreadable files hold none."""
    found = discover(directory)
    files = (*found.base, *(file for files in found.environments.values() for file in files))
    return tuple(sorted({name for file in files for name in _below(file, section)}))


def gateway_names(directory: Path) -> tuple[str, ...]:
    """The gateways of the settings."""
    return tuple(sorted(set(_below(directory / SETTINGS_FILES[0], "gateways"))))


def environment_names(directory: Path) -> tuple[str, ...]:
    return tuple(discover(directory).environments)


def _below(file: Path, section: str) -> Iterator[str]:
    try:
        text = read_regular(file, MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeError):
        return
    inside, depth = False, 0
    for line in text.splitlines():
        key = _KEY.match(line)
        if key is None:
            continue
        indent = len(key["indent"])
        if indent == 0:
            inside, depth = key["name"] == section, 0
        elif inside and indent == (depth := depth or indent):
            yield key["name"].strip()
