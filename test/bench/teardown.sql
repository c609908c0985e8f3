/* Takes away all that the bench made, but for the extension. */
\set ON_ERROR_STOP on
SET client_min_messages = warning;

DROP SCHEMA IF EXISTS bench, bench_store, bench_shop, bench_bare, bench_by_hand, bench_card_cbc, bench_card_pgp, bench_large, bench_sending CASCADE;
SELECT format('DROP OWNED BY %I', rolname), format('DROP ROLE %I', rolname)
FROM pg_roles WHERE rolname IN ('bench_owner', 'bench_application', 'bench_gateway', 'bench_worker') \gexec
