/*
 * withhold.c
 *	  Taking what may be card data out of the texts of a log record.
 *
 * A card number is told by its digits, but nothing tells a holder or a
 * password from any other word. So where a statement is delicate, whatever may
 * repeat a value of it goes, and only what the server says of itself stays.
 *
 * Messages are translated, so nothing here knows their words but for those of
 * functions in a context: places are found by punctuation, and where it is not
 * as expected everything goes.
 */
#include "postgres.h"

#include "redact.h"
#include "secret_words.h"
#include "withhold.h"

/* what values are written between or behind, in details and in contexts of the server */
#define DETAIL_MARKS  "\"'$=("
#define CONTEXT_MARKS DETAIL_MARKS ":"

/* stand for a value, however long it was */
#define STARS "***"

static inline bool
is_ascii_char(char c)
{
	return ((unsigned char) c & 0x80) == 0;
}

/*
 * The first byte that may belong to a value, or the end. Translations have
 * quotation marks of their own, beyond ASCII.
 */
static char *
find_value(char *text, const char *marks)
{
	while (*text != '\0' && is_ascii_char(*text) && strchr(marks, *text) == NULL)
		text++;
	return text;
}

bool
op_has_literal(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			return true;
		if (*text == '$' && text[1] != '\0' && !(text[1] >= '0' && text[1] <= '9'))
			return true;
	}
	return false;
}

static bool
has_parameter(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text == '$' && text[1] >= '1' && text[1] <= '9')
			return true;
	}
	return false;
}

bool
op_is_delicate(const char *text)
{
	size_t size;

	if (text == NULL)
		return false;
	size = strlen(text);
	return op_has_card_number(text, size) || op_names_secrets(text, size) ||
		   strcmp(text, OP_WITHHELD) == 0;
}

bool
op_is_secret(const char *text)
{
	size_t size;

	if (text == NULL)
		return false;
	size = strlen(text);
	return op_has_card_number(text, size) || (op_names_secrets(text, size) && op_has_literal(text));
}

/*
 * set_payment_password(7, "secret") and set_payment_password(7, secret) are
 * mistakes, but they are logged before the server finds that out.
 */
bool
op_is_secret_statement(const char *statement)
{
	size_t size;

	if (statement == NULL)
		return false;
	size = strlen(statement);
	return op_has_card_number(statement, size) ||
		   (op_names_secrets(statement, size) &&
			(op_has_literal(statement) ||
			 (!has_parameter(statement) && strpbrk(statement, "(\"") != NULL)));
}

void
op_withhold(char *text)
{
	size_t size = strlen(text);
	size_t n = Min(size, sizeof(OP_WITHHELD) - 1);

	memcpy(text, OP_WITHHELD, n);
	explicit_bzero(text + n, size - n);
}

/* How often a colon is in it that a space or a new line follows. */
static int
count_colons(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
	{
		if (*text == ':' && (text[1] == ' ' || text[1] == '\n'))
			n++;
	}
	return n;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t size = strlen(text);
	size_t n = strlen(end);

	return size >= n && strcmp(text + size - n, end) == 0;
}

bool
op_ends_with_statement(const char *format)
{
	return format != NULL && (ends_with(format, ": %s") || ends_with(format, ":\n%s"));
}

/* Behind as many colons as the format has. */
char *
op_statement_of(char *message, const char *format)
{
	char *statement = message;
	int	  n;

	if (!op_ends_with_statement(format))
		return NULL;
	for (n = count_colons(format); n > 0 && *statement != '\0'; statement++)
	{
		if (*statement == ':' && (statement[1] == ' ' || statement[1] == '\n'))
			n--;
	}
	return n == 0 && *statement != '\0' ? statement + 1 : NULL;
}

void
op_withhold_statement(char *message, const char *format)
{
	char *value = op_statement_of(message, format);
	char  saved;
	bool  fits;

	if (!op_ends_with_statement(format))
	{
		value = find_value(message, DETAIL_MARKS);
		op_withhold(*value != '\0' ? value : message);
		return;
	}
	if (value == NULL)
	{
		op_withhold(message);
		return;
	}

	/* a translation with other colons would leave a part of the statement in front */
	saved = *value;
	*value = '\0';
	fits = !op_is_secret(message) && strchr(message, '\'') == NULL;
	*value = saved;
	op_withhold(fits ? value : message);
}

void
op_withhold_quoted(char *message, const char *format)
{
	char  *first = strchr(message, '"');
	char  *last = strrchr(message, '"');
	size_t n;

	if (first == NULL)
	{
		if (format != NULL && strchr(format, '"') != NULL)
			op_withhold(message);
		return;
	}
	/* one mark alone is that of a value that was cut off */
	if (first == last)
	{
		op_withhold(first);
		return;
	}
	n = Min((size_t) (last - first) - 1, sizeof(STARS) - 1);
	memcpy(first + 1, STARS, n);
	memmove(first + 1 + n, last, strlen(last) + 1);
}

void
op_withhold_name(char *message, const char *format)
{
	if (strchr(message, '"') == NULL && op_ends_with_statement(format))
		op_withhold_statement(message, format);
	else
		op_withhold_quoted(message, format);
}

void
op_withhold_detail(char *detail)
{
	char *colon = strstr(detail, ": ");

	if (*find_value(detail, DETAIL_MARKS) == '\0' && !op_is_delicate(detail))
		return;
	op_withhold(colon != NULL ? colon + 2 : detail);
}

/* Lines that show a place in a function and its arguments' types, never a value. */
static bool
is_place(const char *line, size_t size)
{
	static const char *const begins[] = {"PL/pgSQL function ", "SQL function \"",
										 "compilation of PL/pgSQL function \""};

	for (int i = 0; i < (int) lengthof(begins); i++)
	{
		size_t n = strlen(begins[i]);

		if (size > n && strncmp(line, begins[i], n) == 0 &&
			!op_has_card_number(line, size) && memchr(line, '\'', size) == NULL)
			return true;
	}
	return false;
}

/*
 * Writes what stays of an entry's first line, and the remark, to a place at or
 * before it; returns the end of that. next: where the following line begins.
 */
static char *
withhold_line(char *to, char *line, size_t size, const char *next)
{
	size_t kept = find_value(line, CONTEXT_MARKS) - line;
	bool   is_last = line + size == next;
	size_t n;

	/* a line with no mark at all is none that we know */
	if (kept >= size)
		kept = 0;
	else if (strncmp(line + kept, ": ", 2) == 0)
		kept += 2;
	memmove(to, line, kept);
	to += kept;
	n = Min((size_t) (next - to) - (is_last ? 0 : 1), sizeof(OP_WITHHELD) - 1);
	memcpy(to, OP_WITHHELD, n);
	to += n;
	if (!is_last)
		*to++ = '\n';
	return to;
}

/*
 * A line that is no place begins an entry; lines up to the next place belong
 * to it, and go.
 */
void
op_withhold_context(char *context)
{
	char *end = context + strlen(context);
	char *to = context;
	char *line = context;
	bool  in_entry = false;

	while (line < end)
	{
		char  *stop = strchr(line, '\n');
		size_t size = (stop != NULL ? stop : end) - line;
		char  *next = stop != NULL ? stop + 1 : end;

		if (is_place(line, size))
		{
			memmove(to, line, next - line);
			to += next - line;
			in_entry = false;
		}
		else if (!in_entry)
		{
			to = withhold_line(to, line, size, next);
			in_entry = true;
		}
		line = next;
	}
	explicit_bzero(to, end - to);
	if (to > context && to[-1] == '\n')
		to[-1] = '\0';
}
