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
