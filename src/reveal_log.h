/*
 * reveal_log.h
 *	  The record of each reveal, and the budget of each role.
 */
#ifndef OP_REVEAL_LOG_H
#define OP_REVEAL_LOG_H

/* What somebody is about to see. None of it is a secret. */
typedef struct OpReveal
{
	const char *what;  /* 'reveal', 'lookup' or 'request' */
	const char *field; /* as seal() calls it: 'number', ... */
	int			key_id;
	const void *bound_to; /* NULL: bound to nothing that is known */
	size_t		bound_to_size;
	int			units; /* of the budget of the role: 1 for each value */
} OpReveal;

/*
 * Returns only if the record is committed and the budget of the current role
 * allows it: only then may the secret be computed. For the second library too.
 */
extern PGDLLEXPORT void op_record_reveal(const OpReveal *reveal);

#endif
