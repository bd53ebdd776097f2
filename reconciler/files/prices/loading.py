"""Which prices hold: those of the config's own file, else those of the snapshot that the package ships.

An installed LiteLLM is never looked at: two machines with one config see one price.
"""

from dataclasses import replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

from reconciler.core.model.findings import Finding, Origin, error, warning
from reconciler.core.model.prices import PriceMap
from reconciler.files.discovery import PRICES_FILE, root_of, shown
from reconciler.files.prices.document import EDITED, parsed_prices
from reconciler.system.disk import read_regular

MOST_BYTES = 64 * 1024 * 1024
HINT = "reconciler prices update writes it anew; without the file the prices of the package hold"


def load_prices(directory: Path) -> tuple[PriceMap, tuple[Finding, ...]]:
    """The prices for a config directory. A file that cannot be used is an error, and the shipped ones are returned."""
    file = directory / PRICES_FILE
    place = Origin(shown(file), 1, 1)
    try:
        text = read_regular(file, MOST_BYTES, root_of(directory)).decode("utf-8")
        prices = _parsed(text)
    except FileNotFoundError:
        return shipped_prices(), ()
    except OSError as problem:
        says = f"the prices cannot be read: {problem.strerror}"
        return shipped_prices(), (error("prices", says, hint=HINT, origin=place),)
    except UnicodeDecodeError:
        return shipped_prices(), (error("prices", "it is no UTF-8", hint=HINT, origin=place),)
    except ValueError as problem:
        says = f"it is no file of prices: {problem}"
        return shipped_prices(), (error("prices", says, hint=HINT, origin=place),)
    if prices.version.endswith(EDITED):
        says = "the prices were edited by hand: they are no longer those of their version"
        hint = "declare pricing_input and pricing_output of an alias for a price of your own"
        return prices, (warning("prices-edited", says, hint=hint, origin=place),)
    return prices, ()


@cache
def shipped_prices() -> PriceMap:
    """The snapshot that this version of the reconciler ships."""
    return parsed_prices(snapshot().read_text(encoding="utf-8"))


def snapshot() -> Path:
    """The file of the snapshot."""
    return Path(str(files("reconciler.files.prices"))) / "litellm.json"


@lru_cache(maxsize=2)
def _parsed(text: str) -> PriceMap:
    """One value for one content: what is computed from prices is kept by it.

    The routing is always that of the package: a stranger's regular expression might never end.
    """
    return replace(parsed_prices(text), routing=shipped_prices().routing)
