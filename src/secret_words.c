/*
 * secret_words.c
 *		The names of what takes secrets that no pattern tells from other words.
 *
 * A word is what the server's scanner takes for an identifier or a keyword,
 * whatever its capitals, and wherever it stands: in quotation marks, in a
 * comment, in a string.  Most words are told from ours by their first letter.
 * Every byte is looked at a few times at most, whatever the text.
 */
#include "postgres.h"

#include "secret_words.h"

typedef enum WordForm
{
	WHOLE,	   /* an identifier of its own */
	BEGIN,	   /* identifiers that begin so */
	CALL,	   /* a word of everyday use: only where it is called */
	LONG_CALL, /* only where it is called with so many arguments that a secret may be among them */
	UNICODE	   /* U&"...", which may spell any name by the numbers of its letters */
} WordForm;

typedef struct Word
{
	const char *text;
	uint8		size;
	uint8		form;
} Word;

#define WORD(text, form) \
	{ \
		text, sizeof(text) - 1, form \
	}

/* clang-format off */
/* In lower case, by their first letter. */
static const Word words_a[] = {
	WORD("admit_payment", WHOLE),
};
static const Word words_c[] = {
	WORD("card_expiry", WHOLE),
	WORD("card_fingerprints", WHOLE),
	WORD("card_holder", WHOLE),
	WORD("cardholder", WHOLE),
	WORD("create_payment", LONG_CALL),
	WORD("cvc", WHOLE),
	WORD("cvc2", WHOLE),
	WORD("cvn", WHOLE),
	WORD("cvv", WHOLE),
	WORD("cvv2", WHOLE),
};
static const Word words_e[] = {
	WORD("encrypt_amount", WHOLE),
};
static const Word words_f[] = {
	WORD("find_card", BEGIN),
};
static const Word words_h[] = {
	WORD("holder", WHOLE),
};
static const Word words_p[] = {
	WORD("password", WHOLE),
	WORD("payment_password", BEGIN),
};
static const Word words_s[] = {
	WORD("seal", CALL),
	WORD("set_gateway_secret", WHOLE),
	WORD("set_payment_password", WHOLE),
};
static const Word words_u[] = {
	WORD("u", UNICODE),
};
static const Word words_v[] = {
	WORD("verify_payment_password", WHOLE),
};

/* capitals are alike here */
#define INITIAL(c)	  ((unsigned char) (c) & 31)
#define WORDS(of)	  {of, lengthof(of)}

static const struct
{
	const Word *words;
	size_t		n;
} words_by_initial[32] = {
	[INITIAL('a')] = WORDS(words_a),
	[INITIAL('c')] = WORDS(words_c),
	[INITIAL('e')] = WORDS(words_e),
	[INITIAL('f')] = WORDS(words_f),
	[INITIAL('h')] = WORDS(words_h),
	[INITIAL('p')] = WORDS(words_p),
	[INITIAL('s')] = WORDS(words_s),
	[INITIAL('u')] = WORDS(words_u),
	[INITIAL('v')] = WORDS(words_v),
};
/* clang-format on */

static const Word execute = WORD("execute", WHOLE);

/* arguments of create_payment() before the holder of the card, which is text of any kind */
#define BEFORE_HOLDER 10

static OpSecretNames own;

/* ---------- characters ---------- */

/* Letters, digits, underscore and dollar sign; every byte beyond ASCII counts as a letter. */
static const uint32 word_bytes[8] = {
	0,			/* controls */
	0x03FF0010, /* '$' and '0' to '9' */
	0x87FFFFFE, /* 'A' to 'Z' and '_' */
	0x07FFFFFE, /* 'a' to 'z' */
	UINT32_MAX,
	UINT32_MAX,
	UINT32_MAX,
	UINT32_MAX,
};

static inline bool
continues_word(unsigned char c)
{
	return (word_bytes[c >> 5] >> (c & 31)) & 1;
}

static inline char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static inline bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---------- one word ---------- */

/*
 * Does an opening parenthesis follow, but for white space and the closing
 * quote of the name? A comment in between is taken for one.
 */
