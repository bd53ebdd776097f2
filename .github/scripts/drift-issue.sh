#!/usr/bin/env bash
# drift-issue.sh true|false FILE: with drift, the one open issue about it is made or updated; without, it is closed.
set -euo pipefail
# shellcheck source=.github/scripts/github-api.sh
source "$(dirname "${BASH_SOURCE[0]}")/github-api.sh"

drifted=$1 file=$2
LABEL=${LABEL:-reconciler-drift}
request=$(mktemp)

found=$(pages "issues?state=open&labels=$LABEL" | jq --compact-output 'map(select(has("pull_request") | not))' | mine "$(head -n 1 "$file")")
first=$(jq --raw-output '.[0].number // empty' <<<"$found")

if [ "$drifted" = true ] && [ -z "$first" ]; then
  # An issue is found again by its label: make sure that there is one (422: there is).
  jq --null-input --arg name "$LABEL" '{name: $name, color: "d93f0b", description: "The gateway differs from what was applied"}' >"$request"
  api POST labels "$request" >/dev/null 2>&1 || true
  jq --arg name "$LABEL" '. + {title: "Drift: the gateway differs from what was applied", labels: [$name]}' "$(body "$file")" >"$request"
  api POST issues "$request" | jq --raw-output '"opened #\(.number): \(.html_url)"'
elif [ "$drifted" = true ]; then
  api PATCH "issues/$first" "$(body "$file")" | jq --raw-output '"updated #\(.number): \(.html_url)"'
else
  for number in $(jq --raw-output '.[].number' <<<"$found"); do
    api PATCH "issues/$number" "$(body "$file")" >/dev/null
    printf '{"state": "closed", "state_reason": "completed"}' >"$request"
    api PATCH "issues/$number" "$request" | jq --raw-output '"closed #\(.number): the drift is gone"'
  done
fi
