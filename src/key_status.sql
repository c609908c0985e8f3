/* ---------- what is known of the keys ---------- */

CREATE FUNCTION order_payment.key_status(count_values boolean DEFAULT true)
	RETURNS TABLE (kind text, key_id integer, purpose text, state text, check_value text, root_key_id integer,
				   is_usable boolean, problem text, created_at timestamptz, activated_at timestamptz,
				   retire_after timestamptz, is_overdue boolean, stored_values bigint)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ids integer[] := '{}';
	checks bytea[] := '{}';
	source_fault text;
	message text;
	detail text;
	used jsonb := '[]';
	its order_payment.data_keys;
BEGIN
	BEGIN
		SELECT array_agg(r.root_key_id ORDER BY r.root_key_id), array_agg(r.root_key_check ORDER BY r.root_key_id)
		INTO STRICT ids, checks FROM order_payment.root_keys() r;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
		source_fault := concat_ws(': ', message, nullif(detail, ''));
		RETURN QUERY SELECT 'root key', NULL::integer, NULL, 'missing', NULL, NULL::integer, false, source_fault,
							NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::boolean, NULL::bigint;
	END;

	RETURN QUERY
		SELECT 'root key', coalesce(here.id, wanted.id), NULL,
			   CASE WHEN here.id IS NULL THEN 'missing' WHEN here.id = ids[cardinality(ids)] THEN 'active' ELSE 'decrypt_only' END,
			   encode(coalesce(wanted.value, here.value), 'hex'), NULL::integer,
			   here.value IS NOT DISTINCT FROM coalesce(wanted.value, here.value),
			   CASE WHEN here.id IS NULL THEN format('it wraps data keys, and is not in the source: bring it back')
					WHEN here.value <> wanted.value
					THEN format('it wraps data keys, but the source has another key under this id, with check value %s', encode(here.value, 'hex'))
			   END,
			   NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::boolean, NULL::bigint
		FROM unnest(ids, checks) here(id, value)
		FULL JOIN (SELECT DISTINCT k.root_key_id, k.root_key_check FROM order_payment.data_keys k
				   WHERE k.wrapped IS NOT NULL) wanted(id, value) ON wanted.id = here.id
		ORDER BY 2;

	IF count_values THEN
		used := (SELECT coalesce(jsonb_agg(jsonb_build_object('key_id', u.key_id, 'purpose', u.purpose, 'n', u.n, 'tables', u.tables)), '[]')
				 FROM (SELECT v.key_id, v.purpose, sum(v.stored_values) AS n, string_agg(DISTINCT v.relation::text, ', ') AS tables
					   FROM order_payment.values_by_key() v GROUP BY v.key_id, v.purpose) u);
	END IF;

	FOR its IN SELECT k.* FROM order_payment.data_keys k ORDER BY k.created_at, k.key_id LOOP
		kind := 'data key';
		key_id := its.key_id;
		purpose := its.purpose;
		state := its.state;
		check_value := encode(its.root_key_check, 'hex');
		root_key_id := its.root_key_id;
		created_at := its.created_at;
		activated_at := its.activated_at;
		retire_after := its.retire_after;
		is_overdue := its.state = 'active' AND coalesce(its.retire_after < clock_timestamp(), false);
		stored_values := CASE WHEN count_values THEN
			coalesce((SELECT sum(u.n) FROM jsonb_to_recordset(used) u(key_id integer, n bigint) WHERE u.key_id = its.key_id), 0) END;
		is_usable := false;
		problem := NULL;
		IF its.wrapped IS NULL THEN
			problem := CASE WHEN stored_values > 0 THEN 'values that it has made cannot be opened any more' END;
		ELSE
			BEGIN
				PERFORM order_payment.check_data_key(its.key_id, its.purpose, its.wrapped);
				is_usable := true;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
				problem := concat_ws(': ', message, nullif(detail, ''));
			END;
			IF is_overdue THEN
				problem := concat_ws('; ', problem, 'it seals for longer than it should: make another one by create_data_key()');
			END IF;
		END IF;
		RETURN NEXT;
	END LOOP;

	RETURN QUERY
		SELECT 'data key', u.key_id, u.purpose, 'missing', NULL, NULL::integer, false,
			   format('values in %s want it: they come from another database, whose order_payment.data_keys are to be brought here as well', u.tables),
			   NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::boolean, u.n
		FROM jsonb_to_recordset(used) u(key_id integer, purpose text, n bigint, tables text)
		WHERE NOT EXISTS (SELECT FROM order_payment.data_keys k WHERE k.key_id = u.key_id)
		ORDER BY u.key_id;

	RETURN QUERY
		SELECT 'role', NULL::integer, NULL, NULL, NULL, NULL::integer, NULL::boolean,
			   format('role %I is a member of %s, and so can read the root key', r.rolname, string_agg(p.name, ' and ' ORDER BY p.name)),
			   NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::boolean, NULL::bigint
		FROM pg_roles r, (VALUES ('pg_read_server_files'::name), ('pg_execute_server_program')) p(name)
		WHERE NOT r.rolsuper AND r.rolname <> p.name AND pg_has_role(r.oid, p.name, 'MEMBER')
		GROUP BY r.rolname
		ORDER BY r.rolname;
END
$$;
COMMENT ON FUNCTION order_payment.key_status(boolean) IS
	'the root keys that are here or wanted, the data keys, those that stored values want and nobody has, and roles that can read the root key: whether each can be used, and what is wrong if not. Never an error for a key that is missing. Scans every table with sealed values, unless count_values is false';

CREATE FUNCTION order_payment.crypto_inventory()
	RETURNS TABLE (item text, name text, used_for text, key_id integer, state text, age interval,
				   relation regclass, column_name name, stored_values bigint)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'algorithm', a.name, a.used_for, NULL::integer, NULL, NULL::interval, NULL::regclass, NULL::name, NULL::bigint
	FROM (VALUES
		('XAES-256-GCM', 'sealed values, and data keys as the root key wraps them'),
		('HKDF-SHA256', 'keys of single fields, from a data key'),
		('HMAC-SHA256', 'fingerprints of cards; pepper of payment passwords; check values; signatures of gateways'),
		('scrypt', 'payment passwords'),
		('RSA-3072, OAEP with SHA-256', 'cards that are sealed outside of the database'),
		('RSA, PKCS #1 v1.5 with SHA-256', 'signatures of gateways, verified only'),
		('AES-256-GCM', 'notifications and amounts of gateways'),
		('MD5', 'old signatures of gateways, verified only')) a(name, used_for)
	UNION ALL
	SELECT 'key', k.purpose || ' key, 256 bits', 'wrapped by root key ' || k.root_key_id, k.key_id, k.state,
		   date_trunc('second', clock_timestamp() - k.created_at), NULL, NULL, NULL
	FROM order_payment.data_keys k
	UNION ALL
	SELECT 'values', NULL, v.field, v.key_id, (SELECT k.state FROM order_payment.data_keys k WHERE k.key_id = v.key_id), NULL,
		   v.relation, v.column_name, v.stored_values
	FROM order_payment.values_by_key() v;
END;
COMMENT ON FUNCTION order_payment.crypto_inventory() IS
	'the algorithms in use, the keys with their ages, and for each column the number of values by key, as PCI DSS 12.3.3 asks for; scans every table with sealed values';
