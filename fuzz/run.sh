#!/bin/sh
# run.sh BUILD SECONDS [NAME...]: runs the fuzz targets of a build made with MW_FUZZ for SECONDS each, from
# their committed corpus and what earlier runs found. An input that fails is kept in BUILD/fuzz/found/
# and named. The last line reads 'N passed, N failed, N skipped'.
set -u
build=$1
seconds=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
passed=0
failed=0
skipped=0
# shellcheck disable=SC2012,SC2046 # the targets' names are words
[ $# -gt 0 ] || set -- $(cd "$here" && ls -- *_fuzz.c | sed 's/_fuzz\.c$//')
for name in "$@"; do
    fuzzer=$build/fuzz/${name}_fuzz
    found=$build/fuzz/found/$name
    if [ ! -x "$fuzzer" ]; then
        echo "$name: not built"
        skipped=$((skipped + 1))
        continue
    fi
    mkdir -p "$found/corpus"
    if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$found/" "$found/corpus" "$here/corpus/$name" >"$found/log" 2>&1; then
        passed=$((passed + 1))
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log")
        edges=$(sed -n 's/^.* cov: \([0-9]*\) .*$/\1/p' "$found/log" | tail -n 1)
        echo "$name: $runs inputs, $edges edges seen"
    else
        failed=$((failed + 1))
        echo "$name: failed; the log is $found/log"
        grep -aE 'ERROR|SUMMARY|runtime error|Test unit written' "$found/log" | head -n 5
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
