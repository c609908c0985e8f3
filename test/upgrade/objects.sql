-- What the extension order_payment is made of in a database, a line for each fact: the object, what of it, and what that is.
-- Two databases whose lines are equal have the same extension, whatever scripts made it: so compare ALTER EXTENSION UPDATE with a
-- fresh CREATE EXTENSION. Run as psql -X -q -A -t, in a transaction or not; it leaves nothing behind but temporary functions.
--
-- object    a member of the extension (pg_depend, deptype e), or what belongs to one: columns, constraints, indexes, rules, members
--           of operator families, array types (whatever depends on it with deptype a or i, and so on)
-- fact      a column of the object's row in its catalog, every one of them, with names in place of OIDs, as
--           pg_get_catalog_foreign_keys() knows them; so a column that a later PostgreSQL adds is compared without being named
--           here. Then what is kept elsewhere: definitions, columns, aggregates, comments, security labels, initial privileges,
--           what the object depends on, and what pg_dump dumps of a table.
--
-- Left out is what says nothing of the definition: OIDs, files, statistics of tables, TOAST, parsed expressions (they are shown by
-- the functions that print them), numbers of columns (dropped ones leave gaps), hints (relhas…) that may be out of date, and pg_attver,
-- the version of a column, which some releases keep among its options.
SET search_path = pg_catalog;

CREATE OR REPLACE FUNCTION pg_temp.name_of(class regclass, object oid, part integer DEFAULT 0) RETURNS text LANGUAGE sql AS $$
	SELECT i.type || ' ' || i.identity FROM pg_identify_object(class, object, part) i
$$;

