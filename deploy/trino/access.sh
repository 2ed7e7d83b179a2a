#!/bin/sh
# Write Trino's users and access rules from the project; others' passwords stay as they are.
set -eu
lake trino rules --out /trino/rules.json
lake trino owner --out /trino/password.db
chown 1000:1000 /trino/rules.json /trino/password.db
