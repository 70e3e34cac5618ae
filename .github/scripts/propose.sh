#!/usr/bin/env bash
# Opens what a refresh has changed as a pull request, or renews the one that is open. The argument is a file: what it
# says.
set -euo pipefail
body=$1
git add --all reports compatcheck/data/{import_needs,lexicon,members}.json
if git diff --cached --quiet; then
  echo "the reports have not changed"
  exit 0
fi
git -c user.name='github-actions[bot]' -c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
  commit --quiet --message "The reports after a refresh"
git push --quiet --force origin "HEAD:refs/heads/$BRANCH"
if [ -n "$(gh pr list --head "$BRANCH" --state open --json number --jq '.[].number')" ]; then
  gh pr edit "$BRANCH" --body-file "$body"
else
  gh pr create --head "$BRANCH" --title "New releases: the reports after a refresh" --body-file "$body"
fi