static bool
is_called(const char *text, size_t size, size_t at)
{
	while (at < size && (is_blank(text[at]) || text[at] == '"'))
		at++;
	return at < size && (text[at] == '(' || text[at] == '/' || text[at] == '-');
}

/* Do so many commas follow? Those in strings, and behind the call, count as well. */
static bool
has_commas(int n, const char *text, size_t size, size_t at)
{
	for (; n > 0 && at < size; at++)
	{
		if (text[at] == ',')
			n--;
	}
	return n == 0;
}

static bool
equals(const char *lower_case, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
	{
		if (lower(text[i]) != lower_case[i])
			return false;
	}
	return true;
}

/* The word from start to end. */
static bool
is_word(const Word *word, const char *text, size_t size, size_t start, size_t end)
{
	size_t length = end - start;

	if (word->form == BEGIN ? length < word->size : length != word->size)
		return false;
	if (!equals(word->text, word->size, text + start))
		return false;
	switch (word->form)
	{
		case CALL:
		case LONG_CALL:
			return is_called(text, size, end);
		case UNICODE:
			return size - end >= 2 && text[end] == '&' && text[end + 1] == '"';
		default:
			return true;
	}
}

static bool
is_own(const char *text, size_t length)
{
	for (int i = 0; i < own.n; i++)
	{
		if (own.sizes[i] == length && equals(own.names[i], length, text))
			return true;
	}
	return false;
}

/* ---------- words of a text ---------- */

/* The next word from *end on; false if there is none. */
static inline bool
next_word(const char *text, size_t size, size_t *start, size_t *end)
{
	size_t at = *end;

	while (at < size && !continues_word((unsigned char) text[at]))
		at++;
	*start = at;
	while (at < size && continues_word((unsigned char) text[at]))
		at++;
	*end = at;
	return at > *start;
}

/* Does the word name a secret? Where a call was too short for one, those behind it are as well. */
static bool
is_secret_word(const char *text, size_t size, size_t start, size_t end, bool *is_short)
{
	int initial = INITIAL(text[start]);

	for (size_t i = 0; i < words_by_initial[initial].n; i++)
	{
		const Word *word = &words_by_initial[initial].words[i];

		if (!is_word(word, text, size, start, end))
			continue;
		if (word->form != LONG_CALL)
			return true;
		*is_short = *is_short || !has_commas(BEFORE_HOLDER, text, size, end);
		if (!*is_short)
			return true;
	}
	return own.n > 0 && is_own(text + start, end - start);
}

bool
op_names_secrets(const char *text, size_t size)
{
	bool   is_short = false;
	size_t start;
	size_t end = 0;

	while (next_word(text, size, &start, &end))
	{
		if (is_secret_word(text, size, start, end, &is_short))
			return true;
	}
	return false;
}

bool
op_names_execute(const char *text, size_t size)
{
	size_t start;
	size_t end = 0;

	while (next_word(text, size, &start, &end))
	{
		if (is_word(&execute, text, size, start, end))
			return true;
	}
	return false;
}

/* ---------- names of the administrator ---------- */

static bool
add_name(OpSecretNames *names, const char *text, size_t size)
{
	if (names->n == OP_SECRET_NAMES_MAX || size >= OP_SECRET_NAME_SIZE)
		return false;
	for (size_t i = 0; i < size; i++)
		names->names[names->n][i] = lower(text[i]);
	names->sizes[names->n++] = (uint8) size;
	return true;
}

bool
op_read_secret_names(const char *list, OpSecretNames *names)
{
	memset(names, 0, sizeof(*names));
	while (*list != '\0')
	{
		size_t size = 0;

		while (continues_word((unsigned char) list[size]))
			size++;
		if (size > 0 && !add_name(names, list, size))
			return false;
		list += size;
		if (*list != '\0' && *list != ',' && !is_blank(*list))
			return false;
		if (*list != '\0')
			list++;
	}
	return true;
}

void
op_use_secret_names(const OpSecretNames *names)
{
	own = *names;
}
