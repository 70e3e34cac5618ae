#!/usr/bin/env bash
# What the composite action runs. compatcheck gets an environment of its own, so that the judged one stays as it is.
set -uo pipefail

home="${RUNNER_TEMP:-$(mktemp -d)}/compatcheck"
judged="${ENVIRONMENT_PYTHON:-$(command -v python || command -v python3)}"
if [ ! -x "$home/bin/compatcheck" ]; then
  own=""
  # the judged Python may be older than what compatcheck itself needs
  for candidate in "$judged" python3 python /usr/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then own="$candidate"; break; fi
  done
  if [ -z "$own" ]; then echo "::error title=compatcheck::no Python 3.10 or later on this runner (actions/setup-python has one)"; exit 4; fi
  "$own" -m venv "$home" && "$home/bin/python" -m pip install --quiet "${SOURCE:-$GITHUB_ACTION_PATH/../../..}" || exit 4
fi

arguments=()
for file in ${REQUIREMENTS:-}; do arguments+=(-r "$file"); done
for file in ${LOCK:-}; do arguments+=(--lock "$file"); done
if [ ${#arguments[@]} -eq 0 ] || [ -n "${ENVIRONMENT_PYTHON:-}" ]; then arguments+=(--python "$judged"); fi
if [ -n "${PYTHON_VERSION:-}" ]; then arguments+=(--python-version "$PYTHON_VERSION"); fi
if [ "${STRICT:-false}" = true ]; then arguments+=(--strict); fi

"$home/bin/compatcheck" check "${arguments[@]}" --format github
code=$?
if [ -n "${SARIF:-}" ]; then "$home/bin/compatcheck" check "${arguments[@]}" --format sarif > "$SARIF"; fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  { echo '### compatcheck'; echo '```'; "$home/bin/compatcheck" check "${arguments[@]}"; echo '```'; } >> "$GITHUB_STEP_SUMMARY"
fi
if [ "$code" -eq 0 ] && [ "${PROBE:-false}" = true ]; then
  "$home/bin/compatcheck" probe --python "$judged"
  code=$?
fi
if [ -n "${GITHUB_OUTPUT:-}" ]; then echo "exit-code=$code" >> "$GITHUB_OUTPUT"; fi
exit "$code"
