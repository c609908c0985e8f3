/*
 * fields.c
 *	  Named fields of a message; see fields.h.
 */
#include "postgres.h"

#include "fields.h"

bool
op_fields_add(OpFields *fields, OpMessageField field)
{
	if (fields->n == OP_FIELDS_MAX)
		return false;
	fields->field[fields->n++] = field;
	return true;
}

/* The order of strcmp(), for names that have lengths. */
static int
compare_names(const void *a, const void *b)
{
	const OpBytes *left = &((const OpMessageField *) a)->name;
	const OpBytes *right = &((const OpMessageField *) b)->name;
	int			   order = memcmp(left->data, right->data, Min(left->size, right->size));

	if (order != 0)
		return order;
	return left->size < right->size ? -1 : left->size > right->size;
}

bool
op_fields_sort(OpFields *fields)
{
	qsort(fields->field, fields->n, sizeof(OpMessageField), compare_names);
	for (size_t i = 1; i < fields->n; i++)
	{
		if (compare_names(&fields->field[i - 1], &fields->field[i]) == 0)
			return false;
	}
	return true;
}

bool
op_bytes_are(OpBytes bytes, const char *text)
{
	return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

const OpMessageField *
op_fields_find(const OpFields *fields, const char *name)
{
	for (size_t i = 0; i < fields->n; i++)
	{
		if (op_bytes_are(fields->field[i].name, name))
			return &fields->field[i];
	}
	return NULL;
}

size_t
op_fields_size(const OpFields *fields)
{
	size_t size = 0;

	for (size_t i = 0; i < fields->n; i++)
		size += fields->field[i].name.size + fields->field[i].value.size + 2;
	return size;
}

static uint8 *
append(uint8 *to, OpBytes bytes)
{
	memcpy(to, bytes.data, bytes.size);
	return to + bytes.size;
}

size_t
op_fields_join(const OpFields *fields, OpFieldFilter is_wanted, uint8 *text)
{
	uint8 *to = text;

	for (size_t i = 0; i < fields->n; i++)
	{
		if (!is_wanted(&fields->field[i]))
			continue;
		if (to > text)
			*to++ = '&';
		to = append(to, fields->field[i].name);
		*to++ = '=';
		to = append(to, fields->field[i].value);
	}
	return (size_t) (to - text);
}
