# shellcheck shell=bash disable=SC2034,SC2016
# Sourced: what the scripts share. Environment: CONFIG, GATEWAY, ENVIRONMENT, OUT, and those of GitHub Actions.

shopt -s inherit_errexit
CONFIG=${CONFIG:-config}
OUT=${OUT:-${RUNNER_TEMP:-/tmp}/reconciler}
mkdir -p "$OUT"

# The options that every command takes. `validate` has no gateway.
WHERE=(--config "$CONFIG")
[ -z "${ENVIRONMENT-}" ] || WHERE+=(--environment "$ENVIRONMENT")
AT=("${WHERE[@]}")
[ -z "${GATEWAY-}" ] || AT+=(--gateway "$GATEWAY")
# Further arguments, separated by blanks.
read -r -a MORE <<<"${ARGS-}"

RUN_URL=${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY:-}/actions/runs/${GITHUB_RUN_ID:-}

# marker WHAT: the hidden first line of a comment or issue, by which it is found again.
marker() {
  local place
  place=$(printf '%s %s %s' "$CONFIG" "${GATEWAY:-default}" "${ENVIRONMENT:-base}" | tr -c 'A-Za-z0-9._/ \n' '_')
  printf '<!-- reconciler:%s %s -->\n' "$1" "$place"
}

# output NAME VALUE: an output of the step.
output() { printf '%s=%s\n' "$1" "$2" >>"${GITHUB_OUTPUT:-/dev/null}"; }

# summary FILE: shows the file on the page of the run (a megabyte at most).
summary() { head -c 1000000 "$1" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"; }

# fenced FILE: its text as a block of code that nothing in it can close; long ones are cut.
fenced() {
  printf '``````````text\n'
  head -c 50000 "$1" | sed -e 's/`\{10,\}/`````````/g' -e $'s/\x1b\\[[0-9;]*m//g'
  printf '\n``````````\n'
}

# needed PLAN: the labels that allow what the plan would be refused for, one a line; `none` for what none allows.
needed() {
  jq --raw-output '[.plan.refusals[] | (.flag // "") | if test("^--allow-[a-z-]+$") then "reconciler:" + .[2:] else "none" end] | unique | .[]' "$1"
}

# flags PLAN LABELS: the options of apply that the labels (one a line) give to the plan: none that it does not need.
flags() { comm -12 <(needed "$1" | sort) <(sort <<<"$2") | sed -n 's/^reconciler:/--/p'; }

# config_tree [COMMIT]: names the content of the config directory, whatever commit it is in.
config_tree() { git rev-parse --verify --quiet "${1:-HEAD}:$(git rev-parse --show-prefix)${CONFIG%/}"; }
