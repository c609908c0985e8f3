/*
 * form.c
 *	  Bodies of the type application/x-www-form-urlencoded; see form.h.
 */
#include "postgres.h"

#include "form.h"

typedef struct Reader
{
	const uint8 *next;
	const uint8 *end;
	uint8		*to;
} Reader;

/* Up to one of what ends it. */
static OpFormFault
read_part(Reader *reader, uint8 end, uint8 other_end, OpBytes *part)
{
	uint8 *start = reader->to;

	while (reader->next < reader->end && *reader->next != end && *reader->next != other_end)
	{
		uint8 c = *reader->next++;

		if (c == '%')
		{
			if (reader->end - reader->next < 2 ||
				!op_hex_decode((const char *) reader->next, 2, &c, 1))
				return OP_FORM_PERCENT;
			reader->next += 2;
		}
		else if (c == '+')
			c = ' ';
		if (c == '\0')
			return OP_FORM_ZERO;
		*reader->to++ = c;
	}
	*part = (OpBytes){start, (size_t) (reader->to - start)};
	return OP_FORM_GOOD;
}

static OpFormFault
read_field(Reader *reader, OpMessageField *field)
{
	OpFormFault fault = read_part(reader, '=', '&', &field->name);

	if (fault != OP_FORM_GOOD)
		return fault;
	if (field->name.size == 0 || reader->next == reader->end || *reader->next++ != '=')
		return OP_FORM_NAME;
	return read_part(reader, '&', '&', &field->value);
}

OpFormFault
op_form_read(OpBytes body, uint8 *bytes, OpFields *fields)
{
	Reader reader = {body.data, body.data + body.size, bytes};

	fields->n = 0;
	while (body.size > 0)
	{
		OpMessageField field;
		OpFormFault	   fault = read_field(&reader, &field);

		if (fault != OP_FORM_GOOD)
			return fault;
		if (!op_fields_add(fields, field))
			return OP_FORM_MANY;
		if (reader.next == reader.end)
			break;
		reader.next++; /* the & */
	}
	return op_fields_sort(fields) ? OP_FORM_GOOD : OP_FORM_TWICE;
}
