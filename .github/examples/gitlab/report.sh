#!/usr/bin/env bash
# report.sh note plan CODE    the one note of the merge request about the plan (plan.md; plan.log where there is none)
# report.sh issue drift CODE  the one open issue about drift (drift.md): there while CODE is 2, closed when it is 0
# report.sh check PLAN.json   fails where apply would refuse the plan and the merge request lacks the labels that allow it
# report.sh flags PLAN.json   the options of apply that the labels of the (merged) merge request give to the plan
# shellcheck disable=SC2016
# Environment: those of GitLab CI, and REPORT_TOKEN; without it nothing is reported.
set -euo pipefail
shopt -s inherit_errexit

case $1 in
  check | flags) ;;
  *) [ -n "${REPORT_TOKEN-}" ] || { echo "REPORT_TOKEN is not set: nothing is reported"; exit 0; } ;;
esac
place=$(printf '%s %s' "${CONFIG:-config}" "${GATEWAY:-default}" | tr -c 'A-Za-z0-9._/ ' '_')
marker="<!-- reconciler:${2-} $place -->"
body=$(mktemp) request=$(mktemp)

# api METHOD PATH [FILE]: prints the answer; the token is in no list of processes.
api() {
  local options=(--silent --show-error --fail-with-body --max-time 60 --request "$1")
  [ -z "${3-}" ] || options+=(--header 'Content-Type: application/json' --data-binary "@$3")
  curl "${options[@]}" --header @<(printf 'PRIVATE-TOKEN: %s\n' "$REPORT_TOKEN") "$CI_API_V4_URL/$2"
}

# pages PATH: a whole list; PATH has a query already.
pages() {
  local page=1 answer all='[]'
  while :; do
    answer=$(api GET "$1&per_page=100&page=$page")
    all=$(printf '%s\n%s\n' "$all" "$answer" | jq --slurp --compact-output 'add')
    [ "$(jq length <<<"$answer")" -ge 100 ] || break
    page=$((page + 1))
  done
  printf '%s\n' "$all"
}

# mine FIELD: of a list, what starts with the marker and is by the token's own user, oldest first.
mine() {
  jq --compact-output --arg field "$1" --arg marker "$marker" --argjson user "$(api GET user | jq .id)" \
    '[.[] | select((.[$field] // "" | startswith($marker)) and .author.id == $user)] | sort_by(.created_at, .id)'
}

write() { jq --raw-input --slurp --arg field "$1" '{($field): .}' "$body" >"$request"; }

note() {
  local notes="projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes" found first
  {
    printf '%s\n' "$marker"
    if [ "$1" != 0 ]; then printf '### There is no plan that could be applied\n\n'; fi
    cat plan.md
    if [ -s plan.log ]; then printf '``````````text\n%s\n``````````\n' "$(head -c 50000 plan.log)"; fi
    printf '\n<sub>Commit %s · [job](%s)</sub>\n' "$CI_COMMIT_SHA" "$CI_JOB_URL"
  } >"$body"
  write body
  found=$(pages "$notes?sort=asc" | mine body)
  first=$(jq --raw-output '.[0].id // empty' <<<"$found")
  if [ -n "$first" ]; then api PUT "$notes/$first" "$request"; else api POST "$notes" "$request"; fi >/dev/null
}

issue() {
  local issues="projects/$CI_PROJECT_ID/issues" found number
  { printf '%s\n' "$marker"; cat drift.md; printf '\n<sub>[job](%s)</sub>\n' "$CI_JOB_URL"; } >"$body"
  write description
  found=$(pages "$issues?state=opened&labels=reconciler-drift" | mine description)
  number=$(jq --raw-output '.[0].iid // empty' <<<"$found")
  if [ "$1" = 2 ] && [ -z "$number" ]; then
    jq '. + {title: "Drift: the gateway differs from what was applied", labels: "reconciler-drift"}' "$request" >"$body"
    api POST "$issues" "$body" >/dev/null
  elif [ -n "$number" ]; then
    if [ "$1" = 0 ]; then jq '. + {state_event: "close"}' "$request" >"$body"; else cp "$request" "$body"; fi
    api PUT "$issues/$number" "$body" >/dev/null
  fi
}

# labels: of the merge request, one a line; after the merge GitLab is asked, for which it needs the token.
labels() {
  if [ -n "${CI_MERGE_REQUEST_IID-}" ]; then
    tr ',' '\n' <<<"${CI_MERGE_REQUEST_LABELS-}"
  elif [ -n "${REPORT_TOKEN-}" ]; then
    api GET "projects/$CI_PROJECT_ID/repository/commits/$CI_COMMIT_SHA/merge_requests" |
      jq --raw-output '[.[] | select(.state == "merged")][0].labels[]?'
  fi
}

# needed PLAN: the labels that allow what the plan would be refused for; `none` for what none allows.
needed() {
  jq --raw-output '[.plan.refusals[] | (.flag // "") | if test("^--allow-[a-z-]+$") then "reconciler:" + .[2:] else "none" end] | unique | .[]' "$1"
}

check() {
  local missing
  missing=$(comm -23 <(needed "$1" | sort) <(labels | grep '^reconciler:' | sort))
  [ -z "$missing" ] || { echo "apply would refuse this plan; set on the merge request, if all of it is meant: $(paste -sd ' ' <<<"$missing")"; return 1; }
}

flags() { comm -12 <(needed "$1" | sort) <(labels | sort) | sed -n 's/^reconciler:/--/p'; }

case $1 in
  check | flags) "$1" "$2" ;;
  *) "$1" "$3" ;;
esac
