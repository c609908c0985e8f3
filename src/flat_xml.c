/*
 * flat_xml.c
 *	  Bodies of flat XML; see flat_xml.h.
 */
#include "postgres.h"

#include "flat_xml.h"

#define ROOT		"xml"
#define CDATA_BEGIN "<![CDATA["
#define CDATA_END	"]]>"

typedef struct Reader
{
	const uint8 *next;
	const uint8 *end;
	uint8		*to;
} Reader;

static const struct
{
	const char *reference;
	uint8		character;
} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};

/* ---------- characters ---------- */

static bool
is_next(const Reader *reader, const char *text)
{
	return (size_t) (reader->end - reader->next) >= strlen(text) &&
		   memcmp(reader->next, text, strlen(text)) == 0;
}

static bool
take(Reader *reader, const char *text)
{
	if (!is_next(reader, text))
		return false;
	reader->next += strlen(text);
	return true;
}

static bool
is_blank(uint8 c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
skip_blanks(Reader *reader)
{
	const uint8 *start = reader->next;

	while (reader->next < reader->end && is_blank(*reader->next))
		reader->next++;
	return reader->next > start;
}

static bool
begins_name(uint8 c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool
continues_name(uint8 c)
{
	return begins_name(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool
take_name(Reader *reader, OpBytes *name)
{
	const uint8 *start = reader->next;

	if (start == reader->end || !begins_name(*start))
		return false;
	while (reader->next < reader->end && continues_name(*reader->next))
		reader->next++;
	*name = (OpBytes){start, (size_t) (reader->next - start)};
	return true;
}

/* One that XML allows; the end of a line is \n, however it is written. */
static bool
copy_character(Reader *reader)
{
	uint8 c = *reader->next++;

	if (c < ' ' && !is_blank(c))
		return false;
	if (c == '\r')
	{
		take(reader, "\n");
		c = '\n';
	}
	*reader->to++ = c;
	return true;
}

/* ---------- values ---------- */

static bool
copy_cdata(Reader *reader)
{
	while (!take(reader, CDATA_END))
	{
		if (reader->next == reader->end || !copy_character(reader))
			return false;
	}
	return true;
}

static bool
copy_reference(Reader *reader)
{
	for (size_t i = 0; i < lengthof(entities); i++)
	{
		if (take(reader, entities[i].reference))
		{
			*reader->to++ = entities[i].character;
			return true;
		}
	}
	return false;
}

/* Up to the next "<". */
static bool
copy_text(Reader *reader)
{
	while (reader->next < reader->end && *reader->next != '<')
	{
		if (*reader->next == '&')
		{
			if (!copy_reference(reader))
				return false;
		}
		else if (is_next(reader, CDATA_END) || !copy_character(reader))
			return false;
	}
	return true;
}

static bool
copy_value(Reader *reader, OpBytes *value)
{
	uint8 *start = reader->to;

	for (;;)
	{
		if (!copy_text(reader))
			return false;
		if (!take(reader, CDATA_BEGIN))
			break;
		if (!copy_cdata(reader))
			return false;
	}
	*value = (OpBytes){start, (size_t) (reader->to - start)};
	return true;
}

/* ---------- elements ---------- */

static bool
take_end_tag(Reader *reader, OpBytes name)
{
	OpBytes found;

	return take(reader, "</") && take_name(reader, &found) && found.size == name.size &&
		   memcmp(found.data, name.data, name.size) == 0 && take(reader, ">");
}

static bool
read_element(Reader *reader, OpMessageField *field)
{
	if (!take(reader, "<") || !take_name(reader, &field->name))
		return false;
	field->value = (OpBytes){reader->to, 0};
	if (take(reader, "/>"))
		return true;
	return take(reader, ">") && copy_value(reader, &field->value) &&
		   take_end_tag(reader, field->name);
}

/* name="..." with one of the values that are known */
static bool
take_setting(Reader *reader, const char *name, const char *const values[])
{
	const char *quote;

	if (!skip_blanks(reader) || !take(reader, name) || !take(reader, "="))
		return false;
	quote = is_next(reader, "\"") ? "\"" : "'";
	if (!take(reader, quote))
		return false;
	while (*values != NULL)
	{
		if (take(reader, *values++))
			return take(reader, quote);
	}
	return false;
}

/* Where there is one, it says what we know. */
static bool
skip_declaration(Reader *reader)
{
	static const char *const versions[] = {"1.0", NULL};
	static const char *const encodings[] = {"UTF-8", "utf-8", NULL};
	static const char *const choices[] = {"yes", "no", NULL};
	Reader					 back;

	if (!take(reader, "<?xml"))
		return true;
	if (!take_setting(reader, "version", versions))
		return false;
	back = *reader;
	if (!take_setting(reader, "encoding", encodings))
		*reader = back;
	back = *reader;
	if (!take_setting(reader, "standalone", choices))
		*reader = back;
	skip_blanks(reader);
	return take(reader, "?>");
}

bool
op_flat_xml_read(OpBytes body, uint8 *bytes, OpFields *fields)
{
	Reader reader = {body.data, body.data + body.size, bytes};

	fields->n = 0;
	if (!skip_declaration(&reader))
		return false;
	skip_blanks(&reader);
	if (!take(&reader, "<" ROOT ">"))
		return false;
	for (;;)
	{
		OpMessageField field;

		skip_blanks(&reader);
		if (is_next(&reader, "</"))
			break;
		if (!read_element(&reader, &field) || !op_fields_add(fields, field))
			return false;
	}
	if (!take(&reader, "</" ROOT ">"))
		return false;
	skip_blanks(&reader);
	return reader.next == reader.end && op_fields_sort(fields);
}
