/* ---------- how likely a payment succeeds ---------- */

CREATE TYPE order_payment.success_estimate AS (
	successes bigint,
	failures bigint,
	censored bigint,
	mean double precision,
	lower double precision,
	upper double precision,
	failure_probability double precision
);
COMMENT ON TYPE order_payment.success_estimate IS
	'result of success_probability(): attempts that succeeded, failed, and of which it is not known; mean of the probability of success, bounds of its credible interval, and 1 - mean';

CREATE FUNCTION order_payment.success_probability_accum(internal, order_payment.payment_status) RETURNS internal
	AS 'MODULE_PATHNAME', 'op_success_probability_accum' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.success_probability_accum(internal, order_payment.payment_status) IS
	'transition function of success_probability(payment_status)';

CREATE FUNCTION order_payment.success_probability_accum(internal, order_payment.payment_status, double precision, double precision, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'op_success_probability_accum' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.success_probability_accum(internal, order_payment.payment_status, double precision, double precision, double precision) IS
	'transition function of success_probability(payment_status, double precision, double precision, double precision)';

CREATE FUNCTION order_payment.success_probability_discard(internal, order_payment.payment_status) RETURNS internal
	AS 'MODULE_PATHNAME', 'op_success_probability_discard' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.success_probability_discard(internal, order_payment.payment_status) IS
	'inverse transition function of success_probability(payment_status)';

CREATE FUNCTION order_payment.success_probability_discard(internal, order_payment.payment_status, double precision, double precision, double precision) RETURNS internal
	AS 'MODULE_PATHNAME', 'op_success_probability_discard' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.success_probability_discard(internal, order_payment.payment_status, double precision, double precision, double precision) IS
	'inverse transition function of success_probability(payment_status, double precision, double precision, double precision)';

CREATE FUNCTION order_payment.success_probability_combine(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'op_success_probability_combine' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.success_probability_combine(internal, internal) IS
	'combine function of success_probability()';

CREATE FUNCTION order_payment.success_probability_serialize(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'op_success_probability_serialize' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.success_probability_serialize(internal) IS
	'serialization function of success_probability()';

CREATE FUNCTION order_payment.success_probability_deserialize(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'op_success_probability_deserialize' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.success_probability_deserialize(bytea, internal) IS
	'deserialization function of success_probability()';

CREATE FUNCTION order_payment.success_probability_final(internal) RETURNS order_payment.success_estimate
	AS 'MODULE_PATHNAME', 'op_success_probability_final' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.success_probability_final(internal) IS
	'final function of success_probability()';

CREATE AGGREGATE order_payment.success_probability(status order_payment.payment_status) (
	SFUNC = order_payment.success_probability_accum,
	STYPE = internal,
	SSPACE = 64,
	FINALFUNC = order_payment.success_probability_final,
	COMBINEFUNC = order_payment.success_probability_combine,
	SERIALFUNC = order_payment.success_probability_serialize,
	DESERIALFUNC = order_payment.success_probability_deserialize,
	MSFUNC = order_payment.success_probability_accum,
	MINVFUNC = order_payment.success_probability_discard,
	MSTYPE = internal,
	MSSPACE = 64,
	MFINALFUNC = order_payment.success_probability_final,
	PARALLEL = safe
);
COMMENT ON AGGREGATE order_payment.success_probability(order_payment.payment_status) IS
	'probability that a payment succeeds, as the attempts show it: mean and 95 percent credible interval, from a prior that holds every probability for equally likely. '
	'authorized and succeeded are successes, failed is a failure, and all else (unknown, still under way, revoked) is counted as censored and moves nothing; NULL without rows';

CREATE AGGREGATE order_payment.success_probability(status order_payment.payment_status, prior_success double precision,
												   prior_failure double precision, confidence double precision) (
	SFUNC = order_payment.success_probability_accum,
	STYPE = internal,
	SSPACE = 64,
	FINALFUNC = order_payment.success_probability_final,
	COMBINEFUNC = order_payment.success_probability_combine,
	SERIALFUNC = order_payment.success_probability_serialize,
	DESERIALFUNC = order_payment.success_probability_deserialize,
	MSFUNC = order_payment.success_probability_accum,
	MINVFUNC = order_payment.success_probability_discard,
	MSTYPE = internal,
	MSSPACE = 64,
	MFINALFUNC = order_payment.success_probability_final,
	PARALLEL = safe
);
COMMENT ON AGGREGATE order_payment.success_probability(order_payment.payment_status, double precision, double precision, double precision) IS
	'the same from a prior that weighs as much as prior_success successes and prior_failure failures (1e-15 to 1e15), with an interval of that confidence (above 0, below 1). '
	'22023 if they are out of range or not the same in all rows, 22004 if one is null';
