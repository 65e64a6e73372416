#!/bin/bash
# Kafka's image takes settings from the environment only; the admin's password is a file. Brokers and the admin come in by PLAIN
# on listeners of their own, because SCRAM passwords live in the metadata that a broker cannot read before it has come in.
set -eu
password=$(cat /run/secrets/admin)
plain="org.apache.kafka.common.security.plain.PlainLoginModule required username=\"admin\" password=\"$password\" user_admin=\"$password\";"
export KAFKA_LISTENER_NAME_CONTROLLER_PLAIN_SASL_JAAS_CONFIG="$plain"
export KAFKA_LISTENER_NAME_INTERNAL_PLAIN_SASL_JAAS_CONFIG="$plain"
exec /etc/kafka/docker/run
