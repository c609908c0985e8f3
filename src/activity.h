/*
 * activity.h
 *	  What a backend knows of the statement that it runs, and shows of it.
 */
#ifndef OP_ACTIVITY_H
#define OP_ACTIVITY_H

/*
 * Looks at what this backend shows in pg_stat_activity, and takes from it what
 * may not be shown. To be called as often as there is an opportunity: each
 * text is looked at once.
 */
extern void op_guard_activity(void);

/*
 * Takes the text of a plan that was made from the names of memory contexts, if it
 * is a secret one, and op_guard_activity() has found such in this transaction.
 */
extern void op_guard_plan(const char *text);
extern void op_forget_plans(void); /* the transaction is over */

/* The same of application_name, which log_line_prefix may show as well. */
extern void op_guard_application_name(void);

/* Withholds the text there, and for the log. */
extern void op_withhold_activity(void);

/*
 * From now on the statement under way is known to bring a secret, whatever it
 * looks like: something that takes secrets has got one.
 */
extern void op_note_secret(void);
extern bool op_brings_secret(void);

/* What was harmless may be so no more: other names count. */
extern void op_forget_harmless(void);

/* From now on values for a statement that takes secrets may come by EXECUTE. */
extern void op_note_prepared(void);

/* As in withhold.h, by all that is known: the statement under way, or a text of one. */
extern bool op_is_delicate_here(void);
extern bool op_is_secret_here(const char *statement);

#endif
