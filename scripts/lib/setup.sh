# shellcheck shell=bash
# What the other scripts stand on: checks what only you can install, installs the rest, nothing twice.
# Source it, then call setup_build (run, build, bench) or setup_test.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TOOLS=${CHITTY_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/chittymcp/tools}
WORKER_BUILD_VERSION=0.8.7
CARGO_DENY_VERSION=0.20.2
NODE_WANTED="22 19"   # wrangler, the MCP conformance suite and the Inspector need this or later

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# timed WHAT COMMAND... runs the command quietly; its output appears only if it fails.
timed() {
  local what=$1 log start=$SECONDS
  shift
  log=$(mktemp)
  say "$what ..."
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    die "$what: failed"
  fi
  rm -f "$log"
  say "  done in $((SECONDS - start)) s"
}

# at_least FOUND MAJOR MINOR compares a version such as v22.19.0.
at_least() {
  local major minor
  IFS=. read -r major minor _ <<<"${1#v}"
  [ "$major" -gt "$2" ] || { [ "$major" -eq "$2" ] && [ "$minor" -ge "$3" ]; }
}

require_basics() {
  local missing=()
  command -v rustup >/dev/null && command -v cargo >/dev/null ||
    missing+=("rustup with cargo: install from rustup.rs, then open a new shell")
  if ! command -v node >/dev/null || ! at_least "$(node --version)" 20 0; then
    missing+=("Node.js 20 or later: your distribution's nodejs package if it is new enough, or nodejs.org")
  fi
  command -v npm >/dev/null || missing+=("npm: comes with Node.js (Debian: apt install npm)")
  command -v git >/dev/null || missing+=("git: apt install git")
  command -v python3 >/dev/null || missing+=("Python 3: apt install python3")
  command -v cc >/dev/null || missing+=("a C compiler: apt install build-essential")
  [ ${#missing[@]} -eq 0 ] && return
  say "Missing on this machine:"
  printf '  - %s\n' "${missing[@]}" >&2
  exit 1
}

# The pinned toolchain, its parts and the wasm target. rustup may have auto-install switched off.
setup_rust() {
  local channel installed part name
  channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")
  if ! rustc_works "$channel"; then
    for name in $(rustup toolchain list | awk '{print $1}'); do
      if [[ $(rustup run "$name" rustc --version 2>/dev/null) == "rustc $channel "* ]]; then
        export RUSTUP_TOOLCHAIN=$name   # the same compiler under another name, such as stable
        break
      fi
    done
    if [ -z "${RUSTUP_TOOLCHAIN:-}" ]; then
      timed "Installing Rust $channel (about 1 minute, once)" \
        rustup toolchain install "$channel" --profile minimal --no-self-update
    fi
  fi
  name=${RUSTUP_TOOLCHAIN:-$channel}
  installed=$(rustup component list --toolchain "$name" --installed)
  for part in clippy rustfmt rust-src; do
    grep -q "^$part" <<<"$installed" ||
      timed "Adding $part to Rust $channel (seconds, once)" rustup component add "$part" --toolchain "$name"
  done
  grep -q '^rust-std-wasm32-unknown-unknown' <<<"$installed" ||
    timed "Adding the wasm target to Rust $channel (seconds, once)" \
      rustup target add wasm32-unknown-unknown --toolchain "$name"
  CHITTY_CARGO=$(rustup which --toolchain "$name" cargo)
  CHITTY_RUSTC=$(rustup which --toolchain "$name" rustc)
  export CHITTY_CARGO CHITTY_RUSTC
}

rustc_works() { rustup run "$1" rustc --version >/dev/null 2>&1; }

# npm packages as locked, and a Node new enough for them first on PATH.
setup_node() {
  local stamp want bundled
  stamp=$ROOT/node_modules/.chitty-lock
  want=$(python3 -c 'import hashlib,sys; print(hashlib.sha256(open(sys.argv[1],"rb").read()).hexdigest())' \
    "$ROOT/package-lock.json")
  if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
    timed "Installing npm packages (about 1 minute, once for each lock file)" \
      npm ci --prefix "$ROOT" --ignore-scripts --no-audit --no-fund
    echo "$want" >"$stamp"
  fi
  # shellcheck disable=SC2086
  if ! at_least "$(node --version)" $NODE_WANTED; then
    bundled=$ROOT/node_modules/$(node -p '"node-" + process.platform + "-" + process.arch')/bin
    [ -x "$bundled/node" ] || die "Node.js 22.19 or later is needed, and npm has none for this platform: install it from nodejs.org"
    export PATH=$bundled:$PATH
  fi
  export WASM_OPT_BIN=$ROOT/node_modules/.bin/wasm-opt ESBUILD_BIN=$ROOT/node_modules/.bin/esbuild
  export WRANGLER_SEND_METRICS=false
}

locked_version() { # the version of crate $1 in Cargo.lock
  awk -v name="name = \"$1\"" '$0 == name { getline; gsub(/version = |"/, ""); print; exit }' "$ROOT/Cargo.lock"
}

# cargo_tool CRATE VERSION BINARY MINUTES puts a program into $TOOLS/<crate>-<version>/bin, once.
cargo_tool() {
  local home=$TOOLS/$1-$2
  [ -x "$home/bin/$3" ] && return
  mkdir -p "$TOOLS"
  timed "Installing $1 $2 (about $4 minutes, once)" install_cargo_tool "$1" "$2" "$home"
}

install_cargo_tool() {
  local partial=$3.partial locked
  # Quick to build matters more than quick to run. Without its lock where that names a version not to be had.
  for locked in --locked ""; do
    # shellcheck disable=SC2086
    if env -u CARGO_TARGET_DIR -u RUSTFLAGS CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
      "$CHITTY_CARGO" install "$1" --version "=$2" --root "$partial" --force $locked; then
      rm -rf "$3"
      mv "$partial" "$3"
      return
    fi
  done
  return 1
}

setup_build() {
  local bindgen
  cd "$ROOT" || exit 1
  require_basics
  setup_rust
  setup_node
  bindgen=$(locked_version wasm-bindgen)
  [ -n "$bindgen" ] || die "Cargo.lock does not name wasm-bindgen: run cargo generate-lockfile"
  cargo_tool worker-build "$WORKER_BUILD_VERSION" worker-build 4
  cargo_tool wasm-bindgen-cli "$bindgen" wasm-bindgen 2
  export WORKER_BUILD_BIN=$TOOLS/worker-build-$WORKER_BUILD_VERSION/bin/worker-build
  export WASM_BINDGEN_BIN=$TOOLS/wasm-bindgen-cli-$bindgen/bin/wasm-bindgen
}

setup_test() {
  setup_build
  cargo_tool cargo-deny "$CARGO_DENY_VERSION" cargo-deny 2
  export CARGO_DENY_BIN=$TOOLS/cargo-deny-$CARGO_DENY_VERSION/bin/cargo-deny
  debian_package gnupg gpg
  debian_package postgresql initdb /usr/lib/postgresql/*/bin/initdb
}

# debian_package PACKAGE PROGRAM [PLACE...] installs a package unless its program is there.
debian_package() {
  local package=$1 program=$2 place
  shift 2
  command -v "$program" >/dev/null && return
  for place in "$@"; do [ -x "$place" ] && return; done
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    timed "Installing Debian's $package (about 1 minute, once)" install_debian_package "$package"
  else
    die "$program is missing and the tests need it: install the package $package (Debian: sudo apt install $package)"
  fi
}

install_debian_package() {
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$1"
}
