-- catalog: every member of the extension with its labels, owner, settings and rights
--
-- The lists say what there is: a member that comes, goes or changes a label changes them. The gates give no row.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS order_payment;
RESET client_min_messages;
SET search_path = pg_catalog;

-- the extension itself, in its own schema, which is nobody's to create in
SELECT e.extrelocatable AS relocatable, v.superuser, v.trusted, v.relocatable,
       n.nspname AS schema, n.nspowner = e.extowner AS same_owner
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
JOIN pg_available_extension_versions v ON v.name = e.extname AND v.version = e.extversion
WHERE e.extname = 'order_payment';
SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' WHEN n.nspowner THEN 'the owner' ELSE a.grantee::regrole::text END AS grantee,
       string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges, bool_or(a.is_grantable) AS grantable
FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE n.nspname = 'order_payment'
GROUP BY 1 ORDER BY 1;

-- Its members. PostgreSQL 17 made the array type of a type and the row type of a table members as well, 15 and 16 did not: they
-- are left out.
CREATE TEMP VIEW member AS
SELECT d.classid, d.objid, e.extowner AS owner
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'order_payment'
  AND NOT EXISTS (SELECT FROM pg_type t
                  LEFT JOIN pg_class c ON c.oid = t.typrelid
                  WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND (t.typcategory = 'A' OR c.relkind <> 'c'));
