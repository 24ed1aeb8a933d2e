#!/bin/sh
# run.sh BUILD [CTEST OPTION...]: runs the tests of a build; the last line reads 'N passed, N failed, N skipped'.
set -u
build=$1
shift
log=$build/ctest.log
# What needs a Kafka runs where there is one: make check-kafka.
[ "${MILLWRIGHT_STREAM_URI:-}" ] || set -- -LE kafka "$@"
ctest --test-dir "$build" --output-on-failure -j 2 --no-tests=error "$@" >"$log" 2>&1
status=$?
# What failed, with its output; the rest is in the log.
if [ "$status" -ne 0 ]; then
    cat "$log"
fi
results=$(grep -E '^ *[0-9]+/[0-9]+ Test' "$log")
count() {
    printf '%s\n' "$results" | grep -cE "$1"
}
# A test whose program is not there has not been skipped by anybody: it failed.
passed=$(count '   Passed ')
skipped=$(count '\*\*\*(Skipped|Not Run \(Disabled\))')
failed=$(printf '%s\n' "$results" | grep . | grep -cvE '   Passed |\*\*\*(Skipped|Not Run \(Disabled\))')
printf '%s\n' "$results" | grep -E '\*\*\*(Skipped|Not Run \(Disabled\))' |
    sed 's/^ *[0-9/]* Test *#[0-9]*: */skipped: /; s/ \.*\*\*\*.*//'
if [ "$failed" -eq 0 ] && [ "$status" -ne 0 ]; then
    failed=1 # ctest itself: no tests, say
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
