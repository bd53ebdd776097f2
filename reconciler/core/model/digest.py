"""One name for one value: what plans, changes and looks are told apart by."""

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """64 hexadecimal digits; equal values have equal digests, whatever the order of their keys.

    What JSON does not know (days, sets of one's own) counts by its text.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
