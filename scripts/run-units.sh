#!/bin/bash
# Build and run the engine's unit tests:
#
#     scripts/run-units.sh plain|sanitized [NAME...]
#
# NAME: of test/unit/test_NAME.c; none = all.  The last line is "N passed, N failed".
set -eu
. "$(dirname "$0")/lib.sh"
cd "$checkout"

variant=$1
shift
[ $# -gt 0 ] || set -- $(cd test/unit && ls test_*.c | sed 's/^test_\(.*\)\.c$/\1/')
passed=0
failed=0

make -f test/engine.mk -s -j "$(cores)" VARIANT="$variant" units >&2 || {
	say "the unit tests ($variant) do not compile"
	echo "0 passed, 1 failed"
	exit 1
}
export UBSAN_OPTIONS=print_stacktrace=1
for name in "$@"; do
	output=$(timeout 600 ".build/$variant/test_$name" 2>&1) && status=0 || status=$?
	line=$(printf '%s\n' "$output" | tail -n 1)
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] &&
		{ [ "$status" = 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ]; }; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
	else
		failed=$((failed + 1))
		line="ended with status $status"
	fi
	echo "unit $name ($variant): $line"
	[ "$status" = 0 ] || printf '%s\n' "$output" | tail -n 100
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
