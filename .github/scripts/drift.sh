#!/usr/bin/env bash
# Looks for drift. Outputs: exit-code (0 none, 2 drift), drifted (true or false). Fails where it could not look.
# Writes $OUT/drift.md.
set -euo pipefail
# shellcheck source=.github/scripts/world.sh
source "$(dirname "${BASH_SOURCE[0]}")/world.sh"

code=0
reconciler drift "${AT[@]}" "${MORE[@]}" --format markdown >"$OUT/found.md" || code=$?
output exit-code "$code"
case $code in
  0) output drifted false ;;
  2) output drifted true ;;
  *) exit "$code" ;;
esac
{
  marker drift
  cat "$OUT/found.md"
  if [ "$code" = 2 ]; then
    printf '\nHeal it: run the workflow that applies. Keep it: change the config to what is live, in a pull request.\n'
  fi
  printf '\n<sub>Commit %s · [run](%s)</sub>\n' "${GITHUB_SHA-}" "$RUN_URL"
} >"$OUT/drift.md"
summary "$OUT/drift.md"
