/*
 * probability.c
 *		The aggregate success_probability(): how likely a payment succeeds.
 *
 * What is counted.  Each attempt that is not NULL is one of three. A success is
 * authorized or succeeded: the gateway said yes. A failure is failed: it said
 * no. All else is censored, for what the gateway would say was not, or not yet,
 * seen: created, processing, requires_action, unknown (the answer was lost),
 * and revoked, which the customer or the shop ended. What is censored is
 * counted apart, and moves no probability.
 *
 * Model.  Successes are Bernoulli trials of one unknown probability, and what
 * is known of it before is Beta(prior_success, prior_failure). What is known
 * after is Beta(prior_success + successes, prior_failure + failures), of which
 * the mean and an equal-tailed credible interval are told. Beta(1, 1), the
 * default, holds every probability for equally likely. This is statistics, so
 * it is in float8; money never is.
 *
 * The parameters come with the rows, and must be the same in all of them. So
 * without a row there is no estimate, but NULL, and a row whose status is NULL
 * counts as nothing and makes the prior known.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"

#include "beta.h"
#include "compat.h"
#include "status.h"

#define DEFAULT_PRIOR	   1.0
#define DEFAULT_CONFIDENCE 0.95
#define MAX_PRIOR		   1e15	 /* above, a float8 cannot count one more attempt */
#define MIN_PRIOR		   1e-15 /* below, the first attempt would be all that counts */

PG_FUNCTION_INFO_V1(op_success_probability_accum);
PG_FUNCTION_INFO_V1(op_success_probability_discard);
PG_FUNCTION_INFO_V1(op_success_probability_combine);
PG_FUNCTION_INFO_V1(op_success_probability_serialize);
PG_FUNCTION_INFO_V1(op_success_probability_deserialize);
PG_FUNCTION_INFO_V1(op_success_probability_final);

typedef enum Outcome
{
	CENSORED,
	SUCCESS,
	FAILURE,
	NUM_OUTCOMES
} Outcome;

typedef struct Parameters
{
	double prior_success;
	double prior_failure;
	double confidence;
} Parameters;

/* state of the aggregate */
typedef struct Tally
{
	int64	   count[NUM_OUTCOMES];
	Parameters parameters;
} Tally;

/* attributes of success_estimate */
enum
{
	ESTIMATE_SUCCESSES,
	ESTIMATE_FAILURES,
	ESTIMATE_CENSORED,
	ESTIMATE_MEAN,
	ESTIMATE_LOWER,
	ESTIMATE_UPPER,
	ESTIMATE_FAILURE_PROBABILITY,
	NUM_ESTIMATE
};

static Outcome
outcome_of(uint8 code)
{
	static const struct
	{
		const char *name;
		Outcome		outcome;
	} outcomes[] = {
		{"authorized", SUCCESS},
		{"succeeded", SUCCESS},
		{"failed", FAILURE},
	};
	static uint8 outcome_of_code[UCHAR_MAX + 1]; /* CENSORED where nothing is said */
	static bool	 known = false;

	if (!known)
	{
		const OpVocabulary *vocabulary = &op_vocabularies[OP_PAYMENT_STATUS];

		for (int i = 0; i < (int) lengthof(outcomes); i++)
		{
			const char			*name = outcomes[i].name;
			const OpStatusLabel *label = op_label_by_name(vocabulary, name, strlen(name));

			Assert(label != NULL);
			outcome_of_code[label->code] = outcomes[i].outcome;
		}
		known = true;
	}

	return outcome_of_code[code];
}

static void
check_prior(double prior, const char *name)
{
	if (!(prior >= MIN_PRIOR && prior <= MAX_PRIOR))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %g and %g", name, MIN_PRIOR, MAX_PRIOR),
				 errhint("It weighs as much as that many attempts; 1 and 1 hold every probability for equally likely.")));
}

static Parameters
read_parameters(FunctionCallInfo fcinfo)
{
	Parameters parameters = {DEFAULT_PRIOR, DEFAULT_PRIOR, DEFAULT_CONFIDENCE};

	if (PG_NARGS() == 2)
		return parameters;

	if (PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("prior and confidence of success_probability must not be null"),
				 errhint("Leave them out for a prior of 1 and 1 and a confidence of 0.95.")));
	parameters.prior_success = PG_GETARG_FLOAT8(2);
	parameters.prior_failure = PG_GETARG_FLOAT8(3);
	parameters.confidence = PG_GETARG_FLOAT8(4);
	check_prior(parameters.prior_success, "prior_success");
	check_prior(parameters.prior_failure, "prior_failure");
	if (!(parameters.confidence > 0 && parameters.confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("confidence must be above 0 and below 1"),
				 errhint("95 percent is 0.95.")));

	return parameters;
}

