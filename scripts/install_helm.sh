#!/usr/bin/env bash
# Puts Helm 3 and Helm 4 into .tools/, each only where no usable one of that major is there, on PATH, or named by
# HELM3 or HELM4 already.
# The tests render the chart with both; compiling needs neither.
set -eu

tools=$(cd "$(dirname "$0")/.." && pwd)/.tools

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

install_helm() {
    local major=$1 version=$2 folder="$tools/helm$1" named="HELM$1" helm
    for helm in "${!named:-}" "$folder/helm" helm; do
        if [ "$(usable_major "$helm")" = "$major" ]; then
            return
        fi
    done
    if ! command -v go >/dev/null; then
        echo "install_helm: Helm $major is not on PATH, and building $version needs Go, which is not there either." >&2
        echo "Install Go (1.24 or newer), or put a Helm $major on PATH, or name one in HELM$major." >&2
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
