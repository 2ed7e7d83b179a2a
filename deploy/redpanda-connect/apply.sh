#!/bin/sh
# apply.sh PIPELINE…: keep Redpanda Connect's streams as described. It forgets them when it restarts, so they
# are looked at again and again; what runs as described is left alone.
set -u
trap 'exit 0' TERM INT
while :; do
  if ! plan=$(lake connect plan "$@"); then
    echo "the next look is in ${CONNECT_SECONDS:-60} seconds" >&2
  elif [ "${plan#*nothing to do}" = "$plan" ]; then
    lake connect apply --reason "not as described" "$@"
  fi
  sleep "${CONNECT_SECONDS:-60}" &
  wait $!
done
