/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures with ssh keys, by ssh-keygen. */
#include "host/sshsig.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TIME_MS 10000
#define OUT_MAX ((size_t)16 << 10)
#define KEY_LINE_MAX 8192

/* The first line that a program complained with. */
static char *
complaint (const struct spawn_end *end)
{
  const char *text = end->err.data != NULL ? (const char *)end->err.data : "";
  return text_escape (text, strcspn (text, "\n"));
}

static struct err *
keygen (const char *const *argv, const void *input, size_t len,
        const char *code, struct spawn_end *end)
{
  struct spawn_job job = { .argv = argv,
                           .input = input,
                           .input_len = len,
                           .timeout_ms = TIME_MS,
                           .max_output = OUT_MAX };
  TRY (spawn_run (&job, end));
  if (end->status == 0)
    return NULL;
  CLEANUP_FREE char *why = complaint (end);
  return err_new (ERR_SYSTEM, code, "ssh-keygen: %s",
                  end->timed_out ? "no answer in time" : why);
}

struct err *
sshsig_make_key (const char *path, const char *comment)
{
  struct stat st;
  if (stat (path, &st) == 0)
    return NULL;
  const char *argv[] = { "ssh-keygen", "-q",    "-t", "ed25519", "-N", "",
                         "-C",         comment, "-f", path,      NULL };
  struct spawn_end end = { 0 };
  struct err *e = keygen (argv, NULL, 0, "RH-SIGN-KEY", &end);
  spawn_end_free (&end);
  return e;
}

char *
sshsig_words (const char *line, size_t len)
{
  size_t n = strnlen (line, len), type = 0;
  while (type < n && line[type] != ' ' && line[type] != '\n')
    type++;
  size_t at = type + 1, end = at;
  while (end < n && line[end] != ' ' && line[end] != '\n')
    end++;
  if (type == 0 || at >= n || end == at || line[type] != ' ')
    return NULL;
  return mem_strndup (line, end);
}

struct err *
sshsig_public (const char *path, char **out)
{
  char line[KEY_LINE_MAX];
  CLEANUP_FREE char *pub = mem_printf ("%s.pub", path);
  CLEANUP_FD int fd = open (pub, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read (fd, line, sizeof line) : -1;
  if (n < 0)
    return err_sys (errno, "RH-SIGN-KEY", "cannot read %s", pub);
  *out = sshsig_words (line, (size_t)n);
  if (*out == NULL)
    return err_new (ERR_CORRUPT, "RH-SIGN-KEY", "%s holds no public key", pub);
  return NULL;
}

struct err *
sshsig_sign (const char *path, const char *space, const void *data, size_t len,
             char **out)
{
  const char *argv[]
      = { "ssh-keygen", "-Y", "sign", "-q", "-n", space, "-f", path, NULL };
  struct spawn_end end = { 0 };
  struct err *e = keygen (argv, data, len, "RH-SIGN-SIGN", &end);
  if (e == NULL)
    *out = buf_steal_str (&end.out);
  spawn_end_free (&end);
  return e;
}

/* ---- Checking ---- */

/* A directory for the two files that ssh-keygen wants, removed at the end. */
struct desk {
  char dir[32];
  char signers[64], signature[64];
};

static void
desk_clear (struct desk *d)
{
  if (d->dir[0] == '\0')
    return;
  unlink (d->signers);
  unlink (d->signature);
  rmdir (d->dir);
}

static struct err *
put_file (const char *path, const char *text)
{
  CLEANUP_FD int fd
      = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  size_t len = strlen (text);
  if (fd < 0 || write (fd, text, len) != (ssize_t)len)
    return err_sys (errno, "RH-SIGN-BAD", "cannot write %s", path);
  return NULL;
}

static struct err *
desk_open (struct desk *d, const char *public_key, const char *armored)
{
  char dir[] = "/tmp/rehome-sig-XXXXXX";
  CLEANUP_FREE char *signers = mem_printf ("it %s\n", public_key);
  d->dir[0] = '\0';
  if (mkdtemp (dir) == NULL)
    return err_sys (errno, "RH-SIGN-BAD", "cannot make a directory in /tmp");
  snprintf (d->dir, sizeof d->dir, "%s", dir);
  snprintf (d->signers, sizeof d->signers, "%s/signers", dir);
  snprintf (d->signature, sizeof d->signature, "%s/signature", dir);
  TRY (put_file (d->signers, signers));
  return put_file (d->signature, armored);
}

struct err *
sshsig_check (const char *public_key, const char *space, const void *data,
              size_t len, const char *armored)
{
  struct desk desk CLEANUP (desk_clear);
  TRY (desk_open (&desk, public_key, armored));
  const char *argv[]
      = { "ssh-keygen", "-Y", "verify", "-n", space,          "-f",
          desk.signers, "-I", "it",     "-s", desk.signature, NULL };
  struct spawn_end end = { 0 };
  struct err *e = keygen (argv, data, len, "RH-SIGN-BAD", &end);
  spawn_end_free (&end);
  return e;
}

struct err *
sshsig_fingerprint (const char *public_key, char **out)
{
  CLEANUP_FREE char *words = sshsig_words (public_key, strlen (public_key));
  CLEANUP_FREE unsigned char *blob = NULL;
  size_t len = 0;
  if (words == NULL)
    return err_new (ERR_CORRUPT, "RH-SIGN-KEY", "this is no public key");
  TRY (text_unbase64 (strchr (words, ' ') + 1, &blob, &len));
  struct sha256_ctx ctx;
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_init (&ctx);
  sha256_update (&ctx, len, blob);
  sha256_digest (&ctx, sizeof digest, digest);
  CLEANUP_FREE char *text = text_base64 (digest, sizeof digest);
  text[strcspn (text, "=")] = '\0';
  *out = mem_printf ("SHA256:%s", text);
  return NULL;
}
