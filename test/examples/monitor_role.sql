/*
 * A role that may see what order_payment_queries.yaml asks for, and no more: no card, no body of a message, no secret, no
 * password. As a superuser, in the database of the store; again after upgrade_store(), which may add columns:
 *
 *     psql -d shopdb -v store=shop -f monitor_role.sql
 */
\set ON_ERROR_STOP on
\if :{?store} \else \set store shop \endif
\if :{?role} \else \set role order_payment_monitor \endif

BEGIN;
SELECT format('CREATE ROLE %I LOGIN', :'role') WHERE to_regrole(quote_ident(:'role')) IS NULL \gexec
SELECT format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', :'role', current_database(), :'store') \gexec
GRANT pg_monitor TO :"role"; -- to see the worker in pg_stat_activity
GRANT USAGE ON SCHEMA :"store" TO :"role";
GRANT SELECT ON :"store".orders, :"store".payment_operations, :"store".order_events, :"store".event_consumers, :"store".consumer_offsets,
	:"store".gateways, :"store".gateway_rejections, :"store".gateway_sender, :"store".webhook_subscribers, :"store".webhook_deliveries,
	:"store".open_work, :"store".needs_attention, :"store".gateway_worker_status TO :"role";
GRANT SELECT ON order_payment.reveal_log TO :"role";
GRANT SELECT (kid, state, retire_after, created_at) ON order_payment.card_keys TO :"role";
GRANT EXECUTE ON FUNCTION order_payment.key_status(boolean) TO :"role";

-- the others without what is confidential
SELECT format('GRANT SELECT (%s) ON %I.%I TO %I', string_agg(quote_ident(a.attname), ', '), :'store', c.relname, :'role')
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = quote_ident(:'store')::regnamespace AND c.relname IN ('payments', 'gateway_requests', 'gateway_notifications')
  AND a.attname !~ '^card_' AND a.attname NOT IN ('url', 'headers', 'body', 'reply', 'next_action', 'request_options')
GROUP BY c.relname \gexec
COMMIT;
