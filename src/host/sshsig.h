/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures with ssh keys, made and checked by OpenSSH's own ssh-keygen
 * (ssh-keygen(1), -Y; the format is OpenSSH's PROTOCOL.sshsig).  A signature
 * is good within one namespace only.
 *
 * Threads: any.
 */
#ifndef REHOME_HOST_SSHSIG_H
#define REHOME_HOST_SSHSIG_H

#include "base/err.h"

#include <stddef.h>

/* Makes an ed25519 key without passphrase at `path` (0600) unless there is
 * one.  "RH-SIGN-KEY". */
struct err *sshsig_make_key (const char *path, const char *comment);
/* The public half, "TYPE BASE64"; the caller frees.  "RH-SIGN-KEY". */
struct err *sshsig_public (const char *path, char **out);
/* The armored signature of `len` bytes; the caller frees.  "RH-SIGN-SIGN". */
struct err *sshsig_sign (const char *path, const char *space, const void *data,
                         size_t len, char **out);
/* NULL where `armored` is a signature of these bytes by the key of the line
 * "TYPE BASE64"; else "RH-SIGN-BAD". */
struct err *sshsig_check (const char *public_key, const char *space,
                          const void *data, size_t len, const char *armored);
/* "SHA256:..." as ssh-keygen -l prints it; the caller frees.  A line that is
 * no public key is "RH-SIGN-KEY". */
struct err *sshsig_fingerprint (const char *public_key, char **out);
/* The first two words of a public key file's line; NULL where it has none;
 * the caller frees. */
char *sshsig_words (const char *line, size_t len);

#endif
