/* SPDX-License-Identifier: Apache-2.0 */
/* Streams in compressed blocks: what comes out is what went in, what a hostile
 * side sends is refused, and when compressing is chosen, on links that exist
 * only as numbers. */
#include "ground.h"

#include "tree/pack.h"

#include <string.h>
#include <zstd.h>

static struct err *
keep (void *ctx, const void *data, size_t len)
{
  return buf_put (ctx, data, len);
}

struct bytes {
  const unsigned char *p;
  size_t left, piece;
};

static struct err *
give (void *ctx, void *data, size_t cap, size_t *len)
{
  struct bytes *b = ctx;
  *len = b->left < cap ? b->left : cap;
  *len = b->piece > 0 && *len > b->piece ? b->piece : *len;
  memcpy (data, b->p, *len);
  b->p += *len;
  b->left -= *len;
  return NULL;
}

/* Text and noise by turns. */
static void
mixed (struct buf *b, size_t len)
{
  uint32_t x = 1;
  while (b->len < len) {
    unsigned char block[4096];
    bool noise = b->len / 65536 % 2 == 1;
    for (size_t i = 0; i < sizeof block; i++) {
      x = x * 1664525 + 1013904223;
      block[i] = noise ? (unsigned char)(x >> 24)
                       : (unsigned char)"some text "[(i + (x >> 31)) % 10];
    }
    assert_ok (buf_put (b, block, sizeof block));
  }
}

static void
pack_all (enum pack_mode mode, const struct buf *in, size_t piece,
          struct buf *out)
{
  struct tree_watch watch = { 0 };
  struct sink to = { keep, out };
  CLEANUP_PACK struct pack *p = pack_new (mode, &to, &watch);
  struct sink s = pack_sink (p);
  for (size_t at = 0; at < in->len; at += piece) {
    size_t n = in->len - at < piece ? in->len - at : piece;
    assert_ok (s.put (s.ctx, in->data + at, n));
  }
  assert_ok (pack_finish (p));
  assert_int_equal (watch.packed_from, in->len);
  assert_int_equal (watch.packed_to, out->len);
}

static struct err *
unpack_all (const unsigned char *p, size_t len, size_t piece, struct buf *out)
{
  struct bytes b = { p, len, piece };
  struct source from = { give, &b };
  CLEANUP_UNPACK struct unpack *u = unpack_new (&from);
  struct source s = unpack_source (u);
  for (;;) {
    unsigned char block[10000];
    size_t got;
    TRY (s.get (s.ctx, block, sizeof block, &got));
    if (got == 0)
      return NULL;
    TRY (buf_put (out, block, got));
  }
}

static void
comes_out_as_it_went_in (void **state)
{
  (void)state;
  static const enum pack_mode modes[] = { PACK_ALWAYS, PACK_AUTO };
  static const size_t pieces[] = { 777, 196608, 3000000 };
  CLEANUP_BUF struct buf in = { .max = 8 << 20 };
  mixed (&in, 3 << 20);
  for (int m = 0; m < 2; m++)
    for (int k = 0; k < 3; k++) {
      CLEANUP_BUF struct buf packed = { .max = 8 << 20 };
      CLEANUP_BUF struct buf out = { .max = 8 << 20 };
      pack_all (modes[m], &in, pieces[k], &packed);
      if (modes[m] == PACK_ALWAYS && pieces[k] < 3000000)
        assert_true (packed.len < in.len * 3 / 4);
      assert_ok (unpack_all (packed.data, packed.len, 5001, &out));
      assert_int_equal (out.len, in.len);
      assert_memory_equal (out.data, in.data, in.len);
    }
}

/* A block with this header and these bytes. */
static void
block (struct buf *b, unsigned char kind, uint32_t wire, uint32_t len,
       const void *bytes, size_t n)
{
  unsigned char h[4] = { kind };
  buf_reset (b);
  assert_ok (buf_put (b, h, sizeof h));
  assert_ok (buf_put_u32 (b, wire));
  assert_ok (buf_put_u32 (b, len));
  assert_ok (buf_put (b, bytes, n));
}