CREATE TEMP VIEW member_function AS
SELECT p.*, m.owner FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid;
CREATE TEMP VIEW member_operator AS
SELECT o.*, m.owner FROM member m JOIN pg_operator o ON m.classid = 'pg_operator'::regclass AND o.oid = m.objid;
-- what the aggregates are made of
CREATE TEMP VIEW aggregate_part AS
SELECT DISTINCT f.oid
FROM member_function p JOIN pg_aggregate a ON a.aggfnoid = p.oid,
     unnest(ARRAY[a.aggtransfn, a.aggcombinefn, a.aggfinalfn, a.aggserialfn, a.aggdeserialfn,
                  a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::oid[]) f (oid)
WHERE f.oid <> 0;

SELECT classid::regclass AS catalog, count(*) FROM member GROUP BY classid ORDER BY classid::regclass::text COLLATE "C";
\pset format unaligned
\pset tuples_only on
SELECT pg_describe_object(classid, objid, 0) FROM member ORDER BY pg_describe_object(classid, objid, 0) COLLATE "C";

-- Functions and aggregates: arguments and result; then the labels. owned: by the owner of the extension; default_acl: owner
-- and PUBLIC may execute.
SELECT p.oid::regproc || '(' || pg_get_function_arguments(p.oid) || ') ' || coalesce(pg_get_function_result(p.oid), '')
FROM member_function p ORDER BY p.oid::regprocedure::text COLLATE "C";
\pset tuples_only off
SELECT p.oid::regprocedure AS function,
       CASE p.prokind WHEN 'f' THEN l.lanname ELSE 'aggregate' END AS language,
       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
       p.proisstrict AS strict,
       CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
       p.proleakproof AS leakproof, p.prosecdef AS definer, p.procost AS cost, p.prorows AS rows,
       p.proconfig AS config, p.proowner = p.owner AS owned, p.proacl IS NULL AS default_acl
FROM member_function p JOIN pg_language l ON l.oid = p.prolang
ORDER BY p.oid::regprocedure::text COLLATE "C";
-- C functions: the symbol is op_ and the name
SELECT p.oid::regprocedure AS other_symbol, p.prosrc FROM member_function p JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname = 'c' AND p.prosrc <> 'op_' || p.proname;
SELECT DISTINCT p.probin FROM member_function p JOIN pg_language l ON l.oid = p.prolang WHERE l.lanname = 'c';

-- types
SELECT t.oid::regtype AS type, t.typlen, t.typbyval, t.typalign, t.typstorage, t.typtype, t.typcategory, t.typispreferred,
       t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typanalyze, t.typarray::regtype AS "array",
       t.typdefault IS NULL AS no_default, t.typowner = m.owner AS owned, t.typacl IS NULL AS default_acl
FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
ORDER BY t.typname;

-- operators
SELECT o.oid::regoperator AS operator, o.oprnamespace::regnamespace AS schema, o.oprresult::regtype AS result,
       o.oprcode AS function, o.oprcom::regoperator AS commutator, o.oprnegate::regoperator AS negator,
       o.oprrest AS restrict, o.oprjoin AS "join", o.oprcanhash AS hashes, o.oprcanmerge AS merges, o.oprowner = o.owner AS owned
FROM member_operator o
ORDER BY o.oprleft::regtype::text COLLATE "C", o.oprname;

-- operator classes: all default, in a family of the same name; their operators and functions
SELECT a.amname, c.opcintype::regtype AS type, n.nspname || '.' || c.opcname AS class, fn.nspname || '.' || f.opfname AS family,
       c.opcdefault AS is_default, c.opckeytype::regtype AS key, c.opcowner = m.owner AND f.opfowner = m.owner AS owned
FROM member m
JOIN pg_opclass c ON m.classid = 'pg_opclass'::regclass AND c.oid = m.objid
JOIN pg_namespace n ON n.oid = c.opcnamespace
JOIN pg_opfamily f ON f.oid = c.opcfamily
JOIN pg_namespace fn ON fn.oid = f.opfnamespace
JOIN pg_am a ON a.oid = c.opcmethod
ORDER BY a.amname, c.opcname;
SELECT a.amname, f.opfname AS family, w.what
FROM member m
JOIN pg_opfamily f ON m.classid = 'pg_opfamily'::regclass AND f.oid = m.objid
JOIN pg_am a ON a.oid = f.opfmethod
JOIN LATERAL (
    SELECT 'operator ' || o.amopstrategy || ' ' || o.amopopr::regoperator
           || CASE o.amoppurpose WHEN 's' THEN '' ELSE ' for ordering' END
    FROM pg_amop o WHERE o.amopfamily = f.oid
    UNION ALL
    SELECT 'function ' || p.amprocnum || ' ' || p.amproc::regprocedure FROM pg_amproc p WHERE p.amprocfamily = f.oid
) w (what) ON true
ORDER BY a.amname, f.opfname, w.what COLLATE "C";

-- casts
SELECT c.castsource::regtype AS source, c.casttarget::regtype AS target,
       CASE c.castcontext WHEN 'i' THEN 'implicit' WHEN 'a' THEN 'assignment' ELSE 'explicit' END AS context,
       CASE c.castmethod WHEN 'i' THEN 'inout' WHEN 'b' THEN 'binary' ELSE c.castfunc::regprocedure::text END AS method
FROM member m JOIN pg_cast c ON m.classid = 'pg_cast'::regclass AND c.oid = m.objid
ORDER BY c.castsource::regtype::text COLLATE "C", c.casttarget::regtype::text COLLATE "C";

-- aggregates
SELECT p.oid::regprocedure AS aggregate, a.aggkind, a.aggtransfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggfinalfn,
       a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn, a.aggsortop::regoperator AS sortop, a.aggtranstype::regtype AS state, a.agginitval
FROM member_function p JOIN pg_aggregate a ON a.aggfnoid = p.oid
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- What PUBLIC may not call. A function that only some may call is to be seen here.
SELECT p.oid::regprocedure AS not_for_public
FROM member_function p WHERE NOT has_function_privilege('public', p.oid, 'EXECUTE');
-- what PUBLIC may call by name (not I/O, not implementations of operators, operator classes and aggregates, not triggers)
SELECT p.oid::regprocedure AS for_public
FROM member_function p
WHERE has_function_privilege('public', p.oid, 'EXECUTE')
  AND p.prorettype <> 'trigger'::regtype AND p.prokind = 'f'
  AND NOT EXISTS (SELECT FROM member_operator o WHERE o.oprcode = p.oid)
  AND NOT EXISTS (SELECT FROM pg_amproc a WHERE a.amproc = p.oid)
  AND p.oid NOT IN (SELECT oid FROM aggregate_part)
  AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT p.oid::regprocedure AS trigger_function FROM member_function p WHERE p.prorettype = 'trigger'::regtype
ORDER BY p.oid::regprocedure::text COLLATE "C";

\pset format aligned
-- ---------- gates: no row from here on ----------

-- S1: nothing runs with its owner's rights unless its search_path is fixed; nor does anything set another search_path
SELECT p.oid::regprocedure AS s1 FROM member_function p
WHERE p.prosecdef AND (p.proconfig IS NULL OR NOT 'search_path=pg_catalog, pg_temp' = ANY (p.proconfig));
SELECT p.oid::regprocedure AS s1_path FROM member_function p
WHERE p.proconfig IS NOT NULL AND NOT 'search_path=pg_catalog, pg_temp' = ANY (p.proconfig);
-- and whatever is written in SQL or PL/pgSQL has it
SELECT p.oid::regprocedure AS s1_no_path FROM member_function p JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname IN ('sql', 'plpgsql') AND p.proconfig IS NULL;

-- S2: PUBLIC may execute nothing that runs with other rights than the caller's
SELECT p.oid::regprocedure AS s2 FROM member_function p
WHERE p.prosecdef AND has_function_privilege('public', p.oid, 'EXECUTE');
-- nor is anything granted to a role, or taken from PUBLIC, but for what deals with secrets
SELECT p.oid::regprocedure AS s2_granted FROM member_function p, aclexplode(p.proacl) a WHERE a.grantee <> p.proowner;

-- S4: nobody but its owner creates in the schema, which holds nothing but members; members are nowhere else
SELECT n.nspname AS s4 FROM pg_namespace n
WHERE n.nspname = 'order_payment' AND has_schema_privilege('public', n.oid, 'CREATE');
SELECT pg_describe_object(m.classid, m.objid, 0) AS s4_elsewhere
FROM member m, pg_identify_object(m.classid, m.objid, 0) i
WHERE i.schema IS NOT NULL AND i.schema NOT IN ('order_payment', 'pg_catalog');
SELECT pg_describe_object(m.classid, m.objid, 0) AS s4_in_pg_catalog
FROM member m, pg_identify_object(m.classid, m.objid, 0) i
WHERE i.schema = 'pg_catalog'
  AND NOT (m.classid = 'pg_operator'::regclass
           OR m.objid IN (SELECT p.oid FROM member_function p WHERE p.proname IN ('min', 'max') AND p.prokind = 'a'));
SELECT pg_describe_object(d.classid, d.objid, 0) AS s4_stranger
FROM pg_depend d
WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = 'order_payment'::regnamespace
  AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM member)
  AND d.classid <> 'pg_extension'::regclass;
