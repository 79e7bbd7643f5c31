/* SPDX-License-Identifier: Apache-2.0 */
/* What SHOW GRANTS and SHOW CREATE USER say, read: which database a grant is
 * about, and what of it is said elsewhere already.  Pure. */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

/* The first `word` outside of quotes, from `at` on; NULL: none. */
static const char *
find_bare (const char *at, const char *word)
{
  size_t len = strlen (word);
  for (char quote = '\0'; *at != '\0'; at++) {
    if (quote == '\0' && strncmp (at, word, len) == 0)
      return at;
    if (quote == '\0' && (*at == '`' || *at == '\''))
      quote = *at;
    else if (*at == quote)
      quote = '\0';
  }
  return NULL;
}

/* As LIKE does it: % and _ stand for others unless behind a backslash. */
static bool
is_like (const char *name, const char *pattern, size_t len)
{
  if (len == 0)
    return *name == '\0';
  if (*pattern == '%')
    return is_like (name, pattern + 1, len - 1)
           || (*name != '\0' && is_like (name + 1, pattern, len));
  bool any = *pattern == '_';
  if (*pattern == '\\' && len > 1) {
    pattern++;
    len--;
  }
  return *name != '\0' && (any || *name == *pattern)
         && is_like (name + 1, pattern + 1, len - 1);
}

/* `on` stands behind " ON ": of everything, or of this database? */
static bool
is_about (const char *on, const char *database)
{
  static const char *const kinds[]
      = { "PROCEDURE ", "FUNCTION ", "PACKAGE BODY ", "PACKAGE " };
  bool exact = false;
  if (strncmp (on, "*.*", 3) == 0)
    return true;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strncmp (on, kinds[i], strlen (kinds[i])) == 0) {
      on += strlen (kinds[i]);
      exact = true;
    }
  const char *end = *on == '`' ? strchr (on + 1, '`') : NULL;
  if (end == NULL || end[1] != '.')
    return false;
  size_t len = (size_t)(end - on - 1);
  exact = exact || strncmp (end + 2, "* ", 2) != 0; /* a table has no pattern */
  if (exact)
    return strlen (database) == len && strncmp (database, on + 1, len) == 0;
  return is_like (database, on + 1, len);
}

char *
mariadb_grant (const char *line, const char *database)
{
  static const char *const said[] = { " IDENTIFIED ", " REQUIRE ", " WITH " };
  if (strncmp (line, "GRANT PROXY ", 12) == 0)
    return NULL;
  const char *on = find_bare (line, " ON ");
  if (on == NULL) /* a role, or the default role */
    return mem_strdup (line);
  if (!is_about (on + 4, database))
    return NULL;
  size_t len = strlen (line);
  for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
    const char *at = find_bare (on, said[i]);
    if (at != NULL && (size_t)(at - line) < len)
      len = (size_t)(at - line);
  }
  bool pass_on = find_bare (line + len, " GRANT OPTION") != NULL;
  return mem_printf ("%.*s%s", (int)len, line,
                     pass_on ? " WITH GRANT OPTION" : "");
}

char *
mariadb_unlocked (const char *create)
{
  static const char lock[] = " ACCOUNT LOCK";
  const char *at = find_bare (create, lock);
  return at == NULL ? mem_strdup (create)
                    : mem_printf ("%.*s%s", (int)(at - create), create,
                                  at + sizeof lock - 1);
}

/* Without its end, where it is that. */
static bool
cut_end (const char *line, size_t *len, const char *end)
{
  size_t n = strlen (end);
  if (*len < n || strncmp (line + *len - n, end, n) != 0)
    return false;
  *len -= n;
  return true;
}

char *
mariadb_revoke (const char *grant, const char *name)
{
  char *to CLEANUP_FREE = mem_printf (" TO %s", name);
  size_t len = strlen (grant);
  bool pass_on = cut_end (grant, &len, " WITH GRANT OPTION");
  (void)cut_end (grant, &len, " WITH ADMIN OPTION");
  const char *on = find_bare (grant, " ON ");
  if (strncmp (grant, "GRANT ", 6) != 0 || !cut_end (grant, &len, to)
      || len < 6)
    return NULL;
  char *first CLEANUP_FREE
      = mem_printf ("REVOKE %.*s FROM %s;\n", (int)len - 6, grant + 6, name);
  if (!pass_on || on == NULL || on > grant + len)
    return STEAL (first);
  return mem_printf ("%sREVOKE GRANT OPTION%.*s FROM %s;\n", first,
                     (int)(grant + len - on), on, name);
}
