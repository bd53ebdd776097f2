#!/usr/bin/env bash
# Installs the reconciler. VERSION: a version of the package (`0.2.0`, or with its hash `0.2.0 --hash=sha256:...`),
# `installed` for the one on the PATH, or nothing for the source that these scripts come with.
#
# Everything else comes by the hashes of requirements.txt, as wheels: no code of a package runs while it is installed.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=$HERE/../..

pip_install() { python -m pip install --quiet --disable-pip-version-check "$@"; }

if [ "${VERSION-}" != installed ]; then
  if [ -z "${VERSION-}" ] && ! grep -qs '^name = "llm-reconciler"$' "$SOURCE/pyproject.toml"; then
    echo "::error title=There is no reconciler to install::set the variable RECONCILER_VERSION to a version of the package, or use the action from the repository of the reconciler" >&2
    exit 1
  fi
  pip_install --require-hashes --only-binary :all: --requirement "$HERE/../requirements.txt"
  if [ -z "${VERSION-}" ]; then
    pip_install --no-deps --no-build-isolation "$SOURCE"
  else
    wanted=$(mktemp)
    printf 'llm-reconciler==%s\n' "$VERSION" >"$wanted"
    pip_install --no-deps --only-binary :all: --requirement "$wanted"
  fi
fi
reconciler --version
