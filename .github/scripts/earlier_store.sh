#!/usr/bin/env bash
# What is known before this run: the artifact `store` of the last run that ended well, where it is still there, and what
# the committed reports tell beyond it, of runs on other machines, or of all where there is no artifact.
set -euo pipefail
last=$(gh run list --workflow refresh.yml --status success --limit 1 --json databaseId --jq '.[].databaseId')
if [ -z "$last" ]; then
  echo "no earlier run: known is what the reports tell"
elif ! gh run download "$last" --name store --dir .compatcheck; then
  echo "the store of run $last cannot be had any more: known is what the reports tell"
fi
compatcheck merge "reports/$(basename "$MATRIX" .toml)" --into .compatcheck/store.sqlite3
