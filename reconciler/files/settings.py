"""Settings: `reconciler.yaml` to its typed value, with findings of the same quality as those of manifests."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from reconciler.core.model.findings import (
    Finding,
    Origin,
    ReconcilerError,
    did_you_mean,
    error,
    ordered,
    warning,
)
from reconciler.core.model.settings import TO_FILL_IN, Settings, secret_variables
from reconciler.files.discovery import SETTINGS_FILES, root_of, shown
from reconciler.files.parsing import Parsed, parse_file
from reconciler.files.places import PlacesByFile
from reconciler.files.specs import AT_THE_KEY, read_spec
from reconciler.files.validate.schemas import REUSABLE
from reconciler.files.validate.wording import Problem, either, named
from reconciler.files.validate.wording import shown as quoted
from reconciler.files.variables import Variables
from reconciler.gateways import UNKNOWN_BACKEND, backend_names, backend_of

_PASSWORD_IN_URL = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", re.IGNORECASE)
_NOWHERE = "https://to-be-filled-in.invalid"  # RFC 2606: never a host
_TO_FILL_IN = {
    "url": "write the base URL, e.g. https://litellm.example.com",
    "admin_key_env": "write the NAME of the environment variable with the master key, e.g. LITELLM_MASTER_KEY",
}
_SECRET_KEYS = frozenset(
    {"admin_key", "master_key", "api_key", "key", "token", "password", "secret"}
)


def load_settings(
    directory: Path,
    *,
    variables: Mapping[str, str] = MappingProxyType({}),
    base: Settings | None = None,
) -> tuple[Settings, tuple[Finding, ...]]:
    """The settings of a config directory; no file means the defaults. Where they are wrong: defaults, and findings.

    `variables` is the environment, of which `${NAME}` reads what these settings allow (`files.variables`), or with a
    `base` what those settings do.
    """
    name, other = SETTINGS_FILES
    file = directory / name
    if not os.path.lexists(file):
        return Settings(), tuple(_misnamed(directory / other, name))
    parsed = parse_file(file, root_of(directory))
    places = PlacesByFile()
    settings, problems = _settings(parsed, variables, base)
    syntax = tuple(_serious(parsed, places))
    taken = {finding.origin for finding in syntax}
    found = (_located(problem, file, places) for problem in problems)
    return settings, ordered(
        (*syntax, *(finding for finding in found if finding.origin not in taken))
    )


def readable(settings: Settings, environ: Mapping[str, str]) -> Variables:
    """What of the environment `${NAME}` may read by these settings."""
    return _readable(settings.model_dump(), environ)


def _readable(document: object, environ: Mapping[str, str]) -> Variables:
    listed = document.get("variables") if isinstance(document, dict) else None
    names = (
        name
        for name in (listed if isinstance(listed, list | tuple) else ())
        if isinstance(name, str)
    )
    return Variables(environ, frozenset(names), secret_variables(document))


def _misnamed(file: Path, name: str) -> Iterator[Finding]:
    if file.is_file():
        says = f"{file.name} is not read; settings stand in {name}"
        yield warning(
            "settings-misnamed", says, hint=f"rename it to {name}", origin=Origin(shown(file), 1, 1)
        )


def _serious(parsed: Parsed, places: PlacesByFile) -> Iterator[Finding]:
    """What YAML says, but for an unquoted `off` where a lint level belongs: here it can only mean the level."""
    levels = _lint_levels_off(parsed, places)
    return (finding for finding in parsed.findings if finding.origin not in levels)


def _lint_levels_off(parsed: Parsed, places: PlacesByFile) -> frozenset[Origin]:
    sections = [document for document in parsed.documents if isinstance(document, dict)]
    lint = sections[0].get("lint") if sections else None
    if not isinstance(lint, dict):
        return frozenset()
    return frozenset(
        places.origin(parsed.path, ("lint", code)) for code, level in lint.items() if level == "off"
    )


def _settings(
    parsed: Parsed, environ: Mapping[str, str], base: Settings | None
) -> tuple[Settings, tuple[Problem, ...]]:
    documents = [document for document in parsed.documents if document is not None]
    if not documents:
        return Settings(), ()
    if len(documents) > 1:
        return Settings(), (
            Problem("bad-value", "settings are one document, not several", "remove the --- lines"),
        )
    written = documents[0]
    if isinstance(written, dict):
        written = {key: part for key, part in written.items() if not key.startswith(REUSABLE)}
    variables = _readable(written, environ) if base is None else readable(base, environ)
    reading = read_spec(
        Settings,
        written,
        variables,
        subject="the settings",
        prepared=_filled_in,
        further=_backends,
        reworded=_reworded,
    )
    secrets = tuple(_secrets(reading.document))
    problems = (problem for problem in reading.problems if not _beneath(problem, secrets))
    return reading.value or Settings(), (*_to_fill_in(reading.document), *secrets, *problems)


def _backends(document: object) -> Iterator[Problem]:
    """What only the rows of the backends know: which there are, and what each needs of the settings."""
    gateways = document.get("gateways") if isinstance(document, dict) else None
    for name, gateway in gateways.items() if isinstance(gateways, dict) else ():
        backend = gateway.get("backend") if isinstance(gateway, dict) else None
        if isinstance(backend, str) and backend:
            yield from _backend(backend, gateway, ("gateways", name))


def _backend(
    backend: str, gateway: Mapping[str, object], path: tuple[str, ...]
) -> Iterator[Problem]:
    at = (*path, "backend")
    try:
        row = backend_of(backend)
    except ReconcilerError as problem:
        (finding,) = problem.findings
        if finding.code != UNKNOWN_BACKEND:
            yield Problem(finding.code, finding.message, finding.hint, at)
            return
        says = f"{named(at)} must be {either(backend_names())}"
        hint = did_you_mean(backend, backend_names())
        yield Problem("not-allowed", says, hint, at, quoted(backend, at))
        return
    for field in sorted(row.needs):
        if gateway.get(field) is None:
            article = "an" if field[0] in "aeio" else "a"
            yield Problem("bad-value", f"backend {backend} needs {article} {field}", None, at)
    if not row.database and gateway.get("database") is not None:
        says = "database is for the embedded gateway"
        yield Problem("bad-value", says, None, (*path, "database"))


def _to_fill_in(document: object) -> Iterator[Problem]:
    """What an import left open because only a person knows it."""
    gateways = document.get("gateways") if isinstance(document, dict) else None
    for name, gateway in gateways.items() if isinstance(gateways, dict) else ():
        for field, hint in _TO_FILL_IN.items():
            if isinstance(gateway, dict) and gateway.get(field) == TO_FILL_IN:
                path = ("gateways", name, field)
                yield Problem(
                    "to-fill-in", f"{'.'.join(path)} is still to be filled in", hint, path
                )


def _filled_in(document: object) -> object:
    """The document with a value where one is to be filled in, so that everything else in it is read and judged."""
    for problem in _to_fill_in(document):
        _, name, field = problem.path
        if isinstance(document, dict) and field == "url":
            gateway = {**document["gateways"][name], "url": _NOWHERE}
            document = {**document, "gateways": {**document["gateways"], name: gateway}}
    return document


def _beneath(problem: Problem, others: Iterable[Problem]) -> bool:
    """Whether one of the others is about the same value."""
    return any(problem.path[: len(other.path)] == other.path for other in others)


def _reworded(problem: Problem, document: object) -> Problem:
    if (
        problem.code == "unknown-key"
        and problem.path[0] == "gateways"
        and problem.path[-1] in _SECRET_KEYS
    ):
        hint = "name the environment variable that holds it: admin_key_env: NAME"
        says = f"{problem.path[-1]} would put a secret into the settings"
        return Problem("secret-in-settings", says, hint, problem.path)
    if problem.path == ("default_gateway",) and isinstance(document, dict):
        gateways, chosen = document.get("gateways") or {}, document.get("default_gateway")
        near = did_you_mean(str(chosen), gateways)
        hint = near or f"there are: {', '.join(gateways) or 'none'}"
        return replace(problem, hint=hint, found=quoted(chosen, problem.path))
    return problem


def _secrets(document: object) -> Iterator[Problem]:
    """URLs that hold a password; the message never shows them."""
    for path, hint in _urls(document):
        says = f"{'.'.join(path)} holds a password"
        yield Problem("secret-in-settings", says, hint, path)


def _urls(document: object) -> Iterator[tuple[tuple[str, ...], str]]:
    sections = document if isinstance(document, dict) else {}
    gateways = sections.get("gateways")
    for name, gateway in (gateways if isinstance(gateways, dict) else {}).items():
        if _has_password(gateway):
            yield (
                ("gateways", name, "url"),
                "leave it out of the url; admin_key_env: NAME names the key's variable",
            )
    if _has_password(sections.get("ledger")):
        yield (
            ("ledger", "url"),
            "put the whole url into an environment variable and name it: url_env: NAME",
        )


def _has_password(section: object) -> bool:
    return isinstance(section, dict) and bool(_PASSWORD_IN_URL.match(str(section.get("url"))))


def _located(problem: Problem, file: Path, places: PlacesByFile) -> Finding:
    place = places.origin(file, problem.path, key=problem.code in AT_THE_KEY)
    return error(problem.code, problem.sentence, hint=problem.hint, path=problem.path, origin=place)
