#!/bin/sh
# The program as it was built: it is loaded at a random address, nothing in it can be both written and
# executed, what the linker filled in is read-only, and overruns are looked for.
. tests/lib.sh

readelf -hlW minivm >"$TMP/headers"
readelf -dW minivm >"$TMP/dynamic"
nm build/libminivm.a >"$TMP/symbols" 2>/dev/null

check "it goes to any address" grep -q '^  Type: *DYN' "$TMP/headers"
check "it needs no interpreter" [ "$(grep -c INTERP "$TMP/headers")" = 0 ]
check_equal "no segment can be written and executed" "$(grep -c ' RWE ' "$TMP/headers")" 0
check "nor can the stack" grep -q 'GNU_STACK .* RW  *0x' "$TMP/headers"
check "what was relocated is read-only" grep -q 'GNU_RELRO' "$TMP/headers"
check "all of it at once" grep -q 'FLAGS.*BIND_NOW' "$TMP/dynamic"
check_equal "no code is relocated" "$(grep -c TEXTREL "$TMP/dynamic")" 0
check "stacks have guards" grep -q 'U __stack_chk_fail$' "$TMP/symbols"
check "the C library looks at lengths" grep -q 'U __[a-z]*_chk$' "$TMP/symbols"
