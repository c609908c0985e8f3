/*
 * reseal_run.h
 *	  How far a call of reseal() has come: its row in order_payment.reseal_runs,
 *	  and what it tells its caller. Used inside of SPI.
 */
#ifndef OP_RESEAL_RUN_H
#define OP_RESEAL_RUN_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

typedef struct OpResealRun
{
	pg_uuid_t	id;
	char	   *relation;
	int			pass;
	int64		pages_done; /* in this pass */
	int64		pages_total;
	int64		resealed;	  /* rows */
	int64		skipped;	  /* rows that were locked, as it ended */
	int64		not_openable; /* rows with a value that does not open, as it ended */
	TimestampTz stored_at;
	TimestampTz told_at;
} OpResealRun;

extern void op_reseal_run_begin(OpResealRun *run, uint32 key_id);

/*
 * Stored with the batch, so that both are committed or neither; at most once a
 * second if nothing was resealed.
 */
extern void op_reseal_run_store(OpResealRun *run, bool has_resealed);

/* A NOTICE every few seconds. */
extern void op_reseal_run_tell(OpResealRun *run);

extern void op_reseal_run_end(OpResealRun *run);

#endif
