"""Literal secrets in free JSON: what looks like one, never its value."""

import re
from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]

# Keys as LiteLLM's provider parameters name them: api_key, aws_secret_access_key, vertex_credentials, azure_ad_token.
_SECRET_KEY = re.compile(
    r"(^|[_-])(api[_-]?key|access[_-]?key|private[_-]?key|secret([_-]?key)?|password|passwd|token|credentials?"
    r"|authorization)$",
    re.IGNORECASE,
)
# Repeats are bounded so that no text, however long, takes more than linear time.
_SECRET_VALUE = re.compile(
    r"sk-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|xox[baprs]-[A-Za-z0-9-]{10,}"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY|AIza[0-9A-Za-z_-]{30,}|eyJ[A-Za-z0-9_-]{10,500}\.[A-Za-z0-9_-]{10,2000}\."
    r"|[a-z][a-z0-9+.-]{0,20}://[^/@\s:]{0,200}:[^/@\s]{1,500}@"
)
_REFERENCE = re.compile(r"os\.environ/[A-Za-z_][A-Za-z0-9_]*\Z")


def literal_secrets(value: object, path: Path = (), *, secret: bool = False) -> Iterator[Path]:
    """The paths of texts that look like a secret, by their key or by their form; `os.environ/NAME` is a reference."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from literal_secrets(item, (*path, key), secret=bool(_SECRET_KEY.search(str(key))))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from literal_secrets(item, (*path, index), secret=secret)
    elif isinstance(value, str) and _looks_secret(value, secret=secret):
        yield path


def _looks_secret(text: str, *, secret: bool) -> bool:
    return bool(text and not _REFERENCE.match(text) and (secret or _SECRET_VALUE.search(text)))
