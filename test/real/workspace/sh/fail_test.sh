#!/bin/sh
echo 'the test fails, as it should'
exit 1
