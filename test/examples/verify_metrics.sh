#!/usr/bin/env bash
#
# verify_metrics.sh STORE FILE: asks verify_store() whether every counter, state and link of a store is what its rows say, and
# writes what it finds as metrics for the node_exporter (--collector.textfile.directory). It reads the whole store: minutes for
# ten million orders, once a night. The database is that of libpq's variables, the role the store's owner or a superuser.
#
# The file is replaced when all is known. If that fails, the old one stays, and the age of its time-stamp tells.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 STORE FILE" >&2; exit 2; }
store=$1 file=$2 new=$2.$$
trap 'rm -f "$new"' EXIT
umask 022

psql -XAtq -v ON_ERROR_STOP=1 -v store="$store" >"$new" <<'SQL'
WITH found AS MATERIALIZED (
	SELECT v.table_name::text AS table_name, v.problem, count(*) AS n FROM order_payment.verify_store(:'store') v GROUP BY 1, 2
), lines (n, line) AS (
	SELECT 1, '# TYPE order_payment_verify_deviations gauge'
	UNION ALL
	SELECT 2, format('order_payment_verify_deviations{store=%s,table=%s,problem=%s} %s', to_json(:'store'::text), to_json(coalesce(table_name, '')), to_json(problem), n)
	FROM found
	UNION ALL
	SELECT 3, format(E'# TYPE order_payment_verify_%s gauge\norder_payment_verify_%1$s{store=%2$s} %3$s', metric, to_json(:'store'::text), trim_scale(round(value, 3)))
	FROM (SELECT coalesce(sum(n), 0), clock_timestamp() FROM found) f (n, at),
		LATERAL (VALUES ('found', f.n), ('seconds', extract(epoch FROM f.at - statement_timestamp())), ('time_seconds', extract(epoch FROM f.at))) v (metric, value)
)
SELECT line FROM lines ORDER BY n, line;
SQL
mv "$new" "$file"
