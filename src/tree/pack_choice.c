/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of a quarter of a second; see pack_choice.h. */
#include "tree/pack_choice.h"

#define WINDOW_NS ((int64_t)250000000)
#define WINDOW_BYTES ((uint64_t)1 << 20)
#define RATIO_MIN 1.3
#define GAIN_MIN 1.1
/* While it pays off plain is measured again after so many windows, and while
 * it does not it is asked again after at most so many. */
#define PACKED_WINDOWS 64
#define PAUSE_MAX 32
/* What was sent before a change is still on its way in the first window. */
#define SETTLED 2

static void
enter (struct pack_choice *c, enum pack_state state, unsigned pause)
{
  c->state = state;
  c->windows = 0;
  c->pause = pause;
  c->probe = false;
}

static void
refuse (struct pack_choice *c, unsigned before)
{
  unsigned next = before * 2;
  enter (c, CHOICE_PLAIN, next < PAUSE_MAX ? next : PAUSE_MAX);
}

void
pack_choice_begin (struct pack_choice *c, enum pack_mode mode, int64_t now_ns)
{
  *c = (struct pack_choice){ .mode = mode, .now = { .start_ns = now_ns } };
  enter (c, CHOICE_PLAIN, 1);
}

bool
pack_choice_on (const struct pack_choice *c)
{
  return c->mode == PACK_ALWAYS
         || (c->mode == PACK_AUTO && c->state != CHOICE_PLAIN);
}

bool
pack_choice_probes (const struct pack_choice *c)
{
  return c->mode == PACK_AUTO && c->probe;
}

void
pack_choice_probed (struct pack_choice *c, size_t bytes, size_t packed,
                    int64_t took_ns)
{
  double ratio = (double)bytes / (double)(packed > 0 ? packed : 1);
  double cost = (double)took_ns / (double)bytes;
  unsigned before = c->pause;
  c->probe = false;
  if (ratio >= RATIO_MIN && cost < c->wait * (1 - 1 / ratio))
    enter (c, CHOICE_TRIAL, before);
  else
    refuse (c, before);
}

static void
judge (struct pack_choice *c, double rate)
{
  const struct pack_window *w = &c->now;
  c->windows++;
  if (c->state == CHOICE_PLAIN) {
    c->plain_rate = rate;
    c->wait = (double)w->wait_ns / (double)w->bytes;
    c->probe = c->windows >= c->pause;
    return;
  }
  if ((double)w->bytes < (double)w->wire * RATIO_MIN)
    refuse (c, c->pause);
  else if (c->state == CHOICE_TRIAL && c->windows >= SETTLED) {
    if (rate >= c->plain_rate * GAIN_MIN)
      enter (c, CHOICE_PACKED, 1);
    else
      refuse (c, c->pause);
  } else if (c->state == CHOICE_PACKED && c->windows >= PACKED_WINDOWS)
    enter (c, CHOICE_PLAIN, SETTLED);
}

void
pack_choice_sent (struct pack_choice *c, size_t bytes, size_t wire,
                  int64_t wait_ns, int64_t now_ns)
{
  struct pack_window *w = &c->now;
  w->bytes += bytes;
  w->wire += wire;
  w->wait_ns += wait_ns;
  int64_t took = now_ns - w->start_ns;
  if (took < WINDOW_NS || w->bytes < WINDOW_BYTES)
    return;
  judge (c, (double)w->bytes / (double)took);
  *w = (struct pack_window){ .start_ns = now_ns };
}
