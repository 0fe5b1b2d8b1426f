#!/usr/bin/env bash
# Tests of check_text.py: a planted line is found, and what is left out is left out.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
check="$root/scripts/check_text.py"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0

# expect NAME FOUND FILE CONTENT: FOUND is what the check says of a file with this content; "" for nothing.
expect() {
  local name=$1 found=$2 file="$folder/$3" said
  mkdir -p "$(dirname "$file")"
  printf '%s\n' "$4" >"$file"
  said=$(python3 "$check" "$file" 2>&1) && passed=true || passed=false
  if [ -n "$found" ]; then [[ $passed == false && $said == *"$found"* ]]; else [ $passed = true ]; fi ||
    { printf '%s: said\n%s\n' "$name" "$said" >&2; failures=$((failures + 1)); }
}

long=$(printf 'x%.0s' {1..118})
expect "a long line" "the line has 122 columns" a.go "	$long"
expect "a tab counts four" "" b.go "$(printf '\t%.116s' "$long")"
expect "accents count one" "" c.py "# $(printf 'ã%.0s' {1..118})"
expect "a table of Markdown" "" d.md "| $long | $long |"
expect "a struct tag" "" k.go "	Name string \`json:\"name\" doc:\"$long\"\`"
expect "a page" "columns" e.md "$long $long"
expect "generated code" "" f.gen.go "// $long $long"
expect "test data" "" testdata/g.go "// $long $long"
expect "a word with another meaning" '"mourn"' h.go "// mourn waits for the process"
expect "a riddle" '"is no"' i.sh "# a file that is no file"
expect "the changelog" "" CHANGELOG.md "- a file that is no file"
expect "a plain statement" "" j.py "# there is no file; it is no longer there, and this is not a link"
exit $((failures > 0))
