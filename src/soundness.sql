/* ---------- what holds for every order and payment ---------- */

CREATE DOMAIN order_payment.failure_class AS text
	CONSTRAINT failure_class_check CHECK (VALUE IN ('hard_decline', 'soft_decline', 'not_sent', 'other'));
COMMENT ON DOMAIN order_payment.failure_class IS
	'why a payment or an operation failed: hard_decline (never try again), soft_decline (try again later), not_sent (the gateway surely did not get it), other';

CREATE FUNCTION order_payment.is_order_money(status order_payment.order_status, currency text, total numeric, paid numeric,
											 refunded numeric, charged_back numeric, due numeric, version integer) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_is_order_money' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.is_order_money(order_payment.order_status, text, numeric, numeric, numeric, numeric, numeric, integer) IS
	'for the CHECK of orders: the currency has a minor unit, and the total fits it; no amount is negative or infinite, refunded and charged back are at most what was paid; cancelled, expired and refunded keep nothing (due = paid - refunded - charged back); paid and completed keep something, or cost nothing (but for a birth, version 1); from authorized on the total is known and not negative. NULL is no violation';

CREATE FUNCTION order_payment.is_payment_money(currency text, amount numeric, fee numeric, authorized numeric, captured numeric,
											   refunded numeric, charged_back numeric) RETURNS boolean
	AS 'MODULE_PATHNAME', 'op_is_payment_money' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.is_payment_money(text, numeric, numeric, numeric, numeric, numeric, numeric) IS
	'for the CHECK of payments: the amount is above 0, and amount, fee and what was authorised are amounts of the currency; no amount but the fee is negative; at most what was authorised (or the amount) is captured, at most what was captured is refunded, and charged back';

CREATE FUNCTION order_payment.outstanding_amount(status order_payment.order_status, total numeric, paid numeric,
												 refunded numeric, charged_back numeric, due numeric,
												 covered boolean DEFAULT true) RETURNS numeric
	AS 'MODULE_PATHNAME', 'op_outstanding_amount' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION order_payment.outstanding_amount(order_payment.order_status, numeric, numeric, numeric, numeric, numeric, boolean) IS
	'what the customer has still to pay: pending and authorized: total - paid + refunded + charged back + due, never below 0; shipped: the same, and, once the order was covered (paid_at is stamped), total - paid + due; otherwise 0; NULL while the total is unknown';
