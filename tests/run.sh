#!/bin/sh
# run.sh BUILD: runs the tests of a build; the last line reads 'N passed, N failed, N skipped'.
set -u
build=$1
log=$build/ctest.log
ctest --test-dir "$build" --output-on-failure -j 2 --no-tests=error >"$log" 2>&1
status=$?
# What failed, with its output; the rest is in the log.
if [ "$status" -ne 0 ]; then
    cat "$log"
fi
passed=$(grep -c '   Passed ' "$log")
skipped=$(grep -cE '\*\*\*(Skipped|Not Run)' "$log")
failed=$(grep -E '^ *[0-9]+/[0-9]+ Test' "$log" | grep -vcE '   Passed |\*\*\*Skipped|\*\*\*Not Run')
if [ "$skipped" -gt 0 ]; then
    grep -E '\*\*\*(Skipped|Not Run)' "$log" | sed 's/^ *[0-9/]* Test *#[0-9]*: */skipped: /; s/ \.*\*\*\*.*//'
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && { [ "$status" -eq 0 ] || [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]; } && exit 0
exit 1
