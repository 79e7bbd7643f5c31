/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations of the address provider share, and what the steps of
 * the move ask it. */
#ifndef REHOME_PROVIDER_ADDRESS_H
#define REHOME_PROVIDER_ADDRESS_H

#include "provider/provider.h"

/* Global addresses of a host, without prefix length: array of strings. */
struct err *address_list_global (struct port *p, json_t **out);

/* Records an address as it is on the source (and the configuration that
 * brings it at boot) in freeze/address-*.json, unless recorded already; gives
 * the record.  `move` is {"move": CIDR, "interface": IF}. */
struct err *address_record (const struct step_call *call, const json_t *move,
                            json_t **record);
char *address_record_path (const struct step_call *call, const char *cidr);
/* Commands for `ip -force -batch -` that bring a recorded state back; each is
 * harmless where it is not needed.  Array of strings.  Pure. */
json_t *address_restore_batch (const json_t *record);
/* The same for all addresses of the interface and family, which brings back
 * the order between networks, too. */
json_t *address_restore_all_batch (const json_t *record);
/* ... and that take the address away, leaving everything else but `gone`
 * (addresses without prefix length, taken before; or NULL).  Pure. */
json_t *address_take_batch (const json_t *record, const json_t *gone);
/* Addresses, without prefix length, that `switches` (the plan's section)
 * takes from the same interface before this one.  Pure. */
json_t *address_taken_before (const json_t *switches, const json_t *move);
/* Does one of these networks on the same interface come back with another of
 * `switches` before this one?  Pure. */
bool address_back_before (const json_t *switches, const json_t *move);

#endif
