#!/usr/bin/env bash
# comment.sh NUMBER FILE: the one comment of a pull request (or issue) that starts with FILE's first line.
# It is made once and then updated; should there be several after all, the oldest stays.
set -euo pipefail
# shellcheck source=.github/scripts/github-api.sh
source "$(dirname "${BASH_SOURCE[0]}")/github-api.sh"

number=$1 file=$2
found=$(pages "issues/$number/comments?sort=created" | mine "$(head -n 1 "$file")")
request=$(body "$file")
first=$(jq --raw-output '.[0].id // empty' <<<"$found")
if [ -z "$first" ]; then
  api POST "issues/$number/comments" "$request" | jq --raw-output '"commented: \(.html_url)"'
else
  api PATCH "issues/comments/$first" "$request" | jq --raw-output '"updated the comment: \(.html_url)"'
fi
for double in $(jq --raw-output '.[1:][].id' <<<"$found"); do
  api DELETE "issues/comments/$double"
  echo "deleted a second comment: $double"
done
