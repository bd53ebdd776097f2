"""One comment a place and one issue about drift: made once, then updated. Should there be several, the oldest stays."""

from collections.abc import Iterable

from reconciler.ci.forge import Forge, Post
from reconciler.ci.rest import ForgeError
from reconciler.ci.texts import DRIFT_LABEL, DRIFT_TITLE, fitted

NOT_FOUND = 404


def ours(posts: Iterable[Post], text: str) -> list[Post]:
    """What we wrote ourselves under the marker that the text begins with, oldest first."""
    marker = text.partition("\n")[0]
    own = (post for post in posts if post.ours and post.text.startswith(marker))
    return sorted(own, key=lambda post: (post.created, post.number))


def put_comment(forge: Forge, pull: int, text: str) -> str:
    """The comment of the pull request that has the text's marker is there and says the text; what was done."""
    posts = ours(forge.comments(pull), text)
    body = fitted(text, forge.longest)
    if not posts:
        forge.add_comment(pull, body)
        return "commented"
    try:
        forge.edit_comment(pull, posts[0].number, body)
    except ForgeError as problem:
        if problem.status != NOT_FOUND:
            raise
        forge.add_comment(pull, body)
        return "commented anew: somebody had deleted the comment"
    for double in posts[1:]:
        forge.delete_comment(pull, double.number)
    return "updated the comment"


def put_drift(forge: Forge, text: str, *, drifted: bool) -> str:
    """With drift there is one open issue that says the text, without it none; what was done.

    | drift | open issue | then |
    |---|---|---|
    | yes | no | opened |
    | yes | yes | the oldest is updated |
    | no | yes | all are updated and closed |
    | no | no | nothing |
    """
    posts = ours(forge.issues(DRIFT_LABEL), text)
    body = fitted(text, forge.longest)
    if drifted and not posts:
        forge.open_issue(DRIFT_TITLE, body, DRIFT_LABEL)
        return "opened an issue"
    if drifted:
        forge.edit_issue(posts[0].number, body)
        return "updated the issue"
    for post in posts:
        forge.edit_issue(post.number, body, close=True)
    return "closed the issue: the drift is gone" if posts else "there is no issue about drift"
