/* needs src/pan.c src/redact.c */
/*
 * fuzz_pan.c
 *		The rules of card numbers, holders and expiry dates hold for any bytes.
 *
 * The input is taken for a text of each kind. Its digits, whatever is between
 * them, are also taken for a number, and the other bytes for the way it is
 * grouped: what is a card number is found by redaction, however it is written.
 */
#include "postgres.h"

#include <stdlib.h>

#include "fuzz.h"
#include "pan.h"
#include "redact.h"

static int
count_digits(const char *text, size_t size)
{
	int n = 0;

	for (size_t i = 0; i < size; i++)
		n += text[i] >= '0' && text[i] <= '9';
	return n;
}

/* What holds for every string of digits, be it a card number or not. */
static void
check_digits(const char *digits, int n)
{
	char  copy[64];
	int	  valid = 0;
	char *part;

	must(count_digits(digits, n) == n && n < (int) sizeof(copy));

	/* one last digit of ten is right */
	memcpy(copy, digits, n);
	for (char last = '0'; n > 0 && last <= '9'; last++)
	{
		copy[n - 1] = last;
		valid += op_pan_luhn(copy, n);
	}
	must(valid == (n > 0 ? 1 : 0));

	/* more digits may tell another brand, but never none; no digit behind the end is read */
	part = malloc(n + 1);
	must(part != NULL);
	for (int i = 1; i <= n; i++)
	{
		memcpy(copy, digits, i);
		memset(copy + i, '7', sizeof(copy) - i);
		must(op_pan_brand(copy, i - 1) == NULL || op_pan_brand(copy, i) != NULL);
	}
	memcpy(part, digits, n);
	must(op_pan_brand(part, n) == op_pan_brand(digits, n));
	free(part);
}

static void
check_mask(const char *digits, int n)
{
	char mask[OP_PAN_MASK_SIZE + 1];
	char none[OP_PAN_MAX + 1];

	op_pan_mask(digits, n, mask);
	must(strlen(mask) == OP_PAN_MASK_SIZE);
	must(op_is_pan_mask(mask, OP_PAN_MASK_SIZE));
	must(count_digits(mask, OP_PAN_MASK_SIZE) == 4);
	must(memcmp(mask + OP_PAN_MASK_SIZE - 4, digits + n - 4, 4) == 0);
	must(!op_has_card_number(mask, OP_PAN_MASK_SIZE));
	must(op_pan_digits(mask, OP_PAN_MASK_SIZE, none) == 0);
}

/* Writes the number as the bytes of salt say, and looks whether redaction finds it. */
static void
check_grouping(const char *digits, int n, const uint8 *salt, size_t nsalt)
{
	static const char *const separators[] = {"", " ", "-", "\t", "\xC2\xA0", "\xE2\x80\x91", "\xE3\x80\x80", "\xE2\x88\x92"};
	char					 text[OP_PAN_MAX * 10];
	size_t					 size = 0;

	for (int i = 0; i < n; i++)
	{
		uint8 how = nsalt > 0 ? salt[i % nsalt] : 0;

		/* one or two of a kind, or none */
		for (int j = 0; i > 0 && j <= (how >> 3 & 1); j++)
		{
			const char *separator = separators[how % lengthof(separators)];

			memcpy(text + size, separator, strlen(separator));
			size += strlen(separator);
		}
		/* as input methods write them */
		if (how & 0x10)
		{
			text[size++] = '\xEF';
			text[size++] = '\xBC';
			text[size++] = (char) (0x90 + (digits[i] - '0'));
		}
		else
			text[size++] = digits[i];
	}
	must(op_has_card_number(text, size));
	must(op_redact_card_numbers(text, size) == 1);
	must(count_digits(text, size) == 0);
	must(!op_has_card_number(text, size));
}

static void
check_number(const char *text, size_t size)
{
	char digits[OP_PAN_MAX + 1];
	int	 n;

	memset(digits, '7', sizeof(digits));
	n = op_pan_digits(text, size, digits);
	if (n == 0)
	{
		for (size_t i = 0; i < sizeof(digits); i++)
			must(digits[i] == '\0');
		return;
	}
	must(n >= OP_PAN_MIN && n <= OP_PAN_MAX && strlen(digits) == (size_t) n);
	must(count_digits(digits, n) == n && count_digits(text, size) == n);
	must(!op_is_pan_mask(text, size));
	check_digits(digits, n);
	check_mask(digits, n);
	if (op_pan_check(digits, n) == OP_PAN_GOOD)
		must(op_has_card_number(text, size));
}

static void
check_expiry(const char *text, size_t size)
{
	char yymm[OP_EXPIRY_SIZE];
	char again[OP_EXPIRY_SIZE];
	char plain[] = "MM/YY";

	memset(yymm, '7', sizeof(yymm));
	if (!op_expiry(text, size, yymm))
	{
		must(memcmp(yymm, "\0\0\0\0", OP_EXPIRY_SIZE) == 0);
		return;
	}
	must(count_digits(yymm, OP_EXPIRY_SIZE) == OP_EXPIRY_SIZE);
	must(memcmp(yymm + 2, "01", 2) >= 0 && memcmp(yymm + 2, "12", 2) <= 0);
	memcpy(plain, yymm + 2, 2);
	memcpy(plain + 3, yymm, 2);
	must(op_expiry(plain, 5, again) && memcmp(yymm, again, OP_EXPIRY_SIZE) == 0);
}

static void
check_holder(const char *text, size_t size)
{
	char mask[8];

	memset(mask, '7', sizeof(mask));
	op_holder_mask(text, size, mask);
	must(memchr(mask, '\0', sizeof(mask)) != NULL);
	must(op_is_holder_mask(mask, strlen(mask)));
	must(strcmp(mask + strlen(mask) - 3, OP_HOLDER_MASK) == 0);
	/* what it shows is in the text */
	must(memmem(text, size, mask, strlen(mask) - 3) != NULL || strlen(mask) == 3);
	if (op_is_holder_mask(text, size))
		must(size <= 7);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	const char *text = (const char *) data;
	char		digits[OP_PAN_MAX];
	int			n = 0;

	check_number(text, size);
	check_expiry(text, size);
	check_holder(text, size);
	if (op_is_pan_mask(text, size))
		must(count_digits(text, size) == 4 && !op_has_card_number(text, size));
	/* digits or not, nothing but the first 100 bytes is theirs */
	op_pan_check(text, (int) Min(size, 100));
	op_pan_brand(text, (int) Min(size, 100));
	op_pan_luhn(text, (int) Min(size, 100));

	for (size_t i = 0; i < size && n < OP_PAN_MAX; i++)
	{
		if (text[i] >= '0' && text[i] <= '9')
			digits[n++] = text[i];
	}
	check_digits(digits, n);
	if (op_pan_check(digits, n) == OP_PAN_GOOD)
		check_grouping(digits, n, data, size);
	return 0;
}
