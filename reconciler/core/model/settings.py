"""Settings: `config/reconciler.yaml`. Which gateways there are, how to reach them, and what needs asking first."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from reconciler.core.model.findings import Level
from reconciler.core.model.kinds import Count, Spec
from reconciler.core.model.urls import gateway_url, ledger_url

TO_FILL_IN = "TODO"  # stands where only a person knows the value; validate asks for it
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


Url = Annotated[str, StringConstraints(pattern=r"^https?://"), AfterValidator(gateway_url)]
LedgerUrl = Annotated[
    str,
    StringConstraints(pattern=r"^(sqlite(\+pysqlite)?|postgres(ql)?(\+psycopg)?)://"),
    AfterValidator(ledger_url),
]
Percent = Annotated[float, Field(ge=0, le=100)]


class GatewaySettings(Spec):
    """One gateway: its backend, where it is, and the NAME of the environment variable that holds its admin key."""

    backend: Annotated[
        str,
        StringConstraints(min_length=1),
        Field(
            description="Which API it speaks; a plug-in may add others.",
            examples=["embedded", "saas-litellm", "litellm"],
        ),
    ]
    url: Annotated[
        Url | None, Field(description="Base URL. The embedded gateway runs in process without one.")
    ] = None
    admin_key_env: Annotated[
        EnvName | None, Field(description="Environment variable that holds the admin (master) key.")
    ] = None
    database: Annotated[
        str | None,
        Field(description="SQLite file of the embedded gateway, relative to the config directory."),
    ] = None
    concurrency: Annotated[
        int | None,
        Field(
            ge=1, le=64, description="Requests at once; each backend has its own default and cap."
        ),
    ] = None
    timeout_seconds: Annotated[
        float | None, Field(gt=0, le=600, description="How long one request may take.")
    ] = None
    organizations: Annotated[
        Literal["auto", "never"],
        Field(
            description="LiteLLM Proxy: manage organizations where the licence allows, or never."
        ),
    ] = "auto"
    usd_per_credit: Annotated[
        float | None,
        Field(gt=0, description="LiteLLM Proxy: what a credit is worth, unless a plan says so."),
    ] = None
    processes: Annotated[
        int | None,
        Field(
            ge=1,
            description="LiteLLM Proxy: how many processes (workers, replicas) serve it; 1 has apply never wait.",
        ),
    ] = None
    cache_seconds: Annotated[
        int | None,
        Field(
            ge=1,
            description="LiteLLM Proxy: how long its processes keep teams and groups (defaults: 60 and 600).",
        ),
    ] = None
    keys_out: Annotated[
        str | None,
        Field(description="File (mode 0600) that receives the virtual keys of new teams and keys."),
    ] = None
    keys_command: Annotated[
        str | None,
        Field(
            description="Command that receives each new virtual key as JSON on its standard input."
        ),
    ] = None
    probe_key_env: Annotated[
        EnvName | None,
        Field(description="Environment variable with a virtual key that --probe may use."),
    ] = None
    probe_team: Annotated[
        str | None, Field(description="The team that the probe key belongs to.")
    ] = None


class Safety(Spec):
    """What apply refuses unless the flag for just that is given."""

    max_update_percent: Annotated[
        Percent, Field(description="Most of a kind that one apply may update.")
    ] = 30
    max_delete_percent: Annotated[
        Percent, Field(description="Most of a kind that one apply may delete.")
    ] = 30
    min_objects: Annotated[
        Count, Field(description="Kinds with at most this many live objects are exempt.")
    ] = 10
    allow_loss: Annotated[
        bool, Field(description="Let apply take models from teams without --allow-loss.")
    ] = False
    allow_cascade: Annotated[
        bool,
        Field(description="Let apply delete teams that still have keys without --allow-cascade."),
    ] = False


class LedgerSettings(Spec):
    """Where the reconciler remembers what it owns."""

    url: Annotated[
        LedgerUrl | None,
        Field(
            description="sqlite:///file (relative to the config directory) or postgresql://... without a password."
        ),
    ] = None
    url_env: Annotated[
        EnvName | None, Field(description="Environment variable that holds the URL.")
    ] = None
    lock_seconds: Annotated[
        float, Field(gt=0, le=86400, description="How long a lock lives without being renewed.")
    ] = 120


class LintSettings(Spec):
    """Limits that lint rules compare against."""

    deprecation_days: Annotated[
        Count, Field(description="Warn this many days before a model's deprecation date.")
    ] = 90
    dear_output_usd_per_million: Annotated[
        float, Field(ge=0, description="Above this price a model is dear.")
    ] = 20
    dev_labels: Annotated[
        tuple[str, ...], Field(description="Values of the env label that mean development.")
    ] = (
        "dev",
        "test",
    )


def secret_variables(settings: object) -> dict[str, str]:
    """Variables that settings, as plain data, name as holding a secret (`admin_key_env: NAME`): name -> where."""
    return dict(_secret_variables(settings, ()))


def _secret_variables(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if str(key).endswith("_env") and isinstance(item, str):
            yield item, ".".join((*path, str(key)))
        yield from _secret_variables(item, (*path, str(key)))


class Settings(Spec):
    """The whole file; every part has a default, so that no file at all means the embedded gateway."""

    default_gateway: Annotated[str, Field(description="The gateway used without --gateway.")] = (
        "embedded"
    )
    gateways: Annotated[dict[str, GatewaySettings], Field(description="Named gateways.")] = {
        "embedded": GatewaySettings(backend="embedded")
    }
    variables: Annotated[
        tuple[EnvName, ...],
        Field(
            description="Environment variables that ${NAME} may read, beside those named RECONCILER_VAR_..."
        ),
    ] = ()
    prune: Annotated[
        Literal["owned", "never", "all"],
        Field(
            description="What may be deleted when it is not declared: what we own, nothing, or anything."
        ),
    ] = "owned"
    safety: Annotated[
        Safety, Field(description="What needs a flag of its own at apply, and from where on.")
    ] = Safety()
    ledger: Annotated[
        LedgerSettings,
        Field(description="SQLite beside the config by default; PostgreSQL for a team."),
    ] = LedgerSettings()
    lint: Annotated[
        dict[str, Level], Field(description="Level by finding code: error, warning, info or off.")
    ] = {}
    lint_limits: Annotated[
        LintSettings, Field(description="What lint takes for soon, dear and development.")
    ] = LintSettings()

    @model_validator(mode="after")
    def _default_exists(self) -> Self:
        if self.default_gateway not in self.gateways:
            raise ValueError("default_gateway is not among the gateways")
        return self

    @model_validator(mode="after")
    def _no_secret_is_read(self) -> Self:
        secrets = secret_variables(self.model_dump())
        for name in self.variables:
            if name in secrets:
                raise ValueError(
                    f"variables lists {name}, which holds a secret, says {secrets[name]}"
                )
        return self
