/* SPDX-License-Identifier: Apache-2.0 */
/* interfaces(5) and systemd.network(5), as far as one address needs them. */
#include "provider/address_config.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "provider/address_ip.h"

#include <fnmatch.h>
#include <string.h>

struct lines {
  char *copy;
  VEC (char *) list;
};

static void
lines_free (struct lines *l)
{
  VEC_FREE (&l->list);
  free (l->copy);
}

static struct lines
lines_of (const char *text)
{
  struct lines l = { mem_strdup (text), { NULL, 0, 0 } };
  char *rest = l.copy;
  for (char *line; (line = strsep (&rest, "\n")) != NULL;)
    if (rest != NULL || line[0] != '\0') /* what follows the last newline */
      *VEC_PUSH (&l.list) = line;
  return l;
}

/* The n-th word of a line (from 0), or NULL; the caller frees. */
static char *
word_of (const char *line, unsigned n)
{
  for (;; n--) {
    line += strspn (line, " \t");
    size_t len = strcspn (line, " \t");
    if (len == 0)
      return NULL;
    if (n == 0)
      return mem_strndup (line, len);
    line += len;
  }
}

static bool
word_is (const char *line, unsigned n, const char *want)
{
  char *word CLEANUP_FREE = word_of (line, n);
  return word != NULL && strcmp (word, want) == 0;
}

static bool
starts_stanza (const char *line)
{
  static const char *const words[] = {
    "iface",        "auto",       "mapping", "source",   "source-directory",
    "no-auto-down", "no-scripts", "rename",  "template", NULL
  };
  char *word CLEANUP_FREE = word_of (line, 0);
  if (word == NULL)
    return false;
  for (size_t i = 0; words[i] != NULL; i++)
    if (strcmp (word, words[i]) == 0)
      return true;
  return strncmp (word, "allow-", 6) == 0;
}

static bool
is_blank (const char *line)
{
  line += strspn (line, " \t");
  return line[0] == '\0' || line[0] == '#';
}

/* One past the last option of the stanza that begins at `at`. */
static size_t
stanza_end (const struct lines *l, size_t at)
{
  size_t end = at + 1;
  for (size_t i = at + 1; i < l->list.n && !starts_stanza (l->list.v[i]); i++)
    if (!is_blank (l->list.v[i]))
      end = i + 1;
  return end;
}

static bool
is_iface (const char *line, const char *interface, const char *family)
{
  return word_is (line, 0, "iface") && word_is (line, 1, interface)
         && (family == NULL || word_is (line, 2, family));
}

/* The option's line in the stanza, or 0. */
static size_t
option_at (const struct lines *l, size_t at, const char *option)
{
  size_t end = stanza_end (l, at);
  for (size_t i = at + 1; i < end; i++)
    if (word_is (l->list.v[i], 0, option))
      return i;
  return 0;
}

static bool
gives (const struct lines *l, size_t at, const char *address)
{
  size_t line = option_at (l, at, "address");
  char *value CLEANUP_FREE = line == 0 ? NULL : word_of (l->list.v[line], 1);
  if (value == NULL)
    return false;
  value[strcspn (value, "/")] = '\0';
  return strcmp (value, address) == 0;
}

/* What is taken out, and what its gateway becomes. */
struct cut {
  size_t from, to;     /* lines that go */
  const char *gateway; /* line or NULL */
  size_t heir;         /* the gateway stands before this line; 0: nowhere */
  bool alone;          /* no other stanza of the interface */
};

static bool
find_cut (const struct lines *l, const char *interface, const char *cidr,
          struct cut *out)
{
  const char *family = cidr_is_six (cidr) ? "inet6" : "inet";
  char *address CLEANUP_FREE = cidr_address (cidr);
  bool found = false;
  for (size_t i = 0; i < l->list.n && !found; i++)
    if (is_iface (l->list.v[i], interface, family)
        && word_is (l->list.v[i], 3, "static") && gives (l, i, address))
    {
      size_t gateway = option_at (l, i, "gateway");
      *out = (struct cut){ i, stanza_end (l, i),
                           gateway == 0 ? NULL : l->list.v[gateway], 0, true };
      found = true;
    }
  for (size_t i = 0; found && i < l->list.n; i++) {
    if (i == out->from || !is_iface (l->list.v[i], interface, NULL))
      continue;
    out->alone = false;
    if (out->heir == 0 && is_iface (l->list.v[i], interface, family)
        && word_is (l->list.v[i], 3, "static")
        && option_at (l, i, "gateway") == 0)
      out->heir = stanza_end (l, i);
  }
  return found;
}