static void
assert_refused (const struct buf *b)
{
  CLEANUP_BUF struct buf out = { .max = 8 << 20 };
  CLEANUP_ERR struct err *e = unpack_all (b->data, b->len, 0, &out);
  assert_non_null (e);
  assert_string_equal (err_code (e), "RH-TREE-STREAM");
  assert_int_equal (out.len, 0);
}

/* 64 MiB of zeros in a few kilobytes. */
static void
a_block_that_would_be_more_than_it_says_is_refused (void **state)
{
  (void)state;
  size_t much = 64 << 20;
  CLEANUP_FREE void *zeros = mem_alloc (much);
  CLEANUP_FREE unsigned char *bomb = mem_alloc (ZSTD_compressBound (much));
  size_t n = ZSTD_compress (bomb, ZSTD_compressBound (much), zeros, much, 19);
  CLEANUP_BUF struct buf b = BUF_INIT;
  assert_false (ZSTD_isError (n));
  assert_true (n < PACK_BLOCK);
  block (&b, PACK_KIND_ZSTD, (uint32_t)n, PACK_BLOCK, bomb, n);
  assert_refused (&b);
  block (&b, PACK_KIND_ZSTD, (uint32_t)n, (uint32_t)much, bomb, n);
  assert_refused (&b);
  block (&b, PACK_KIND_ZSTD, (uint32_t)n, UINT32_MAX, bomb, n);
  assert_refused (&b);
  /* The same without a content size in the frame. */
  ZSTD_CCtx *c = ZSTD_createCCtx ();
  ZSTD_CCtx_setParameter (c, ZSTD_c_contentSizeFlag, 0);
  n = ZSTD_compress2 (c, bomb, ZSTD_compressBound (much), zeros, much);
  ZSTD_freeCCtx (c);
  block (&b, PACK_KIND_ZSTD, (uint32_t)n, PACK_BLOCK, bomb, n);
  assert_refused (&b);
}

static void
what_breaks_the_format_is_refused (void **state)
{
  (void)state;
  unsigned char text[100] = "text", z[200];
  size_t n = ZSTD_compress (z, sizeof z, text, sizeof text, 1);
  CLEANUP_BUF struct buf b = BUF_INIT;
  struct {
    unsigned char kind;
    uint32_t wire, len;
    const void *p;
    size_t n;
  } bad[] = {
    { 0, 4, 4, text, 4 },
    { 3, 4, 4, text, 4 },
    { 1, 0, 0, text, 0 },
    { 1, 4, 5, text, 5 },
    { 1, 2 << 20, 2 << 20, text, 4 },
    { 2, 0, 9, text, 0 },
    { 2, 9, 9, text, 9 },
    { 2, 50, 90, text, 50 },
    { 2, (uint32_t)n, 99, z, n },
    { 2, (uint32_t)n, 101, z, n },
    { 2, (uint32_t)n - 1, 100, z, n - 1 },
    { 2, (uint32_t)n + 3, 100, z, n + 3 },
    { 2, (uint32_t)n, 100, z, n - 1 },
    { 1, 9, 9, NULL, 0 },
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    block (&b, bad[i].kind, bad[i].wire, bad[i].len, bad[i].p, bad[i].n);
    assert_refused (&b);
  }
  block (&b, 2, (uint32_t)n, 100, z, n);
  CLEANUP_BUF struct buf out = BUF_INIT;
  assert_ok (unpack_all (b.data, b.len, 1, &out));
  assert_memory_equal (out.data, text, sizeof text);
}

/* A link and a machine: nanoseconds for each byte on the wire and for each
 * byte compressed, and what compressing gives. */
struct model {
  double wire_ns, pack_ns, ratio;
};

