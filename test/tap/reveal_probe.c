/*
 * reveal_probe.c
 *	  Records a reveal without a sealed value, for 017_autonomous.pl: what is
 *	  told there must hold whoever reveals what. probe(bound_to, units) returns
 *	  'shown' where the secret would be computed.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "reveal_log.h"

PG_MODULE_MAGIC;

typedef void (*RecordReveal)(const OpReveal *reveal);

PG_FUNCTION_INFO_V1(reveal_probe);
Datum
reveal_probe(PG_FUNCTION_ARGS)
{
	bytea		*bound_to = PG_GETARG_BYTEA_PP(0);
	OpReveal	 reveal = {.what = "reveal",
						   .field = "number",
						   .key_id = 1,
						   .bound_to = VARDATA_ANY(bound_to),
						   .bound_to_size = VARSIZE_ANY_EXHDR(bound_to),
						   .units = PG_GETARG_INT32(1)};
	RecordReveal record = (RecordReveal) load_external_function("$libdir/order_payment",
																"op_record_reveal", true, NULL);

	record(&reveal);
	PG_RETURN_TEXT_P(cstring_to_text("shown"));
}
