/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What providers do on a host again and again, through a port: run a program,
 * read and write small files and records, look at a path.  Every function
 * only calls verbs of docs/PROTOCOL.md and may be used from several threads
 * at once.  Paths are plain bytes here; they are encoded on their way.
 */
#ifndef REHOME_PROVIDER_REMOTE_H
#define REHOME_PROVIDER_REMOTE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "link/port.h"

#include <stdbool.h>
#include <stdint.h>

/* A literal argument vector: remote_argv (ARGV ("ip", "-j", "addr")). */
#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A new JSON array of the words, for remote_run; more with remote_word. */
json_t *remote_argv (const char *const *words);
void remote_word (json_t *argv, const char *word);

/* What a program said; `out` and `err` are never NULL after success. */
struct ran {
  int status; /* exit status; 128 + number for a signal */
  char *out, *err;
  size_t out_len, err_len;
};
void ran_clear (struct ran *r);
#define CLEANUP_RAN CLEANUP (ran_clear)

/* Runs `argv` (stolen, also on error), `input` (NULL: none) on its stdin.  A
 * non-zero exit is no error here. */
struct err *remote_run (struct port *p, json_t *argv, const char *input,
                        long timeout_ms, struct ran *out);
/* As remote_run, but an exit status other than 0 is "RH-HOST-COMMAND" with
 * the first lines that the program wrote to stderr.  `out` may be NULL, else
 * it gets stdout, which the caller frees. */
struct err *remote_must (struct port *p, json_t *argv, const char *input,
                         char **out);
/* Runs a program that prints JSON (at most 4 MiB); new reference. */
struct err *remote_json (struct port *p, json_t *argv, json_t **out);

struct remote_file {
  bool exists;
  char type[8];  /* "file", "dir", "link", ... */
  unsigned mode; /* permission bits, 07777 */
  uint32_t uid, gid;
  char mtime_ns[24];
  char *link;     /* target of a symbolic link, or NULL */
  char *digest;   /* SHA-256 in hex of a regular file, or NULL */
  json_t *xattrs; /* object or NULL */
  char *content;  /* NUL-terminated; only after remote_read */
  size_t len;
};
/* Also wipes the content. */
void remote_file_clear (struct remote_file *f);
#define CLEANUP_REMOTE CLEANUP (remote_file_clear)

/* A path that is not there is no error: exists is false. */
struct err *remote_stat (struct port *p, const char *path,
                         struct remote_file *out);
struct err *remote_read (struct port *p, const char *path,
                         struct remote_file *out);
struct err *remote_exists (struct port *p, const char *path, bool *out);

/* Writes durably, parents made; owner root, no mtime. */
struct err *remote_write (struct port *p, const char *path, const char *content,
                          size_t len, unsigned mode);
/* As remote_write with the owner, mode, xattrs and mtime of `like`, and its
 * content. */
struct err *remote_put (struct port *p, const char *path,
                        const struct remote_file *like);
struct err *remote_link (struct port *p, const char *path, const char *target);
struct err *remote_mkdir (struct port *p, const char *path, unsigned mode,
                          uint32_t uid, uint32_t gid);
struct err *remote_rename (struct port *p, const char *from, const char *to,
                           bool replace);
/* Absent already is no error. */
struct err *remote_remove (struct port *p, const char *path);
/* A directory, where it is empty; else it stays. */
struct err *remote_remove_empty (struct port *p, const char *path);
/* Only below /var/lib/rehome. */
struct err *remote_remove_tree (struct port *p, const char *path);
/* Names in a directory as a JSON array of plain strings, sorted; an absent
 * directory is empty. */
struct err *remote_names (struct port *p, const char *path, json_t **out);

/* Removes the files in a directory whose names begin so; *removed counts them.
 */
struct err *remote_remove_prefixed (struct port *p, const char *dir,
                                    const char *prefix, size_t *removed);

/* Durable records: one JSON object a file.  *out is NULL where absent. */
struct err *remote_record (struct port *p, const char *path,
                           const json_t *value);
struct err *remote_recall (struct port *p, const char *path, json_t **out);

/* Appends what a program prints to `out`, whose max bounds it; `args` are those
 * of "program.read", and are taken. */
struct err *remote_gather (struct port *p, json_t *args, struct buf *out);
/* The same as a string of at most `most` bytes; the caller frees *out. */
struct err *remote_output (struct port *p, json_t *args, size_t most,
                           char **out);
/* Waits `ms`; an error "RH-STEP-CANCELLED" once the caller cancelled. */
struct step_call;
struct err *remote_pause (const struct step_call *call, long ms);
/* A program of the source into one of the target, with the step's progress:
 * arguments and results of "program.read" and "program.write". */
struct err *remote_pipe (const struct step_call *call, const json_t *out,
                         const json_t *in, json_t **sent, json_t **taken);

#endif
