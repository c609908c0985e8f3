/*
 * ending.h
 *	  Requests that a statement ends, and that have not acted yet.
 */
#ifndef OP_ENDING_H
#define OP_ENDING_H

#include "utils/uuid.h"

extern void op_ending_init(void);

/* A request that stands for a part of the due changes its status, and then acts. */
extern void op_request_ends(const pg_uuid_t *operation_id);
extern void op_request_acts(const pg_uuid_t *operation_id);

/* Those that have changed and not acted, as an array of uuid. */
extern Datum op_ending_requests(void);

#endif
