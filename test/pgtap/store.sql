-- What create_store() makes: tables, columns, constraints, indexes, triggers, owner. Users and their programs rely on all of it.
SET client_min_messages = warning;
BEGIN;
SELECT plan(213);

CREATE ROLE regress_tap_owner;
CREATE ROLE regress_tap_app;
CREATE SCHEMA shop AUTHORIZATION regress_tap_owner;
SELECT lives_ok($$ SELECT order_payment.create_store('shop', 'EUR', app_role => 'regress_tap_app', owner => 'regress_tap_owner') $$,
                'create_store()');
SET search_path = public;

-- ---------- relations ----------

SELECT set_eq($$ SELECT relname::text, relkind::text FROM pg_class WHERE relnamespace = 'shop'::regnamespace $$,
              $$ VALUES ('orders', 'r'), ('order_items', 'r'), ('order_events', 'r'), ('event_consumers', 'r'), ('consumer_offsets', 'r'),
                        ('orders_order_id_seq', 'S'),
                        ('orders_pkey', 'i'), ('orders_customer_id_request_key_key', 'i'), ('order_items_pkey', 'i'),
                        ('order_events_pkey', 'i'), ('order_events_xid_idx', 'i'), ('event_consumers_pkey', 'i'), ('consumer_offsets_pkey', 'i') $$,
              'relations of a store');
SELECT is(c.relowner, 'regress_tap_owner'::regrole::oid, format('%s belongs to the owner', c.oid::regclass))
FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'S') ORDER BY c.relname;
SELECT isnt(obj_description(c.oid, 'pg_class'), NULL, format('%s has a comment', c.oid::regclass))
FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind = 'r' ORDER BY c.relname;
SELECT is_empty($$ SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND (relpersistence <> 'p' OR relrowsecurity) $$,
                'all are logged and without row security');
SELECT is_empty($$ SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
                   WHERE d.deptype = 'e' AND d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace) $$,
                'none is a member of an extension');
SELECT is_empty($$ SELECT FROM pg_proc WHERE pronamespace = 'shop'::regnamespace $$, 'no function in a store');

-- ---------- columns ----------

