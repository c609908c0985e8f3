/*
 * withhold.h
 *	  Taking what may be card data out of the texts of a log record.
 *
 * Knows nothing of the server: no error is raised, nothing is allocated. Texts
 * are edited in place and only become shorter, so it works where memory is
 * short and where an error would be one too many.
 */
#ifndef OP_WITHHOLD_H
#define OP_WITHHOLD_H

/* stands in place of what is withheld, cut short where there is less room */
#define OP_WITHHELD "(withheld)"

/* Does it hold a card number, or name what takes secrets? NULL does not. */
extern bool op_is_delicate(const char *text);

/* A quoted string of SQL, be it '...' or $...$...$; $1 is none. */
extern bool op_has_literal(const char *text);

/*
 * A text that must not be shown: a card number is in it, or it names what
 * takes secrets, and has literals.
 */
extern bool op_is_secret(const char *text);

/*
 * The same of a statement, where a secret may stand without quotation marks,
 * by mistake: not so if it has parameters.
 */
extern bool op_is_secret_statement(const char *statement);

/* The whole text, which is not NULL. */
extern void op_withhold(char *text);

/* Is a message of that format (NULL: unknown) one with a statement as its end? */
extern bool op_ends_with_statement(const char *format);

/* The statement with which it ends, or NULL if that is not found. */
extern char *op_statement_of(char *message, const char *format);

/*
 * A message that ends with a statement: what is told of it stays, the statement
 * goes. Of any other all goes from the first value on.
 */
extern void op_withhold_statement(char *message, const char *format);

/*
 * What stands between the first quotation mark and the last; all of it if it
 * has none, but should by its format.
 */
extern void op_withhold_quoted(char *message, const char *format);

/* The same of one about a name, which may end with the name without quotation marks. */
extern void op_withhold_name(char *message, const char *format);

/* A detail: from the first colon on, or all of it, unless it shows no value. */
extern void op_withhold_detail(char *detail);

/* The lines of a context: where in which function stays, values and statements go. */
extern void op_withhold_context(char *context);

#endif
