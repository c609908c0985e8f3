/*
 * coming.h
 *	  Operations of a statement whose effects are still to come.
 */
#ifndef OP_COMING_H
#define OP_COMING_H

#include "utils/uuid.h"

/* A new row is about to be stored. Are there others that have not acted? */
extern bool op_new_comes(void);

/* What a new row pays of the due is settled when it acts, and so for all that are coming. */
extern void op_new_is_open(void);

/* A new row acts. Is what it pays of the due to be settled? */
extern bool op_new_acts(void);

/* A request that stands for a part of the due changes its status, and then acts. */
extern void op_request_ends(const pg_uuid_t *operation_id);
extern void op_request_acts(const pg_uuid_t *operation_id);

/* Those that have changed and not acted, as an array of uuid. */
extern Datum op_ending_requests(void);

#endif
