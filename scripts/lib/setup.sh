# shellcheck shell=bash
# What the other scripts stand on: checks what only you can install, installs the rest, nothing twice.
# Source it, then call setup_build, setup_test, setup_fuzz or setup_bench.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TOOLS=${CHITTY_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/chittymcp/tools}
WORKER_BUILD_VERSION=0.8.7
CARGO_DENY_VERSION=0.20.2
OPENAI_PYTHON_VERSION=3.54.0
SCHEMATHESIS_VERSION=4.32.5
HYPOTHESIS_VERSION=6.170.15   # with it the same seed makes the same requests
NODE_WANTED="24 6"   # the tests check ML-DSA-44 signatures; wrangler and others need 22.19

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

has() { command -v "$1" >/dev/null; }
has_node() { has node && at_least "$(node --version)" 20 0; }
has_python() { has python3 && python3 -c "import sys; sys.exit(sys.version_info < ($1))"; }
has_postgres() { has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
# Only building worker-build asks for OpenSSL's headers, and only where the system has no TLS of its own.
has_openssl() { has_tool worker-build "$WORKER_BUILD_VERSION" worker-build || [ "$(uname)" != Linux ] || pkg-config --exists openssl 2>/dev/null; }

# require PURPOSE checks everything the purpose (node, build, test, fuzz or bench) needs of the machine,
# installs Debian's packages where it may, and otherwise names all that is missing at once.
require() {
  local packages=() missing=() python="3, 8"
  [ "$1" != test ] || python="3, 11"
  # A shell that was open before rustup was installed does not have it on PATH yet.
  if ! has rustup && [ -x "$HOME/.cargo/bin/rustup" ]; then export PATH=$HOME/.cargo/bin:$PATH; fi
  has_node || missing+=("Node.js 20 or later: your distribution's nodejs package if it is new enough, or nodejs.org")
  has npm || missing+=("npm: comes with Node.js, or as a package of its own (Debian: apt-get install npm)")
  has_python "$python" || missing+=("Python ${python/, /.} or later, as python3: your distribution's package, or python.org")
  if [ "$1" != node ]; then
    has rustup && has cargo || missing+=("rustup with cargo: install from rustup.rs, then open a new shell")
    has git || packages+=(git)
    has cc || packages+=(build-essential)
    has_openssl || packages+=(pkg-config libssl-dev)
  fi
  if [ "$1" = test ] || [ "$1" = fuzz ]; then
    # libFuzzer is written in C++.
    has c++ || packages+=(build-essential)
  fi
  if [ "$1" = test ]; then
    has gpg || packages+=(gnupg)
    # The fortress server's sandbox, and the agents that its tests let loose in it.
    [ "$(uname)" != Linux ] || has bwrap || packages+=(bubblewrap)
    [ "$(uname)" != Linux ] || { perl -MSocket -MJSON::PP -MPOSIX -e 1 2>/dev/null && has setpriv; } || packages+=(perl util-linux)
    has_postgres || packages+=(postgresql)
    has chromium || packages+=(chromium fonts-dejavu-core)
  fi
  [ "$1" != bench ] || has wrk || packages+=(wrk)
  [ ${#packages[@]} -eq 0 ] || provide "${packages[@]}"
  [ ${#missing[@]} -eq 0 ] && return
  say "Missing on this machine:"
  printf '  - %s\n' "${missing[@]}" >&2
  exit 1
}

# Installs Debian's packages, or notes in `missing`, of the caller, who should.
provide() {
  if [ ${#missing[@]} -eq 0 ] && [ "$(id -u)" -eq 0 ] && has apt-get; then
    timed "Installing Debian's $* (about 1 minute, once)" install_packages "$@"
  else
    missing+=("$*: sudo apt-get update && sudo apt-get install -y $* (or what your system calls them)")
  fi
}

install_packages() {
  local clusters=/etc/postgresql-common/createcluster.conf
  # The tests start a PostgreSQL of their own; nobody asked for one that keeps running.
  if [[ " $* " == *" postgresql "* ]] && [ ! -e "$clusters" ]; then
    mkdir -p "${clusters%/*}"
    echo "create_main_cluster = false" >"$clusters"
  fi
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt-get update -q || return
  # Lists that are too old name packages that are gone.
  apt_install "$@" || { apt-get update -q && apt_install "$@"; }
}

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"; }

# The pinned toolchain, its parts and the wasm target. rustup may have auto-install switched off.
# RUSTUP_TOOLCHAIN names it to whatever asks rustup from here on, in whichever folder.
setup_rust() {
  local channel installed part name found
  channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")
  name=$channel
  if ! rustc_version "$name" >/dev/null; then
    for found in $(rustup toolchain list | awk '{print $1}'); do
      # The same compiler under another name, such as stable.
      if [[ $(rustc_version "$found") == "rustc $channel "* ]]; then name=$found; break; fi
    done
    [ "$name" != "$channel" ] || timed "Installing Rust $channel (about 1 minute, once)" \
      rustup toolchain install "$channel" --profile minimal --no-self-update
  fi
  export RUSTUP_TOOLCHAIN=$name
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

rustc_version() { rustup run "$1" rustc --version 2>/dev/null; }

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
    [ -x "$bundled/node" ] || die "Node.js 24.6 or later is needed, and npm has none for this platform: install it from nodejs.org"
    export PATH=$bundled:$PATH
  fi
  export WASM_OPT_BIN=$ROOT/node_modules/.bin/wasm-opt ESBUILD_BIN=$ROOT/node_modules/.bin/esbuild
  export WRANGLER_SEND_METRICS=false
}

locked_version() { # the version of crate $1 in Cargo.lock
  awk -v name="name = \"$1\"" '$0 == name { getline; gsub(/version = |"/, ""); print; exit }' "$ROOT/Cargo.lock"
}

has_tool() { [ -x "$TOOLS/$1-$2/bin/$3" ]; } # CRATE VERSION BINARY

# cargo_tool CRATE VERSION BINARY MINUTES puts a program into $TOOLS/<crate>-<version>/bin, once.
cargo_tool() {
  has_tool "$1" "$2" "$3" && return
  mkdir -p "$TOOLS"
  timed "Installing $1 $2 (about $4 minutes, once)" install_cargo_tool "$1" "$2" "$TOOLS/$1-$2"
}

install_cargo_tool() {
  local partial=$3.partial locked
  # Quick to build matters more than quick to run. Without its lock where that names a version not to be had.
  for locked in --locked ""; do
    # shellcheck disable=SC2086
    if env -u CARGO_TARGET_DIR -u RUSTFLAGS RUSTC="$CHITTY_RUSTC" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
      "$CHITTY_CARGO" install "$1" --version "=$2" --root "$partial" --force $locked; then
      rm -rf "$3"
      mv "$partial" "$3"
      return
    fi
  done
  return 1
}

# prepare PURPOSE sets up what building needs, after the machine was checked for the purpose.
prepare() {
  local bindgen
  cd "$ROOT" || exit 1
  require "$1"
  setup_rust
  setup_node
  bindgen=$(locked_version wasm-bindgen)
  [ -n "$bindgen" ] || die "Cargo.lock does not name wasm-bindgen: run cargo generate-lockfile"
  cargo_tool worker-build "$WORKER_BUILD_VERSION" worker-build 4
  cargo_tool wasm-bindgen-cli "$bindgen" wasm-bindgen 2
  export WORKER_BUILD_BIN=$TOOLS/worker-build-$WORKER_BUILD_VERSION/bin/worker-build
  export WASM_BINDGEN_BIN=$TOOLS/wasm-bindgen-cli-$bindgen/bin/wasm-bindgen
}

# python_tool NAME-VERSION REQUIREMENT... puts Python packages into an environment of their own, once, and tells its
# Python. Where they cannot be had, their test is skipped and the table says so.
python_tool() {
  local home=$TOOLS/$1
  if [ ! -x "$home/bin/python" ]; then
    say "Installing $1 for Python (about 15 seconds, once) ..."
    install_python_tool "$home" "${@:2}" || return 0
  fi
  echo "$home/bin/python"
}

install_python_tool() {
  local partial=$1.partial
  rm -rf "$partial"
  python3 -m venv "$partial" >/dev/null &&
    timeout 180 "$partial/bin/python" -m pip install -q --disable-pip-version-check --retries 1 "${@:2}" >/dev/null &&
    mv "$partial" "$1"
}

setup_build() { prepare build; }

setup_fuzz() {
  cd "$ROOT" || exit 1
  require fuzz
  setup_rust
}

setup_bench() {
  prepare bench
  setup_portkey
}

# What the /v1 door is compared with: npm packages as locked, apart from the product's own.
setup_portkey() {
  local home=$ROOT/tests/load/portkey
  cmp -s "$home/package-lock.json" "$home/node_modules/.chitty-lock" && return
  timed "Installing the Portkey gateway (about 10 seconds, once for each lock file)" \
    npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund
  cp "$home/package-lock.json" "$home/node_modules/.chitty-lock"
}

setup_test() {
  prepare test
  cargo_tool cargo-deny "$CARGO_DENY_VERSION" cargo-deny 2
  export CARGO_DENY_BIN=$TOOLS/cargo-deny-$CARGO_DENY_VERSION/bin/cargo-deny
  OPENAI_PYTHON=$(python_tool "openai-python-$OPENAI_PYTHON_VERSION" "openai==$OPENAI_PYTHON_VERSION")
  SCHEMATHESIS_PYTHON=$(python_tool "schemathesis-$SCHEMATHESIS_VERSION" \
    "schemathesis==$SCHEMATHESIS_VERSION" "hypothesis==$HYPOTHESIS_VERSION")
  CHROMIUM=$(command -v chromium)
  export CHROMIUM OPENAI_PYTHON SCHEMATHESIS_PYTHON
}
