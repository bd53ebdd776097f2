"""Real requests after an apply: does a granted model answer, is a revoked one denied, and after how many seconds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic

from pydantic import SecretStr

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.core.model.settings import GatewaySettings
from reconciler.core.plan.plan import Impact
from reconciler.core.plan.probes import Probe, Probed, probes
from reconciler.gateways.base import Gateway

PAUSE = 0.25
ALLOWED, REFUSED = (200,), (401, 403)
Ask = Callable[[str, str], Awaitable[bool]]


async def probe(
    gateway: Gateway,
    settings: GatewaySettings,
    impact: Impact,
    environ: Mapping[str, str],
    seconds: float,
) -> tuple[Probed, ...]:
    """Every probe of an impact, tried until it holds or `seconds` are over.

    Asks as the team of the settings' probe key where there is one, else through the gateway's own check.
    Raises ReconcilerError where there is neither.
    """
    if settings.probe_key_env:
        ask, teams = _with_key(settings, environ), frozenset({settings.probe_team or ""})
        return await _all(probes(impact, teams), ask, seconds)
    return await _all(probes(impact), partial(_own_check, gateway), seconds)


async def _own_check(gateway: Gateway, team: str, model: str) -> bool:
    answer = await gateway.probe(team, model)
    if answer is None:
        hint = "set probe_key_env and probe_team to a team's virtual key"
        raise ReconcilerError(
            error("probe", "this gateway cannot be probed without a virtual key", hint=hint)
        )
    return answer


async def _all(wanted: tuple[Probe, ...], ask: Ask, seconds: float) -> tuple[Probed, ...]:
    return tuple([await _one(each, ask, seconds) for each in wanted])


async def _one(wanted: Probe, ask: Ask, seconds: float) -> Probed:
    started = monotonic()
    while True:
        answer = await ask(wanted.team, wanted.model)
        spent = monotonic() - started
        if answer == wanted.allowed or spent >= seconds:
            return Probed(wanted, answer == wanted.allowed, spent)
        await asyncio.sleep(PAUSE)


def _with_key(settings: GatewaySettings, environ: Mapping[str, str]) -> Ask:
    key = environ.get(settings.probe_key_env or "", "")
    if not key or not settings.url or not settings.probe_team:
        what = f"--probe needs a url, probe_team, and a virtual key in {settings.probe_key_env}"
        raise ReconcilerError(error("probe", what))
    secret, url = SecretStr(key), settings.url.rstrip("/")

    async def ask(_team: str, model: str) -> bool:
        return await _chat(url, secret, model)

    return ask


async def _chat(url: str, key: SecretStr, model: str) -> bool:
    """A smallest real chat completion with the key; anything but an answer or a denial is an error."""
    import httpx  # noqa: PLC0415  only for a probe with a key

    body = {"model": model, "messages": [{"role": "user", "content": "ping"}], "max_tokens": 1}
    try:
        async with httpx.AsyncClient(timeout=60) as client:
            headers = {"Authorization": f"Bearer {key.get_secret_value()}"}
            answer = await client.post(f"{url}/v1/chat/completions", json=body, headers=headers)
    except httpx.HTTPError as problem:
        raise ReconcilerError(
            error("probe", f"the probe of {model} failed: {type(problem).__name__}")
        ) from None
    if answer.status_code in (*ALLOWED, *REFUSED):
        return answer.status_code in ALLOWED
    raise ReconcilerError(
        error("probe", f"the probe of {model} was answered with {answer.status_code}")
    )
