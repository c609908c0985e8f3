/*
 * Who may call what, on one screen.
 *
 * The schema is for everybody to use and for nobody to create in. Every
 * function of this release may be called by everybody: none runs with other
 * rights than the caller's, but for the triggers of a store, which act as the owner of
 * its tables, and only between tables of one owner.
 */
REVOKE ALL ON SCHEMA order_payment FROM PUBLIC;
GRANT USAGE ON SCHEMA order_payment TO PUBLIC;
REVOKE ALL ON FUNCTION order_payment.record_reveal(text, text, integer, bytea, integer, integer, oid, name, inet, text,
												   integer, xid8, text, text) FROM PUBLIC;

/* It reads files of the server, in a directory that a superuser has set. */
REVOKE ALL ON FUNCTION order_payment.set_gateway_secret_from_file(text, text, text, timestamptz, timestamptz, text, name) FROM PUBLIC;
