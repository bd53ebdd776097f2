#!/usr/bin/env bash
# Installs the reconciler. VERSION: a version of the package, `installed` for the one on the PATH,
# or nothing for the source that these scripts come with.
set -euo pipefail

case ${VERSION-} in
  installed) ;;
  '') python -m pip install --quiet --disable-pip-version-check "$(dirname "${BASH_SOURCE[0]}")/../.." ;;
  *) python -m pip install --quiet --disable-pip-version-check "llm-reconciler==$VERSION" ;;
esac
reconciler --version
