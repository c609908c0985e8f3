/* needs src/pan.c src/redact.c src/secret_words.c */
/*
 * fuzz_redact.c
 *		Redaction of any bytes: what it changes, and what it leaves.
 *
 * That no number is left is not only asked of the code itself: a plain search
 * of its own knows the two ways in which most numbers are written.
 */
#include "postgres.h"

#include <stdlib.h>

#include "fuzz.h"
#include "pan.h"
#include "redact.h"
#include "secret_words.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Luhn's check, written in another way than in pan.c. */
static bool
is_luhn(const char *digits, int n)
{
	int sum = 0;

	for (int i = n - 1, place = 0; i >= 0; i--, place++)
	{
		int d = digits[i] - '0';

		if (place % 2 == 1)
			d = d * 2 / 10 + d * 2 % 10;
		sum += d;
	}
	return sum % 10 == 0;
}

/* A full-width digit beside it makes another number of it. */
static bool
is_wide_digit(const char *text)
{
	return text[0] == '\xEF' && text[1] == '\xBC' && (uint8) text[2] >= 0x90 && (uint8) text[2] <= 0x99;
}

/* The digits of a blank that is encoded for a URL; no brand begins so. */
static bool
is_encoded_blank(const char *text)
{
	return memcmp(text, "%20", 3) == 0;
}

/* Is there a number in digits that stand together, or in groups of four? */
static bool
has_plain_number(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
	{
		size_t end = i;
		int	   groups = 0;

		if (!is_digit(text[i]) || (i > 0 && is_digit(text[i - 1])))
			continue;
		while (end < size && is_digit(text[end]))
			end++;
		if ((i >= 3 && is_wide_digit(text + i - 3)) || (size - end >= 3 && is_wide_digit(text + end)))
			continue;
		if (i >= 1 && size - i >= 2 && is_encoded_blank(text + i - 1))
			continue;
		if (end - i > OP_PAN_MAX || (end - i >= OP_PAN_MIN && is_luhn(text + i, (int) (end - i))))
			return true;
		for (size_t at = i; size - at >= 4 && is_digit(text[at]) && is_digit(text[at + 1]) &&
							is_digit(text[at + 2]) && is_digit(text[at + 3]);
			 at += 5)
		{
			groups++;
			if (size - at < 6 || (text[at + 4] != ' ' && text[at + 4] != '-'))
				break;
		}
		if (groups >= 4)
			return true;
	}
	return false;
}

/* Was there a digit that this byte is of? */
static bool
was_digit(const uint8 *data, size_t size, size_t at)
{
	if (is_digit((char) data[at]))
		return true;
	for (size_t start = at >= 2 ? at - 2 : 0; start <= at; start++)
	{
		if (size - start >= 3 && data[start] == 0xEF && data[start + 1] == 0xBC &&
			data[start + 2] >= 0x90 && data[start + 2] <= 0x99)
			return true;
	}
	return false;
}

/* The text as a list of names: if it is one, it has all of them in it. */
static void
check_own_names(const char *data, size_t size)
{
	static OpSecretNames none;
	OpSecretNames		 names;
	char				*list = malloc(size + 1);

	must(list != NULL);
	if (size > 0)
		memcpy(list, data, size);
	list[size] = '\0';
	if (op_read_secret_names(list, &names))
	{
		must(names.n <= OP_SECRET_NAMES_MAX);
		op_use_secret_names(&names);
		must(op_names_secrets(list, strlen(list)) || names.n == 0);
		for (int i = 0; i < names.n; i++)
			must(op_names_secrets(names.names[i], names.sizes[i]));
		op_use_secret_names(&none);
	}
	free(list);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1); /* of just that size, so that a step beyond is seen */
	char *again = malloc(size > 0 ? size : 1);
	bool  found;
	bool  changed = false;

	must(text != NULL && again != NULL);
	if (size > 0)
		memcpy(text, data, size);
	found = op_has_card_number(text, size);
	must(size == 0 || memcmp(text, data, size) == 0);
	must((op_redact_card_numbers(text, size) > 0) == found);
	for (size_t i = 0; i < size; i++)
	{
		if (text[i] != (char) data[i])
		{
			must(text[i] == '*' && was_digit(data, size, i));
			changed = true;
		}
	}
	must(changed == found);

	/* nothing is left, and there is nothing to do twice */
	must(!has_plain_number(text, size));
	must(!op_has_card_number(text, size));
	if (size > 0)
		memcpy(again, text, size);
	must(op_redact_card_numbers(again, size) == 0);
	must(size == 0 || memcmp(again, text, size) == 0);

	/* whether secrets are named does not depend on capitals */
	found = op_names_secrets((const char *) data, size);
	for (size_t i = 0; i < size; i++)
		again[i] = data[i] >= 'a' && data[i] <= 'z' ? (char) (data[i] - 'a' + 'A') : (char) data[i];
	must(op_names_secrets(again, size) == found);
	check_own_names((const char *) data, size);

	free(text);
	free(again);
	return 0;
}
