#!/bin/sh
# core_symbols.sh NM ARCHIVE...: core/ has to run on a microcontroller, so it may call nothing but itself,
# the square root, kissfft, nanopb and what a compiler may call by itself (memory, strings, Arm's __aeabi_ arithmetic):
# no heap, no stdio, no other libm. Nor may it hold anything that a program could write to.
set -u
nm=$1
shift
allowed='bcmp memchr memcmp memcpy memmove memset strlen sqrt sqrtf kiss_fft_alloc kiss_fft kiss_fftr_alloc kiss_fftr _GLOBAL_OFFSET_TABLE_'
allowed="$allowed pb_istream_from_buffer pb_read pb_skip_field pb_decode_tag pb_decode_varint pb_decode_varint32"
allowed="$allowed pb_decode_fixed32 pb_decode_fixed64 pb_ostream_from_buffer pb_encode_tag pb_encode_varint"
allowed="$allowed pb_encode_string pb_encode_fixed32 pb_encode_fixed64"
failed=0

defined=$("$nm" --defined-only "$@" | awk 'NF == 3 { print $3 }')
[ -n "$defined" ] || { echo "no symbols in: $*"; exit 1; }
for archive in "$@"; do
    # A file that calls what is not there: "name.o: symbol".
    calls=$("$nm" -u -A "$archive" | awk -v known="$defined $allowed" '
        BEGIN { n = split(known, list, /[ \n]+/); for (i = 1; i <= n; i++) is_known[list[i]] = 1 }
        !($NF in is_known) && $NF !~ /^__aeabi_/ { sub(/:[^:]*$/, "", $1); print $1 ": calls " $NF }')
    # Sections of a type: B and D can be written. .data.rel.ro is not one: it is read-only when loaded.
    holds=$("$nm" -f sysv -A "$archive" | awk -F'|' '
        $NF ~ /^\.(data|bss|tdata|tbss)/ && $NF !~ /^\.data\.rel\.ro/ && $(NF - 3) ~ /OBJECT|TLS/ ||
        $NF ~ /COM/ { print $1 ": can be written" }' | tr -s ' ')
    for found in "$calls" "$holds"; do
        if [ -n "$found" ]; then
            echo "$found"
            failed=1
        fi
    done
done
exit "$failed"
