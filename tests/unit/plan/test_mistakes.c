/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes in a plan: each is refused with its code, at its line and column,
 * with what was found and what was expected.  One row, one test. */
#include "kinds.h"

#include "base/mem.h"
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct row {
  const char *name, *code, *place; /* "LINE:COLUMN" */
  const char *said;                /* a part of the message */
  const char *text;
};

/* Lines 1 to 4; what follows stands from line 5 on. */
#define HEAD              \
  "rehome: 1\n"           \
  "name: shop\n"          \
  "source: {host: old}\n" \
  "items: [{files: /srv/shop}]\n"
#define START "rehome: 1\nname: shop\nsource: {host: old}\n"

static const struct row rows[] = {
  /* The file as such. */
  { "an empty file", "RH-PLAN-SYNTAX", "1:1", "expected a plan", "" },
  { "only a comment", "RH-PLAN-SYNTAX", "1:1", "an empty file", "# plan\n" },
  { "a list instead of a plan", "RH-PLAN-TYPE", "1:1",
    "found a list; expected a plan", "- rehome: 1\n" },
  { "broken YAML", "RH-PLAN-SYNTAX", "4:1", "expected YAML",
    "rehome: 1\nname: shop\nsource: {host: old\n" },
  { "a tab as indentation", "RH-PLAN-SYNTAX", "4:1", "expected YAML",
    START "\titems: []\n" },
  { "a byte that is not UTF-8", "RH-PLAN-UTF8", "2:7", "byte 0xff",
    "rehome: 1\nname: \xff\n" },
  { "a byte that is not UTF-8 behind letters of two bytes", "RH-PLAN-UTF8",
    "2:4", "byte 0xc3", "rehome: 1\n# \xc3\xa4\xc3 x\n" },
  { "a control character", "RH-PLAN-SYNTAX", "2:8", "control characters",
    "rehome: 1\nname: s\001hop\n" },
  { "a NUL in text", "RH-PLAN-SYNTAX", "2:7", "NUL",
    "rehome: 1\nname: \"a\\0b\"\n" },
  { "a second document", "RH-PLAN-DOCUMENTS", "5:1", "second document",
    HEAD "---\nrehome: 1\n" },
  { "an anchor", "RH-PLAN-ALIAS", "2:7", "anchor",
    "rehome: 1\nname: &x shop\n" },
  { "an alias", "RH-PLAN-ALIAS", "2:7", "anchor or alias",
    "rehome: 1\nname: *x\n" },
  { "a tag", "RH-PLAN-ALIAS", "2:7", "a tag", "rehome: 1\nname: !!str shop\n" },
  { "a key twice", "RH-PLAN-TWICE", "3:1", "\"name\" again, after line 2",
    "rehome: 1\nname: shop\nname: shop\n" },
  { "an empty key", "RH-PLAN-SYNTAX", "2:1", "an empty key",
    "rehome: 1\n\"\": x\n" },
  { "a list as a key", "RH-PLAN-SYNTAX", "2:3", "as a key",
    "rehome: 1\n? [a]\n: b\n" },
  { "lists too deep", "RH-PLAN-DEPTH", "1:17", "at most 16",
    "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]\n" },
  /* Keys. */
  { "an unknown key with a near one", "RH-PLAN-KEY", "5:1",
    "\"cutovr\" (did you mean \"cutover\"?)", HEAD "cutovr: {}\n" },
  { "an unknown key with none near", "RH-PLAN-KEY", "5:1",
    "\"zzzzzz\"; expected rehome, name", HEAD "zzzzzz: 1\n" },
  { "an unknown key of a host", "RH-PLAN-KEY", "3:21",
    "\"hostkey\" (did you mean \"host-key\"?)",
    "rehome: 1\nname: shop\nsource: {host: old, hostkey: x}\n" },
  { "an unknown key of the cutover", "RH-PLAN-KEY", "5:11",
    "did you mean \"downtime-limit\"", HEAD "cutover: {downtime_limit: 3s}\n" },
  { "an unknown key of a smoke check", "RH-PLAN-KEY", "6:31", "\"stat\"",
    HEAD "smoke:\n  - {http: \"http://1.2.3.4/\", stat: 200}\n" },
  { "an unknown key of what stays", "RH-PLAN-KEY", "5:25", "\"because\"",
    HEAD "leave: [{process: sshd, because: x}]\n" },
  { "an unknown key of an address", "RH-PLAN-KEY", "5:50", "\"dev\"",
    HEAD "cutover: {switch: [{address: {move: 10.0.0.1/24, dev: e}}]}\n" },
  /* Version and name. */
  { "no version", "RH-PLAN-MISSING", "1:1", "no key \"rehome\"",
    "name: shop\n" },
  { "another version", "RH-PLAN-VERSION", "1:9", "found version 2; expected 1",
    "rehome: 2\n" },
  { "a version that is text", "RH-PLAN-TYPE", "1:9",
    "found the text \"1.0\"; expected \"rehome: 1\"", "rehome: 1.0\n" },
  { "no name", "RH-PLAN-MISSING", "1:1", "no key \"name\"", "rehome: 1\n" },
  { "a name with capitals", "RH-PLAN-VALUE", "2:7",
    "found the text \"Shop\"; expected a name", "rehome: 1\nname: Shop\n" },
  { "a name that is a number", "RH-PLAN-TYPE", "2:7", "found the number 12",
    "rehome: 1\nname: 12\n" },
  { "a name that leaves its directory", "RH-PLAN-VALUE", "2:7", "a name",
    "rehome: 1\nname: ../x\n" },
  { "a name without value", "RH-PLAN-TYPE", "2:6", "name: found nothing",
    "rehome: 1\nname:\n" },
  /* Hosts. */
  { "no source", "RH-PLAN-MISSING", "1:1", "no key \"source\"",
    "rehome: 1\nname: shop\n" },
  { "a source that is text", "RH-PLAN-TYPE", "3:9",
    "found the text \"old\"; expected a mapping",
    "rehome: 1\nname: shop\nsource: old\n" },
  { "a source without a host", "RH-PLAN-MISSING", "3:9", "no key \"host\"",
    "rehome: 1\nname: shop\nsource: {via: 10.0.0.1}\n" },
  { "a host that is an option", "RH-PLAN-VALUE", "3:16", "a host as ssh takes",
    "rehome: 1\nname: shop\nsource: {host: -oProxyCommand=x}\n" },
  { "a host that is an option behind a user", "RH-PLAN-VALUE", "3:16",
    "a host as ssh takes", "rehome: 1\nname: shop\nsource: {host: root@-x}\n" },
  { "a host with a blank", "RH-PLAN-VALUE", "3:16", "a host as ssh takes",
    "rehome: 1\nname: shop\nsource: {host: \"old host\"}\n" },
  { "a machine-id that is none", "RH-PLAN-VALUE", "3:33",
    "32 hexadecimal digits",
    "rehome: 1\nname: shop\nsource: {host: old, machine-id: 3F}\n" },
  { "a host key that is none", "RH-PLAN-VALUE", "3:31", "SHA256:",
    "rehome: 1\nname: shop\nsource: {host: old, host-key: \"MD5:00\"}\n" },
  { "source and target by the same name", "RH-PLAN-SAME", "4:9",
    "the same host (old)", START "target: {host: old}\n" },
  { "source and target by the same machine-id", "RH-PLAN-SAME", "4:9",
    "the same host",
    "rehome: 1\nname: shop\n"
    "source: {host: a, machine-id: 0123456789abcdef0123456789abcdef}\n"
    "target: {host: b, machine-id: 0123456789abcdef0123456789abcdef}\n" },
  /* Words of a later version. */
  { "an approach of a later version", "RH-PLAN-NOTYET", "5:11", "cannot do yet",
    HEAD "approach: hybrid\n" },
  { "an approach that would not be carried out", "RH-PLAN-NOTYET", "5:11",
    "found \"cold\", which this version cannot do yet; expected warm",
    HEAD "approach: cold\n" },
  { "an approach that is none", "RH-PLAN-VALUE", "5:11",
    "found the text \"hot\"; expected warm", HEAD "approach: hot\n" },
  { "a fence that is none", "RH-PLAN-VALUE", "5:8", "expected closed",
    HEAD "fence: off\n" },
  /* Items. */
  { "no items", "RH-PLAN-MISSING", "1:1", "no key \"items\"", START },
  { "an empty list of items", "RH-PLAN-VALUE", "4:8", "at least one item",
    START "items: []\n" },
  { "items that are a mapping", "RH-PLAN-TYPE", "5:3",
    "found a mapping; expected a list of items",
    START "items:\n  files: /srv\n" },
  { "an item that is text", "RH-PLAN-TYPE", "5:5",
    "found the text \"/srv\"; expected an item", START "items:\n  - /srv\n" },
  { "an item of an unknown kind", "RH-PLAN-KIND", "5:5",
    "\"filez\" (did you mean \"files\"?)", START "items:\n  - filez: /srv\n" },
  { "an item of a kind of a later version", "RH-PLAN-NOTYET", "5:5",
    "does not move yet", START "items:\n  - mariadb: shop\n" },
  { "an address among the items", "RH-PLAN-NOTYET", "5:5",
    "under cutover, switch", START "items:\n  - address: 10.0.0.1/24\n" },
  { "an item of two kinds", "RH-PLAN-KIND", "6:5",
    "\"accounts\" beside \"files\"",
    START "items:\n  - files: /srv\n    accounts: [a]\n" },
  { "an item that its provider refuses", "RH-PLAN-ITEM", "6:5",
    "files: found a path that is not absolute; expected one from / on",
    START "items:\n  - files: /srv\n  - files: srv/shop\n" },
  { "an item with a code of its own", "RH-PLAN-TYPE", "5:15",
    "accounts: found something else; expected 'accounts' to be a list",
    START "items:\n  - accounts: {a: b}\n" },
  { "an unknown key of an item", "RH-PLAN-KEY", "6:5", "unknown key 'color'",
    START "items:\n  - accounts: [a]\n    color: red\n" },
  { "a wrong word in a list of an item", "RH-PLAN-VALUE", "5:19", "has '-x'",
    START "items:\n  - accounts: [a, -x]\n" },
  { "a wrong member of a member of an item", "RH-PLAN-VALUE", "6:19",
    "'ready.http'", START "items:\n  - accounts: [a]\n    ready: {http: 1}\n" },
  { "an item twice", "RH-PLAN-TWICE", "7:5", "files:/srv again, after line 5",
    START "items:\n  - files: /srv\n  - accounts: [a]\n  - files: /srv\n" },
  { "an item after one that is not there", "RH-PLAN-VALUE", "6:13",
    "did you mean \"files:/srv\"",
    START "items:\n  - files: /srv\n    after: [\"files:/srw\"]\n" },
  { "an item after itself", "RH-GRAPH-CYCLE", "6:13", "without a cycle",
    START "items:\n  - files: /srv\n    after: [\"files:/srv\"]\n" },
  { "items that wait for each other", "RH-GRAPH-CYCLE", "8:13",
    "files:/b comes after files:/a, which comes after it",
    START "items:\n  - files: /a\n    after: [\"files:/b\"]\n"
          "  - files: /b\n    after: [\"files:/a\"]\n" },
  /* What stays. */
  { "what stays without a reason", "RH-PLAN-MISSING", "5:9", "no key \"why\"",
    HEAD "leave: [{process: sshd}]\n" },
  { "a reason alone", "RH-PLAN-MISSING", "5:9", "names nothing",
    HEAD "leave: [{why: x}]\n" },
  { "two names in an entry", "RH-PLAN-KEY", "5:25", "\"unit\" beside",
    HEAD "leave: [{process: sshd, unit: ssh.service, why: x}]\n" },
  { "a unit without its kind", "RH-PLAN-VALUE", "5:16", "the name of a unit",
    HEAD "leave: [{unit: ssh, why: x}]\n" },
  { "a listener that is a number", "RH-PLAN-TYPE", "5:20", "tcp:22",
    HEAD "leave: [{listener: 22, why: x}]\n" },
  { "a listener without a port", "RH-PLAN-VALUE", "5:20", "tcp:22",
    HEAD "leave: [{listener: \"tcp:ssh\", why: x}]\n" },
  { "what stays, twice", "RH-PLAN-TWICE", "7:5", "a second time",
    HEAD "leave:\n  - {process: a, why: x}\n  - {process: a, why: y}\n" },
  /* Durations, window. */
  { "a duration without a unit", "RH-PLAN-TYPE", "5:27",
    "found the number 30; expected a duration",
    HEAD "cutover: {downtime-limit: 30}\n" },
  { "a duration with an unknown unit", "RH-PLAN-VALUE", "5:8",
    "found the text \"7w\"", HEAD "guard: 7w\n" },
  { "a duration with a fraction", "RH-PLAN-VALUE", "5:8", "a whole number",
    HEAD "guard: 1.5d\n" },
  { "a duration too long to count", "RH-PLAN-VALUE", "5:8", "a duration",
    HEAD "guard: 99999999999999999999d\n" },
  { "a guard of a second", "RH-PLAN-VALUE", "5:8", "between 60 s",
    HEAD "guard: 1s\n" },
  { "a downtime limit of nothing", "RH-PLAN-VALUE", "5:27", "between 1 s",
    HEAD "cutover: {downtime-limit: 0s}\n" },
  { "a day that is none", "RH-PLAN-VALUE", "5:27", "mon, tue",
    HEAD "cutover: {window: {days: [someday], from: \"01:00\", to: \"02:00\"}}"
         "\n" },
  { "a window without an end", "RH-PLAN-MISSING", "5:19", "no key \"to\"",
    HEAD "cutover: {window: {from: \"01:00\"}}\n" },
  { "an hour that is none", "RH-PLAN-VALUE", "5:26", "a time of day",
    HEAD "cutover: {window: {from: \"25:00\", to: \"02:00\"}}\n" },
  { "a zone that is a path", "RH-PLAN-VALUE", "5:54", "a time zone",
    HEAD "cutover: {window: {from: \"01:00\", to: \"02:00\", zone: \"/etc/x\"}}"
         "\n" },
  /* Addresses. */
  { "an address without its length", "RH-PLAN-VALUE", "5:37",
    "with its prefix length",
    HEAD "cutover: {switch: [{address: {move: 10.0.0.1, interface: e}}]}\n" },
  { "a length that is too long", "RH-PLAN-VALUE", "5:37", "10.0.0.1/33",
    HEAD "cutover: {switch: [{address: {move: 10.0.0.1/33, interface: e}}]}"
         "\n" },
  { "an address without interface", "RH-PLAN-MISSING", "5:30",
    "no key \"interface\"",
    HEAD "cutover: {switch: [{address: {move: 10.0.0.1/24}}]}\n" },
  { "an interface with a slash", "RH-PLAN-VALUE", "5:61",
    "the name of an interface",
    HEAD "cutover: {switch: [{address: {move: 10.0.0.1/24, interface: ../e}}]}"
         "\n" },
  { "an address twice", "RH-PLAN-TWICE", "8:7", "10.0.0.1/16 a second time",
    HEAD "cutover:\n  switch:\n"
         "    - address: {move: 10.0.0.1/24, interface: e}\n"
         "    - address: {move: 10.0.0.1/16, interface: e}\n" },
  { "a target with an unknown key", "RH-PLAN-KEY", "5:21", "\"key\"",
    HEAD "target: {host: new, key: x}\n" },
  { "a process with a control character", "RH-PLAN-VALUE", "5:19",
    "the name of a process",
    HEAD "leave: [{process: \"a\\u0001\", why: x}]\n" },
  { "port 0", "RH-PLAN-VALUE", "5:20", "tcp:0",
    HEAD "leave: [{listener: \"tcp:0\", why: x}]\n" },
  { "a port beyond the last", "RH-PLAN-VALUE", "5:20", "tcp:65536",
    HEAD "leave: [{listener: \"tcp:65536\", why: x}]\n" },
  { "24 o'clock", "RH-PLAN-VALUE", "5:26", "a time of day",
    HEAD "cutover: {window: {from: \"24:00\", to: \"02:00\"}}\n" },
  { "the 60th minute", "RH-PLAN-VALUE", "5:26", "a time of day",
    HEAD "cutover: {window: {from: \"01:60\", to: \"02:00\"}}\n" },
  { "a time of another shape", "RH-PLAN-VALUE", "5:26", "a time of day",
    HEAD "cutover: {window: {from: \"1x:00\", to: \"02:00\"}}\n" },
  { "an empty length of an address", "RH-PLAN-VALUE", "5:37", "10.0.0.1/",
    HEAD "cutover: {switch: [{address: {move: 10.0.0.1/, interface: e}}]}\n" },
  { "an unknown thing to switch", "RH-PLAN-KEY", "5:21", "\"dns\"",
    HEAD "cutover: {switch: [{dns: x}]}\n" },
  { "an interface of 16 letters", "RH-PLAN-VALUE", "5:61", "an interface",
    HEAD "cutover: {switch: [{address: {move: 10.0.0.1/24, interface: "
         "abcdefghijklmnop}}]}\n" },
  { "letters behind the port of a smoke check", "RH-PLAN-VALUE", "5:16",
    "a URL", HEAD "smoke: [{http: \"http://10.0.0.1:80x/\"}]\n" },
  { "text without end", "RH-PLAN-VALUE", "5:11", "aaa...\"",
    HEAD
    "approach: "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" },
  /* Smoke checks. */
  { "a smoke check of a name", "RH-PLAN-VALUE", "5:16", "a numeric host",
    HEAD "smoke: [{http: \"http://shop.example/\"}]\n" },
  { "a smoke check of a port that is none", "RH-PLAN-VALUE", "5:16", "a URL",
    HEAD "smoke: [{http: \"http://10.0.0.1:99999/\"}]\n" },
  { "a smoke check of IPv6 without brackets", "RH-PLAN-VALUE", "5:16", "a URL",
    HEAD "smoke: [{http: \"http://fd77::10/\"}]\n" },
  { "a smoke check with a line end", "RH-PLAN-VALUE", "5:16", "a URL",
    HEAD "smoke: [{http: \"http://10.0.0.1/\\r\\nHost: x\"}]\n" },
  { "a smoke check that asks nothing", "RH-PLAN-MISSING", "5:9", "tcp",
    HEAD "smoke: [{from: target}]\n" },
  { "a smoke check of two kinds", "RH-PLAN-KEY", "5:36", "one of them",
    HEAD "smoke: [{http: \"http://10.0.0.1/\", tcp: \"10.0.0.1:25\"}]\n" },
  { "a tcp check with a status", "RH-PLAN-KEY", "5:38", "'status'",
    HEAD "smoke: [{tcp: \"10.0.0.1:25\", status: 200}]\n" },
  { "a certificate's fingerprint without https", "RH-PLAN-KEY", "5:49",
    "a URL with https",
    HEAD "smoke: [{http: \"http://10.0.0.1/\", fingerprint: \"00\"}]\n" },
  { "a fingerprint that is none", "RH-PLAN-VALUE", "5:50", "64 hex digits",
    HEAD "smoke: [{http: \"https://10.0.0.1/\", fingerprint: \"00:11\"}]\n" },
  { "a name with a space", "RH-PLAN-VALUE", "5:43", "shop.example",
    HEAD "smoke: [{http: \"https://10.0.0.1/\", name: \"a b\"}]\n" },
  { "a command as one text", "RH-PLAN-VALUE", "5:19", "a list of",
    HEAD "smoke: [{command: /bin/true -q}]\n" },
  { "a command that is looked for", "RH-PLAN-VALUE", "5:19", "from / on",
    HEAD "smoke: [{command: [curl, -q]}]\n" },
  { "a smoke check of a port alone", "RH-PLAN-VALUE", "5:15", "a numeric host",
    HEAD "smoke: [{tcp: \"25\"}]\n" },
  { "a status that is none", "RH-PLAN-VALUE", "5:44", "found the number 20",
    HEAD "smoke: [{http: \"http://10.0.0.1/\", status: 20}]\n" },
  { "a status that is text", "RH-PLAN-TYPE", "5:44", "found the text \"200\"",
    HEAD "smoke: [{http: \"http://10.0.0.1/\", status: \"200\"}]\n" },
  { "loopback from outside", "RH-PLAN-VALUE", "5:43", "expected target",
    HEAD "smoke: [{http: \"http://127.0.0.1/\", from: controller}]\n" },
};

static void
assert_refused (const char *text, size_t len, const struct row *row)
{
  struct plan *p = NULL;
  CLEANUP_ERR struct err *e
      = plan_parse (text, len, "shop.yaml", &test_kinds, &p);
  plan_free (p);
  if (e == NULL)
    fail_msg ("it is taken");
  CLEANUP_FREE char *place = mem_printf ("shop.yaml:%s: ", row->place);
  if (strncmp (err_message (e), place, strlen (place)) != 0)
    fail_msg ("expected %s, got: %s", place, err_message (e));
  if (strcmp (err_code (e), row->code) != 0)
    fail_msg ("expected %s, got %s", row->code, err_code (e));
  if (strstr (err_message (e), row->said) == NULL)
    fail_msg ("no \"%s\" in: %s", row->said, err_message (e));
  assert_non_null (strstr (err_message (e), "; expected "));
}

static void
is_refused (void **state)
{
  const struct row *row = *state;
  assert_refused (row->text, strlen (row->text), row);
}

static void
a_plan_that_is_too_large_is_refused (void **state)
{
  (void)state;
  size_t len = ((size_t)1 << 20) + 1;
  CLEANUP_FREE char *text = mem_alloc (len);
  memset (text, '#', len);
  assert_refused (text, len,
                  &(struct row){ .code = "RH-PLAN-SIZE",
                                 .place = "1:1",
                                 .said = "1048577 bytes" });
}

static void
a_plan_with_too_many_entries_is_refused (void **state)
{
  (void)state;
  size_t n = 20001;
  CLEANUP_FREE char *text = mem_alloc (3 * n + 3);
  text[0] = '[';
  for (size_t i = 0; i < n; i++)
    text[1 + 3 * i] = 'a', text[2 + 3 * i] = ',', text[3 + 3 * i] = '\n';
  text[1 + 3 * n] = ']';
  assert_refused (text, strlen (text),
                  &(struct row){ .code = "RH-PLAN-SIZE",
                                 .place = "20000:1",
                                 .said = "too many entries" });
}

static void
a_file_name_with_control_characters_is_shown_escaped (void **state)
{
  (void)state;
  struct plan *p = NULL;
  CLEANUP_ERR struct err *e = plan_parse ("x", 1, "a\033[31m", &test_kinds, &p);
  assert_null (strchr (err_message (e), '\033'));
}

/* Bytes of a good plan are changed one by one: it is taken or refused, and
 * nothing else happens. */
static void
no_single_changed_byte_does_harm (void **state)
{
  (void)state;
  static const char good[] = HEAD "cutover: {downtime-limit: 30s}\n";
  static const char bytes[] = "\0:-[{}]&*!\"'#\t \xff%@,?|>";
  for (size_t i = 0; i < sizeof good - 1; i++)
    for (size_t k = 0; k < sizeof bytes - 1; k++) {
      char text[sizeof good];
      struct plan *p = NULL;
      memcpy (text, good, sizeof good);
      text[i] = bytes[k];
      CLEANUP_ERR struct err *e
          = plan_parse (text, sizeof good - 1, "p", &test_kinds, &p);
      assert_true ((e == NULL) != (p == NULL));
      plan_free (p);
    }
}

int
main (void)
{
  enum { ROWS = sizeof rows / sizeof *rows };
  struct CMUnitTest tests[ROWS + 4] = {
    [ROWS] = cmocka_unit_test (a_plan_that_is_too_large_is_refused),
    [ROWS + 1] = cmocka_unit_test (a_plan_with_too_many_entries_is_refused),
    [ROWS + 2]
    = cmocka_unit_test (a_file_name_with_control_characters_is_shown_escaped),
    [ROWS + 3] = cmocka_unit_test (no_single_changed_byte_does_harm),
  };
  for (size_t i = 0; i < ROWS; i++)
    tests[i] = (struct CMUnitTest){ .name = rows[i].name,
                                    .test_func = is_refused,
                                    .initial_state = (void *)&rows[i] };
  return _cmocka_run_group_tests ("mistakes", tests, ROWS + 4, NULL, NULL);
}
