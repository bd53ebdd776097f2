"""What the two services have in common: comments, issues, and the plan that a merged pull request left behind."""

from dataclasses import dataclass
from typing import Protocol

from reconciler.ci.job import PullRequest


@dataclass(frozen=True, slots=True)
class Post:
    """A comment or an issue. `ours` says that the owner of our token wrote it: anybody can write our marker."""

    number: int
    text: str
    created: str
    ours: bool


class Forge(Protocol):
    """A service for one repository. Every method raises `rest.ForgeError` where the service does not do it."""

    @property
    def longest(self) -> int:
        """How many UTF-16 units a text may have."""
        ...

    def comments(self, pull: int) -> list[Post]:
        """All comments of a pull request."""
        ...

    def add_comment(self, pull: int, text: str) -> None: ...

    def edit_comment(self, pull: int, comment: int, text: str) -> None: ...

    def delete_comment(self, pull: int, comment: int) -> None: ...

    def issues(self, label: str) -> list[Post]:
        """The open issues with that label."""
        ...

    def open_issue(self, title: str, text: str, label: str) -> None: ...

    def edit_issue(self, issue: int, text: str, *, close: bool = False) -> None: ...

    def merged(self, commit: str) -> PullRequest | None:
        """The pull request whose merge made just this commit, with its labels of today."""
        ...

    def plan_archive(self, pull: PullRequest) -> bytes:
        """The archive that the newest trusted run of the pull request left, unread.

        Raises `approval.UntrustedError` where there is none.
        """
        ...
