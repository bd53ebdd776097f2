#!/usr/bin/env bash
# Validates the config: annotations on the lines, and where it has errors the text for the comment in $OUT/comment.md.
set -euo pipefail
# shellcheck source=.github/scripts/world.sh
source "$(dirname "${BASH_SOURCE[0]}")/world.sh"

rm -f "$OUT/comment.md"
code=0
reconciler validate "${WHERE[@]}" --format github || code=$?
output exit-code "$code"
[ "$code" != 0 ] || exit 0

reconciler validate "${WHERE[@]}" >"$OUT/findings.txt" 2>&1 || true
{
  marker plan
  printf '### The config is not valid: no plan\n\n'
  fenced "$OUT/findings.txt"
  printf '\n<sub>Commit %s · [run](%s)</sub>\n' "${HEAD_SHA:-${GITHUB_SHA-}}" "$RUN_URL"
} >"$OUT/comment.md"
summary "$OUT/comment.md"
exit "$code"
