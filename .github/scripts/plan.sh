#!/usr/bin/env bash
# shellcheck disable=SC2001,SC2016
# Plans, and writes to $OUT: plan.json (for apply), plan.md, plan.html, comment.md, binding.json (what the plan holds for).
# Outputs: exit-code (0 no changes, 2 changes), pending, create, update, delete, adopt. Fails where the plan
# has errors, and in a pull request where apply would refuse it.
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

# In a pull request a plan that apply would refuse fails its check, until a reviewer has set the labels for just that.
missing=
if [ "${GITHUB_EVENT_NAME-}" = pull_request ] && { [ "$code" = 0 ] || [ "$code" = 2 ]; }; then
  labels=$(jq --raw-output '.pull_request.labels[]?.name | select(test("^reconciler:allow-[a-z-]+$"))' "$GITHUB_EVENT_PATH")
  missing=$(comm -23 <(needed "$OUT/plan.json" | sort) <(sort <<<"$labels"))
  given=$(flags "$OUT/plan.json" "$labels" | sed 's/^--/reconciler:/')
fi

# named LABELS: as code, separated by commas.
named() { sed 's/.*/`&`/' <<<"$1" | paste -sd , | sed 's/,/, /g'; }

{
  marker plan
  if [ "$code" = 0 ] || [ "$code" = 2 ]; then
    cat "$OUT/plan.md"
    case $missing in
      '') [ -z "${given-}" ] || printf '\nAllowed by labels: %s\n' "$(named "$given")" ;;
      *none*) printf '\nThis check fails: apply would refuse this, and no label allows it.\n' ;;
      *) printf '\nThis check fails until the pull request carries: %s\n' "$(named "$missing")" ;;
    esac
  else
    printf '### There is no plan that could be applied\n\n'
    cat "$OUT/plan.md"
    [ ! -s "$OUT/plan.log" ] || fenced "$OUT/plan.log"
  fi
  printf '\n<sub>Commit %s · [run](%s)</sub>\n' "${HEAD_SHA:-${GITHUB_SHA-}}" "$RUN_URL"
} >"$OUT/comment.md"
summary "$OUT/comment.md"
[ "$code" != 2 ] || code=0
if [ -n "$missing" ]; then
  echo "::error title=Apply would refuse this plan::set on the pull request, if all of it is meant: $(paste -sd ' ' <<<"$missing")"
  code=1
fi
exit "$code"
