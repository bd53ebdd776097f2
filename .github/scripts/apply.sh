#!/usr/bin/env bash
# Applies the reviewed plan (PLAN), or, where there is none that still holds, plans again and applies that plan.
# LABELS: of the pull request, separated by blanks; `reconciler:allow-loss` gives --allow-loss to a plan that needs it.
# REASON: why there is no PLAN. ON_STALE: `replan` (default) or `fail`.
# Writes to $OUT: apply.md, events.jsonl. Outputs: exit-code, applied, failed, blocked. Ends with the exit code of apply.
set -euo pipefail
HERE=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=.github/scripts/world.sh
source "$HERE/world.sh"

plan=${PLAN-} reason=${REASON:-there is none for this run}
events=$OUT/events.jsonl

# applied PLAN: runs apply; sets `code`.
applied() {
  local allowed
  mapfile -t allowed < <(flags "$1" "$(tr ' ' '\n' <<<"${LABELS-}")")
  code=0
  reconciler apply "$1" --rebase --yes --log-format json "${AT[@]}" "${allowed[@]}" "${MORE[@]}" >"$OUT/apply.txt" 2>"$events" || code=$?
}

# Whether nothing was done because the plan no longer holds: its refusal names no other cause.
outdated() {
  jq --raw-input --slurp --exit-status '[split("\n")[] | fromjson? | select(.event == "failed") | .findings // [] | .[] | select(.level == "error") | .code]
    | length > 0 and all(startswith("plan-"))' "$events" >/dev/null
}

# of EVENT FILTER: a value of the last event of that name.
of() { jq --raw-input --slurp --raw-output --arg event "$1" "[split(\"\n\")[] | fromjson? | select(.event == \$event)] | last // {} | $2" "$events"; }

: >"$events"
code=1
if [ -n "$plan" ]; then
  applied "$plan"
  if [ "$code" != 0 ] && outdated; then
    reason="the reviewed plan no longer holds: $(of failed '.findings | map(.message) | unique | .[:3] | join("; ")')"
    plan=
  fi
fi
if [ -z "$plan" ] && [ "${ON_STALE:-replan}" = replan ]; then
  echo "planning again: $reason"
  code=0
  "$HERE/plan.sh" || code=$?
  [ "$code" != 0 ] || applied "$OUT/plan.json"
fi

# Success is what apply itself says at its end: that all is applied, and nothing is left to do.
if [ "$code" = 0 ] && [ "$(of finished .complete)" != true ]; then code=1; fi

for result in applied failed blocked; do output "$result" "$(of finished ".counts.$result // 0")"; done
output exit-code "$code"
{
  marker apply
  if [ "$code" = 0 ]; then printf '### Applied'; else printf '### Not applied completely: exit code %s' "$code"; fi
  printf ': %s\n\n' "$(of finished '"\(.counts.applied // 0) steps applied, \(.counts.failed // 0) failed, \(.counts.blocked // 0) not sent"')"
  if [ -n "$plan" ]; then
    printf 'This was the plan as reviewed.\n\n'
  else
    printf 'The reviewed plan was not used: %s.\n\n' "$reason" | tr -d '<>`@'
  fi
  if [ -s "$OUT/apply.txt" ]; then
    printf '<details><summary>The plan and its outcome</summary>\n\n'
    fenced "$OUT/apply.txt"
    printf '\n</details>\n\n'
  fi
  of failed '.findings // [{message}] | .[] | select(.message) | "\(.level // "error") \(.code // ""): \(.message)\(if .hint then "\n    " + .hint else "" end)"' >"$OUT/failed.txt"
  [ ! -s "$OUT/failed.txt" ] || fenced "$OUT/failed.txt"
  printf '\n<sub>Commit %s · [run](%s)</sub>\n' "${GITHUB_SHA-}" "$RUN_URL"
} >"$OUT/apply.md"
cat "$events" >&2
summary "$OUT/apply.md"
exit "$code"
