#!/bin/bash
# Makes every secret of compose.yaml that is not there yet, as one file each in this folder (or in the
# folder that is named). What is there stays: run it again after an upgrade.
#
#   sudo docker/secrets/make.sh       as root each file belongs to the user of its container
set -euo pipefail
umask 077
folder=${1:-$(dirname "$0")}
source=$(dirname "$0")/..
mkdir -p "$folder"
cd "$folder"
source=$(cd "$OLDPWD" && cd "$source" && pwd)

# User ids: hub, rabbitmq and postgres, grafana in their images.
hub=65532 server=999 grafana=472 alertmanager=65534

# keep NAME: reads a secret from standard input, unless there is one.
keep() { if [ -s "$1" ]; then cat >/dev/null; else cat >"$1.new" && mv "$1.new" "$1"; fi; }
word() { openssl rand -hex 24; }
# rabbit_hash PASSWORD: a random salt and SHA-256, as RabbitMQ stores passwords.
rabbit_hash() {
  local salt
  salt=$(openssl rand -hex 4 | sed 's/../\\x&/g')
  { printf %b "$salt"; { printf %b "$salt"; printf %s "$1"; } | openssl dgst -sha256 -binary; } | base64 | tr -d '\n'
}

for name in postgres_password migrator_password worker_password portal_database_password \
            hub_broker_password portal_broker_password grafana_password erlang_cookie; do
  word | keep "$name"
done
openssl rand -hex 32 | keep seal_key
printf 'whsec_%s\n' "$(openssl rand -base64 32)" | keep webhook_secret
# Given by others with a contract; these are the simulators'.
echo simulated | keep shep_password
printf %s simulated | openssl dgst -sha256 -r | cut -d' ' -f1 | keep push_sender_password
echo replace-me | keep alert_token

printf 'postgres://hub_migrator:%s@postgres:5432/portal\n' "$(cat migrator_password)" | keep owner_url
printf 'postgres://hub_worker:%s@postgres:5432/portal\n' "$(cat worker_password)" | keep database_url
printf 'amqp://hub:%s@rabbitmq:5672/portal\n' "$(cat hub_broker_password)" | keep amqp_url

# Made anew each time: the definitions change with the program.
sed -e "s|@hub_password_hash@|$(rabbit_hash "$(cat hub_broker_password)")|" \
    -e "s|@portal_password_hash@|$(rabbit_hash "$(cat portal_broker_password)")|" \
    "$source/rabbitmq/definitions.json" >rabbitmq_definitions

owners() { for name in "${@:2}"; do chown "$1" "$name" && chmod 0400 "$name"; done; }
if [ "$(id -u)" = 0 ]; then
  owners "$hub" amqp_url database_url owner_url seal_key webhook_secret shep_password push_sender_password
  owners "$server" rabbitmq_definitions erlang_cookie postgres_password migrator_password worker_password \
    portal_database_password
  owners "$grafana" grafana_password
  owners "$alertmanager" alert_token
else
  # Containers have other users: only this folder's rights protect the files from other people here.
  find . -maxdepth 1 -type f ! -name '*.sh' ! -name 'README*' ! -name .gitignore -exec chmod 0444 {} +
  chmod 0700 .
  echo "not root: the files are readable for every container's user, and this folder for you alone" >&2
fi
echo "secrets are in $(pwd)"
