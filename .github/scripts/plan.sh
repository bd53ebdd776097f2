#!/usr/bin/env bash
# Plans, and writes to $OUT: plan.json (for apply), plan.md, plan.html, comment.md, binding.json (what the plan holds for).
# Outputs: exit-code (0 no changes, 2 changes), pending, create, update, delete, adopt. Fails where the plan has errors.
set -euo pipefail
# shellcheck source=.github/scripts/world.sh
source "$(dirname "${BASH_SOURCE[0]}")/world.sh"

rm -f "$OUT"/plan.* "$OUT/binding.json" "$OUT/comment.md"
code=0
reconciler plan "${AT[@]}" "${MORE[@]}" --format markdown --exit-code --out "$OUT/plan.json" --report "$OUT/plan.html" \
  >"$OUT/plan.md" 2>"$OUT/plan.log" || code=$?
cat "$OUT/plan.log" >&2
output exit-code "$code"

if [ "$code" = 0 ] || [ "$code" = 2 ]; then
  jq --raw-output '.plan | "pending=\(.pending)", (.counts | "create=\(.create)", "update=\(.update)", "delete=\(.delete)", "adopt=\(.adopt)")' \
    "$OUT/plan.json" >>"${GITHUB_OUTPUT:-/dev/null}"
  jq --null-input --arg tree "$(config_tree || true)" --arg head "${HEAD_SHA-}" --arg commit "${GITHUB_SHA-}" \
    --arg sha256 "$(sha256sum <"$OUT/plan.json" | cut -d ' ' -f 1)" --arg place "$(marker plan)" \
    '{version: 1, config_tree: $tree, head: $head, commit: $commit, plan_sha256: $sha256, place: $place}' >"$OUT/binding.json"
fi

# flags that refusals ask for -> the labels that give them, once a reviewer has set them
labels() {
  jq --raw-output '[.plan.refusals[].hint // "" | scan("--(allow-[a-z]+)") | .[0]] | unique | map("`reconciler:" + .  + "`") | join(", ")' "$OUT/plan.json"
}
{
  marker plan
  if [ "$code" = 0 ] || [ "$code" = 2 ]; then
    cat "$OUT/plan.md"
    needed=$(labels)
    [ -z "$needed" ] || printf '\nApply refuses this, unless the pull request carries: %s\n' "$needed"
  else
    printf '### There is no plan that could be applied\n\n'
    cat "$OUT/plan.md"
    [ ! -s "$OUT/plan.log" ] || fenced "$OUT/plan.log"
  fi
  printf '\n<sub>Commit %s · [run](%s)</sub>\n' "${HEAD_SHA:-${GITHUB_SHA-}}" "$RUN_URL"
} >"$OUT/comment.md"
summary "$OUT/comment.md"
[ "$code" != 2 ] || code=0
exit "$code"
