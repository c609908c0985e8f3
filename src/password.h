/*
 * password.h
 *	  The payment passwords of a store's customers.
 */
#ifndef OP_PASSWORD_H
#define OP_PASSWORD_H

#include "postgres_ext.h"

/* The schema of a store; an error that does not show the name if there is none. */
extern Oid op_store_schema(const char *store);

/*
 * Is it the password of the customer, who is told as text? The attempt is
 * charged, and committed, before. OP015 while the customer is locked, OP012
 * while too many are checked, 42501 if the role may not ask.
 */
extern bool op_check_payment_password(const char *store, const char *customer,
									  const text *password);

#endif
