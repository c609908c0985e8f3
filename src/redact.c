/*
 * redact.c
 *		Finding card numbers in any text, and masking them.
 *
 * A run is a sequence of digits with at most MAX_GAP separators (blanks and
 * hyphens) between any two of them, as long as it goes. Digits are those of
 * ASCII and their full-width twins, as input methods for Chinese and Japanese
 * write them. A blank may be encoded for a URL. An underscore separates groups
 * of four, as in a literal: elsewhere it joins words.
 *
 *		fewer than 12 digits			no card has so few: passes
 *		12 to 19, not separated			is masked if Luhn's check holds, or a
 *										brand is known to begin so, or it ends in
 *										a number of such a brand (%20, \040 and
 *										the like end in digits and may stand
 *										before it); other numbers of that size
 *										(times, keys) mostly pass
 *		12 to 19, separated				is masked: only cards are written so
 *		5 to 11, beside "..."			is masked: where the server cuts a value
 *										short, it may have cut a number
 *		within a UUID					passes, whatever it looks like: log lines are
 *										found again by the keys in them
 *		more than 19					is masked: it may hold a number anywhere,
 *										and so are digits in hexadecimal, or bytes
 *										in decimal, of a number in a dumped value
 *
 * Masking writes stars over the digits, a byte for a byte, and nothing else:
 * the text keeps its size and its encoding.  The text may hold anything; bytes
 * that are no UTF-8 are bytes between runs.  Every byte is looked at a few
 * times at most, whatever the text.
 */
#include "postgres.h"

#include "pan.h"
#include "redact.h"

#define MAX_GAP	  3
#define GROUP	  4 /* digits between underscores */
#define CUT_MIN	  5 /* digits that tell more of a number than its mask does */
#define UUID_SIZE 36
#define WIDE_SIZE 3 /* bytes of a digit, or separator, beyond ASCII */

typedef struct Run
{
	size_t start;
	size_t end; /* behind its last digit */
	int	   count;
	bool   separated;
	char   digits[OP_PAN_MAX]; /* the first ones */
} Run;

/* ---------- characters ---------- */

/* The bytes of the digit that begins here, and its value as ASCII; or 0. */
static inline int
digit_at(const unsigned char *text, size_t size, size_t at, char *digit)
{
	if (text[at] >= '0' && text[at] <= '9')
	{
		*digit = (char) text[at];
		return 1;
	}
	/* U+FF10 to U+FF19 */
	if (text[at] == 0xEF && size - at >= WIDE_SIZE && text[at + 1] == 0xBC &&
		text[at + 2] >= 0x90 && text[at + 2] <= 0x99)
	{
		*digit = (char) ('0' + (text[at + 2] - 0x90));
		return WIDE_SIZE;
	}
	return 0;
}

/* Separators beyond ASCII: the first two bytes, and a range of the third. */
static const struct
{
	unsigned char first;
	unsigned char second;
	unsigned char low;
	unsigned char high;
} wide_separators[] = {
	{0xE2, 0x80, 0x80, 0x95}, /* U+2000 to U+2015: spaces of any width, hyphens, dashes */
	{0xE2, 0x80, 0xAF, 0xAF}, /* U+202F: narrow no-break space */
	{0xE2, 0x88, 0x92, 0x92}, /* U+2212: minus */
	{0xE3, 0x80, 0x80, 0x80}, /* U+3000: ideographic space */
	{0xEF, 0xBC, 0x8D, 0x8D}, /* U+FF0D: full-width hyphen */
};

/* The bytes of the separator that begins here, or 0. */
static int
separator_at(const unsigned char *text, size_t size, size_t at)
{
	if (text[at] == ' ' || text[at] == '-' || text[at] == '\t' || text[at] == '+')
		return 1;
	if (text[at] == '%')
		return size - at >= 3 && text[at + 1] == '2' && text[at + 2] == '0' ? 3 : 0;
	if (text[at] < 0x80)
		return 0;
	/* U+00A0; alone it is the same in the Latin encodings */
	if (text[at] == 0xA0)
		return 1;
	if (text[at] == 0xC2)
		return size - at >= 2 && text[at + 1] == 0xA0 ? 2 : 0;
	if (size - at < WIDE_SIZE)
		return 0;
	for (size_t i = 0; i < lengthof(wide_separators); i++)
	{
		if (text[at] == wide_separators[i].first && text[at + 1] == wide_separators[i].second &&
			text[at + 2] >= wide_separators[i].low && text[at + 2] <= wide_separators[i].high)
			return WIDE_SIZE;
	}
	return 0;
}

/* ---------- runs ---------- */

/* The place behind the separators that begin here, of which MAX_GAP are taken. */
static size_t
skip_gap(const unsigned char *text, size_t size, size_t at)
{
	for (int i = 0; i < MAX_GAP && at < size; i++)
	{
		int n = separator_at(text, size, at);

		if (n == 0)
			break;
		at += n;
	}
	return at;
}

