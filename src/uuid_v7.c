/*
 * uuid_v7.c
 *	  UUIDs that sort by the time when they were made: version 7 of RFC 9562.
 *
 * 48 bits of milliseconds since 1970, then 12 bits of the fraction of the
 * millisecond (method 3 of section 6.2), then 62 random bits. Keys that are made one
 * after the other are neighbours in an index, and cannot be guessed.
 * PostgreSQL has uuidv7() from 18 on.
 */
#include "postgres.h"

#include <sys/time.h>

#include "port.h"
#include "utils/fmgrprotos.h"

#include "uuid_v7.h"

pg_uuid_t *
op_make_uuid_v7(void)
{
	pg_uuid_t	  *uuid = palloc(sizeof(pg_uuid_t));
	struct timeval now;
	uint64		   milliseconds;
	uint32		   fraction; /* of the millisecond, in 4096ths */

	if (!pg_strong_random(uuid->data + 8, UUID_LEN - 8))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	gettimeofday(&now, NULL);
	milliseconds = (uint64) now.tv_sec * 1000 + now.tv_usec / 1000;
	fraction = (uint32) (now.tv_usec % 1000) * 4096 / 1000;
	for (int i = 0; i < 6; i++)
		uuid->data[i] = (unsigned char) (milliseconds >> (40 - 8 * i));
	uuid->data[6] = (unsigned char) (0x70 | (fraction >> 8));
	uuid->data[7] = (unsigned char) fraction;
	uuid->data[8] = (unsigned char) ((uuid->data[8] & 0x3f) | 0x80);
	return uuid;
}

PG_FUNCTION_INFO_V1(op_uuid_v7);
Datum
op_uuid_v7(PG_FUNCTION_ARGS)
{
	PG_RETURN_UUID_P(op_make_uuid_v7());
}
