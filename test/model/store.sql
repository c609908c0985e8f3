/*
 * The store of the model test, with a way to read an order that is easy to
 * compare, and the invariants that need no model. Run by model_test.py in a
 * database of its own.
 */

CREATE EXTENSION order_payment;
SELECT order_payment.create_store('shop', owner => 'order_payment_model_owner', app_role => 'order_payment_model_app', gateway_role => 'order_payment_model_gateway');

SET ROLE order_payment_model_owner;
INSERT INTO shop.gateways (gateway) VALUES ('acme');
INSERT INTO shop.gateway_fees (gateway, method, currency, rate, fixed, valid_from) VALUES
	('acme', 'card', 'USD', 0.50, 1.00, '2001-01-01'),
	('acme', 'card', 'USD', 0.029, 0.305, '2020-01-01'),
	('acme', 'card', 'USD', 0.90, 9.00, '2999-01-01'),
	('acme', '*', 'USD', 0.0125, 0, '-infinity'),
	('acme', '*', 'KWD', 0.01, 0.0005, '-infinity'),
	('acme', 'card', 'JPY', 0.035, 0, '-infinity'),
	('manual', '*', 'USD', 0, 0.25, '-infinity');
RESET ROLE;

CREATE SCHEMA model;
GRANT USAGE ON SCHEMA model TO PUBLIC;

CREATE FUNCTION model.n(numeric) RETURNS text LANGUAGE sql IMMUTABLE
	RETURN coalesce(trim_scale($1)::text, '-');

-- the number of a payment or operation of the test is the end of its uuid; that of the manual payment is 0
CREATE FUNCTION model.label(id uuid, gateway text DEFAULT NULL) RETURNS text LANGUAGE sql IMMUTABLE
	RETURN CASE gateway WHEN 'manual' THEN '0' ELSE ('x' || right(id::text, 8))::bit(32)::integer::text END;

-- names, in their order, of those of the times that are set
CREATE FUNCTION model.stamps(names text[], times timestamptz[]) RETURNS text LANGUAGE sql IMMUTABLE
	RETURN array_to_string(ARRAY(SELECT n FROM unnest(names, times) u (n, t) WHERE t IS NOT NULL), ',');

/* All that the rules say of orders, a line a row, each after the order's number. */
CREATE FUNCTION model.state(VARIADIC ids bigint[]) RETURNS SETOF text LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
	RETURN QUERY SELECT concat_ws(' ', s.id, line)
	FROM (
		SELECT o.order_id AS id, 1 AS part, 0 AS n,
			   concat_ws(' ', 'order', o.status, 'total', model.n(o.total_amount), 'lines', o.item_count, 'authorized', model.n(o.authorized_amount),
						 'paid', model.n(o.paid_amount), 'refunded', model.n(o.refunded_amount),
						 'charged_back', model.n(o.charged_back_amount), 'due', model.n(o.refund_due_amount),
						 'version', o.version, 'currency', o.currency, 'stamps',
						 model.stamps('{authorized,cancelled,completed,expired,paid,refunded,shipped}',
							 ARRAY[o.authorized_at, o.cancelled_at, o.completed_at, o.expired_at, o.paid_at, o.refunded_at, o.shipped_at])) AS line
		FROM shop.orders o WHERE o.order_id = ANY (ids)
		UNION ALL
		SELECT p.order_id, 2, model.label(p.payment_id, p.gateway)::integer,
			   concat_ws(' ', 'payment', model.label(p.payment_id, p.gateway), p.status, p.gateway, 'amount', model.n(p.amount),
						 p.currency, 'authorized', model.n(p.authorized_amount),
						 'capturing', model.n(p.capture_pending_amount), 'captured', model.n(p.captured_amount),
						 'refunding', model.n(p.refund_pending_amount), 'refunded', model.n(p.refunded_amount),
						 'charged_back', model.n(p.charged_back_amount), 'fee', model.n(p.fee), 'net', model.n(p.net_amount),
						 'stamps',
						 model.stamps('{authorized,failed,processing,requires_action,revoked,succeeded,unknown}',
							 ARRAY[p.authorized_at, p.failed_at, p.processing_at, p.requires_action_at, p.revoked_at, p.succeeded_at, p.unknown_at]))
		FROM shop.payments p WHERE p.order_id = ANY (ids)
		UNION ALL
		SELECT x.order_id, 3, model.label(x.operation_id)::integer,
			   concat_ws(' ', 'operation', model.label(x.operation_id), x.kind, 'of', model.label(x.payment_id, p.gateway),
						 x.status, 'amount', model.n(x.amount), x.currency, 'obligatory', model.n(x.obligatory_amount), 'stamps',
						 model.stamps('{cancelled,failed,processing,requested,reversed,succeeded,unknown}',
							 ARRAY[x.cancelled_at, x.failed_at, x.processing_at, x.requested_at, x.reversed_at, x.succeeded_at, x.unknown_at]))
		FROM shop.payment_operations x
		JOIN shop.payments p ON p.order_id = x.order_id AND p.payment_id = x.payment_id
		WHERE x.order_id = ANY (ids)
		UNION ALL
		SELECT e.order_id, 4, e.version,
			   concat_ws(' ', 'event', e.version, e.entity, CASE WHEN e.entity <> 'order' THEN model.label(e.entity_id, p.gateway) END,
						 'from', coalesce(e.from_status, '-'), 'to', e.to_status, 'amount', model.n(e.amount),
						 CASE WHEN e.detail ->> 'late' = 'true' THEN 'late' END)
		FROM shop.order_events e
		LEFT JOIN shop.payments p ON p.order_id = e.order_id AND p.payment_id = e.entity_id
		WHERE e.order_id = ANY (ids)
	) s
	ORDER BY s.id, part, n;
END $$;
