/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that a call names: `argv` and `env` as percent-encoded words,
 * `input` in base64; docs/PROTOCOL.md, `run`.
 */
#ifndef REHOME_AGENT_NAMED_H
#define REHOME_AGENT_NAMED_H

#include "base/vec.h"
#include "wire/json.h"

struct named_program {
  VEC (char *) argv;    /* NULL-terminated once read */
  VEC (char *) env;     /* "NAME=value"; NULL-terminated once read */
  unsigned char *input; /* NULL: none */
  size_t input_len;
};

/* `args` are hostile until checked: "RH-WIRE-FIELD".  The caller frees *out in
 * any case; what it held is wiped. */
struct err *named_read (const json_t *args, struct named_program *out);
void named_free (struct named_program *n);

#endif