-- no table, view or sequence but the record of reveals, which is for its owner only: stores belong to users
SELECT pg_describe_object(m.classid, m.objid, 0) AS s4_relation FROM member m WHERE m.classid = 'pg_class'::regclass
  AND m.objid::regclass::text NOT IN ('order_payment.reveal_log', 'order_payment.reveal_usage');
SELECT c.oid::regclass AS s4_granted FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid,
     aclexplode(c.relacl) a
WHERE a.grantee <> c.relowner;
-- what a dump takes along
SELECT c.oid::regclass AS dumped, nullif(u.condition, '') AS condition
FROM pg_extension e, unnest(e.extconfig, e.extcondition) u (oid, condition) JOIN pg_class c USING (oid)
WHERE e.extname = 'order_payment' ORDER BY 1;

-- every member is the extension's owner's
SELECT pg_describe_object(d.classid, d.objid, 0) AS other_owner
FROM pg_shdepend d JOIN member m ON (m.classid, m.objid) = (d.classid, d.objid)
WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND d.deptype = 'o' AND d.refobjid <> m.owner;

-- every function, aggregate, type and operator says what it is for
SELECT pg_describe_object(m.classid, m.objid, 0) AS no_comment
FROM member m
WHERE m.classid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass)
  AND coalesce(obj_description(m.objid, m.classid::regclass::name), '') = '';

-- volatility: a trigger is volatile, not strict, not for parallel plans; so is what writes or locks
SELECT p.oid::regprocedure AS trigger_label FROM member_function p
WHERE p.prorettype = 'trigger'::regtype AND (p.provolatile, p.proisstrict, p.proparallel) <> ('v', false, 'u');
SELECT p.oid::regprocedure AS volatile_label FROM member_function p
WHERE p.provolatile = 'v' AND p.proparallel <> 'u' AND p.proname <> 'uuid_v7';
-- what an index or a constraint may use is in C, strict, and safe in parallel plans; an aggregate begins with a null state
SELECT p.oid::regprocedure AS immutable_label FROM member_function p JOIN pg_language l ON l.oid = p.prolang
WHERE p.provolatile = 'i' AND p.prokind = 'f' AND p.proname NOT IN ('outstanding_events', 'store_objects')
  AND CASE l.lanname WHEN 'c'
	  THEN (p.proisstrict OR p.oid IN (SELECT oid FROM aggregate_part)
			OR p.proname IN ('is_order_money', 'outstanding_amount', 'is_masked_card'),  -- a total may be unknown, a card not there
			p.proparallel) <> (true, 's')
	  ELSE p.proparallel <> 's' END;  -- what reads and makes messages of gateways
