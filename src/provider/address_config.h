/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network configurations that rehome understands: the stanzas of ifupdown and
 * the .network files of systemd-networkd.  Pure: texts in, texts out.
 */
#ifndef REHOME_PROVIDER_ADDRESS_CONFIG_H
#define REHOME_PROVIDER_ADDRESS_CONFIG_H

#include <stdbool.h>

/* The text without the static stanza that gives `cidr` to `interface`; the
 * gateway of that stanza goes on in another of the same interface and family.
 * NULL where the text has no such stanza; the caller frees. */
char *ifupdown_without (const char *text, const char *interface,
                        const char *cidr);
/* The text without "Address=CIDR" or its [Address] section; NULL as above. */
char *networkd_without (const char *text, const char *cidr);
/* Does [Match] Name= of a .network file take the interface? */
bool networkd_matches (const char *text, const char *interface);
/* Is there an iface stanza of the interface? */
bool ifupdown_has (const char *text, const char *interface);
/* A stanza that gives the address; the caller frees. */
char *ifupdown_stanza (const char *interface, const char *cidr);

#endif
