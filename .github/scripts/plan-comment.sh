#!/usr/bin/env bash
# plan-comment.sh NUMBER: brings the comment about the plan up to date, also where there is no plan for this commit:
# what it says must never be about an earlier one.
set -euo pipefail
HERE=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=.github/scripts/world.sh
source "$HERE/world.sh"

if [ ! -f "$OUT/comment.md" ]; then
  {
    marker plan
    printf '### There is no plan: the run failed before\n\n<sub>Commit %s · [run](%s)</sub>\n' "${HEAD_SHA:-${GITHUB_SHA-}}" "$RUN_URL"
  } >"$OUT/comment.md"
fi
"$HERE/comment.sh" "$1" "$OUT/comment.md"
