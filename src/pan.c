/*
 * pan.c
 *		The rules of card numbers, holders and expiry dates.
 *
 * Vocabulary.  A card number is a PAN (ISO/IEC 7812-1): 12 to 19 digits, of
 * which the first are the BIN and the last is Luhn's check digit.  A range is a
 * set of BINs of one length that belong to one brand.
 *
 * Brands.  Ranges nest: 65 is Discover, 650031 within it Elo.  So the longest
 * prefix wins; among prefixes of one length no two overlap.  "6" alone is
 * Maestro, which takes what no other brand has.  A range that is missing here
 * costs little: the number is taken under the brand around it, or under none,
 * if it passes Luhn's check.  One that is too narrow in its lengths refuses
 * cards, so where sources differ the wider set stands.
 *
 * Source.  The ranges are those published in open lists of BINs, as of
 * 2026-06; the schemes publish none.  UnionPay has issued numbers that fail
 * Luhn's check, so it is not asked of them.
 *
 * Texts are bytes with a size: they need not end in a zero and may hold
 * anything.  No function keeps a digit: what was copied is wiped when it is
 * refused.
 */
#include "postgres.h"

#include "pan.h"

#define MAX_PREFIX 8 /* digits of the longest BIN in the table */

typedef enum BrandId
{
	AMEX,
	DINERS,
	DISCOVER,
	ELO,
	HIPER,
	HIPERCARD,
	JCB,
	MAESTRO,
	MASTERCARD,
	MIR,
	RUPAY,
	TROY,
	UNIONPAY,
	VERVE,
	VISA,
	BRANDS
} BrandId;

static const OpBrand brands[] = {
	[AMEX] = {"amex", OP_LUHN_REQUIRED},
	[DINERS] = {"diners", OP_LUHN_REQUIRED},
	[DISCOVER] = {"discover", OP_LUHN_REQUIRED},
	[ELO] = {"elo", OP_LUHN_REQUIRED},
	[HIPER] = {"hiper", OP_LUHN_REQUIRED},
	[HIPERCARD] = {"hipercard", OP_LUHN_REQUIRED},
	[JCB] = {"jcb", OP_LUHN_REQUIRED},
	[MAESTRO] = {"maestro", OP_LUHN_REQUIRED},
	[MASTERCARD] = {"mastercard", OP_LUHN_REQUIRED},
	[MIR] = {"mir", OP_LUHN_REQUIRED},
	[RUPAY] = {"rupay", OP_LUHN_REQUIRED},
	[TROY] = {"troy", OP_LUHN_REQUIRED},
	[UNIONPAY] = {"unionpay", OP_LUHN_NOT_GUARANTEED},
	[VERVE] = {"verve", OP_LUHN_REQUIRED},
	[VISA] = {"visa", OP_LUHN_REQUIRED},
};

StaticAssertDecl(lengthof(brands) == BRANDS, "every brand must have its name");

/* Sets of lengths are bits. */
#define L(n)		  ((uint32) 1 << (n))
#define FROM_TO(a, b) (L((b) + 1) - L(a))

StaticAssertDecl(OP_PAN_MAX + 1 < 32, "a set of lengths must fit into 32 bits");

typedef struct BinRange
{
	uint32 low;
	uint32 high;
	uint8  digits; /* of both */
	uint8  brand;
	uint32 lengths;
} BinRange;

