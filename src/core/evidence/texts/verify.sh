#!/bin/sh
# Checks an unpacked evidence package with sha256sum and gpg, a time stamp with openssl, and the
# log's proofs with Python 3. No network; nothing is changed.
#
# Usage: verify.sh FINGERPRINT [LOG_KEY] [TSA_CA]
#
#   FINGERPRINT  of the OpenPGP key, 40 hex digits, from somewhere else than this package
#   LOG_KEY      the log's verifier key, from somewhere else too
#   TSA_CA       certificates in PEM of who stamps times, if a stamp is to be checked
#
# Ends with 0 if all that was checked holds, 1 if something does not, 2 if it could not begin,
# 3 if nothing fails but something could not be checked.
set -u
LC_ALL=C
export LC_ALL

[ $# -ge 1 ] || { sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2; }
wanted=$(printf %s "$1" | tr -d ' ' | tr a-f A-F)
log_key=${2:-}
tsa_ca=${3:-}
case $wanted in *[!0-9A-F]* | '') echo "error: the fingerprint is 40 hex digits" >&2; exit 2 ;; esac
[ ${#wanted} -eq 40 ] || { echo "error: the fingerprint is 40 hex digits" >&2; exit 2; }
case $tsa_ca in '' | /*) ;; *) tsa_ca=$PWD/$tsa_ca ;; esac
for tool in sha256sum gpg find sort comm awk grep mktemp; do
  command -v "$tool" >/dev/null || { echo "error: $tool is needed" >&2; exit 2; }
done
cd "$(dirname "$0")/.." || exit 2
[ -f bagit.txt ] || { echo "error: this is not the folder of a package" >&2; exit 2; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
GNUPGHOME=$work/gnupg
export GNUPGHOME
mkdir -m 700 "$GNUPGHOME"

failed=0
unchecked=0
say() { printf '%-13s %-12s %s\n' "$1" "$2" "$3"; }
fail() { say "$1" FAILS "$2"; failed=1; }

# --- integrity: the files are those that were packed, and there is no other ---
whole=1
odd=$(find . ! -type f ! -type d)
[ -z "$odd" ] || { fail integrity "neither files nor folders: $odd"; whole=0; }
for manifest in manifest-sha256.txt tagmanifest-sha256.txt; do
  if ! sha256sum --check --strict --quiet "$manifest" >"$work/sums" 2>&1; then
    fail integrity "$manifest: $(tr '\n' ';' <"$work/sums")"
    whole=0
  fi
done
cut -c67- manifest-sha256.txt tagmanifest-sha256.txt 2>/dev/null | sort >"$work/listed"
find . -type f | cut -c3- | grep -v -x -e 'tagmanifest-sha256\.txt' -e 'tagmanifest-sha256\.txt\.asc' \
  -e 'tagmanifest-sha256\.txt\.ts[qr]' | sort >"$work/there"
extra=$(comm -13 "$work/listed" "$work/there" | tr '\n' ';')
[ -z "$extra" ] || { fail integrity "not listed: $extra"; whole=0; }
twice=$(uniq -d "$work/listed" | tr '\n' ';')
[ -z "$twice" ] || { fail integrity "listed twice: $twice"; whole=0; }
# In canonical JSON a quote inside a text is always escaped, so this can only be the field itself.
for text in prompt output; do
  [ -f "data/execution/$text" ] || continue
  sum=$(sha256sum <"data/execution/$text" | cut -c-64)
  if ! grep -q "\"${text}_sha256\":\"$sum\"" data/execution/execution.json; then
    fail integrity "the $text is not the one that was signed"
    whole=0
  fi
done
[ $whole -eq 0 ] || say integrity holds "every file is listed, and is as listed"

# --- signer: gpg's words, never its exit code ---
gpg() { command gpg --batch --no-tty --no-autostart --trust-model always "$@"; }
gpg --quiet --import data/keys/fortress.asc 2>"$work/import" || fail signer "fortress.asc: $(cat "$work/import")"
signed() {
  gpg --status-fd 3 --verify "$1.asc" "$1" 3>"$work/status" 2>/dev/null
  bad=$(grep -o -E '^\[GNUPG:\] (REVKEYSIG|EXPKEYSIG|EXPSIG|BADSIG|ERRSIG|NODATA|KEYREVOKED)' "$work/status" | sort -u | cut -c10- | tr '\n' ' ')
  good=$(grep -c '^\[GNUPG:\] GOODSIG ' "$work/status")
  # The key that signed, and its primary key.
  keys=$(awk '$1 == "[GNUPG:]" && $2 == "VALIDSIG" { print $3, $NF }' "$work/status")
  if [ -n "$bad" ]; then
    fail signer "$1: gpg says $bad"
  elif [ "$good" -ne 1 ]; then
    fail signer "$1: not one good signature"
  elif [ "${keys%% *}" != "$wanted" ] && [ "${keys##* }" != "$wanted" ]; then
    fail signer "$1: signed by ${keys%% *}, not by $wanted"
  else
    say signer holds "$1: $wanted"
  fi
}
signed data/execution/execution.json
signed tagmanifest-sha256.txt

# --- completeness: the log's proofs ---
if command -v python3 >/dev/null; then
  set -- --fingerprint "$wanted"
  [ -z "$log_key" ] || set -- "$@" --log-key "$log_key"
  python3 -I verify/verify.py "$@" . >"$work/log"
  case $? in
    0) say log holds "verify.py: proofs, custody, checkpoint" ;;
    3) say log "NOT CHECKED" "the proofs hold, but give the log's key: see verify.py below"; unchecked=1 ;;
    *) fail log "see verify.py below" ;;
  esac
  sed 's/^/    /' "$work/log"
else
  say completeness "NOT CHECKED" "the log's proofs need Python 3"
  unchecked=1
fi

# --- time ---
if [ ! -f data/time/checkpoint.tsr ]; then
  say time none "no time stamp: the times are the word of the log"
elif [ -z "$tsa_ca" ] || ! command -v openssl >/dev/null; then
  say time "NOT CHECKED" "give the certificates of who stamped it; openssl checks it"
  unchecked=1
elif openssl ts -verify -in data/time/checkpoint.tsr -data data/chain/checkpoint -CAfile "$tsa_ca" \
  >"$work/time" 2>&1; then
  say time holds "$(openssl ts -reply -in data/time/checkpoint.tsr -text 2>/dev/null | grep '^Time stamp')"
else
  fail time "openssl: $(tail -n 1 "$work/time")"
fi

echo "data/legal/LIMITS.txt says what none of this shows."
[ $failed -eq 0 ] || exit 1
[ $unchecked -eq 0 ] || exit 3
