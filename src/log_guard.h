/*
 * log_guard.h
 *	  Keeps card data out of the server log and of pg_stat_activity.
 */
#ifndef OP_LOG_GUARD_H
#define OP_LOG_GUARD_H

/*
 * Is every record of this backend looked at before it is logged? Else clear
 * card data must be refused.
 */
extern bool op_log_guard_is_active(void);

/*
 * An error, OP011, if it is not, and order_payment.allow_unguarded is off. what
 * is not taken (plural); otherwise ends the hint.
 */
extern void op_require_log_guard(const char *what, const char *otherwise);

extern void op_log_guard_init(void);

#endif
