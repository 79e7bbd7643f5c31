/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of commands and options, and what is parsed by them. */
#include "cli/command.h"

#include "base/mem.h"

#include <string.h>

#define BIT(o) (UINT64_C (1) << (o))

const struct option_row option_table[OPT_COUNT] = {
  { OPT_JSON, "json", NULL, "JSON on stdout; for events one object a line" },
  { OPT_DRY_RUN, "dry-run", NULL, "say what would be done, and do nothing" },
  { OPT_NO_INPUT, "no-input", NULL, "never ask; what needs an answer fails" },
  { OPT_CONFIRM, "confirm", "NAME",
    "the name of the host that loses service, instead of typing it" },
  { OPT_STATE, "state", "DIR",
    "where the journal lies (default /var/lib/rehome for root, else "
    "$XDG_STATE_HOME/rehome)" },
  { OPT_OUTPUT, "output", "FILE",
    "where the draft, or the text to be signed, is written" },
  { OPT_NAME, "name", "NAME",
    "the plan's name (default: from the source); of approve: the approver" },
  { OPT_VIA, "via", "ADDRESS", "management address of the source" },
  { OPT_TARGET_VIA, "target-via", "ADDRESS",
    "management address of the target" },
  { OPT_GRAPH, "graph", NULL, "print the steps of a plan, one a line" },
  { OPT_DOT, "dot", NULL, "print the steps of a plan as a Graphviz graph" },
  { OPT_SINCE, "since", "SEQ", "only records after this number" },
  { OPT_HTML, "html", "FILE", "write the report as one HTML page" },
  { OPT_PLAN_HASH, "plan-hash", "SHA256",
    "what the first record has to rest on" },
  { OPT_BUNDLE, "bundle", "FILE",
    "write the evidence bundle: journal, plan, report, signatures" },
  { OPT_TOKEN, "token", "FILE",
    "an RFC 3161 time stamp of the journal's head, for the bundle" },
  { OPT_DIGEST, "digest", "SHA256",
    "the bundle's digest, as noted when it was made" },
  { OPT_SIGNERS, "signers", "KEY,...",
    "the fingerprints of those who must have signed, as noted" },
  { OPT_EXCLUDE, "exclude", "PATTERN",
    "leave out what matches; patterns as rsync has them, the first that "
    "matches counts" },
  { OPT_TARGET_IS_GONE, "target-is-gone", NULL,
    "the target is lost and will not come back by itself: go back without it, "
    "and lose what it took since the last reverse round" },
  { OPT_DISCARD, "discard", NULL,
    "remove the copy on the target, too: what the move put there and nobody "
    "changed since" },
  { OPT_NO_WAY_BACK, "no-way-back", NULL,
    "open although no way back is proven: a service's version differs between "
    "the hosts, and the plan gives no reason (back-why)" },
  { OPT_OWN_KEY, "own-key", NULL,
    "approve a key of this migration's own, which may start nothing but its "
    "agent, and is removed at accept or abort" },
  { OPT_INCLUDE, "include", "PATTERN",
    "do not leave out what matches, whatever follows says" },
  { OPT_MERGE, "merge", NULL,
    "the target may hold other content: files of the same name are replaced, "
    "all else stays" },
  { OPT_DELETE, "delete", NULL,
    "make the target the same: what only it holds is removed" },
  { OPT_DELETE_LIMIT, "delete-limit", "N",
    "more deletions than this in one round stop it" },
  { OPT_MAP_USER, "map-user", "FROM:TO",
    "user id FROM becomes TO, in owners and ACLs" },
  { OPT_MAP_GROUP, "map-group", "FROM:TO",
    "group id FROM becomes TO, in owners and ACLs" },
  { OPT_ATIMES, "atimes", NULL, "carry the times of last access, too" },
  { OPT_ONE_FILE_SYSTEM, "one-file-system", NULL,
    "leave out filesystems that are mounted below, knowingly" },
  { OPT_NO_PROOF, "no-proof", NULL,
    "do not read both sides back from the disks and compare them" },
  { OPT_BWLIMIT, "bwlimit", "RATE",
    "no more than so many bytes a second: 500K, 20M, 1G" },
  { OPT_DISK_LATENCY, "disk-latency", "TIME",
    "slow down while a request to the source's disk takes longer: 20ms" },
  { OPT_COMPRESS, "compress", "WHEN",
    "auto (the default: where trying it shows that it is faster), always or "
    "never" },
  { OPT_ROLE, "role", "ROLE", "the role in which it is approved" },
  { OPT_FOR, "for", "WHAT", "cutover (the default), accept or rollback" },
  { OPT_MEANING, "meaning", "TEXT",
    "what the signature means, as it will stand in the evidence" },
  { OPT_KEY, "key", "FILE",
    "the private ssh key to sign with, or the public one of a key in the "
    "agent" },
  { OPT_SIGNATURE, "signature", "FILE.sig",
    "a signature made elsewhere, beside the text that was written with "
    "--output" },
  { OPT_EVIDENCE, "evidence", NULL,
    "remove the journal and its keys instead, after the plan's retention" },
  { OPT_PERSON, "person", "NAME", "the account or name that is erased" },
  { OPT_MAN, "man", NULL, "the man page in scdoc's form" },
  { OPT_MARKDOWN, "markdown", NULL, "every code, as docs/ERRORS.md has it" },
  { OPT_COMPLETION, "completion", NULL, "the completion for bash" },
  { OPT_HELP, "help", NULL, "this text" },
  { OPT_VERSION, "version", NULL, "the version" },
};

