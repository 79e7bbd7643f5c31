/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that move an address; call->step->args is {"move": CIDR,
 * "interface": IF}. */
#ifndef REHOME_PROVIDER_ADDRESS_SWITCH_H
#define REHOME_PROVIDER_ADDRESS_SWITCH_H

#include "provider/provider.h"

struct err *address_take (const struct step_call *call, json_t **result);
struct err *address_take_probe (const struct step_call *call,
                                enum probe_state *out);
struct err *address_take_undo (const struct step_call *call, json_t **result);
struct err *address_give (const struct step_call *call, json_t **result);
struct err *address_give_probe (const struct step_call *call,
                                enum probe_state *out);
struct err *address_give_undo (const struct step_call *call, json_t **result);
struct err *address_verify (const struct step_call *call, json_t **result);
struct err *address_keep (const struct step_call *call, json_t **result);
struct err *address_keep_probe (const struct step_call *call,
                                enum probe_state *out);

/* Mirrored: taken from the target, from the interface that it has there. */
struct err *address_leave (const struct step_call *call, json_t **result);
struct err *address_leave_probe (const struct step_call *call,
                                 enum probe_state *out);
struct err *address_leave_undo (const struct step_call *call, json_t **result);

#endif