/* By their first digit, and the longest prefixes first: find_range() takes the first that fits. */
/* clang-format off */
static const BinRange ranges_1[] = {
	{1800, 1800, 4, JCB, L(15) | L(16)},
};
static const BinRange ranges_2[] = {
	{222100, 272099, 6, MASTERCARD, L(16)},
	{2131, 2131, 4, JCB, L(15) | L(16)},
	{2200, 2204, 4, MIR, FROM_TO(16, 19)},
};
static const BinRange ranges_3[] = {
	{3528, 3589, 4, JCB, FROM_TO(16, 19)},
	{300, 305, 3, DINERS, L(14) | FROM_TO(16, 19)},
	{309, 309, 3, DINERS, L(14) | FROM_TO(16, 19)},
	{34, 34, 2, AMEX, L(15)},
	{36, 36, 2, DINERS, FROM_TO(14, 19)},
	{37, 37, 2, AMEX, L(15)},
	{38, 39, 2, DINERS, L(14) | FROM_TO(16, 19)},
};
static const BinRange ranges_4[] = {
	{401178, 401179, 6, ELO, L(16)},
	{431274, 431274, 6, ELO, L(16)},
	{438935, 438935, 6, ELO, L(16)},
	{451416, 451416, 6, ELO, L(16)},
	{457393, 457393, 6, ELO, L(16)},
	{457631, 457632, 6, ELO, L(16)},
	{493698, 493698, 6, MAESTRO, FROM_TO(12, 19)},
	{4, 4, 1, VISA, L(13) | L(16) | L(18) | L(19)},
};
static const BinRange ranges_5[] = {
	{504175, 504175, 6, ELO, L(16)},
	{506099, 506198, 6, VERVE, FROM_TO(16, 19)},
	{506699, 506778, 6, ELO, L(16)},
	{507865, 507964, 6, VERVE, FROM_TO(16, 19)},
	{508500, 508999, 6, RUPAY, L(16)},
	{509000, 509999, 6, ELO, L(16)},
	{50, 50, 2, MAESTRO, FROM_TO(12, 19)},
	{51, 55, 2, MASTERCARD, L(16)},
	{56, 59, 2, MAESTRO, FROM_TO(12, 19)},
};
static const BinRange ranges_6[] = {
	{63737423, 63737423, 8, HIPER, L(16)},
	{63743358, 63743358, 8, HIPER, L(16)},
	{606282, 606282, 6, HIPERCARD, L(13) | L(16) | L(19)},
	{606985, 607984, 6, RUPAY, L(16)},
	{608001, 608500, 6, RUPAY, L(16)},
	{627780, 627780, 6, ELO, L(16)},
	{636297, 636297, 6, ELO, L(16)},
	{636368, 636368, 6, ELO, L(16)},
	{637095, 637095, 6, HIPER, L(16)},
	{637568, 637568, 6, HIPER, L(16)},
	{637599, 637599, 6, HIPER, L(16)},
	{637609, 637609, 6, HIPER, L(16)},
	{637612, 637612, 6, HIPER, L(16)},
	{650002, 650027, 6, VERVE, FROM_TO(16, 19)},
	{650031, 650033, 6, ELO, L(16)},
	{650035, 650051, 6, ELO, L(16)},
	{650405, 650439, 6, ELO, L(16)},
	{650485, 650538, 6, ELO, L(16)},
	{650541, 650598, 6, ELO, L(16)},
	{650700, 650718, 6, ELO, L(16)},
	{650720, 650727, 6, ELO, L(16)},
	{650901, 650978, 6, ELO, L(16)},
	{651652, 651679, 6, ELO, L(16)},
	{652150, 653149, 6, RUPAY, L(16)},
	{655000, 655019, 6, ELO, L(16)},
	{655021, 655058, 6, ELO, L(16)},
	{6011, 6011, 4, DISCOVER, FROM_TO(16, 19)},
	{644, 649, 3, DISCOVER, FROM_TO(16, 19)},
	{62, 62, 2, UNIONPAY, FROM_TO(13, 19)},
	{65, 65, 2, DISCOVER, FROM_TO(16, 19)},
	{6, 6, 1, MAESTRO, FROM_TO(12, 19)},
};
static const BinRange ranges_8[] = {
	{8100, 8171, 4, UNIONPAY, FROM_TO(13, 19)},
	{81, 82, 2, RUPAY, L(16)},
};
static const BinRange ranges_9[] = {
	{9792, 9792, 4, TROY, L(16)},
};

#define RANGES(of) {of, lengthof(of)}

static const struct
{
	const BinRange *ranges;
	int				n;
} ranges_by_digit[10] = {
	[1] = RANGES(ranges_1),
	[2] = RANGES(ranges_2),
	[3] = RANGES(ranges_3),
	[4] = RANGES(ranges_4),
	[5] = RANGES(ranges_5),
	[6] = RANGES(ranges_6),
	[8] = RANGES(ranges_8),
	[9] = RANGES(ranges_9),
};
/* clang-format on */