/* Every command takes these. */
#define COMMON \
  (BIT (OPT_HELP) | BIT (OPT_STATE) | BIT (OPT_JSON) | BIT (OPT_NO_INPUT))

const uint64_t command_common_options = COMMON;

const struct command command_table[] = {
  { "plan", "SOURCE [TARGET]", 1, 2, "look at both hosts and write a plan",
    "Looks at both hosts and changes nothing.  The draft says what it found, "
    "what a person has to decide, and what was not looked at; a file that "
    "exists is never overwritten.  With --graph or --dot the argument is a "
    "plan, and its steps are printed.",
    BIT (OPT_OUTPUT) | BIT (OPT_NAME) | BIT (OPT_VIA) | BIT (OPT_TARGET_VIA)
        | BIT (OPT_GRAPH) | BIT (OPT_DOT),
    false, cmd_plan },
  { "check", "PLAN", 1, 1, "preflight: every finding, and what to do",
    "Looks only, and proves that rehome can connect again when nobody is "
    "logged in.  Where it cannot, --own-key puts a key of the migration's own "
    "into authorized_keys on the hosts.  Exit status 0: nothing found, 3: "
    "warnings, 4: blockers.",
    BIT (OPT_OWN_KEY), false, cmd_check },
  { "sync", "PLAN", 1, 1, "copy and keep in step; never stops a service",
    "Ends when the target is in step; the owner process keeps it so.  Can be "
    "left with Ctrl-C and taken up again at any time.  --dry-run lists the "
    "steps and then, asked of both hosts, what the next round of each item of "
    "files would send, change and remove, as rsync -n -i does, by names, "
    "sizes, times and all metadata, without reading content.",
    BIT (OPT_DRY_RUN), false, cmd_sync },
  { "test", "PLAN", 1, 1, "rehearse there and back, on a copy",
    "Starts the plan's services on the target on a copy of what was synced, "
    "without a network, runs the plan's checks and its rehearsal: write, "
    "brings what was written to the source, and starts the services' versions "
    "there on it, in a place of their own.  What serves is not touched.  Where "
    "a service's version differs between the hosts, the way back counts as "
    "none until this has passed; a plan or a package that is changed "
    "afterwards makes it none again.",
    BIT (OPT_DRY_RUN), false, cmd_test },
  { "approve", "PLAN", 1, 1, "sign a plan in one of its roles",
    "Signs, with an ssh key that the plan names, a text that binds role, name, "
    "time and meaning to the plan's bytes, to the migration and to the "
    "journal's head as it is then.  A plan that is changed has to be approved "
    "again.  Where somebody signs elsewhere, "
    "--output writes the text, ssh-keygen -Y sign -n rehome-approval signs "
    "it, and --signature brings it back.",
    BIT (OPT_ROLE) | BIT (OPT_NAME) | BIT (OPT_FOR) | BIT (OPT_MEANING)
        | BIT (OPT_KEY) | BIT (OPT_SIGNATURE) | BIT (OPT_OUTPUT),
    false, cmd_approve },
  { "cutover", "PLAN", 1, 1, "freeze, prove, start behind the gate, open",
    "Asks for the source's name.  Anything that fails before the target "
    "takes writes brings the source back by itself (exit status 6).",
    BIT (OPT_CONFIRM) | BIT (OPT_DRY_RUN) | BIT (OPT_NO_WAY_BACK), false,
    cmd_cutover },
  { "abort", "PLAN", 1, 1, "before the pivot: the source serves again",
    "The copy on the target is kept.  With --discard it is removed, now or "
    "later: what the move put there and is still so.  What it replaced comes "
    "back; what others made or changed there is named and stays.  It is "
    "counted first, and asks for the target's name; the migration is over "
    "then.",
    BIT (OPT_DISCARD) | BIT (OPT_CONFIRM) | BIT (OPT_DRY_RUN), false,
    cmd_abort },
  { "rollback", "PLAN", 1, 1, "after the pivot: a second cutover, backwards",
    "Says which way it goes, how long nobody is served and what is lost, and "
    "asks for the target's name.  What the target took is brought to the "
    "source, proven, and the source takes over.  Anything that fails before "
    "the source takes writes leaves the target serving (exit status 6).",
    BIT (OPT_CONFIRM) | BIT (OPT_DRY_RUN) | BIT (OPT_TARGET_IS_GONE), false,
    cmd_rollback },
  { "accept", "PLAN", 1, 1, "end the guard and give up the way back",
    "Removes what rehome left on both hosts except what the report names.",
    BIT (OPT_CONFIRM), false, cmd_accept },
  { "pause", "PLAN", 1, 1, "stop: a copy at once, all else at the step's end",
    NULL, 0, false, cmd_pause },
  { "resume", "PLAN", 1, 1,
    "go on after a pause, a crash or a finding that was seen to", NULL, 0,
    false, cmd_resume },
  { "status", "[PLAN]", 0, 1, "where it stands, and the next thing to do", NULL,
    0, false, cmd_status },
  { "watch", "PLAN", 1, 1, "show what happens until it rests", NULL,
    BIT (OPT_SINCE), false, cmd_watch },
  { "events", "PLAN", 1, 1, "the journal's records",
    "With --json each line is the stored record itself, and the lines "
    "together are what `rehome verify` checks.",
    BIT (OPT_SINCE), false, cmd_events },
  { "report", "PLAN", 1, 1, "what was moved, how long it took, what proves it",
    "With --bundle everything goes into one file that a stranger can check "
    "with the script VERIFY.sh and without rehome.  Its digest and the "
    "fingerprints of its signers are printed: keep them apart from it.",
    BIT (OPT_HTML) | BIT (OPT_BUNDLE) | BIT (OPT_TOKEN), false, cmd_report },
  { "verify", "BUNDLE", 1, 1, "check an evidence bundle or a journal, offline",
    "BUNDLE is what `rehome report --bundle` wrote, or a journal: a database, "
    "exported lines, or a directory with either.  Exit status 5 where "
    "something is not as it was.",
    BIT (OPT_PLAN_HASH) | BIT (OPT_DIGEST) | BIT (OPT_SIGNERS), false,
    cmd_verify },
  { "copy", "ITEM ITEM", 2, 2, "one item, once or again as a delta",
    "An item is [HOST:]PATH; the second one names what the first becomes: "
    "with /srv to /srv the content of the one becomes that of the other.  "
    "Everything is carried: numeric owners, times to the nanosecond, hard "
    "links, holes, attributes, ACLs, capabilities, inode flags, project ids.  "
    "A target that holds other content is refused, unless --merge or --delete "
    "says what becomes of it.  Copied again it is a delta: what the source no "
    "longer holds and an earlier copy put there is removed; anything else on "
    "the target is removed only with --delete.  --dry-run lists what would be "
    "done as rsync -n -i does, by names, sizes, times and all metadata, "
    "without "
    "reading content.  A SQLite database in use is refused among files; "
    "HOST:sqlite:PATH to sqlite:PATH copies it while programs write in it.  "
    "HOST:mariadb:NAME to mariadb:NAME and HOST:postgresql:NAME to "
    "postgresql:NAME copy a server's database with the accounts or roles that "
    "it needs (those of MariaDB stay locked on the target); the name stays.  "
    "Afterwards both sides are "
    "read from their disks and compared: exit status 0 when they are equal, 3 "
    "when they are and there are findings, 5 when they differ.",
    BIT (OPT_EXCLUDE) | BIT (OPT_INCLUDE) | BIT (OPT_MERGE) | BIT (OPT_DELETE)
        | BIT (OPT_DELETE_LIMIT) | BIT (OPT_MAP_USER) | BIT (OPT_MAP_GROUP)
        | BIT (OPT_DRY_RUN) | BIT (OPT_ATIMES) | BIT (OPT_ONE_FILE_SYSTEM)
        | BIT (OPT_NO_PROOF) | BIT (OPT_BWLIMIT) | BIT (OPT_COMPRESS)
        | BIT (OPT_DISK_LATENCY),
    false, cmd_copy },
  { "compare", "ITEM ITEM", 2, 2, "are they the same? exit status 0 or 5",
    "Reads both sides from their disks, changes nothing, and says what "
    "differs, each kind apart, with examples.  The digests are SHA-256 over "
    "names, metadata and content: two trees with the same digest are the "
    "same.",
    BIT (OPT_EXCLUDE) | BIT (OPT_INCLUDE) | BIT (OPT_MAP_USER)
        | BIT (OPT_MAP_GROUP),
    false, cmd_compare },
  { "purge", "PLAN", 1, 1, "remove what was kept aside, after its time",
    "What was replaced on the target is kept aside until the time that the "
    "plan's kept: says is over, counted from the end of the migration.  It is "
    "counted and hashed, removed, and looked for again; the journal and the "
    "report say so.  With --evidence the journal itself goes, not before the "
    "date in the plan's retention:.",
    BIT (OPT_EVIDENCE) | BIT (OPT_DRY_RUN), false, cmd_purge },
  { "erase", "PLAN", 1, 1, "erase who asked from the journal",
    "The journal names those who asked for something by salted hashes; names "
    "and salts lie beside it and are erased here, also from the database's "
    "log.  The chain still verifies, and so do bundles, which never held "
    "them.  Approvers stand in the plan by name, and stay.  The owner must "
    "not run.",
    BIT (OPT_PERSON), false, cmd_erase },
  { "thaw", "[MIGRATION]", 0, 1,
    "break-glass, on the source itself, when all else is gone",
    "Undoes the freeze that lies on this machine, by what its own record "
    "says.  Asks whether the target is off: two servers that both take writes "
    "are worse than none.  Reverse rounds that were laid up in the guard are "
    "not put into the files: what the target took since it was opened is lost "
    "here.  rehome rollback --target-is-gone applies them, where the "
    "controller still is.",
    BIT (OPT_CONFIRM) | BIT (OPT_DRY_RUN), false, cmd_thaw },
  { "confirm", "NAME", 1, 1, "a rebooted target asks its source",
    "On a target that was rebooted while it is guarded: asks whether the "
    "source is still frozen, and closes the moved work where it is not.  "
    "rehome-confirm@NAME.service runs it before that work starts.  "
    "--confirm=source-is-off opens one that stayed closed, for good.",
    BIT (OPT_CONFIRM), false, cmd_confirm },
  { "explain", "[CODE]", 0, 1, "what an error means and what to do", NULL,
    BIT (OPT_MARKDOWN), false, cmd_explain },
  { "demo", "", 0, 0, "a real move between two servers on this machine", NULL,
    0, false, cmd_demo },
  { "owner", "NAME", 1, 1, "the process that owns a migration", NULL, 0, true,
    cmd_owner },
  { "help", "[COMMAND]", 0, 1, "this text", NULL,
    BIT (OPT_MAN) | BIT (OPT_COMPLETION), true, cmd_help },
  { NULL, NULL, 0, 0, NULL, NULL, 0, true, NULL },
};