static void
check_same(const Parameters *a, const Parameters *b)
{
	if (a->prior_success != b->prior_success || a->prior_failure != b->prior_failure ||
		a->confidence != b->confidence)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prior and confidence of success_probability must be the same in all rows"),
				 errhint("Give constants, or group by what they depend on.")));
}

/* A zeroed tally that lives as long as the aggregate. */
static Tally *
make_tally(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "success_probability was called outside of an aggregate");

	return MemoryContextAllocZero(context, sizeof(Tally));
}

Datum
op_success_probability_accum(PG_FUNCTION_ARGS)
{
	Parameters parameters = read_parameters(fcinfo);
	Tally	  *tally;

	if (PG_ARGISNULL(0))
	{
		tally = make_tally(fcinfo);
		tally->parameters = parameters;
	}
	else
	{
		tally = (Tally *) PG_GETARG_POINTER(0);
		check_same(&tally->parameters, &parameters);
	}
	if (!PG_ARGISNULL(1))
		tally->count[outcome_of(PG_GETARG_STATUS(1))]++;

	PG_RETURN_POINTER(tally);
}

/* A row leaves the frame of a window. */
Datum
op_success_probability_discard(PG_FUNCTION_ARGS)
{
	Tally *tally;

	if (PG_ARGISNULL(0))
		elog(ERROR, "success_probability has no row to discard");
	tally = (Tally *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1))
		tally->count[outcome_of(PG_GETARG_STATUS(1))]--;

	PG_RETURN_POINTER(tally);
}

Datum
op_success_probability_combine(PG_FUNCTION_ARGS)
{
	Tally		*tally = PG_ARGISNULL(0) ? NULL : (Tally *) PG_GETARG_POINTER(0);
	const Tally *other = PG_ARGISNULL(1) ? NULL : (Tally *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (tally == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(tally);
	}
	if (tally == NULL)
	{
		tally = make_tally(fcinfo);
		tally->parameters = other->parameters;
	}
	check_same(&tally->parameters, &other->parameters);
	for (int i = 0; i < NUM_OUTCOMES; i++)
		tally->count[i] += other->count[i];

	PG_RETURN_POINTER(tally);
}

Datum
op_success_probability_serialize(PG_FUNCTION_ARGS)
{
	const Tally	  *tally = (Tally *) PG_GETARG_POINTER(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	for (int i = 0; i < NUM_OUTCOMES; i++)
		pq_sendint64(&buffer, tally->count[i]);
	pq_sendfloat8(&buffer, tally->parameters.prior_success);
	pq_sendfloat8(&buffer, tally->parameters.prior_failure);
	pq_sendfloat8(&buffer, tally->parameters.confidence);

	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

Datum
op_success_probability_deserialize(PG_FUNCTION_ARGS)
{
	bytea		  *bytes = PG_GETARG_BYTEA_PP(0);
	Tally		  *tally = palloc(sizeof(Tally));
	StringInfoData buffer;

	initStringInfo(&buffer);
	appendBinaryStringInfo(&buffer, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	for (int i = 0; i < NUM_OUTCOMES; i++)
		tally->count[i] = pq_getmsgint64(&buffer);
	tally->parameters.prior_success = pq_getmsgfloat8(&buffer);
	tally->parameters.prior_failure = pq_getmsgfloat8(&buffer);
	tally->parameters.confidence = pq_getmsgfloat8(&buffer);
	pq_getmsgend(&buffer);

	PG_RETURN_POINTER(tally);
}

Datum
op_success_probability_final(PG_FUNCTION_ARGS)
{
	const Tally *tally = (Tally *) PG_GETARG_POINTER(0);
	TupleDesc	 tupdesc;
	Datum		 values[NUM_ESTIMATE];
	bool		 nulls[NUM_ESTIMATE] = {false};
	double		 a;
	double		 b;
	double		 lower;
	double		 upper;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	a = tally->parameters.prior_success + tally->count[SUCCESS];
	b = tally->parameters.prior_failure + tally->count[FAILURE];
	op_beta_interval(a, b, tally->parameters.confidence, &lower, &upper);

	values[ESTIMATE_SUCCESSES] = Int64GetDatum(tally->count[SUCCESS]);
	values[ESTIMATE_FAILURES] = Int64GetDatum(tally->count[FAILURE]);
	values[ESTIMATE_CENSORED] = Int64GetDatum(tally->count[CENSORED]);
	values[ESTIMATE_MEAN] = Float8GetDatum(a / (a + b));
	values[ESTIMATE_LOWER] = Float8GetDatum(lower);
	values[ESTIMATE_UPPER] = Float8GetDatum(upper);
	values[ESTIMATE_FAILURE_PROBABILITY] = Float8GetDatum(1 - a / (a + b));

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
