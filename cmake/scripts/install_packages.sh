#!/usr/bin/env bash
# Installs the Debian packages that building and testing need, and only those that are missing.
# Without root it uses sudo; where everything is there it changes nothing and needs no network.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache pkg-config git clang-format-14 python3
  openmpi-bin libopenmpi-dev
  libboost-program-options-dev libfmt-dev libspdlog-dev nlohmann-json3-dev
  libpcre2-dev libutf8proc-dev libsentencepiece-dev libxxhash-dev
  zlib1g-dev libzstd-dev libhwloc-dev liburing-dev prometheus-cpp-dev
  libgtest-dev libboost-context-dev
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Installing: ${missing[*]}"
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
