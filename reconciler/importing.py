"""Import: a running gateway as manifests, merged into files or written anew. Nothing is written here: texts come out.

fresh(session, out) makes every file of a new config directory, updated(session) edits those that are there
(`core.imports.merge`, `files.imports.update`), converted(...) reads a LiteLLM config.yaml or a Terraform state.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from reconciler.core.imports.export import Export, Source, everything, export
from reconciler.core.imports.merge import Declared, Merge, merge
from reconciler.core.imports.plans import with_plans
from reconciler.core.model.changes import Change
from reconciler.core.model.findings import Finding, Level, ReconcilerError, error, ordered, warning
from reconciler.core.model.inventory import resource_of
from reconciler.core.model.kinds import KINDS
from reconciler.core.model.refs import Ref
from reconciler.core.model.settings import TO_FILL_IN, GatewaySettings, LedgerSettings, Settings
from reconciler.core.plan.diff import diff, veiled_state
from reconciler.core.plan.drift import Drift
from reconciler.core.plan.resolve import resolve
from reconciler.core.plan.scope import EVERYTHING, Scope
from reconciler.files.discovery import SETTINGS_FILES, discover
from reconciler.files.imports.update import Updating
from reconciler.files.imports.write import Origins, manifests
from reconciler.files.manifests import Manifests, locate
from reconciler.files.yaml.emit import block
from reconciler.gateways import EMBEDDED_DATABASE, backend_of
from reconciler.gateways.base import Live
from reconciler.pipeline import Loaded, Session, known_of, require_readable
from reconciler.system.disk import HOME

SETTINGS_FILE = SETTINGS_FILES[0]
_WORD = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
_NO_NAMES = frozenset({"localhost", "www", "api"})


@dataclass(frozen=True)
class Written:
    """Relative file name -> text, and what to tell."""

    files: Mapping[str, str]
    findings: tuple[Finding, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def selection(session: Session, live: Live, scope: Scope) -> Callable[[Ref], bool]:
    """Whether a live ref is in the scope; labels are those that the ledger knows."""
    if not scope.patterns:
        return everything
    inventory = known_of(session, live.fixed).inventory

    def fits(ref: Ref) -> bool:
        record = inventory.get(ref)
        after = resource_of(ref, record) if record else live.state.get(ref)
        return scope.fits(Change(ref, live.state.get(ref), after), inventory)

    return fits


def refuse_overwriting(out: Path) -> None:
    """Raises ReconcilerError where the directory already holds manifests."""
    found = discover(out)
    held = (*found.base, *(file for files in found.environments.values() for file in files))
    if held:
        says = f"{out} already holds manifests, e.g. {held[0].relative_to(out)}"
        hint = "--update merges into them; --out DIR writes somewhere else"
        raise ReconcilerError(error("import-not-empty", says, hint=hint))


async def fresh(
    session: Session, out: Path, *, suggest: bool = True, scope: Scope = EVERYTHING
) -> Written:
    """Every file of a new config directory `out`, with settings that lead to the same gateway and ledger."""
    live = await session.gateway.read()
    source = source_of(session, live)
    found = with_plans(export(source, selection(session, live, scope)), suggest=suggest)
    texts = {**_settings(session, out, found), **manifests(found, Origins(session.target.name))}
    told = (*live.findings, *found.findings, *_naming(found), *still(session, found, source))
    return Written(texts, ordered(told), counted(found))


def _settings(session: Session, out: Path, found: Export) -> Mapping[str, str]:
    """Settings for a directory that has none; in those that are there only the lint levels that names need."""
    if not (out / SETTINGS_FILE).exists():
        return {SETTINGS_FILE: settings_text(settings_for(session, out, found))}
    files = Updating(out, Manifests())
    return files.into(Merge(added=Export({}, lint=found.lint)))


def require_settings(loaded: Loaded) -> None:
    """Raises ReconcilerError where no settings say which gateway is meant, or where they have errors."""
    if not (loaded.directory / SETTINGS_FILE).is_file():
        says = f"{loaded.directory} has no {SETTINGS_FILE} that names a gateway"
        hint = "--url, --backend and --admin-key-env name one here; --config DIR has settings elsewhere"
        raise ReconcilerError(error("import-gateway", says, hint=hint))
    require_readable(loaded)


def source_of(session: Session, live: Live) -> Source:
    known = known_of(session, live.fixed)
    seen = veiled_state(live.state, session.loaded.manifests.state, known.inventory)
    return Source(seen, session.gateway.support, known)


def counted(export: Export) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for ref in export.objects:
        counts[ref.kind] = counts.get(ref.kind, 0) + 1
    return counts


def _naming(export: Export) -> Iterable[Finding]:
    for code in export.lint:
        says = f"names on the gateway break the style of manifests; the settings say lint: {{{code}: warning}}"
        yield warning(
            "import-names",
            says,
            hint="rename them with renamed_from: one day, and take the line out",
        )


def still(session: Session, export: Export, source: Source) -> Iterable[Finding]:
    """What a plan of the export would change all the same: there should be nothing."""
    loaded = session.loaded
    desired = resolve(export.state, loaded.now, loaded.prices).state
    for change in diff(desired, source.live, source.known, source.support, prune="never").changes:
        if change.verb != "adopt":
            names = ", ".join(each.name for each in change.fields) or change.verb
            says = f"{change.ref} cannot be written as it is: plan will show {names}"
            yield warning("import-differs", says, ref=change.ref)


def settings_for(session: Session, out: Path, export: Export) -> Settings:
    """The settings in use, as they read from `out`: relative files still lead to the same places."""
    given, home = session.loaded.settings, session.loaded.directory
    gateways = dict(given.gateways)
    for name, gateway in given.gateways.items():
        if gateway.url is None and backend_of(gateway.backend).database:
            moved = _moved(gateway.database or EMBEDDED_DATABASE, home, out, EMBEDDED_DATABASE)
            gateways[name] = gateway.model_copy(update={"database": moved})
    lint = {**{code: Level(level) for code, level in export.lint.items()}, **given.lint}
    ledger = _ledger(given.ledger, home, out)
    update = {
        "default_gateway": session.target.name,
        "gateways": gateways,
        "ledger": ledger,
        "lint": lint,
    }
    return given.model_copy(update=update)


def _ledger(given: LedgerSettings, home: Path, out: Path) -> LedgerSettings:
    if given.url_env or (given.url and not given.url.startswith("sqlite:///")):
        return given
    default = f"{HOME}/ledger.db"
    moved = _moved((given.url or default).removeprefix("sqlite:///"), home, out, default)
    return given.model_copy(update={"url": f"sqlite:///{moved}" if moved else None})


def _moved(file: str, home: Path, out: Path, default: str) -> str | None:
    """The file as seen from `out`; None where it is where it would be looked for anyway."""
    there = Path(os.path.relpath((home / file).resolve(), out.resolve())).as_posix()
    return None if there == default else there


def settings_text(settings: Settings) -> str:
    """The settings that differ from the defaults."""
    plain = settings.model_dump(mode="json", exclude_defaults=True)
    plain["default_gateway"] = settings.default_gateway
    plain["gateways"] = {
        name: gateway.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
        for name, gateway in settings.gateways.items()
    }
    order = (
        "default_gateway",
        "gateways",
        *(name for name in plain if name not in ("default_gateway", "gateways")),
    )
    head = [
        "# yaml-language-server: $schema=schemas/settings.schema.json",
        "# Written by reconciler import.",
    ]
    return "\n".join([*head, *block({name: plain[name] for name in order}, 0)]) + "\n"


async def updated(session: Session, *, scope: Scope = EVERYTHING, prune: bool = False) -> Written:
    """The files of the config that change when the live side is merged into them."""
    live = await session.gateway.read()
    return merged_into_files(session, live, selection(session, live, scope), prune=prune)


def merged_into_files(
    session: Session,
    live: Live,
    only: Callable[[Ref], bool],
    *,
    prune: bool = False,
    fields: Mapping[Ref, frozenset[str]] | None = None,
) -> Written:
    """As `updated`, for a live state that was read before; with `fields` only those, and no new objects."""
    loaded = session.loaded
    declared = Declared(loaded.manifests.state, loaded.now, loaded.prices)
    found = merge(declared, source_of(session, live), only, new=fields is None, fields=fields)
    files = Updating(loaded.directory, loaded.manifests)
    texts = files.into(found, prune=prune)
    counts = {
        kind: sum(ref.kind == kind for ref in (*found.changed, *found.added.objects))
        for kind in KINDS
    }
    told = (
        locate(loaded.manifests, finding)
        for finding in (*live.findings, *found.findings, *files.findings)
    )
    return Written(texts, ordered(told), {kind: count for kind, count in counts.items() if count})


async def adopted(session: Session, drifted: Drift) -> Written:
    """For `drift --adopt`: the live side of what drifted as changes of the files; what is gone leaves them."""
    fields = {each.ref: frozenset(one.name for one in each.fields) for each in drifted.objects}
    live = await session.gateway.read()
    return merged_into_files(session, live, fields.__contains__, prune=True, fields=fields)


def with_gateway(
    loaded: Loaded,
    name: str | None,
    backend: str | None,
    url: str,
    key_env: str | None,
    *,
    out: Path,
) -> Loaded:
    """The config with a gateway that its settings do not have yet; without settings, a config that begins in `out`.

    Raises ReconcilerError for a gateway that cannot be.
    """
    try:
        gateway = GatewaySettings.model_validate(
            {"backend": backend, "url": url, "admin_key_env": key_env}
        )
    except ValidationError as failure:
        says = "; ".join(
            each["msg"] for each in failure.errors(include_url=False, include_input=False)
        )
        hint = "e.g. --backend saas-litellm --url https://gateway.example.com --admin-key-env GATEWAY_ADMIN_KEY"
        raise ReconcilerError(
            error("import-gateway", f"the gateway of --url: {says}", hint=hint)
        ) from failure
    given = loaded.settings
    begun = (loaded.directory / SETTINGS_FILE).is_file()
    known = given.gateways if begun else {}
    chosen = name or gateway_name(gateway, known)
    settings = given.model_copy(
        update={"gateways": {**known, chosen: gateway}, "default_gateway": chosen}
    )
    return replace(loaded, settings=settings, directory=loaded.directory if begun else out)


def gateway_name(gateway: GatewaySettings, known: Mapping[str, GatewaySettings]) -> str:
    """What settings call a gateway: as they call its URL already, else the first word of its host, else its backend."""
    for name, other in known.items():
        if (other.backend, other.url) == (gateway.backend, gateway.url):
            return name
    word = (urlsplit(gateway.url or "").hostname or "").partition(".")[0]
    base = word if _WORD.fullmatch(word) and word not in _NO_NAMES else gateway.backend
    number, name = 1, base
    while name in known:
        number, name = number + 1, f"{base}-{number + 1}"
    return name


def converted(
    config_yaml: Path | None, terraform: Path | None, out: Path, *, suggest: bool = True
) -> Written:
    """The manifests that say what a LiteLLM config.yaml or a Terraform state says."""
    from reconciler.files.imports.litellm_config import from_config_yaml  # noqa: PLC0415  only for this
    from reconciler.files.imports.terraform import from_terraform  # noqa: PLC0415  as above

    read, source = (from_config_yaml, config_yaml) if config_yaml else (from_terraform, terraform)
    if source is None or (config_yaml and terraform):
        raise ReconcilerError(error("import-source", "one file at a time"))
    found = with_plans(read(source), suggest=suggest)
    texts = dict(manifests(found, Origins(source.name)))
    if not (out / SETTINGS_FILE).exists():
        texts = {SETTINGS_FILE: settings_text(_settings_to_fill_in(found)), **texts}
    return Written(texts, ordered((*found.findings, *_naming(found))), counted(found))


def _settings_to_fill_in(found: Export) -> Settings:
    """A file says nothing of where its proxy runs: a gateway whose url and key validate asks for."""
    proxy = GatewaySettings.model_construct(
        backend="litellm", url=TO_FILL_IN, admin_key_env=TO_FILL_IN
    )
    lint = {code: Level(level) for code, level in found.lint.items()}
    return Settings(default_gateway="litellm", gateways={"litellm": proxy}, lint=lint)
