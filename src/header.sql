\echo Use "CREATE EXTENSION order_payment" to load this file. \quit

/*
 * Rules of the install script
 *
 * - Everything is qualified: functions, types and casts are made in
 *   order_payment, operators and the aggregates min and max in pg_catalog,
 *   because operators and aggregates are found by search_path only and
 *   status = 'paid' must work for everybody.
 * - CREATE only, never CREATE OR REPLACE or IF NOT EXISTS: an object that
 *   somebody planted before makes the script fail.
 * - No table, no row: stores are made by create_store() and belong to users.
 * - The C symbol of a function is op_ and its SQL name.
 */

/*
 * The schema must be nobody else's: who could create in it before could plant
 * a function that fits a call here better than ours.
 */
DO $do$
DECLARE
	taken boolean;
BEGIN
	SELECT NOT r.rolsuper
		OR EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) a
				   WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner)
		OR EXISTS (SELECT FROM pg_catalog.pg_depend d
				   WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
					 AND d.refobjid = n.oid
					 AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass)
	INTO taken
	FROM pg_catalog.pg_namespace n
	JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
	WHERE n.nspname = 'order_payment';
	IF taken THEN
		RAISE EXCEPTION 'schema "order_payment" is in use already'
			USING ERRCODE = 'duplicate_schema',
				  DETAIL = 'It holds objects, belongs to a role that is no superuser, or others may create in it.',
				  HINT = 'Drop or rename it: CREATE EXTENSION makes its own.';
	END IF;
END
$do$;