/* ctype.h would ask the locale. */
static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* ---------- numbers ---------- */

/* Copies the digits; their number, or 0 as soon as the form is wrong. */
static int
copy_digits(const char *text, size_t size, char digits[OP_PAN_MAX + 1])
{
	int n = 0;

	for (size_t i = 0; i < size; i++)
	{
		if (is_digit(text[i]))
		{
			if (n == OP_PAN_MAX)
				return 0;
			digits[n++] = text[i];
		}
		else if (text[i] != ' ' && text[i] != '-')
			return 0;
		else if (n == 0 || i + 1 == size || !is_digit(text[i + 1]))
			return 0;
	}
	return n >= OP_PAN_MIN ? n : 0;
}

int
op_pan_digits(const char *text, size_t size, char digits[OP_PAN_MAX + 1])
{
	int n;

	while (size > 0 && is_blank(text[0]))
	{
		text++;
		size--;
	}
	while (size > 0 && is_blank(text[size - 1]))
		size--;

	n = copy_digits(text, size, digits);
	if (n == 0)
		explicit_bzero(digits, OP_PAN_MAX + 1);
	else
		digits[n] = '\0';
	return n;
}

static bool
are_digits(const char *text, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (!is_digit(text[i]))
			return false;
	}
	return n > 0;
}

/* The last digit counts once, the one before it double, and so on: two at a time. */
static bool
passes_luhn(const char *digits, int n)
{
	static const uint8 twice[] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9}; /* the sum of its digits */
	uint32			   sum = 0;

	for (; n >= 2; n -= 2)
		sum += (digits[n - 1] - '0') + twice[digits[n - 2] - '0'];
	if (n == 1)
		sum += digits[0] - '0';
	return sum % 10 == 0;
}

bool
op_pan_luhn(const char *digits, int n)
{
	return are_digits(digits, n) && passes_luhn(digits, n);
}

static const BinRange *
find_range(const char *digits, int n)
{
	uint32			prefix[MAX_PREFIX + 1] = {0}; /* by its length; 0 is no prefix of any brand */
	const BinRange *ranges;

	for (int i = 0; i < MAX_PREFIX && i < n && is_digit(digits[i]); i++)
		prefix[i + 1] = prefix[i] * 10 + (digits[i] - '0');

	ranges = ranges_by_digit[prefix[1]].ranges;
	for (int i = 0; i < ranges_by_digit[prefix[1]].n; i++)
	{
		if (prefix[ranges[i].digits] >= ranges[i].low && prefix[ranges[i].digits] <= ranges[i].high)
			return &ranges[i];
	}
	return NULL;
}

const OpBrand *
op_pan_brand(const char *digits, int n)
{
	const BinRange *range = find_range(digits, n);

	return range != NULL ? &brands[range->brand] : NULL;
}

OpPanFault
op_pan_check(const char *digits, int n)
{
	const BinRange *range;

	if (!are_digits(digits, n))
		return OP_PAN_NOT_DIGITS;
	if (n < OP_PAN_MIN || n > OP_PAN_MAX)
		return OP_PAN_LENGTH;
	range = find_range(digits, n);
	if (range != NULL && !(range->lengths & L(n)))
		return OP_PAN_LENGTH;
	if (range != NULL && brands[range->brand].luhn == OP_LUHN_NOT_GUARANTEED)
		return OP_PAN_GOOD;
	return passes_luhn(digits, n) ? OP_PAN_GOOD : OP_PAN_LUHN;
}

/* ---------- masks ---------- */

#define LAST		4 /* digits that a mask shows */
#define MASK_PREFIX (sizeof(OP_PAN_MASK) - 1)

StaticAssertDecl(MASK_PREFIX + LAST == OP_PAN_MASK_SIZE, "a mask is stars and the last digits");

void
op_pan_mask(const char *digits, int n, char *mask)
{
	memcpy(mask, OP_PAN_MASK, MASK_PREFIX);
	memcpy(mask + MASK_PREFIX, digits + n - LAST, LAST);
	mask[OP_PAN_MASK_SIZE] = '\0';
}

