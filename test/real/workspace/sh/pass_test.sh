#!/bin/sh
# Finds its data file and leaves an undeclared output, as real tests do.
grep -q 'data for a test' sh/data.txt || exit 1
echo kept > "$TEST_UNDECLARED_OUTPUTS_DIR/kept.txt"
echo 'the test passes'
