#!/usr/bin/env bash
# Installs Debian's Chromium where no Chromium or Chrome is on PATH, and puts Playwright and axe into .tools/look.
# Only root may install it; the tests of the report's page use them, and without them they are skipped.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/.tools/look

have_browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

if ! have_browser; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing Debian's chromium; this takes a minute" >&2
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium; } >/dev/null 2>&1 || true
    fi
    have_browser || { echo "install_chromium: put a chromium or google-chrome on PATH." >&2; exit 1; }
fi
if [ ! -e "$folder/.done" ] || [ "$root/requirements/look.txt" -nt "$folder/.done" ]; then
    rm -rf "$folder"
    "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --target "$folder" -r "$root/requirements/look.txt" \
        || { echo "install_chromium: pip could not install requirements/look.txt." >&2; exit 1; }
    touch "$folder/.done"
fi