static inline bool
is_ascii_digit(const unsigned char *text, size_t size, size_t at)
{
	return at < size && text[at] >= '0' && text[at] <= '9';
}

/* An underscore between just GROUP digits and another one. */
static bool
joins_groups(const unsigned char *text, size_t size, size_t at)
{
	size_t n = 0;

	if (at >= size || text[at] != '_' || !is_ascii_digit(text, size, at + 1))
		return false;
	while (n < at && n <= GROUP && is_ascii_digit(text, size, at - n - 1))
		n++;
	return n == GROUP;
}

/*
 * The next run from *at on, which is moved behind it; false if there is none.
 * The separators after it may end in digits, so they are looked at again.
 */
static bool
next_run(const unsigned char *text, size_t size, size_t *at, Run *run)
{
	size_t i = *at;
	char   digit = 0;
	int	   n = 0;

	while (i < size && (n = digit_at(text, size, i, &digit)) == 0)
		i++;
	*at = i;
	if (i == size)
		return false;

	run->start = i;
	run->count = 0;
	run->separated = false;
	while (n > 0)
	{
		if (run->count < OP_PAN_MAX)
			run->digits[run->count] = digit;
		if (run->count <= OP_PAN_MAX)
			run->count++;
		run->end = i + n;
		i = joins_groups(text, size, run->end) ? run->end + 1 : skip_gap(text, size, run->end);
		n = i < size ? digit_at(text, size, i, &digit) : 0;
		if (n > 0 && i > run->end)
			run->separated = true;
	}
	*at = run->end;
	return true;
}

/* Do the last digits make a card number that is right in all, of a known brand? */
static bool
ends_in_card(const Run *run)
{
	for (int i = 1; run->count - i >= OP_PAN_MIN; i++)
	{
		if (op_pan_brand(run->digits + i, run->count - i) != NULL &&
			op_pan_check(run->digits + i, run->count - i) == OP_PAN_GOOD)
			return true;
	}
	return false;
}

static bool
is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Does a UUID (RFC 9562, 8-4-4-4-12) begin here, and nothing of the kind go on behind it? */
static bool
is_uuid(const unsigned char *text, size_t size, size_t at)
{
	if (size - at < UUID_SIZE)
		return false;
	for (size_t i = 0; i < UUID_SIZE; i++)
	{
		bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_hyphen ? text[at + i] != '-' : !is_hex(text[at + i]))
			return false;
	}
	at += UUID_SIZE;
	return at == size || !(is_hex(text[at]) || text[at] == '-');
}

static bool
is_in_uuid(const unsigned char *text, size_t size, const Run *run)
{
	size_t start = run->start;

	while (start > 0 && run->start - start < UUID_SIZE &&
		   (is_hex(text[start - 1]) || text[start - 1] == '-'))
		start--;
	return is_uuid(text, size, start) && run->end <= start + UUID_SIZE;
}

static bool
is_cut(const unsigned char *text, size_t size, const Run *run)
{
	static const char mark[] = "...";
	const size_t	  n = sizeof(mark) - 1;

	return (run->start >= n && memcmp(text + run->start - n, mark, n) == 0) ||
		   (size - run->end >= n && memcmp(text + run->end, mark, n) == 0);
}

static bool
is_card(const unsigned char *text, size_t size, const Run *run)
{
	if (run->count >= CUT_MIN && is_cut(text, size, run))
		return true;
	if (run->count < OP_PAN_MIN || is_in_uuid(text, size, run))
		return false;
	return run->count > OP_PAN_MAX || run->separated ||
		   op_pan_brand(run->digits, run->count) != NULL ||
		   op_pan_luhn(run->digits, run->count) || ends_in_card(run);
}

bool
op_has_card_number(const char *text, size_t size)
{
	size_t at = 0;
	Run	   run;
	bool   found = false;

	while (!found && next_run((const unsigned char *) text, size, &at, &run))
		found = is_card((const unsigned char *) text, size, &run);
	explicit_bzero(&run, sizeof(run));
	return found;
}

static void
mask_run(unsigned char *text, size_t size, const Run *run)
{
	size_t i = run->start;

	while (i < run->end)
	{
		char digit;
		int	 n = digit_at(text, size, i, &digit);

		memset(text + i, '*', n);
		i += n > 0 ? n : 1;
	}
}

int
op_redact_card_numbers(char *text, size_t size)
{
	unsigned char *bytes = (unsigned char *) text;
	size_t		   at = 0;
	int			   found = 0;
	Run			   run;

	while (next_run(bytes, size, &at, &run))
	{
		if (is_card(bytes, size, &run))
		{
			mask_run(bytes, size, &run);
			found++;
		}
	}
	explicit_bzero(&run, sizeof(run));
	return found;
}
