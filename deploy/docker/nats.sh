#!/bin/sh
# nats-server reads its users' passwords from its environment; here they are files that the services read too.
set -eu
for service in ingest sync auth gateway audit; do
  password=$(cat "${SECRETS_DIR:-/run/secrets}/${service}_nats_password")
  export "NATS_PASSWORD_$(echo "$service" | tr '[:lower:]' '[:upper:]')=$password"
done
exec nats-server --config "${NATS_CONFIG:-/etc/nats/nats.conf}"
