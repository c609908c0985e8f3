/*
 * uuid_v7.h
 *	  UUIDs that sort by the time when they were made.
 */
#ifndef OP_UUID_V7_H
#define OP_UUID_V7_H

#include "utils/uuid.h"

extern pg_uuid_t *op_make_uuid_v7(void);

#endif
