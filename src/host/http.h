/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP GET, as readiness and smoke checks need it: HTTP/1.0, http:// with
 * a numeric host or "localhost", no redirects, no names to resolve; or, with
 * tcp://HOST:PORT, only a connection.
 * Threads: any.
 */
#ifndef REHOME_HOST_HTTP_H
#define REHOME_HOST_HTTP_H

#include "base/buf.h"

#include <stdbool.h>

struct http_job {
  const char *url;
  const char *host;  /* Host header; NULL: as in the URL */
  const char *bind;  /* source address, or NULL */
  const char *netns; /* host/netns.h: asked inside it; NULL: from here */
  long timeout_ms;   /* for all of it; 0: 5 s */
  size_t max;        /* of the body; the rest is not read */
};

struct http_answer {
  int status; /* 0 of a mere connection */
  long ms;
  bool truncated;
  struct buf body;
};

/* Any answer is success.  "RH-HTTP-SCHEME" (neither), "RH-HTTP-URL",
 * "RH-HTTP-CONNECT" and "RH-HTTP-TIMEOUT" (both transient), "RH-HTTP-ANSWER"
 * (no HTTP).  The caller frees with http_answer_free in any case. */
struct err *http_get (const struct http_job *job, struct http_answer *out);
void http_answer_free (struct http_answer *a);

#endif
