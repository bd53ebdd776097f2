"""A newer version of the prices for a config: from LiteLLM's price map, into the file that goes through review."""

import hashlib
import json
from pathlib import Path
from typing import Any

from reconciler.core.model.findings import ReconcilerError, error
from reconciler.core.model.prices import PriceMap
from reconciler.files.discovery import PRICES_FILE
from reconciler.files.prices.document import parsed_prices, price_document, with_digest
from reconciler.files.prices.litellm import installed_prices, prices_of
from reconciler.files.prices.loading import MOST_BYTES
from reconciler.system.disk import atomic_write, read_regular

DIGEST_SHOWN = 12


def prices_of_litellm() -> PriceMap:
    """The prices of the LiteLLM that is installed here. Raises ReconcilerError where there is none, or none to read."""
    try:
        prices = installed_prices()
    except (OSError, ValueError, RecursionError):
        raise ReconcilerError(error("prices", "the installed LiteLLM has no price map")) from None
    if prices is None:
        hint = "install it in another environment, or name its price map as a FILE"
        raise ReconcilerError(error("prices", "LiteLLM is not installed here", hint=hint))
    return with_digest(prices)


def prices_of_file(file: Path, label: str | None = None) -> PriceMap:
    """The prices of LiteLLM's map in a file, or of a document of ours. Raises ReconcilerError where it is neither.

    LiteLLM's map says of no version: it is the `label`, or else the file's name and the digest of its content.
    """
    try:
        content = read_regular(file, MOST_BYTES)
        raw = json.loads(content)
        return _prices(raw, content, label or _label(file, content))
    except OSError as problem:
        says = f"cannot read {file}: {problem.strerror}"
    except (KeyError, TypeError, AttributeError, RecursionError):
        says = f"{file} holds no prices"
    except ValueError as problem:
        says = f"{file} holds no prices: {problem}"
    hint = "LiteLLM's model_prices_and_context_window.json, or a prices.json of another config"
    raise ReconcilerError(error("prices", says, hint=hint)) from None


def _prices(raw: Any, content: bytes, label: str) -> PriceMap:
    if not isinstance(raw, dict):
        raise TypeError
    if "format" in raw and "models" in raw:
        return parsed_prices(content.decode("utf-8"))
    return with_digest(prices_of(raw, label))


def _label(file: Path, content: bytes) -> str:
    return f"{file.name} {hashlib.sha256(content).hexdigest()[:DIGEST_SHOWN]}"


def write_prices(directory: Path, prices: PriceMap) -> Path:
    """The config's file of prices. Raises ReconcilerError where it cannot be written."""
    file = directory / PRICES_FILE
    if not directory.is_dir():
        raise ReconcilerError(error("prices", f"there is no config directory {directory}"))
    try:
        atomic_write(file, price_document(prices))
    except OSError as problem:
        says = f"cannot write {file}: {problem.strerror}"
        raise ReconcilerError(error("prices", says)) from None
    return file