const struct command *
command_find (const char *name)
{
  for (const struct command *c = command_table; c->name != NULL; c++)
    if (strcmp (c->name, name) == 0)
      return c;
  return NULL;
}

bool
has (const struct invocation *in, enum option_id id)
{
  return in->value[id] != NULL;
}

static const struct option_row *
option_find (const struct command *c, const char *name, size_t len)
{
  for (size_t i = 0; i < OPT_COUNT; i++) {
    const struct option_row *o = &option_table[i];
    if (strlen (o->name) == len && strncmp (o->name, name, len) == 0
        && ((c->options | COMMON) & BIT (o->id)))
      return o;
  }
  return NULL;
}

static struct err *
usage (const struct command *c, const char *fmt, const char *word)
{
  CLEANUP_FREE char *what = mem_printf ("%s", word);
  return err_todo (err_new (ERR_CORRECT, "RH-CLI-USAGE", "%s%s", fmt, what),
                   "rehome %s --help", c->name);
}

static struct err *
take_option (const struct command *c, const char *const *argv, int argc,
             int *at, struct invocation *out)
{
  const char *word = argv[*at] + 2;
  const char *equals = strchr (word, '=');
  size_t len = equals != NULL ? (size_t)(equals - word) : strlen (word);
  const struct option_row *o = option_find (c, word, len);
  if (o == NULL)
    return usage (c, "no such option here: ", argv[*at]);
  if (o->value == NULL && equals != NULL)
    return usage (c, "takes no value: ", argv[*at]);
  if (o->value == NULL)
    out->value[o->id] = "";
  else if (equals != NULL)
    out->value[o->id] = equals + 1;
  else if (*at + 1 < argc)
    out->value[o->id] = argv[++*at];
  else
    return usage (c, "needs a value: ", argv[*at]);
  out->typed[out->typed_count++] = (struct typed){ o->id, out->value[o->id] };
  return NULL;
}

struct err *
command_parse (const struct command *c, int argc, const char *const *argv,
               struct invocation *out)
{
  memset (out, 0, sizeof *out);
  const char **args = mem_alloc (((size_t)argc + 1) * sizeof *args);
  bool only_args = false;
  out->command = c;
  out->args = args;
  out->typed = mem_alloc (((size_t)argc + 1) * sizeof *out->typed);
  for (int i = 0; i < argc; i++) {
    if (!only_args && strcmp (argv[i], "--") == 0)
      only_args = true;
    else if (!only_args && strncmp (argv[i], "--", 2) == 0)
      TRY (take_option (c, argv, argc, &i, out));
    else if (!only_args && argv[i][0] == '-' && argv[i][1] != '\0')
      return usage (c, "options are written out: ", argv[i]);
    else
      args[out->arg_count++] = argv[i];
  }
  if (has (out, OPT_HELP))
    return NULL;
  if (out->arg_count < c->least)
    return usage (c, "missing: ", c->args);
  if (out->arg_count > c->most)
    return usage (c, "one argument too many: ", args[c->most]);
  return NULL;
}

void
invocation_clear (struct invocation *in)
{
  free ((void *)in->args);
  free (in->typed);
  in->args = NULL;
  in->typed = NULL;
}
