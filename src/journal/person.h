/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People in the journal: who asked for something stands in a record as
 * "operator:#HASH", the salted hash of who it was, and salt and name lie in a
 * blob that can be erased while the chain still verifies (docs/JOURNAL.md).
 */
#ifndef REHOME_JOURNAL_PERSON_H
#define REHOME_JOURNAL_PERSON_H

#include "journal/store.h"

/* Those whom this process has put there: one salt for each. */
struct people {
  struct person *v;
  size_t n;
};
void people_clear (struct people *p);

/* Makes the record's actor a pseudonym, and its name a blob; only of one who
 * is a person ("operator:..." with a name). */
struct err *person_hide (struct store *s, struct people *p, struct record *r);
/* The name, or the record's actor as it is where there is none, or none any
 * more; the caller frees. */
char *person_name (struct store *s, const struct record *r);
/* Erases what says who `account` was: name and salt, from the database and its
 * log.  *n: how many there were.  `s` is open for writing.
 * "RH-JOURNAL-READERS": somebody reads the journal, which keeps a copy in the
 * log; nothing is lost by asking again. */
struct err *person_erase (struct store *s, const char *account, unsigned *n);

#endif