/* What part of the bytes goes out compressed in so many seconds. */
static double
packed_part (const struct model *m, struct pack_choice *c, int64_t *now,
             double seconds)
{
  const size_t len = 200000;
  int64_t end = *now + (int64_t)(seconds * 1e9);
  double all = 0, packed = 0;
  while (*now < end) {
    if (pack_choice_probes (c)) {
      int64_t took = (int64_t)(m->pack_ns * (double)len);
      *now += took;
      pack_choice_probed (c, len, (size_t)((double)len / m->ratio), took);
    }
    bool on = pack_choice_on (c);
    double wire = on ? (double)len / m->ratio : (double)len;
    *now += on ? (int64_t)(m->pack_ns * (double)len) : 0;
    int64_t wait = (int64_t)(wire * m->wire_ns);
    *now += wait + 1000;
    pack_choice_sent (c, len, (size_t)wire, wait, *now);
    all += (double)len;
    packed += on ? (double)len : 0;
  }
  return packed / all;
}

#define PACK_NS 4.0 /* 250 MB a second */
#define LINK(mb) (1000.0 / (mb))

static double
settled_part (double mb, double ratio)
{
  struct model m = { LINK (mb), PACK_NS, ratio };
  struct pack_choice c;
  int64_t now = 12345;
  pack_choice_begin (&c, PACK_AUTO, now);
  packed_part (&m, &c, &now, 20);
  return packed_part (&m, &c, &now, 100);
}

static void
it_is_chosen_on_a_slow_link_with_data_that_compresses (void **state)
{
  (void)state;
  assert_true (settled_part (1, 3) > 0.9);
  assert_true (settled_part (12, 3) > 0.9); /* 100 Mbit/s */
  assert_true (settled_part (50, 2) > 0.9);
}

static void
it_stays_off_where_it_loses (void **state)
{
  (void)state;
  assert_true (settled_part (1000, 3) == 0);
  assert_true (settled_part (200, 3) == 0); /* a wait of 5 ns against 4 */
  assert_true (settled_part (12, 1.2) == 0);
  assert_true (settled_part (1, 1.0) == 0);
}

static void
it_follows_a_link_and_data_that_change (void **state)
{
  (void)state;
  struct model slow = { LINK (10), PACK_NS, 3 };
  struct model fast = { LINK (2000), PACK_NS, 3 };
  struct model noise = { LINK (10), PACK_NS, 1.0 };
  struct pack_choice c;
  int64_t now = 0;
  pack_choice_begin (&c, PACK_AUTO, now);
  packed_part (&slow, &c, &now, 10);
  assert_true (packed_part (&slow, &c, &now, 10) > 0.9);
  packed_part (&fast, &c, &now, 40);
  assert_true (packed_part (&fast, &c, &now, 40) < 0.1);
  packed_part (&slow, &c, &now, 40);
  assert_true (packed_part (&slow, &c, &now, 40) > 0.9);
  packed_part (&noise, &c, &now, 5);
  assert_true (packed_part (&noise, &c, &now, 40) < 0.1);
}

/* The other end takes no more, however few bytes that are: what waits is not
 * the link, and compressing gains nothing. */
static void
a_trial_that_gains_nothing_is_given_up (void **state)
{
  (void)state;
  struct pack_choice c;
  int64_t now = 0;
  double all = 0, packed = 0;
  pack_choice_begin (&c, PACK_AUTO, now);
  for (int i = 0; i < 20000; i++) {
    if (pack_choice_probes (&c))
      pack_choice_probed (&c, 200000, 60000, 800000);
    bool on = pack_choice_on (&c);
    int64_t wait = 10000000 - (on ? 800000 : 0);
    now += 10000000;
    pack_choice_sent (&c, 200000, on ? 60000 : 200000, wait, now);
    all++;
    packed += on;
  }
  assert_true (packed > 0);
  assert_true (packed / all < 0.15);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (comes_out_as_it_went_in),
    cmocka_unit_test (a_block_that_would_be_more_than_it_says_is_refused),
    cmocka_unit_test (what_breaks_the_format_is_refused),
    cmocka_unit_test (it_is_chosen_on_a_slow_link_with_data_that_compresses),
    cmocka_unit_test (it_stays_off_where_it_loses),
    cmocka_unit_test (it_follows_a_link_and_data_that_change),
    cmocka_unit_test (a_trial_that_gains_nothing_is_given_up),
  };
  return cmocka_run_group_tests_name ("pack", tests, NULL, NULL);
}