char *
ifupdown_without (const char *text, const char *interface, const char *cidr)
{
  struct lines l CLEANUP (lines_free) = lines_of (text);
  struct cut cut;
  if (!find_cut (&l, interface, cidr, &cut))
    return NULL;
  struct buf b CLEANUP_BUF = BUF_INIT;
  for (size_t i = 0; i <= l.list.n; i++) {
    if (cut.gateway != NULL && cut.heir != 0 && i == cut.heir)
      err_free (buf_printf (&b, "%s\n", cut.gateway));
    if (i == cut.from && cut.alone)
      err_free (buf_printf (&b, "iface %s %s manual\n", interface,
                            cidr_is_six (cidr) ? "inet6" : "inet"));
    if (i < l.list.n && (i < cut.from || i >= cut.to))
      err_free (buf_printf (&b, "%s\n", l.list.v[i]));
  }
  return b.len == 0 ? mem_strdup ("") : buf_steal_str (&b);
}

bool
ifupdown_has (const char *text, const char *interface)
{
  struct lines l CLEANUP (lines_free) = lines_of (text);
  for (size_t i = 0; i < l.list.n; i++)
    if (is_iface (l.list.v[i], interface, NULL))
      return true;
  return false;
}

char *
ifupdown_stanza (const char *interface, const char *cidr)
{
  return mem_printf ("iface %s %s static\n    address %s\n", interface,
                     cidr_is_six (cidr) ? "inet6" : "inet", cidr);
}

/* "Key = value" -> value where the key is this one (not copied), or NULL. */
static const char *
setting (const char *line, const char *key)
{
  line += strspn (line, " \t");
  size_t len = strlen (key);
  if (strncmp (line, key, len) != 0)
    return NULL;
  line += len;
  line += strspn (line, " \t");
  if (line[0] != '=')
    return NULL;
  line++;
  return line + strspn (line, " \t");
}

static bool
same_value (const char *value, const char *want)
{
  size_t len = strlen (want);
  return value != NULL && strncmp (value, want, len) == 0
         && value[len + strspn (value + len, " \t\r")] == '\0';
}

static bool
is_section (const char *line, const char *name)
{
  line += strspn (line, " \t");
  return line[0] == '['
         && (name == NULL || strncmp (line, name, strlen (name)) == 0);
}

/* Does the section that begins at `at` give the address? */
static bool
section_gives (const struct lines *l, size_t at, const char *cidr)
{
  for (size_t i = at + 1; i < l->list.n && !is_section (l->list.v[i], NULL);
       i++)
    if (same_value (setting (l->list.v[i], "Address"), cidr))
      return true;
  return false;
}

char *
networkd_without (const char *text, const char *cidr)
{
  struct lines l CLEANUP (lines_free) = lines_of (text);
  struct buf b CLEANUP_BUF = BUF_INIT;
  bool found = false;
  bool dropping = false;
  for (size_t i = 0; i < l.list.n; i++) {
    const char *line = l.list.v[i];
    if (is_section (line, NULL))
      dropping = is_section (line, "[Address]") && section_gives (&l, i, cidr);
    bool own = !dropping && same_value (setting (line, "Address"), cidr);
    found |= dropping || own;
    if (!dropping && !own)
      err_free (buf_printf (&b, "%s\n", line));
  }
  if (!found)
    return NULL;
  return b.len == 0 ? mem_strdup ("") : buf_steal_str (&b);
}

bool
networkd_matches (const char *text, const char *interface)
{
  struct lines l CLEANUP (lines_free) = lines_of (text);
  bool match = false;
  for (size_t i = 0; i < l.list.n; i++) {
    if (is_section (l.list.v[i], NULL))
      match = is_section (l.list.v[i], "[Match]");
    const char *names = match ? setting (l.list.v[i], "Name") : NULL;
    for (unsigned n = 0; names != NULL; n++) {
      char *name CLEANUP_FREE = word_of (names, n);
      if (name == NULL)
        break;
      if (fnmatch (name, interface, 0) == 0)
        return true;
    }
  }
  return false;
}
