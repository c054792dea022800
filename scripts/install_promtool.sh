#!/usr/bin/env bash
# Puts promtool into .tools/, where none is on PATH: out of Debian's package `prometheus`, which is not installed.
# The tests of metrics and alert rules use it; without it they are skipped.
set -eu

folder=$(cd "$(dirname "$0")/.." && pwd)/.tools/promtool
if command -v promtool >/dev/null || [ -x "$folder/promtool" ]; then
    exit
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    echo "install_promtool: put a promtool on PATH; Prometheus's release archives have it." >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
(cd "$work" && apt-get download -qq prometheus >/dev/null 2>&1 && dpkg -x prometheus_*.deb unpacked)
mkdir -p "$folder"
cp "$work/unpacked/usr/bin/promtool" "$folder/promtool"
