#!/bin/bash
# Build the fuzzers and let each run for a while, from seeds that are made new each time:
#
#     scripts/run-fuzz.sh [NAME...]
#
# NAME: of test/fuzz/fuzz_NAME.c; none = all.  FUZZ_SECONDS= for each (default 10), FUZZ_SEED=
# (default 1; 0 = another one each time).  The last line is "N passed, N failed".
set -eu
. "$(dirname "$0")/lib.sh"
cd "$checkout"

seconds=${FUZZ_SECONDS:-10}
build=.build/fuzz
[ $# -gt 0 ] || set -- $(cd test/fuzz && ls fuzz_*.c | sed 's/^fuzz_\(.*\)\.c$/\1/')
passed=0
failed=0

make -f test/engine.mk -s -j "$(cores)" VARIANT=fuzz fuzzers >&2 || {
	say "the fuzzers do not compile"
	echo "0 passed, 1 failed"
	exit 1
}
export UBSAN_OPTIONS=print_stacktrace=1
rm -rf "$build/corpus"
mkdir -p "$build/corpus" "$build/found"
"$build/make_seeds" "$build/corpus" || {
	echo "the fuzzers' seeds cannot be made"
	echo "0 passed, 1 failed"
	exit 1
}
for name in "$@"; do
	log=$build/$name.log
	options=(-max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=2048
		-seed="${FUZZ_SEED:-1}" -artifact_prefix="$build/found/$name-" -print_final_stats=1)
	[ ! -f "test/fuzz/$name.dict" ] || options+=(-dict="test/fuzz/$name.dict")
	corpora=("$build/corpus/$name")
	mkdir -p "${corpora[0]}"
	[ -n "$(ls "${corpora[0]}")" ] || say "fuzz $name: no seeds"
	# inputs that once found something
	[ ! -d "test/fuzz/corpus/$name" ] || corpora+=("test/fuzz/corpus/$name")
	if "$build/fuzz_$name" "${options[@]}" "${corpora[@]}" > "$log" 2>&1; then
		passed=$((passed + 1))
		echo "fuzz $name: ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
	else
		failed=$((failed + 1))
		echo "fuzz $name: FAILED; the input is in $build/found"
		tail -n 60 "$log"
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
