/*
 * Who may call what, on one screen.
 *
 * The schema is for everybody to use and for nobody to create in. Every
 * function may be called by everybody, but for those revoked here: none runs with other
 * rights than the caller's, but for the triggers of a store, which act as the owner of
 * its tables, and only between tables of one owner.
 */
REVOKE ALL ON SCHEMA order_payment FROM PUBLIC;
GRANT USAGE ON SCHEMA order_payment TO PUBLIC;
REVOKE ALL ON FUNCTION order_payment.record_reveal(text, text, integer, bytea, integer, integer, oid, name, inet, text,
												   integer, xid8, text, text) FROM PUBLIC;
-- default privileges of who installs may have granted something
REVOKE ALL ON TABLE order_payment.reveal_log, order_payment.reveal_usage FROM PUBLIC;
