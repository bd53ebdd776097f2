"""How one list became another."""

from typing import Any


def extends(old: Any, new: Any) -> bool:
    """Whether a list of scalars became another by leaving some out and adding some at the end."""
    if not (isinstance(old, list) and isinstance(new, list)):
        return False
    if any(isinstance(each, (dict, list)) for each in (*old, *new)):
        return not new
    kept, added = split(old, new)
    return [each for each, keep in zip(old, kept, strict=True) if keep] + added == new


def split(old: list[Any], new: list[Any]) -> tuple[list[bool], list[Any]]:
    """Which of the old ones stay, and which are new."""
    return [each in new for each in old], [each for each in new if each not in old]