-- names in place of the OIDs, of one or of an array; 0 is none
CREATE OR REPLACE FUNCTION pg_temp.names(class regclass, value jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF jsonb_typeof(value) = 'array' THEN
		RETURN (SELECT jsonb_agg(pg_temp.names(class, v) ORDER BY n) FROM jsonb_array_elements(value) WITH ORDINALITY e (v, n));
	ELSIF jsonb_typeof(value) = 'string' AND value #>> '{}' !~ '^\d+$' THEN
		RETURN value;  -- a regproc, a name already
	END IF;
	RETURN to_jsonb(CASE WHEN (value #>> '{}')::oid <> 0 THEN pg_temp.name_of(class, (value #>> '{}')::oid) END);
END
$$;

-- A row of a catalog. key: its column, which is of type oid or regproc.
CREATE OR REPLACE FUNCTION pg_temp.row_of(catalog regclass, key name, object oid) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	found jsonb;
	reference record;
	acl text;
BEGIN
	EXECUTE format('SELECT to_jsonb(t) FROM %s t WHERE %I = $1', catalog, key) INTO found USING object;
	found := found - key - '{relfilenode, relpages, reltuples, relallvisible, relallfrozen, reltoastrelid, relfrozenxid, relminmxid,
		relnatts, relhasindex, relhasrules, relhastriggers, prosqlbody, proargdefaults, typdefaultbin, ev_qual, ev_action, conbin,
		conkey, confkey, adbin, adnum, tgqual, tgattr, polqual, polwithcheck, indexprs, indpred, indkey}'::text[];
	FOR reference IN
		SELECT k.fkcols[1] AS name, k.pktable FROM pg_get_catalog_foreign_keys() k
		WHERE k.fktable = catalog AND cardinality(k.fkcols) = 1 AND found ? k.fkcols[1]
	LOOP
		found := jsonb_set(found, ARRAY[reference.name], coalesce(pg_temp.names(reference.pktable, found -> reference.name), 'null'));
	END LOOP;
	-- rights are a set
	SELECT n INTO acl FROM jsonb_object_keys(found) n WHERE n LIKE '%acl' AND jsonb_typeof(found -> n) = 'array';
	IF acl IS NOT NULL THEN
		found := jsonb_set(found, ARRAY[acl], (SELECT jsonb_agg(a ORDER BY a) FROM jsonb_array_elements_text(found -> acl) a));
	END IF;
	RETURN found;
END
$$;

-- the printed definition, where there is one
CREATE OR REPLACE FUNCTION pg_temp.definition(class regclass, object oid) RETURNS text LANGUAGE sql AS $$
	SELECT CASE class
		WHEN 'pg_proc'::regclass THEN (SELECT pg_get_functiondef(oid) FROM pg_proc WHERE oid = object AND prokind <> 'a')
		WHEN 'pg_constraint'::regclass THEN pg_get_constraintdef(object)
		WHEN 'pg_rewrite'::regclass THEN pg_get_ruledef(object)
		WHEN 'pg_trigger'::regclass THEN pg_get_triggerdef(object)
		WHEN 'pg_statistic_ext'::regclass THEN pg_get_statisticsobjdef(object)
		WHEN 'pg_class'::regclass THEN (SELECT CASE WHEN relkind IN ('i', 'I') THEN pg_get_indexdef(oid) WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END
										FROM pg_class WHERE oid = object)
		WHEN 'pg_attrdef'::regclass THEN (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE oid = object)
		WHEN 'pg_policy'::regclass THEN (SELECT concat_ws(' / ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy WHERE oid = object)
	END
$$;

WITH RECURSIVE extension AS MATERIALIZED (SELECT * FROM pg_extension WHERE extname = 'order_payment'),
object (class, object) AS (
	SELECT 'pg_extension'::regclass::oid, oid FROM extension
	UNION
	SELECT d.classid, d.objid FROM object o JOIN pg_depend d ON d.refclassid = o.class AND d.refobjid = o.object
	WHERE (d.deptype IN ('a', 'i') OR (d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass))
	  AND NOT EXISTS (SELECT FROM pg_class c WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relnamespace = 'pg_toast'::regnamespace)
	  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE d.classid = 'pg_trigger'::regclass AND t.oid = d.objid AND t.tgisinternal)),
named AS MATERIALIZED (SELECT class::regclass, object, pg_temp.name_of(class, object) AS name FROM object),
fact (name, fact, value) AS (
	SELECT n.name, f.key, f.value #>> '{}' FROM named n, jsonb_each(pg_temp.row_of(n.class, 'oid', n.object)) f
	WHERE n.class <> 'pg_extension'::regclass OR f.key NOT IN ('extconfig', 'extcondition')
	UNION ALL
	SELECT name, 'definition', d FROM named, pg_temp.definition(class, object) d WHERE d IS NOT NULL
	UNION ALL
	SELECT n.name, 'aggregate ' || f.key, f.value #>> '{}' FROM named n JOIN pg_aggregate a ON a.aggfnoid = n.object,
		jsonb_each(pg_temp.row_of('pg_aggregate', 'aggfnoid', n.object)) f
	WHERE n.class = 'pg_proc'::regclass
	UNION ALL
	SELECT n.name, 'range ' || f.key, f.value #>> '{}' FROM named n JOIN pg_range r ON r.rngtypid = n.object,
		jsonb_each(pg_temp.row_of('pg_range', 'rngtypid', n.object)) f
	WHERE n.class = 'pg_type'::regclass
	UNION ALL
	SELECT n.name, 'sequence ' || f.key, f.value #>> '{}' FROM named n JOIN pg_sequence s ON s.seqrelid = n.object,
		jsonb_each(pg_temp.row_of('pg_sequence', 'seqrelid', n.object)) f
	WHERE n.class = 'pg_class'::regclass
	UNION ALL
	SELECT n.name, 'label ' || row_number() OVER (PARTITION BY n.object ORDER BY e.enumsortorder), e.enumlabel
	FROM named n JOIN pg_enum e ON e.enumtypid = n.object WHERE n.class = 'pg_type'::regclass
	UNION ALL
	SELECT n.name, 'index is', concat_ws(' ', i.indisunique, i.indisprimary, i.indisvalid, i.indisclustered, i.indisreplident)
	FROM named n JOIN pg_index i ON i.indexrelid = n.object WHERE n.class = 'pg_class'::regclass
	UNION ALL
	SELECT n.name, 'column ' || row_number() OVER (PARTITION BY n.object ORDER BY a.attnum),
		concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), 'collate ' || nullif(a.attcollation, 0)::regcollation, 'not null ' || a.attnotnull,
			'default ' || pg_get_expr(d.adbin, d.adrelid), 'identity ' || nullif(a.attidentity::text, ''), 'generated ' || nullif(a.attgenerated::text, ''), 'storage ' || a.attstorage::text,
			'compression ' || nullif(a.attcompression::text, ''), 'statistics ' || a.attstattarget, (SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg\_attver=%'), a.attfdwoptions, 'local ' || a.attislocal, 'inherited ' || a.attinhcount,
			(SELECT array_agg(acl::text ORDER BY acl::text) FROM unnest(a.attacl) acl))
	FROM named n JOIN pg_attribute a ON a.attrelid = n.object LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE n.class = 'pg_class'::regclass AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT n.name, concat_ws(' ', 'comment', pg_temp.name_of(n.class, n.object, nullif(d.objsubid, 0))), d.description
	FROM named n JOIN pg_description d ON d.classoid = n.class AND d.objoid = n.object
	UNION ALL
	SELECT n.name, concat_ws(' ', 'security label', s.provider, pg_temp.name_of(n.class, n.object, nullif(s.objsubid, 0))), s.label
	FROM named n JOIN pg_seclabel s ON s.classoid = n.class AND s.objoid = n.object
	UNION ALL
	SELECT n.name, concat_ws(' ', 'initial privileges', p.privtype, pg_temp.name_of(n.class, n.object, nullif(p.objsubid, 0))),
		(SELECT array_agg(acl::text ORDER BY acl::text) FROM unnest(p.initprivs) acl)::text
	FROM named n JOIN pg_init_privs p ON p.classoid = n.class AND p.objoid = n.object
	UNION ALL
	SELECT n.name, concat_ws(' ', 'depends by', d.deptype, pg_temp.name_of(n.class, n.object, nullif(d.objsubid, 0))), pg_temp.name_of(d.refclassid, d.refobjid, d.refobjsubid)
	FROM named n JOIN pg_depend d ON d.classid = n.class AND d.objid = n.object
	UNION ALL
	SELECT pg_temp.name_of('pg_class', t.dumped), 'is dumped', nullif(t.condition, '')
	FROM extension e, unnest(e.extconfig, e.extcondition) t (dumped, condition))
SELECT replace(concat_ws(E'\t', name, fact, coalesce(value, '-')), E'\n', '\n') FROM (SELECT DISTINCT * FROM fact) f ORDER BY name COLLATE "C", fact COLLATE "C", value COLLATE "C";
RESET search_path;
