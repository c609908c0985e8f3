/*
 * fields.h
 *	  Named fields of a message, in whatever form it came. Knows nothing of the
 *	  server.
 *
 * A message of a gateway has a few dozen fields. That there is a limit keeps one
 * with a hundred thousand, which anybody can send, from being sorted.
 */
#ifndef OP_FIELDS_H
#define OP_FIELDS_H

#include "crypto.h"

#define OP_FIELDS_MAX 1000

typedef struct OpMessageField
{
	OpBytes name;
	OpBytes value;
} OpMessageField;

typedef struct OpFields
{
	size_t		   n;
	OpMessageField field[OP_FIELDS_MAX];
} OpFields;

/* False if there is no room for one more. */
extern bool op_fields_add(OpFields *fields, OpMessageField field);

/* By the bytes of their names. False if two have the same name. */
extern bool op_fields_sort(OpFields *fields);

/* NULL: there is none of that name. */
extern const OpMessageField *op_fields_find(const OpFields *fields, const char *name);

extern bool op_bytes_are(OpBytes bytes, const char *text);

/*
 * Writes name=value of those that are wanted, with & between them, as they are
 * sorted; returns how many bytes. text has room for op_fields_size().
 */
typedef bool (*OpFieldFilter)(const OpMessageField *field);

extern size_t op_fields_size(const OpFields *fields);
extern size_t op_fields_join(const OpFields *fields, OpFieldFilter is_wanted, uint8 *text);

#endif
