#!/bin/sh
# Prints the interpreter to use: python3 if it is new enough, else the newest python3.x from 3.11 up on PATH.
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c "$new_enough" >/dev/null 2>&1; then
        command -v "$name"
        exit 0
    fi
done
