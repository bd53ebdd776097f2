# shellcheck shell=bash
# Sourced: the REST API of GitHub with curl and jq.
# Environment: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN.

shopt -s inherit_errexit # a request that failed inside of $(...) ends the script, too

# api METHOD PATH [FILE]: prints the answer. FILE is the request's JSON body. Only reads are repeated when they fail:
# a write of unknown outcome that is sent again could make a second comment.
api() {
  local method=$1 path=$2 file=${3-} answer
  answer=$(mktemp)
  local options=(--silent --show-error --fail-with-body --location --max-time 60 --request "$method" --output "$answer")
  options+=(--header 'Accept: application/vnd.github+json' --header 'X-GitHub-Api-Version: 2022-11-28')
  [ "$method" != GET ] || options+=(--retry 3)
  [ -z "$file" ] || options+=(--header 'Content-Type: application/json' --data-binary "@$file")
  # The token goes through a file descriptor, so that no list of processes shows it.
  if ! curl "${options[@]}" --header @<(printf 'Authorization: Bearer %s\n' "$GITHUB_TOKEN") \
    "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/$path"; then
    printf '%s %s was refused: %s\n' "$method" "$path" "$(jq --raw-output '.message? // empty' "$answer" 2>/dev/null || true)" >&2
    return 1
  fi
  cat "$answer"
}

# pages PATH: a list in full, as one JSON array.
pages() {
  local path=$1 page=1 answer all='[]'
  [[ $path == *\?* ]] && path+='&' || path+='?'
  while :; do
    answer=$(api GET "${path}per_page=100&page=$page")
    all=$(printf '%s\n%s\n' "$all" "$answer" | jq --slurp --compact-output 'add')
    [ "$(jq length <<<"$answer")" -ge 100 ] || break
    page=$((page + 1))
  done
  printf '%s\n' "$all"
}

# body FILE: {"body": what FILE holds} in a new file, whose name is printed; cut where GitHub would refuse it.
body() {
  local request
  request=$(mktemp)
  jq --raw-input --slurp '
    if length > 65000 then .[:65000] + "\n\n_The rest is too long for GitHub; see the artifact._" else . end | {body: .}
  ' "$1" >"$request"
  printf '%s\n' "$request"
}

# mine MARKER: of a list on standard input, what starts with the marker and was written by BOT, oldest first.
# Anybody can write the marker into a comment; only what we wrote ourselves is ours to change.
mine() {
  jq --compact-output --arg marker "$1" --arg bot "${BOT:-github-actions[bot]}" \
    '[.[] | select((.body // "" | startswith($marker)) and .user.login == $bot)] | sort_by(.created_at, .id)'
}