CREATE TEMP TABLE expected (relation text, place int, name text, type text, required bool, value text);
INSERT INTO expected VALUES
('orders', 1, 'order_id', 'bigint', true, 'identity d'),
('orders', 2, 'customer_id', 'bigint', false, NULL),
('orders', 3, 'product_id', 'bigint', false, NULL),
('orders', 4, 'quantity', 'numeric', false, '1'),
('orders', 5, 'price', 'numeric', false, NULL),
('orders', 6, 'currency', 'text', true, '''EUR''::text'),
('orders', 7, 'total_amount', 'numeric', false, NULL),
('orders', 8, 'payment_method', 'text', false, NULL),
('orders', 9, 'status', 'order_payment.order_status', true, '''pending''::order_payment.order_status'),
('orders', 10, 'item_count', 'integer', true, '0'),
('orders', 11, 'pay_before', 'timestamp with time zone', false, NULL),
('orders', 12, 'request_key', 'text', false, NULL),
('orders', 13, 'version', 'integer', true, '0'),
('orders', 14, 'created_at', 'timestamp with time zone', true, NULL),
('orders', 15, 'authorized_at', 'timestamp with time zone', false, NULL),
('orders', 16, 'paid_at', 'timestamp with time zone', false, NULL),
('orders', 17, 'shipped_at', 'timestamp with time zone', false, NULL),
('orders', 18, 'completed_at', 'timestamp with time zone', false, NULL),
('orders', 19, 'cancelled_at', 'timestamp with time zone', false, NULL),
('orders', 20, 'expired_at', 'timestamp with time zone', false, NULL),
('orders', 21, 'refunded_at', 'timestamp with time zone', false, NULL),
('order_items', 1, 'order_id', 'bigint', true, NULL),
('order_items', 2, 'line_no', 'integer', true, NULL),
('order_items', 3, 'kind', 'text', true, '''item''::text'),
('order_items', 4, 'product_id', 'bigint', false, NULL),
('order_items', 5, 'quantity', 'numeric', true, '1'),
('order_items', 6, 'price', 'numeric', true, NULL),
('order_items', 7, 'amount', 'numeric', true, 'generated s'),
('order_events', 1, 'order_id', 'bigint', true, NULL),
('order_events', 2, 'version', 'integer', true, NULL),
('order_events', 3, 'event_id', 'uuid', true, NULL),
('order_events', 4, 'entity', 'text', true, NULL),
('order_events', 5, 'entity_id', 'uuid', false, NULL),
('order_events', 6, 'from_status', 'text', false, NULL),
('order_events', 7, 'to_status', 'text', true, NULL),
('order_events', 8, 'amount', 'numeric', false, NULL),
('order_events', 9, 'actor', 'text', true, NULL),
('order_events', 10, 'session_role', 'text', true, NULL),
('order_events', 11, 'reason', 'text', false, NULL),
('order_events', 12, 'detail', 'jsonb', false, NULL),
('order_events', 13, 'recorded_at', 'timestamp with time zone', true, NULL),
('order_events', 14, 'xid', 'xid8', true, NULL),
('event_consumers', 1, 'consumer', 'name', true, NULL),
('event_consumers', 2, 'position', 'xid8', true, '''0''::xid8'),
('event_consumers', 3, 'position_order_id', 'bigint', false, NULL),
('event_consumers', 4, 'position_version', 'integer', false, NULL),
('event_consumers', 5, 'foreign_position', 'xid8', false, NULL),
('event_consumers', 6, 'system_identifier', 'bigint', true, NULL),
('consumer_offsets', 1, 'order_id', 'bigint', true, NULL),
('consumer_offsets', 2, 'consumer', 'name', true, NULL),
('consumer_offsets', 3, 'version', 'integer', true, NULL);

CREATE TEMP VIEW actual AS
SELECT c.relname::text AS relation, a.attnum::int AS place, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS required,
       CASE WHEN a.attidentity <> '' THEN 'identity ' || a.attidentity::text
            WHEN a.attgenerated <> '' THEN 'generated ' || a.attgenerated::text
            ELSE pg_get_expr(d.adbin, d.adrelid) END AS value
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind = 'r';

SELECT bag_eq('SELECT relation, name FROM actual', 'SELECT relation, name FROM expected', 'the tables have these columns and no other');
SELECT is(a.place, e.place, format('%s.%s is column %s', e.relation, e.name, e.place))
FROM expected e LEFT JOIN actual a USING (relation, name) WHERE e.relation IN ('orders', 'order_items', 'order_events') ORDER BY e.relation, e.place;
SELECT is(a.type, e.type, format('%s.%s is %s', e.relation, e.name, e.type))
FROM expected e LEFT JOIN actual a USING (relation, name) ORDER BY e.relation, e.place;
SELECT is(a.required, e.required, format('%s.%s %s null', e.relation, e.name, CASE WHEN e.required THEN 'may not be' ELSE 'may be' END))
FROM expected e LEFT JOIN actual a USING (relation, name) ORDER BY e.relation, e.place;
SELECT is(a.value, e.value, format('%s.%s: default %s', e.relation, e.name, coalesce(e.value, 'none')))
FROM expected e LEFT JOIN actual a USING (relation, name) WHERE e.value IS NOT NULL ORDER BY e.relation, e.place;
SELECT is_empty($$ SELECT a.* FROM actual a JOIN expected e USING (relation, name) WHERE e.value IS NULL AND a.value IS NOT NULL $$,
                'no other column has a default');
SELECT is((SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'shop.order_items'::regclass AND adnum = 7),
          E'\nCASE kind\n    WHEN ''discount''::text THEN (- (quantity * price))\n    ELSE (quantity * price)\nEND', 'how amount is generated');

-- ---------- keys, constraints, indexes ----------

SELECT col_is_pk('shop', 'orders', ARRAY['order_id'], 'primary key of orders');
SELECT col_is_pk('shop', 'order_items', ARRAY['order_id', 'line_no'], 'primary key of order_items');
SELECT col_is_pk('shop', 'order_events', ARRAY['order_id', 'version'], 'primary key of order_events');
SELECT col_is_pk('shop', 'event_consumers', ARRAY['consumer'], 'primary key of event_consumers');
SELECT col_is_pk('shop', 'consumer_offsets', ARRAY['order_id', 'consumer'], 'primary key of consumer_offsets');
SELECT col_is_unique('shop', 'orders', ARRAY['customer_id', 'request_key'], 'a request_key is unique per customer');
SELECT fk_ok('shop', 'order_items', 'order_id', 'shop', 'orders', 'order_id', 'a line is of an order');
SELECT fk_ok('shop', 'order_events', 'order_id', 'shop', 'orders', 'order_id', 'an event is of an order');
SELECT fk_ok('shop', 'consumer_offsets', 'consumer', 'shop', 'event_consumers', 'consumer', 'an offset is of a consumer');
-- (PostgreSQL 18 lists NOT NULL, type n, as well)
SELECT bag_eq($$ SELECT conrelid::regclass::text, contype::text, conname::text FROM pg_constraint
                 WHERE connamespace = 'shop'::regnamespace AND contype <> 'n' $$,
              $$ VALUES ('shop.orders', 'p', 'orders_pkey'),
                        ('shop.orders', 'u', 'orders_customer_id_request_key_key'),
                        ('shop.orders', 'c', 'orders_quantity_check'),
                        ('shop.orders', 'c', 'orders_price_check'),
                        ('shop.orders', 'c', 'orders_currency_check'),
                        ('shop.orders', 'c', 'orders_total_amount_scale_check'),
                        ('shop.orders', 'c', 'orders_total_amount_sign_check'),
                        ('shop.orders', 'c', 'orders_total_amount_known_check'),
                        ('shop.orders', 'c', 'orders_total_amount_product_check'),
                        ('shop.order_items', 'p', 'order_items_pkey'),
                        ('shop.order_items', 'f', 'order_items_order_id_fkey'),
                        ('shop.order_items', 'c', 'order_items_kind_check'),
                        ('shop.order_items', 'c', 'order_items_quantity_check'),
                        ('shop.order_items', 'c', 'order_items_price_check'),
                        ('shop.order_events', 'p', 'order_events_pkey'),
                        ('shop.order_events', 'f', 'order_events_order_id_fkey'),
                        ('shop.event_consumers', 'p', 'event_consumers_pkey'),
                        ('shop.consumer_offsets', 'p', 'consumer_offsets_pkey'),
                        ('shop.consumer_offsets', 'f', 'consumer_offsets_consumer_fkey'),
                        ('shop.consumer_offsets', 'f', 'consumer_offsets_order_id_fkey') $$,
              'constraints by name');
SELECT is_empty($$ SELECT conname FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND (condeferrable OR NOT convalidated) $$,
                'none deferrable, all validated');
SELECT bag_eq($$ SELECT conname::text, confdeltype::text, confupdtype::text FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND contype = 'f' $$,
              $$ VALUES ('order_items_order_id_fkey', 'a', 'a'), ('order_events_order_id_fkey', 'a', 'a'), ('consumer_offsets_consumer_fkey', 'c', 'a'), ('consumer_offsets_order_id_fkey', 'c', 'a') $$,
              'what foreign keys do on DELETE and UPDATE');
SELECT has_index('shop', 'order_events', 'order_events_xid_idx', ARRAY['xid', 'order_id', 'version'], 'order_events is indexed by xid');
-- principle 9: order_id leads every key of a table that has it, but for a customer's request_key
SELECT bag_eq($$ SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                 WHERE c.relnamespace = 'shop'::regnamespace AND i.indisunique
                   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'order_id' AND a.attnum <> i.indkey[0]) $$,
              $$ VALUES ('shop.orders_customer_id_request_key_key') $$, 'order_id leads the unique keys');

-- ---------- triggers ----------

CREATE TEMP TABLE expected_trigger (relation text, name text, definition text);
INSERT INTO expected_trigger VALUES
('orders', 'zzy_maintain_order', 'BEFORE INSERT OR UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.maintain_order()'),
('orders', 'zzz_guard_status', format('BEFORE INSERT OR UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %L, ''stamp'')', order_payment.default_graph('order_payment.order_status'))),
('orders', 'zzz_guard_status_birth', format('AFTER INSERT OR DELETE ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.enforce_transition(''status'', %L, ''stamp'')', order_payment.default_graph('order_payment.order_status'))),
('orders', 'record_event_insert', 'AFTER INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION order_payment.record_event()'),
('orders', 'record_event_update', 'AFTER UPDATE ON shop.orders FOR EACH ROW WHEN ((old.status IS DISTINCT FROM new.status)) EXECUTE FUNCTION order_payment.record_event()'),
('orders', 'refuse_truncate', 'BEFORE TRUNCATE ON shop.orders FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate()'),
('order_items', '000_follow_items', 'AFTER INSERT OR DELETE OR UPDATE ON shop.order_items FOR EACH ROW EXECUTE FUNCTION order_payment.follow_items()'),
('order_items', 'refuse_truncate', 'BEFORE TRUNCATE ON shop.order_items FOR EACH STATEMENT EXECUTE FUNCTION order_payment.refuse_truncate()'),
('order_events', '000_append_only', 'BEFORE INSERT OR DELETE OR UPDATE ON shop.order_events FOR EACH ROW EXECUTE FUNCTION order_payment.append_only()'),
('order_events', '000_append_only_truncate', 'BEFORE TRUNCATE ON shop.order_events FOR EACH STATEMENT EXECUTE FUNCTION order_payment.append_only()');
CREATE TEMP VIEW actual_trigger AS
SELECT c.relname::text AS relation, t.tgname::text AS name, t.tgenabled, regexp_replace(pg_get_triggerdef(t.oid), '^CREATE TRIGGER \S+ ', '') AS definition
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'shop'::regnamespace AND NOT t.tgisinternal;

SELECT bag_eq('SELECT relation, name FROM actual_trigger', 'SELECT relation, name FROM expected_trigger', 'the tables have these triggers and no other');
SELECT is(a.definition, e.definition, format('trigger %s of %s', e.name, e.relation))
FROM expected_trigger e LEFT JOIN actual_trigger a USING (relation, name) ORDER BY e.relation, e.name;
SELECT is_empty($$ SELECT * FROM actual_trigger WHERE tgenabled <> 'O' $$, 'all fire on origin');
SELECT results_eq($$ SELECT to_status FROM order_payment.status_edges('shop.orders', 'status') WHERE from_status IS NULL $$, ARRAY['pending'], 'an order is born pending');

-- ---------- verify_store, and other key types ----------

SELECT is_empty($$ SELECT * FROM order_payment.verify_store('shop') $$, 'a new store is in order');
SELECT is(has_schema_privilege('public', 'shop', 'USAGE'), false, 'PUBLIC has nothing to do with the schema');

SELECT lives_ok($$ SELECT order_payment.create_store('shop_uuid', owner => 'regress_tap_owner', order_id_type => 'uuid', customer_id_type => 'text', product_id_type => 'integer') $$,
                'a store with other key types');
SELECT is(format_type(a.atttypid, a.atttypmod) || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), ''), e.type, format('%s.%s is %s', e.relation, e.name, e.type))
FROM (VALUES ('orders', 'order_id', 'uuid gen_random_uuid()'), ('orders', 'customer_id', 'text'), ('orders', 'product_id', 'integer'),
             ('order_items', 'order_id', 'uuid'), ('order_items', 'product_id', 'integer'), ('order_events', 'order_id', 'uuid'),
             ('consumer_offsets', 'order_id', 'uuid'), ('orders', 'currency', 'text ''USD''::text')) e (relation, name, type)
JOIN pg_class c ON c.relname = e.relation AND c.relnamespace = 'shop_uuid'::regnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = e.name
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum;
SELECT is(nspowner, 'regress_tap_owner'::regrole::oid, 'create_store() makes the schema for the owner') FROM pg_namespace WHERE nspname = 'shop_uuid';
SELECT is(current_setting('role'), 'none', 'and the role of the caller is what it was');

SELECT * FROM finish();
ROLLBACK;
