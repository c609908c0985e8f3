/*
 * order_payment.c
 *	  Module magic and start-up: each part of the extension prepares itself.
 */
#include "postgres.h"

#include "admission.h"
#include "compat.h"
#include "derived.h"
#include "ending.h"
#include "excluded.h"
#include "card_key.h"
#include "guard.h"
#include "identity.h"
#include "keyring.h"
#include "link.h"
#include "log_guard.h"
#include "protection.h"
#include "root_key.h"
#include "settings.h"

OP_MODULE_MAGIC("order_payment");

void _PG_init(void);

void
_PG_init(void)
{
	op_settings_init();
	op_log_guard_init();
	op_guard_init();
	op_link_init();
	op_derived_init();
	op_identity_init();
	op_ending_init();
	op_root_key_init();
	op_keyring_init();
	op_card_key_init();
	op_protection_init();
	op_excluded_init();
	op_admission_init();
}