-- leakproof only what cannot raise: comparison and hash of one byte, and ->?
SELECT p.oid::regprocedure AS leakproof_label FROM member_function p
WHERE p.proleakproof <> (p.proname ~ '^status_(lt|le|eq|ne|ge|gt|cmp|hash|hash_extended|smaller|larger)$' OR p.proname ~ '_may_become$');
-- not strict is only a trigger, a part of an aggregate, what has an argument that may be null, what has none, and what takes a store:
-- for a store that is null it must not answer that there is nothing to do
SELECT p.oid::regprocedure AS not_strict FROM member_function p
WHERE NOT p.proisstrict AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND p.pronargs > 0
  AND p.oid NOT IN (SELECT oid FROM aggregate_part)
  AND obj_description(p.oid, 'pg_proc') !~ '(For|Called by) [a-z_]+(\(\)| of protocols)'
  AND NOT 'store' = ANY (coalesce(p.proargnames, '{}'))  -- require_store() says it is null
  AND p.proname !~ '^(json|standard_webhooks|stripe|alipay|wechatpay)_'  -- members that a message lacks are null
  AND p.proname NOT IN ('reason_of', 'payment_options', 'iso_minor_units', 'refuse_request', 'require_member', 'require_reference', 'require_request',
                        'work_action', 'breaker_until', 'is_wanted')
  AND p.proname NOT IN ('create_store', 'grant_store', 'guard_column', 'require_store', 'verify_store', 'upgrade_store',
                        'is_order_money', 'outstanding_amount', 'choose_gateway', 'create_payment', 'retry_payment',
                        'refund_order', 'due_retries', 'expire_orders', 'request_due_refunds', 'post_settlement',
                        'order_timeline', 'record_reveal', 'read_events', 'ack_events', 'notify_events',
                        'binding', 'is_masked_card', 'protect_card_columns', 'reveal_card', 'find_card', 'card_public_key', 'issue_card_token', 'purge_card_tokens',
                        'set_gateway_secret', 'set_gateway_secret_from_file', 'verify_notification', 'verify_reply', 'forget_cards',
                        'set_payment_password', 'verify_payment_password', 'rebind_payment_passwords',
                        -- called by those, with what may be null
                        'admit_payment', 'wants_password', 'charge_password_attempt', 'clear_password_attempts', 'add_payment', 'add_refunds', 'find_payment', 'find_refunds', 'payable', 'expire_order', 'judge_retry',
                        'require_amount', 'require_batch', 'require_gateway', 'require_payable', 'require_request_key', 'require_retryable');

-- operators: estimators always; commutator and negator but for ->?; hash and merge for equality only
SELECT o.oid::regoperator AS no_estimator FROM member_operator o WHERE o.oprrest = 0 OR o.oprjoin = 0;
SELECT o.oid::regoperator AS one_way FROM member_operator o
WHERE o.oprname <> '->?' AND (o.oprcom = 0 OR o.oprnegate = 0);
SELECT o.oid::regoperator AS not_mutual FROM member_operator o
WHERE o.oprcom <> 0 AND o.oid <> (SELECT c.oprcom FROM pg_operator c WHERE c.oid = o.oprcom)
   OR o.oprnegate <> 0 AND o.oid <> (SELECT c.oprnegate FROM pg_operator c WHERE c.oid = o.oprnegate);
SELECT o.oid::regoperator AS method FROM member_operator o
WHERE (o.oprcanhash, o.oprcanmerge) <> (o.oprname = '=', o.oprname = '=');
-- an operator is there for each of the three types, with the same labels
SELECT o.oprname AS unlike FROM member_operator o JOIN pg_proc p ON p.oid = o.oprcode
GROUP BY o.oprname HAVING count(*) <> 3 OR count(DISTINCT (p.provolatile, p.proisstrict, p.proparallel, p.proleakproof)) <> 1;

-- and PostgreSQL finds no fault in the operator classes
SELECT c.opcname AS invalid FROM member m JOIN pg_opclass c ON m.classid = 'pg_opclass'::regclass AND c.oid = m.objid
WHERE NOT amvalidate(c.oid);

RESET search_path;