bool
op_is_pan_mask(const char *text, size_t size)
{
	if (size != OP_PAN_MASK_SIZE || memcmp(text, OP_PAN_MASK, MASK_PREFIX) != 0)
		return false;
	for (int i = MASK_PREFIX; i < OP_PAN_MASK_SIZE; i++)
	{
		if (!is_digit(text[i]))
			return false;
	}
	return true;
}

/*
 * Bytes of the first character in UTF-8 (RFC 3629), or 0 if there is none or it
 * is not well-formed.
 */
static int
character_size(const char *text, size_t size)
{
	const unsigned char *c = (const unsigned char *) text;
	int					 n;

	if (size == 0)
		return 0;
	if (c[0] < 0x80)
		return c[0] != '\0' ? 1 : 0;
	if (c[0] < 0xC2 || c[0] > 0xF4)
		return 0;
	n = c[0] < 0xE0 ? 2 : (c[0] < 0xF0 ? 3 : 4);
	if (size < (size_t) n)
		return 0;
	for (int i = 1; i < n; i++)
	{
		if ((c[i] & 0xC0) != 0x80)
			return 0;
	}
	/* longer than need be, surrogates, beyond the last code point */
	if ((c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] > 0x9F) ||
		(c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] > 0x8F))
		return 0;
	return n;
}

void
op_holder_mask(const char *holder, size_t size, char *mask)
{
	int shown;

	while (size > 0 && is_blank(holder[0]))
	{
		holder++;
		size--;
	}
	shown = character_size(holder, size);
	if (shown > 0)
		memcpy(mask, holder, shown);
	memcpy(mask + shown, OP_HOLDER_MASK, sizeof(OP_HOLDER_MASK));
}

bool
op_is_holder_mask(const char *text, size_t size)
{
	size_t stars = sizeof(OP_HOLDER_MASK) - 1;
	size_t shown;

	if (size < stars || memcmp(text + size - stars, OP_HOLDER_MASK, stars) != 0)
		return false;
	shown = size - stars;
	if (shown == 0)
		return true;
	return !is_blank(text[0]) && (size_t) character_size(text, shown) == shown;
}

/* ---------- expiry ---------- */

/*
 * How it may be written: M is a digit of the month, Y of the year, C of the
 * century; all else stands for itself.
 */
static const char *const expiry_forms[] = {
	"MM/YY",
	"MM/CCYY",
	"MMYY",
	"MM-YY",
	"MM-CCYY",
	"CCYY-MM",
	"MM / YY",
	"MM / CCYY",
};

/* cards are valid for some years, so no other century is meant */
#define CENTURY "20"

static bool
expiry_fits(const char *form, const char *text, size_t size, char yymm[OP_EXPIRY_SIZE])
{
	char *year = yymm;
	char *month = yymm + 2;
	int	  century = 0;

	if (size != strlen(form))
		return false;
	for (size_t i = 0; i < size; i++)
	{
		if (form[i] == 'C')
		{
			if (text[i] != CENTURY[century++])
				return false;
		}
		else if (form[i] != 'M' && form[i] != 'Y')
		{
			if (text[i] != form[i])
				return false;
		}
		else if (!is_digit(text[i]))
			return false;
		else if (form[i] == 'M')
			*month++ = text[i];
		else
			*year++ = text[i];
	}
	return true;
}

bool
op_expiry(const char *text, size_t size, char yymm[OP_EXPIRY_SIZE])
{
	while (size > 0 && is_blank(text[0]))
	{
		text++;
		size--;
	}
	while (size > 0 && is_blank(text[size - 1]))
		size--;

	for (size_t i = 0; i < lengthof(expiry_forms); i++)
	{
		if (expiry_fits(expiry_forms[i], text, size, yymm))
		{
			int month = (yymm[2] - '0') * 10 + (yymm[3] - '0');

			if (month >= 1 && month <= 12)
				return true;
		}
	}
	explicit_bzero(yymm, OP_EXPIRY_SIZE);
	return false;
}
