#!/usr/bin/env bash
# Looks for the plan that was reviewed in the pull request of this commit, and puts it into $OUT/approved.
# Outputs: number (of the pull request), head, plan (file, empty where there is none), reason (why there is none),
# labels (of the pull request, those that allow something, separated by blanks). Fails only where GitHub does not answer: not to find a plan is no error.
set -euo pipefail
HERE=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=.github/scripts/world.sh
source "$HERE/world.sh"
# shellcheck source=.github/scripts/github-api.sh
source "$HERE/github-api.sh"

WORKFLOW=${PLAN_WORKFLOW:-.github/workflows/reconciler-plan.yml}
rm -rf "$OUT/approved"

# none REASON: ends without a plan.
none() {
  output plan ''
  output reason "$1"
  echo "no approved plan: $1"
  exit 0
}

pulls=$(pages "commits/$GITHUB_SHA/pulls")
pull=$(jq --compact-output --arg sha "$GITHUB_SHA" '[.[] | select(.merged_at != null and .merge_commit_sha == $sha)][0] // empty' <<<"$pulls")
[ -n "$pull" ] || none 'the commit comes from no pull request'

number=$(jq .number <<<"$pull")
head=$(jq --raw-output .head.sha <<<"$pull")
output number "$number"
output head "$head"
# Labels that a reviewer sets: reconciler:allow-loss and so on, nothing else.
output labels "$(jq --raw-output '[.labels[].name | select(test("^reconciler:allow-[a-z-]+$"))] | join(" ")' <<<"$pull")"

# Artifacts have names that anybody's run may choose: only a run of our workflow, on this repository's own branch, counts.
artifacts=$(api GET "actions/artifacts?name=reconciler-plan-$head&per_page=100")
artifact=$(jq --compact-output --arg head "$head" '[.artifacts[]
  | select((.expired | not) and .workflow_run.head_sha == $head and .workflow_run.repository_id == .workflow_run.head_repository_id)]
  | sort_by(.created_at) | last // empty' <<<"$artifacts")
[ -n "$artifact" ] || none "#$number has no plan of $head"
run=$(api GET "actions/runs/$(jq .workflow_run.id <<<"$artifact")")
jq --exit-status --arg workflow "$WORKFLOW" '(.path | split("@")[0]) == $workflow and .event == "pull_request" and .conclusion == "success"' \
  <<<"$run" >/dev/null || none "the plan of #$number is of a run that failed, or of another workflow"

mkdir -p "$OUT/approved"
api GET "actions/artifacts/$(jq .id <<<"$artifact")/zip" >"$OUT/approved.zip"
python3 -m zipfile -e "$OUT/approved.zip" "$OUT/approved"
plan=$OUT/approved/plan.json binding=$OUT/approved/binding.json
[ -f "$plan" ] && [ -f "$binding" ] || none "the artifact of #$number holds no plan"

[ "$(jq --raw-output .plan_sha256 "$binding")" = "$(sha256sum <"$plan" | cut -d ' ' -f 1)" ] || none "the plan of #$number was changed"
[ "$(jq --raw-output .place "$binding")" = "$(marker plan)" ] || none "the plan of #$number is for another config or gateway"
tree=$(config_tree) || none "this commit has no directory $CONFIG"
[ "$(jq --raw-output .config_tree "$binding")" = "$tree" ] ||
  none "#$number was planned for another state of $CONFIG than this commit has"
output plan "$plan"
output reason ''
echo "the plan of #$number ($head) holds for this commit"
