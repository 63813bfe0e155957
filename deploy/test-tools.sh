#!/bin/sh
# Installs what the tests need on Debian, when it is not there already.
set -eu
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need git git
need gcc gcc
need python3 python3
need pdftotext poppler-utils
need openssl openssl
need prometheus-alertmanager prometheus-alertmanager
need prometheus prometheus
need systemd-analyze systemd
[ -e /usr/include/stdlib.h ] || missing="$missing libc6-dev"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
	echo "the tests need:$missing (install them, or run make as root)" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $missing
