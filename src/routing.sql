/* ---------- which gateway to try ---------- */

/*
 * The gateway of the highest lower bound of the probability of success. The
 * mean would choose the gateway that happened to succeed three times out of
 * three; the lower bound asks what is probable at least, so that few attempts
 * count little. E. B. Wilson gave the bound for a proportion (Probable
 * inference, the law of succession, and statistical inference, Journal of the
 * American Statistical Association 22, 1927), E. Miller the ranking by it (How
 * not to sort by average rating, 2009); here the bound is that of the credible
 * interval of success_probability().
 *
 * A rule that looks at what is sure tries nothing new: a gateway without
 * attempts has the bound of the prior, and gets its first payments when the
 * others fall below it, or when somebody sends them there.
 */
CREATE FUNCTION order_payment.choose_gateway(order_id text, method text DEFAULT NULL, period text DEFAULT '30 days',
											 store name DEFAULT order_payment.current_store())
	RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	order_currency text;
	since timestamptz;
	chosen text;
BEGIN
	PERFORM order_payment.require_store(store);
	IF period IS NULL THEN
		RAISE EXCEPTION 'the period must be given'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Give an interval, as in ''30 days'', or ''all''.';
	END IF;
	since := CASE period WHEN 'all' THEN '-infinity' ELSE now() - period::interval END;
	EXECUTE format('SELECT o.currency FROM %I.orders o WHERE o.order_id = %L', store, order_id) INTO order_currency;
	IF order_currency IS NULL THEN
		RAISE EXCEPTION 'order % does not exist', coalesce(order_id, 'null') USING ERRCODE = 'no_data_found';
	END IF;

	EXECUTE format($query$
SELECT g.gateway
FROM %1$I.gateways g
LEFT JOIN %1$I.payments p ON p.gateway = g.gateway AND p.currency = $1 AND p.created_at >= $2
						 AND ($3 IS NULL OR p.method = $3)
WHERE g.active AND g.gateway NOT IN ('manual', 'cod')
GROUP BY g.gateway
HAVING count(p.payment_id) > 0 OR EXISTS (
	SELECT FROM %1$I.gateway_fees f
	WHERE f.gateway = g.gateway AND f.currency = $1 AND f.valid_from <= now()
	  AND ($3 IS NULL OR f.method IN ($3, '*')))
ORDER BY (order_payment.success_probability(p.status)).lower DESC, g.gateway COLLATE "C" LIMIT 1
	$query$, store) INTO chosen USING order_currency, since, method;
	RETURN chosen;
END
$$;
COMMENT ON FUNCTION order_payment.choose_gateway(text, text, text, name) IS
	'the gateway to try for an order: of the active ones (neither manual nor cod) that have a fee for, or in the period an attempt in, the order''s currency and the method (NULL: any), the one with the highest lower bound of success_probability() over its attempts of the period (an interval, or all); ties go to the first name (E. Miller, How not to sort by average rating; E. B. Wilson 1927). NULL if there is none. Reads the attempts of the period';

CREATE FUNCTION order_payment.choose_gateway(order_id anynonarray, method text DEFAULT NULL, period text DEFAULT '30 days',
											 store name DEFAULT order_payment.current_store())
	RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT order_payment.choose_gateway($1::text, $2, $3, $4)
$$;
COMMENT ON FUNCTION order_payment.choose_gateway(anynonarray, text, text, name) IS
	'the gateway to try for an order: see choose_gateway(text, text, text, name)';
