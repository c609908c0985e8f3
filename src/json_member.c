/*
 * json_member.c
 *	  The members of a JSON object; see json_member.h.
 */
#include "postgres.h"

#include "json_member.h"

#define DEPTH_MAX 64

typedef struct Reader
{
	const uint8 *next;
	const uint8 *end;
} Reader;

static bool skip_value(Reader *reader, int depth);

/* ---------- characters ---------- */

static void
skip_blanks(Reader *reader)
{
	while (reader->next < reader->end &&
		   (*reader->next == ' ' || *reader->next == '\t' || *reader->next == '\n' ||
			*reader->next == '\r'))
		reader->next++;
}

static bool
take(Reader *reader, char c)
{
	if (reader->next == reader->end || *reader->next != (uint8) c)
		return false;
	reader->next++;
	return true;
}

/* The same after blanks. */
static bool
take_sign(Reader *reader, char c)
{
	skip_blanks(reader);
	return take(reader, c);
}

static bool
take_word(Reader *reader, const char *word)
{
	if ((size_t) (reader->end - reader->next) < strlen(word) ||
		memcmp(reader->next, word, strlen(word)) != 0)
		return false;
	reader->next += strlen(word);
	return true;
}

/* ---------- strings and numbers ---------- */

static bool
skip_escape(Reader *reader)
{
	uint8 code[2];

	if (take(reader, 'u'))
	{
		if (reader->end - reader->next < 4 ||
			!op_hex_decode((const char *) reader->next, 4, code, sizeof(code)))
			return false;
		reader->next += 4;
		return true;
	}
	if (reader->next == reader->end || *reader->next == '\0' ||
		strchr("\"\\/bfnrt", *reader->next) == NULL)
		return false;
	reader->next++;
	return true;
}

/* What is between the quotation marks. */
static bool
take_string(Reader *reader, OpBytes *content)
{
	const uint8 *start;

	if (!take(reader, '"'))
		return false;
	start = reader->next;
	while (reader->next < reader->end && *reader->next != '"')
	{
		uint8 c = *reader->next++;

		if (c < ' ' || (c == '\\' && !skip_escape(reader)))
			return false;
	}
	*content = (OpBytes){start, (size_t) (reader->next - start)};
	return take(reader, '"');
}

static bool
skip_digits(Reader *reader)
{
	const uint8 *start = reader->next;

	while (reader->next < reader->end && *reader->next >= '0' && *reader->next <= '9')
		reader->next++;
	return reader->next > start;
}

static bool
skip_number(Reader *reader)
{
	take(reader, '-');
	if (!take(reader, '0') && !skip_digits(reader))
		return false;
	if (take(reader, '.') && !skip_digits(reader))
		return false;
	if (take(reader, 'e') || take(reader, 'E'))
	{
		if (!take(reader, '+'))
			take(reader, '-');
		return skip_digits(reader);
	}
	return true;
}

/* ---------- arrays and objects ---------- */

static bool
skip_array(Reader *reader, int depth)
{
	if (take_sign(reader, ']'))
		return true;
	do
	{
		if (!skip_value(reader, depth))
			return false;
	} while (take_sign(reader, ','));
	return take_sign(reader, ']');
}

static bool
take_name(Reader *reader, OpBytes *name)
{
	skip_blanks(reader);
	return take_string(reader, name) && take_sign(reader, ':');
}

static bool
skip_object(Reader *reader, int depth)
{
	OpBytes name;

	if (take_sign(reader, '}'))
		return true;
	do
	{
		if (!take_name(reader, &name) || !skip_value(reader, depth))
			return false;
	} while (take_sign(reader, ','));
	return take_sign(reader, '}');
}

static bool
skip_value(Reader *reader, int depth)
{
	OpBytes content;

	skip_blanks(reader);
	if (reader->next == reader->end)
		return false;
	switch (*reader->next)
	{
		case '{':
			reader->next++;
			return depth < DEPTH_MAX && skip_object(reader, depth + 1);
		case '[':
			reader->next++;
			return depth < DEPTH_MAX && skip_array(reader, depth + 1);
		case '"':
			return take_string(reader, &content);
		case 't':
			return take_word(reader, "true");
		case 'f':
			return take_word(reader, "false");
		case 'n':
			return take_word(reader, "null");
		default:
			return skip_number(reader);
	}
}

static bool
is_at_end(Reader *reader)
{
	skip_blanks(reader);
	return reader->next == reader->end;
}

bool
op_json_is_valid(OpBytes text)
{
	Reader reader = {text.data, text.data + text.size};

	return skip_value(&reader, 0) && is_at_end(&reader);
}

static bool
take_member(Reader *reader, OpMessageField *member)
{
	if (!take_name(reader, &member->name) || member->name.size == 0 ||
		memchr(member->name.data, '\\', member->name.size) != NULL)
		return false;
	skip_blanks(reader);
	member->value.data = reader->next;
	if (!skip_value(reader, 1))
		return false;
	member->value.size = (size_t) (reader->next - member->value.data);
	return true;
}

bool
op_json_members(OpBytes text, OpFields *members)
{
	Reader		   reader = {text.data, text.data + text.size};
	OpMessageField member;

	members->n = 0;
	if (!take_sign(&reader, '{'))
		return false;
	if (take_sign(&reader, '}'))
		return is_at_end(&reader);
	do
	{
		if (!take_member(&reader, &member) || !op_fields_add(members, member))
			return false;
	} while (take_sign(&reader, ','));
	return take_sign(&reader, '}') && is_at_end(&reader) && op_fields_sort(members);
}
