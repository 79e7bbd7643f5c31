#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks an evidence bundle of rehome with sha256sum, ssh-keygen, tar, awk (and
# openssl where it holds a time stamp), and nothing of rehome.
#
#   sh VERIFY.sh BUNDLE SHA256 FINGERPRINT...
#
# SHA256 is the digest of the bundle, each FINGERPRINT ("SHA256:...") a key that
# must have signed: both were printed when the bundle was made and travel apart
# from it.  Run a copy of this script that you trust, not the bundle's own.
# TSA_CA=FILE names the authority of a time stamp.
# Exit status: 0 whole, 1 not, 2 wrong use.
set -u
export LC_ALL=C
fail () { echo "NOT WHOLE: $*" >&2; exit 1; }
[ $# -ge 3 ] || { sed -n '3,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
bundle=$1 digest=$2
shift 2
[ -f "$bundle" ] || { echo "no such file: $bundle" >&2; exit 2; }

# 1. The bundle is the one whose digest was written down.
[ "$(sha256sum <"$bundle" | cut -d' ' -f1)" = "$digest" ] ||
  fail "the bundle's SHA-256 is not $digest"

# 2. It holds plain files alone, each once.
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/in"
tar -tf "$bundle" >"$dir/names" 2>/dev/null || fail "it cannot be read as a tar"
! grep -vq '^[A-Za-z0-9][A-Za-z0-9._-]*$' "$dir/names" || fail "it holds a name that is not plain"
[ -z "$(sort "$dir/names" | uniq -d)" ] || fail "it holds a name twice"
! tar -tvf "$bundle" | grep -vq '^-' || fail "it holds something that is no file"
tar -xf "$bundle" -C "$dir/in" || fail "it cannot be unpacked"
cd "$dir/in" || exit 2

# 3. Every file is in the list, as it was; the list is signed.
for name in MANIFEST MANIFEST.sig allowed_signers journal.jsonl plan-1.yaml; do
  [ -f "$name" ] || fail "$name is missing"
done
sha256sum -c --strict --quiet MANIFEST >/dev/null 2>&1 || fail "a file is not as MANIFEST lists it"
{ cut -c67- MANIFEST; echo MANIFEST; echo MANIFEST.sig; } | sort >../listed
sort ../names | cmp -s - ../listed || fail "MANIFEST does not list every file once"

: >../signed
by () { # WHO NAMESPACE SIGNATURE <TEXT: checks, and notes the key's fingerprint
  ssh-keygen -Y verify -f allowed_signers -I "$1" -n "$2" -s "$3" >../said 2>/dev/null || return 1
  sed -n 's/.* key \(SHA256:[A-Za-z0-9+\/]*\)$/\1/p' ../said >>../signed
}
by controller rehome-bundle MANIFEST.sig <MANIFEST || fail "the signature of MANIFEST does not hold"

# 4. The journal is a chain: each line holds the hash of the one before.
prev=$(sha256sum <plan-1.yaml | cut -d' ' -f1)
first=$prev seq=0
echo "0 $first" >../hashes
while IFS= read -r line; do
  seq=$((seq + 1))
  case $line in
    *"\"prev\":\"$prev\""*) ;;
    *) fail "record $seq does not follow the one before it" ;;
  esac
  case $line in
    *",\"seq\":$seq,"*) ;;
    *) fail "record $seq is missing" ;;
  esac
  prev=$(printf %s "$line" | sha256sum | cut -d' ' -f1)
  echo "$seq $prev" >>../hashes
done <journal.jsonl
[ "$seq" -gt 0 ] || fail "the journal is empty"
[ "$(cat head.txt)" = "seq $seq
hash $prev" ] || fail "the journal does not end at its head"

# 5. What the hosts signed is in the chain.
witnesses=0
for text in witness-*.txt; do
  [ -f "$text" ] || continue
  name=${text%.txt}
  side=${name##*-}
  by "$side" rehome-witness "$name.sig" <"$text" || fail "the signature of $text does not hold"
  at=$(sed -n 's/^seq //p' "$text") hash=$(sed -n 's/^hash //p' "$text")
  [ "$at" != 0 ] && grep -qx "$at $hash" ../hashes || fail "$text is about another journal"
  witnesses=$((witnesses + 1))
done

# What people signed is about a plan that is here, and in the chain.
approvals=0
for text in approval-*.txt; do
  [ -f "$text" ] || continue
  by approver rehome-approval "${text%.txt}.sig" <"$text" || fail "the signature of $text does not hold"
  plan=$(sed -n 's/^plan //p' "$text")
  sha256sum plan-*.yaml | cut -c1-64 | grep -qxF "$plan" || fail "$text is about a plan that is not here"
  grep -qxF "$(sed -n 's/^head //p' "$text")" ../hashes || fail "$text is about another journal"
  approvals=$((approvals + 1))
done

# 6. The keys that had to sign did.
for key in "$@"; do
  grep -qxF "$key" ../signed || fail "no signature by $key"
done
sort -u ../signed >../keys
printf '%s\n' "$@" | sort -u | comm -13 - ../keys >../others
[ ! -s ../others ] || fail "signed by a key that you did not name: $(tr '\n' ' ' <../others)"

# 7. A time stamp, where there is one.
stamp="no time stamp"
if [ -f head.tsr ]; then
  [ -n "${TSA_CA:-}" ] || fail "it holds a time stamp: set TSA_CA to its authority's certificate"
  openssl ts -verify -data head.txt -in head.tsr -CAfile "$TSA_CA" >/dev/null 2>&1 ||
    fail "the time stamp does not hold"
  stamp="time stamp holds"
fi
echo "WHOLE: $seq records from the plan $first to the head $prev; $witnesses signatures of hosts; $approvals approvals; $stamp"
