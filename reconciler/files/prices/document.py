"""Prices as a JSON document, one model a line, so that a new version reads well as a diff.

The digest is that of all other lines: it names just these prices, and a document that was edited by hand has none.
"""

import hashlib
import json
import re
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconciler.core.model.prices import Price, PriceMap

FORMAT = 1
SOURCE = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"
LICENCE = "MIT License, Copyright (c) 2023 Berri AI; the whole text is in NOTICE"
ABOUT = "What models cost, in USD per million tokens; written by `reconciler prices update`"
EDITED = "edited by hand"
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"  # it is said in the middle of sentences
_DIGEST_LINE = re.compile(r'^"digest": "([0-9a-f]{64})",\n', re.MULTILINE)


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    format: Literal[1]
    version: Annotated[str, Field(min_length=1, max_length=100, pattern=_ONE_LINE)]
    routing: tuple[tuple[str, str], ...] = ()
    models: dict[str, Price]


def price_document(prices: PriceMap) -> str:
    """The document: equal prices of one version give equal bytes."""
    head = {
        "about": ABOUT,
        "source": SOURCE,
        "licence": LICENCE,
        "format": FORMAT,
        "version": prices.version,
    }
    rows = [f"{_json(name)}: {_json(_row(price))}" for name, price in prices.prices.items()]
    lines = [f"{_json(key)}: {_json(value)}," for key, value in head.items()]
    lines.append(_listed("routing", "[", [_json(rule) for rule in prices.routing], "],"))
    lines.append(_listed("models", "{", rows, "}"))
    body = "\n".join(lines)
    text = "{\n" + body + "\n}\n"
    return "{\n" + f'"digest": "{_digest(text)}",\n' + body + "\n}\n"


def parsed_prices(text: str) -> PriceMap:
    """The prices of a document. Raises ValueError, in words, where it is none or holds what is no price."""
    text = text.replace("\r\n", "\n")
    try:
        document = _Document.model_validate_json(text)
        for pattern, _ in document.routing:
            re.compile(pattern)
    except ValidationError as failure:
        raise ValueError(_in_words(failure)) from None
    except (re.error, RecursionError, OverflowError):
        raise ValueError("a pattern of routing is no regular expression") from None
    said = _DIGEST_LINE.search(text)
    digest = _digest(_DIGEST_LINE.sub("", text, count=1))
    prices = PriceMap(
        document.models,
        frozenset(price.provider for price in document.models.values()),
        document.routing,
        document.version,
        digest,
    )
    if said is not None and said[1] == digest:
        return prices
    return replace(prices, version=f"{document.version}, {EDITED}")


def with_digest(prices: PriceMap) -> PriceMap:
    """The prices as their document reads."""
    return parsed_prices(price_document(prices))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _row(price: Price) -> dict[str, Any]:
    """What is known of a model."""
    values = ((field.name, getattr(price, field.name)) for field in fields(price))
    return {name: value for name, value in values if value is not None}


def _listed(key: str, opens: str, rows: list[str], closes: str) -> str:
    inner = ",\n".join(rows)
    return f"{_json(key)}: {opens}\n{inner}\n{closes}" if rows else f"{_json(key)}: {opens}{closes}"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(", ", ": "), default=str)


def _in_words(failure: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = failure.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    message = str(first["msg"]).splitlines()[0]
    return f"{place}: {message}" if place else message
