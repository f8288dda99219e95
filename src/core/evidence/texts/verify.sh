#!/bin/sh
# Checks an unpacked evidence package with sha256sum and gpg, a time stamp with openssl, and the
# log's proofs, cosignatures and keys replaced since with Python 3. No network; nothing is changed.
#
# Usage: verify.sh FINGERPRINT[,FINGERPRINT] [LOG_KEY] [AUTHORITIES] [WITNESSES]
#
#   FINGERPRINT  of the OpenPGP keys of run and package, 40 hex digits each
#   LOG_KEY      the log's verifier key
#   AUTHORITIES  a file of certificates in PEM, of who stamps times
#   WITNESSES    a file of keys in the form of data/witnesses/policy
#
# All of them from somewhere else than this package. Those left out, or '', leave their part open.
#
# Ends with 0 if all that was checked holds, 1 if something does not, 2 if it could not begin,
# 3 if nothing fails but something could not be checked.
set -u
LC_ALL=C
export LC_ALL

[ $# -ge 1 ] || { sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2; }
wanted=$(printf %s "$1" | tr -d ' ' | tr a-f A-F)
log_key=${2:-}
authorities=${3:-}
witnesses=${4:-}
printf '%s\n' "$wanted" | grep -q -E -x '[0-9A-F]{40}(,[0-9A-F]{40})*' || {
  echo "error: a fingerprint is 40 hex digits" >&2
  exit 2
}
case $authorities in '' | /*) ;; *) authorities=$PWD/$authorities ;; esac
case $witnesses in '' | /*) ;; *) witnesses=$PWD/$witnesses ;; esac
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
among() { case ,$wanted, in *,"$1",*) ;; *) return 1 ;; esac; }
by_log=0
signed() {
  gpg --status-fd 3 --verify "$1.asc" "$1" 3>"$work/status" 2>/dev/null
  bad=$(grep -o -E '^\[GNUPG:\] (REVKEYSIG|EXPKEYSIG|EXPSIG|BADSIG|ERRSIG|NODATA|KEYREVOKED)' "$work/status" | sort -u | cut -c10- | tr '\n' ' ')
  good=$(grep -c '^\[GNUPG:\] GOODSIG ' "$work/status")
  # The key that signed, and its primary key.
  keys=$(awk '$1 == "[GNUPG:]" && $2 == "VALIDSIG" { print $3, $NF }' "$work/status")
  revoked=0
  # Whether a run stands that was signed before its key was revoked is in the log: see below.
  if [ "$bad" = 'REVKEYSIG ' ] && [ "$1" = data/execution/execution.json ] && [ -n "$keys" ]; then
    revoked=1
    good=1
    bad=
  fi
  if [ -n "$bad" ]; then
    fail signer "$1: gpg says $bad"
  elif [ "$good" -ne 1 ]; then
    fail signer "$1: not one good signature"
  elif ! among "${keys%% *}" && ! among "${keys##* }"; then
    fail signer "$1: signed by ${keys%% *}, not by $wanted"
  elif [ $revoked -eq 1 ]; then
    by_log=1
  else
    say signer holds "$1: ${keys##* }"
  fi
}
signed data/execution/execution.json
signed tagmanifest-sha256.txt

# --- completeness: the log's proofs ---
if command -v python3 >/dev/null; then
  set -- --fingerprint "$wanted"
  [ -z "$log_key" ] || set -- "$@" --log-key "$log_key"
  [ -z "$witnesses" ] || set -- "$@" --witnesses "$witnesses"
  python3 -I verify/verify.py "$@" . >"$work/log"
  case $? in
    0) say log holds "verify.py: proofs, custody, checkpoint" ;;
    3) say log "NOT CHECKED" "nothing fails, but something is open: see verify.py below"; unchecked=1 ;;
    *) fail log "see verify.py below" ;;
  esac
  if [ $by_log -eq 1 ]; then
    run=data/execution/execution.json
    case $(grep '^signer ' "$work/log") in
      *holds) say signer holds "$run: its key was revoked since, not as compromised; it was logged before" ;;
      *'not checked'*) say signer "NOT CHECKED" "$run: its key was revoked since; give the log's key" ;;
      *) fail signer "$run: gpg says REVKEYSIG; why it does not stand, see verify.py below" ;;
    esac
  fi
  sed 's/^/    /' "$work/log"
else
  say completeness "NOT CHECKED" "the log's proofs need Python 3"
  unchecked=1
  [ $by_log -eq 0 ] || say signer "NOT CHECKED" "the run's key was revoked since: whether it stands needs Python 3"
fi

# --- time: that the stamped checkpoint is of this log, verify.py says ---
if [ -f data/time/NO-TIMESTAMP.txt ]; then
  say time none "no time stamp: the times are the word of the log"
elif [ -z "$authorities" ] || ! command -v openssl >/dev/null; then
  say time "NOT CHECKED" "give the certificates of who stamped it; openssl checks it"
  unchecked=1
elif openssl ts -verify -in data/time/checkpoint.tsr -data data/time/checkpoint -CAfile "$authorities" \
  >"$work/time" 2>&1; then
  say time holds "$(openssl ts -reply -in data/time/checkpoint.tsr -text 2>/dev/null | grep '^Time stamp')"
else
  fail time "openssl: $(tail -n 1 "$work/time")"
fi

echo "data/legal/LIMITS.txt says what none of this shows."
[ $failed -eq 0 ] || exit 1
[ $unchecked -eq 0 ] || exit 3
