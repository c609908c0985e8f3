/*
 * pan_test.c
 *		Card numbers, holders, expiry dates and redaction, without a server.
 *
 * Prints TAP; test/tap/015_card_number.pl builds it with the sanitizers and
 * runs it. Every text is handed over in memory of just its size, so that
 * AddressSanitizer sees a step beyond it.
 */
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* the server's own are in the server */
#undef printf
#undef sprintf

#include "pan.h"
#include "redact.h"
#include "secret_words.h"

static int tests;

static void
ok(bool good, const char *format, const char *what)
{
	printf("%sok %d - ", good ? "" : "not ", ++tests);
	printf(format, what);
	printf("\n");
}

/* what of a text can be shown on one line */
static const char *
shown(const char *text, size_t size)
{
	static char buffer[256];
	size_t		n = 0;

	for (size_t i = 0; i < size && n < sizeof(buffer) - 8; i++)
	{
		if (text[i] >= ' ' && text[i] < 0x7F && text[i] != '#' && text[i] != '%' && text[i] != '\\')
			buffer[n++] = text[i];
		else
			n += sprintf(buffer + n, "\\x%02x", (unsigned char) text[i]);
	}
	buffer[n] = '\0';
	return buffer;
}

static char *
copy_of(const char *text, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		exit(2);
	if (size > 0)
		memcpy(copy, text, size);
	return copy;
}

/* ---------- brands ---------- */

typedef struct NumberCase
{
	const char *number;
	const char *brand; /* NULL: none known */
	OpPanFault	fault;
	bool		luhn;
} NumberCase;

static const NumberCase numbers[] = {
	{"4111111111111111", "visa", OP_PAN_GOOD, true},
	{"4222222222222", "visa", OP_PAN_GOOD, true},
	{"4000000000000000006", "visa", OP_PAN_GOOD, true},
	{"5555555555554444", "mastercard", OP_PAN_GOOD, true},
	{"2223003122003222", "mastercard", OP_PAN_GOOD, true},
	{"378282246310005", "amex", OP_PAN_GOOD, true},
	{"371449635398431", "amex", OP_PAN_GOOD, true},
	{"6011111111111117", "discover", OP_PAN_GOOD, true},
	{"30569309025904", "diners", OP_PAN_GOOD, true},
	{"36227206271667", "diners", OP_PAN_GOOD, true},
	{"3566002020360505", "jcb", OP_PAN_GOOD, true},
	{"6200000000000005", "unionpay", OP_PAN_GOOD, true},
	{"6205500000000000004", "unionpay", OP_PAN_GOOD, true},
	{"6304000000000000", "maestro", OP_PAN_GOOD, true},
	{"6759649826438453", "maestro", OP_PAN_GOOD, true},
	{"8171999927660000", "unionpay", OP_PAN_GOOD, true},
	{"8171999900000000021", "unionpay", OP_PAN_GOOD, true},
	/* UnionPay issues numbers that fail the check */
	{"6222020200112233445", "unionpay", OP_PAN_GOOD, false},
	{"8100000000001", "unionpay", OP_PAN_GOOD, false},
	{"4111111111111112", "visa", OP_PAN_LUHN, false},
	{"5555555555554445", "mastercard", OP_PAN_LUHN, false},
	{"378282246310006", "amex", OP_PAN_LUHN, false},
	/* digits swapped; 09 and 90 is the one swap that Luhn's check cannot see */
	{"4111111111111211", "visa", OP_PAN_LUHN, false},
	{"3782822463100050", "amex", OP_PAN_LENGTH, false},
	{"41111111111111", "visa", OP_PAN_LENGTH, false},
	{"411111111111", "visa", OP_PAN_LENGTH, false},
	{"55555555555544440", "mastercard", OP_PAN_LENGTH, true},
	{"620000000000", "unionpay", OP_PAN_LENGTH, false},
	/* unknown brands */
	{"0000000000000000", NULL, OP_PAN_GOOD, true},
	{"9000000000000001", NULL, OP_PAN_GOOD, true},
	{"9000000000000002", NULL, OP_PAN_LUHN, false},
	{"900000000001", NULL, OP_PAN_GOOD, true},
	{"100000000008", NULL, OP_PAN_GOOD, true},
	{"1000000000000000009", NULL, OP_PAN_GOOD, true},
};

typedef struct EdgeCase
{
	const char *prefix;
	const char *brand;
} EdgeCase;

/* the first and the last of each range, and their neighbours */
/* clang-format off */
static const EdgeCase edges[] = {
	{"222099", NULL}, {"222100", "mastercard"}, {"272099", "mastercard"}, {"272100", NULL},
	{"219999", NULL}, {"220000", "mir"}, {"220499", "mir"}, {"220500", NULL}, {"509999", "elo"},
	{"510000", "mastercard"}, {"559999", "mastercard"}, {"560000", "maestro"},
	{"599999", "maestro"}, {"600000", "maestro"}, {"499999", "visa"}, {"500000", "maestro"},
	{"622125", "unionpay"}, {"622126", "unionpay"}, {"622925", "unionpay"}, {"622926", "unionpay"},
	{"619999", "maestro"}, {"620000", "unionpay"}, {"629999", "unionpay"}, {"630000", "maestro"},
	{"627779", "unionpay"}, {"627780", "elo"}, {"627781", "unionpay"}, {"299999", NULL},
	{"300000", "diners"}, {"305999", "diners"}, {"306000", NULL}, {"308999", NULL},
	{"309000", "diners"}, {"309999", "diners"}, {"310000", NULL}, {"339999", NULL},
	{"340000", "amex"}, {"349999", "amex"}, {"350000", NULL}, {"352799", NULL}, {"352800", "jcb"},
	{"358999", "jcb"}, {"359000", NULL}, {"360000", "diners"}, {"369999", "diners"},
	{"370000", "amex"}, {"379999", "amex"}, {"380000", "diners"}, {"399999", "diners"},
	{"400000", "visa"}, {"179999", NULL}, {"180000", "jcb"}, {"180099", "jcb"}, {"180100", NULL},
	{"213099", NULL}, {"213100", "jcb"}, {"213199", "jcb"}, {"213200", NULL}, {"401177", "visa"},
	{"401178", "elo"}, {"401179", "elo"}, {"401180", "visa"}, {"431273", "visa"}, {"431274", "elo"},
	{"431275", "visa"}, {"438935", "elo"}, {"451416", "elo"}, {"457393", "elo"}, {"457631", "elo"},
	{"457632", "elo"}, {"457633", "visa"}, {"493697", "visa"}, {"493698", "maestro"},
	{"493699", "visa"}, {"504174", "maestro"}, {"504175", "elo"}, {"504176", "maestro"},
	{"506098", "maestro"}, {"506099", "verve"}, {"506198", "verve"}, {"506199", "maestro"},
	{"506698", "maestro"}, {"506699", "elo"}, {"506778", "elo"}, {"506779", "maestro"},
	{"507864", "maestro"}, {"507865", "verve"}, {"507964", "verve"}, {"507965", "maestro"},
	{"508499", "maestro"}, {"508500", "rupay"}, {"508999", "rupay"}, {"509000", "elo"},
	{"601099", "maestro"}, {"601100", "discover"}, {"601199", "discover"}, {"601200", "maestro"},
	{"606281", "maestro"}, {"606282", "hipercard"}, {"606283", "maestro"}, {"606984", "maestro"},
	{"606985", "rupay"}, {"607984", "rupay"}, {"607985", "maestro"}, {"608000", "maestro"},
	{"608001", "rupay"}, {"608500", "rupay"}, {"608501", "maestro"}, {"636297", "elo"},
	{"636368", "elo"}, {"637095", "hiper"}, {"637568", "hiper"}, {"637599", "hiper"},
	{"637609", "hiper"}, {"637612", "hiper"}, {"637613", "maestro"}, {"63737422", "maestro"},
	{"63737423", "hiper"}, {"63737424", "maestro"}, {"63743358", "hiper"}, {"643999", "maestro"},
	{"644000", "discover"}, {"649999", "discover"}, {"650000", "discover"}, {"650002", "verve"},
	{"650027", "verve"}, {"650028", "discover"}, {"650030", "discover"}, {"650031", "elo"},
	{"650033", "elo"}, {"650034", "discover"}, {"650035", "elo"}, {"650051", "elo"},
	{"650052", "discover"}, {"650404", "discover"}, {"650405", "elo"}, {"650439", "elo"},
	{"650485", "elo"}, {"650538", "elo"}, {"650539", "discover"}, {"650541", "elo"},
	{"650598", "elo"}, {"650700", "elo"}, {"650718", "elo"}, {"650719", "discover"},
	{"650720", "elo"}, {"650727", "elo"}, {"650901", "elo"}, {"650978", "elo"}, {"651652", "elo"},
	{"651679", "elo"}, {"651680", "discover"}, {"652149", "discover"}, {"652150", "rupay"},
	{"653149", "rupay"}, {"653150", "discover"}, {"655000", "elo"}, {"655019", "elo"},
	{"655020", "discover"}, {"655021", "elo"}, {"655058", "elo"}, {"659999", "discover"},
	{"660000", "maestro"}, {"699999", "maestro"}, {"700000", NULL}, {"809999", NULL},
	{"810000", "unionpay"}, {"817199", "unionpay"}, {"817200", "rupay"}, {"829999", "rupay"},
	{"830000", NULL}, {"979199", NULL}, {"979200", "troy"}, {"979299", "troy"}, {"979300", NULL},
	{"000000", NULL}, {"004111", NULL}, {"999999", NULL}, {"9", NULL}, {"", NULL}, {"4", "visa"},
	{"22210", NULL}, {"3", NULL}, {"34", "amex"},
};
/* clang-format on */

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
test_numbers(void)
{
	for (size_t i = 0; i < lengthof(numbers); i++)
	{
		const NumberCase *c = &numbers[i];
		size_t			  size = strlen(c->number);
		char			 *text = copy_of(c->number, size);
		char			  digits[OP_PAN_MAX + 1];
		char			  mask[OP_PAN_MASK_SIZE + 1];
		int				  n = op_pan_digits(text, size, digits);
		const OpBrand	 *brand = op_pan_brand(digits, n);

		ok(n == (int) size && strcmp(digits, c->number) == 0, "digits of %s", c->number);
		ok(same(brand != NULL ? brand->name : NULL, c->brand), "brand of %s", c->number);
		ok(op_pan_luhn(digits, n) == c->luhn, "Luhn's check of %s", c->number);
		ok(op_pan_check(digits, n) == c->fault, "verdict on %s", c->number);
		op_pan_mask(digits, n, mask);
		ok(strncmp(mask, "************", 12) == 0 && strcmp(mask + 12, digits + n - 4) == 0 &&
			   strlen(mask) == 16 && op_is_pan_mask(mask, 16),
		   "mask of %s", c->number);
		free(text);
	}
	for (size_t i = 0; i < lengthof(edges); i++)
	{
		size_t		   size = strlen(edges[i].prefix);
		char		  *text = copy_of(edges[i].prefix, size);
		const OpBrand *brand = op_pan_brand(text, (int) size);

		ok(same(brand != NULL ? brand->name : NULL, edges[i].brand), "brand of prefix %s", edges[i].prefix);
		free(text);
	}
	ok(op_pan_check("", 0) == OP_PAN_NOT_DIGITS, "%s", "no digits at all");
	ok(op_pan_check("41111111111", 11) == OP_PAN_LENGTH, "%s", "too few digits");
	ok(op_pan_check("41111111111111111111", 20) == OP_PAN_LENGTH, "%s", "too many digits");
	ok(op_pan_check("411111111111111x", 16) == OP_PAN_NOT_DIGITS, "%s", "a letter");
	ok(!op_pan_luhn("", 0) && !op_pan_luhn("x", 1), "%s", "Luhn's check of what is no digit");
}

/* ---------- forms ---------- */

typedef struct TextCase
{
	const char *text;
	size_t		size;
	const char *result; /* NULL: refused */
} TextCase;

#define T(text) (text), sizeof(text) - 1
#define NUMBER	"4111111111111111"
#define WIDE_1	"\xEF\xBC\x91"
#define WIDE_4	"\xEF\xBC\x94"
#define NBSP	"\xC2\xA0"
#define TEN(x)	x x x x x x x x x x
#define STARS	"****************"

static const TextCase forms[] = {
	{T(NUMBER), NUMBER},
	{T("4111 1111 1111 1111"), NUMBER},
	{T("4111-1111-1111-1111"), NUMBER},
	{T("4111 1111-11111111"), NUMBER},
	{T("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"), NUMBER},
	{T(" " NUMBER), NUMBER},
	{T(" \t\r\n" NUMBER " \r\n\t "), NUMBER},
	{T("3782 822463 10005"), "378282246310005"},
	{T("123456789012"), "123456789012"},
	{T("1234567890123456789"), "1234567890123456789"},
	{T("12345678901"), NULL},
	{T("12345678901234567890"), NULL},
	{T(""), NULL},
	{T(" "), NULL},
	{T("-"), NULL},
	{T("-" NUMBER), NULL},
	{T(NUMBER "-"), NULL},
	{T("+" NUMBER), NULL},
	{T("4111  1111 1111 1111"), NULL},
	{T("4111--111111111111"), NULL},
	{T("4111 -111111111111"), NULL},
	{T("4111\t1111 1111 1111"), NULL},
	{T("4111.1111.1111.1111"), NULL},
	{T("4111_1111_1111_1111"), NULL},
	{T("4111" NBSP "111111111111"), NULL},
	{T("************1111"), NULL},
	{T("411111111111111x"), NULL},
	{T("x" NUMBER), NULL},
	{T("4111111111111111\0"), NULL},
	{T("4111\0"
	   "111111111111"),
	 NULL},
	{T("\0"), NULL},
	{T(WIDE_4 "111111111111111"), NULL},
	{T(TEN(WIDE_1) WIDE_1 WIDE_1 WIDE_1 WIDE_1 WIDE_1 WIDE_1), NULL},
	{T("\xD9\xA4"
	   "111111111111111"),
	 NULL}, /* Arabic-Indic four */
	{T("\xFF\xFE\x80"), NULL},
	{T("4111111111111e3"), NULL},
	{T("0x4111111111111111"), NULL},
};

/* clang-format off */
static const TextCase expiries[] = {
	{T("12/30"), "3012"}, {T("01/27"), "2701"}, {T("09/99"), "9909"}, {T("12/2030"), "3012"},
	{T("1230"), "3012"}, {T("12-30"), "3012"}, {T("12-2030"), "3012"}, {T("2030-12"), "3012"},
	{T("12 / 30"), "3012"}, {T("12 / 2030"), "3012"}, {T(" 12/30 "), "3012"}, {T("01/00"), "0001"},
	{T("06/20"), "2006"}, /* long past, and good */
	{T("00/30"), NULL}, {T("13/30"), NULL}, {T("99/99"), NULL}, {T("0030"), NULL},
	{T("1330"), NULL}, {T("2030-13"), NULL}, {T("2030-00"), NULL}, {T("12/1930"), NULL},
	{T("12/2130"), NULL}, {T("1/30"), NULL}, {T("12/3"), NULL}, {T("12/030"), NULL},
	{T("122030"), NULL}, {T("203012"), NULL}, {T("12.30"), NULL}, {T("12//30"), NULL},
	{T("12/30/01"), NULL}, {T("-12/30"), NULL}, {T("+1/30"), NULL}, {T(""), NULL}, {T(" "), NULL},
	{T("/"), NULL},
	{T("**/**"), NULL},
	{T("1a/30"), NULL}, {T("12/3b"), NULL}, {T("12/30\0"), NULL}, {T("\0\0/\0\0"), NULL},
	{T("12\xC2\xA0/30"), NULL}, {T(WIDE_1 "2/30"), NULL}, {T("2030-12-31"), NULL},
	{T("30/12"), NULL},
};
/* clang-format on */

/* clang-format off */
static const TextCase holders[] = {
	{T("Ada Lovelace"), "A***"}, {T("a"), "a***"}, {T("  Ada"), "A***"}, {T(""), "***"},
	{T("   "), "***"}, {T("\xC3\x89mile"), "\xC3\x89***"},
	{T("\xE6\x9D\x8E\xE5\x9B\x9B"), "\xE6\x9D\x8E***"},
	{T("\xF0\xA0\xAE\xB7\xE9\x87\x8E"), "\xF0\xA0\xAE\xB7***"}, {T("\xC3"), "***"},
	{T("\xE6\x9D"), "***"}, {T("\xF0\xA0\xAE"), "***"}, {T("\x80xx"), "***"}, {T("\xFFxx"), "***"},
	{T("\xC0\x80"), "***"}, {T("\xE0\x80\x80"), "***"}, {T("\xED\xA0\x80"), "***"},
	{T("\xF4\x90\x80\x80"), "***"}, {T("\xF5\x80\x80\x80"), "***"}, {T("\0Ada"), "***"},
	{T("*"), "****"}, {T("***"), "****"},
};
/* clang-format on */

static void
test_forms(void)
{
	for (size_t i = 0; i < lengthof(forms); i++)
	{
		const TextCase *c = &forms[i];
		char		   *text = copy_of(c->text, c->size);
		char			digits[OP_PAN_MAX + 1];
		int				n;

		memset(digits, 'x', sizeof(digits));
		n = op_pan_digits(text, c->size, digits);
		if (c->result != NULL)
			ok(n == (int) strlen(c->result) && strcmp(digits, c->result) == 0, "digits of '%s'", shown(c->text, c->size));
		else
		{
			bool clean = n == 0;

			for (size_t j = 0; j < sizeof(digits); j++)
				clean = clean && digits[j] == '\0';
			ok(clean, "no digits of '%s', and none left behind", shown(c->text, c->size));
		}
		free(text);
	}
	for (size_t i = 0; i < lengthof(expiries); i++)
	{
		const TextCase *c = &expiries[i];
		char		   *text = copy_of(c->text, c->size);
		char			yymm[OP_EXPIRY_SIZE];
		bool			good = op_expiry(text, c->size, yymm);

		ok(good == (c->result != NULL) && memcmp(yymm, good ? c->result : "\0\0\0\0", OP_EXPIRY_SIZE) == 0,
		   "expiry '%s'", shown(c->text, c->size));
		free(text);
	}
	for (size_t i = 0; i < lengthof(holders); i++)
	{
		const TextCase *c = &holders[i];
		char		   *text = copy_of(c->text, c->size);
		char			mask[8];

		op_holder_mask(text, c->size, mask);
		ok(strcmp(mask, c->result) == 0 && op_is_holder_mask(mask, strlen(mask)), "mask of holder '%s'", shown(c->text, c->size));
		free(text);
	}
}

/* clang-format off */
static const TextCase masks[] = {
	{T("************4242"), "number"}, {T("************0000"), "number"},
	{T("***********4242"), NULL}, {T("*************4242"), NULL}, {T("************424x"), NULL},
	{T("************42422"), NULL}, {T("****************"), NULL}, {T("411111111111****"), NULL},
	{T(""), NULL}, {T("4242"), NULL}, {T("*4**********4242"), NULL}, {T("A***"), "holder"},
	{T("***"), "holder"}, {T("****"), "holder"}, {T("\xE6\x9D\x8E***"), "holder"},
	{T("AB***"), NULL}, {T("A**"), NULL}, {T("A****"), NULL}, {T("**"), NULL}, {T("Ada"), NULL},
	{T(" ***"), NULL}, {T("\0***"), NULL}, {T("\x80***"), NULL}, {T("\xE6\x9D***"), NULL},
	{T("A***\0"), NULL},
};
/* clang-format on */

static void
test_masks(void)
{
	for (size_t i = 0; i < lengthof(masks); i++)
	{
		const TextCase *c = &masks[i];
		char		   *text = copy_of(c->text, c->size);
		bool			number = op_is_pan_mask(text, c->size);
		bool			holder = op_is_holder_mask(text, c->size);

		ok(number == same(c->result, "number") && holder == same(c->result, "holder"), "is '%s' a mask",
		   shown(c->text, c->size));
		free(text);
	}
}

/* ---------- redaction ---------- */

/* result NULL: nothing is found */
static const TextCase redactions[] = {
	{T(""), NULL},
	{T("no digit at all"), NULL},
	{T("order 4711, 3 pieces, 12.50 EUR"), NULL},
	{T("12345678901"), NULL},
	{T("2026-11-23 09:09:56.123456 UTC [31337]"), NULL},
	{T("'2026-11-23 09:09:56+01'"), NULL},
	{T("192.168.100.100"), NULL},
	{T("0190a5b2-7c3d-7e8f-9012-3456789abcde"), NULL},
	{T("Payment 41111111-1111-7111-8111-111111111111: 9.80 is left"), NULL}, /* a UUID */
	{T("(01a206c6-795f-79b2-9051-400012345678)"), NULL},
	{T("1700000000000"), NULL},	   /* milliseconds: Luhn's check fails */
	{T("1700000000000002"), NULL}, /* microseconds */
	{T("7777777777777777"), NULL},
	{T("1234567890123456789"), NULL},
	{T("1,2,3,4,5,6,7,8,9,10,11,12,13,14"), NULL},
	{T("1234    5678    9012    3456"), NULL}, /* four separators end a run */
	{T("1234.5678.9012.3456"), NULL},
	{T("a1b2c3d4e5f6a7b8c9d0"), NULL},
	{T("************4242"), NULL},
	{T("\xEF\xBC\x91\xEF\xBC\x92"), NULL},

	/* nearly a UUID */
	{T("41111111-1111-7111-8111-1111111111112"), "********-****-****-****-*************"},
	{T("1-41111111-1111-7111-8111-111111111111"), "*-********-****-****-****-************"},
	{T("41111111-1111-7111-8111-11111111111"), "********-****-****-****-***********"},
	{T("41111111-1111-7111-8111-111111111111 4"), "********-****-****-****-************ *"},

	/* not separated */
	{T("4111111111111111"), STARS},
	{T("SELECT f('4111111111111111')"), "SELECT f('" STARS "')"},
	{T("x4111111111111111x"), "x" STARS "x"},
	{T("4111111111111112"), STARS},			 /* mistyped, and nearly a number */
	{T("41111111111111"), "**************"}, /* a digit lost */
	{T("411111111111"), "************"},
	{T("4111111111111111111"), "*******************"},
	{T("378282246310005"), "***************"},
	{T("6222020200112233445"), "*******************"},
	{T("900000000001"), "************"}, /* no brand, but Luhn's check holds */
	{T("9000000000000001"), STARS},
	{T("12345678901234567890"), "********************"},
	{T("00000000004111111111111111"), "**************************"},
	{T("\\x34313131313131313131313131313131"), "\\x********************************"},
	{T("(4111111111111111,5555555555554444)"), "(" STARS "," STARS ")"},
	{T("4111111111111111/12/30"), STARS "/12/30"},
	{T("id=7777777777777777&pan=4111111111111111"), "id=7777777777777777&pan=" STARS},

	/* what stands before the number ends in digits */
	{T("14111111111111111"), "*****************"},
	{T("14111111111111112"), NULL},
	{T("card=%204111111111111111&x=1"), "card=%******************&x=1"},
	{T("\\0404111111111111111"), "\\*******************"},
	{T("\\u0020378282246310005"), "\\u*******************"},

	/* separated */
	{T("card=4111+1111+1111+1111&x=1"), "card=****+****+****+****&x=1"},
	{T("4111%201111%201111%201111"), "****%******%******%******"},
	{T("1%201117890123"), NULL},
	{T("4111%2"), NULL},
	{T("411111111111%2"), "************%2"},
	{T("411111111111%"), "************%"},
	{T("1234567 LIKE '%20%' 123456789"), NULL},
	{T("4111 1111 1111 1111"), "**** **** **** ****"},
	{T("4111-1111-1111-1111"), "****-****-****-****"},
	{T("4111 1111 1111 1112"), "**** **** **** ****"},
	{T("7777 7777 7777 7777"), "**** **** **** ****"},
	{T("3782 822463 10005"), "**** ****** *****"},
	{T("4111  1111  1111  1111"), "****  ****  ****  ****"},
	{T("4111   1111   1111   1111"), "****   ****   ****   ****"},
	{T("4111 - 1111 - 1111 - 1111"), "**** - **** - **** - ****"},
	{T("4111\t1111\t1111\t1111"), "****\t****\t****\t****"},
	{T("4111" NBSP "1111" NBSP "1111" NBSP "1111"), "****" NBSP "****" NBSP "****" NBSP "****"},
	{T("4111" NBSP NBSP NBSP "111111111111"), "****" NBSP NBSP NBSP "************"},
	{T("4111" NBSP NBSP NBSP NBSP "11111111111"), NULL},
	{T("4111\xA0"
	   "1111\xA0"
	   "1111\xA0"
	   "1111"),
	 "****\xA0****\xA0****\xA0****"},
	{T("4111\xE2\x80\x89"
	   "111111111111"),
	 "****\xE2\x80\x89************"},
	{T("4111\xE2\x80\x93"
	   "111111111111"),
	 "****\xE2\x80\x93************"},
	{T("4111\xE2\x80\xAF"
	   "111111111111"),
	 "****\xE2\x80\xAF************"},
	{T("4111\xE2\x88\x92"
	   "111111111111"),
	 "****\xE2\x88\x92************"},
	{T("4111\xE3\x80\x80"
	   "111111111111"),
	 "****\xE3\x80\x80************"},
	{T("4111\xEF\xBC\x8D"
	   "111111111111"),
	 "****\xEF\xBC\x8D************"},
	{T("4111\xE2\x80\x96"
	   "11111111111"),
	 NULL}, /* a double bar is no separator */
	{T("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"), "* * * * * * * * * * * * * * * *"},
	{T("[ 80 0 0 0 52 49 49 49 49 49 49 49 ]"), "[ ** * * * ** ** ** ** ** ** ** ** ]"},
	{T("12 4111111111111111"), "** ****************"},
	{T("4111111111111111 12 30"), "**************** ** **"},
	{T("number 4111 1111 1111 1111."), "number **** **** **** ****."},
	{T(" 4111 1111 1111 1111 "), " **** **** **** **** "},
	{T("-4111-1111-1111-1111-"), "-****-****-****-****-"},
	{T("1234567890    4111 1111 1111 1111"), "1234567890    **** **** **** ****"},

	/* groups of four with underscores, as a literal may have them; elsewhere they join words */
	{T("4111_1111_1111_1111"), "****_****_****_****"},
	{T("6222_0202_0011_2233_445"), "****_****_****_****_***"},
	{T("x4111_1111_1111_1111"), "x****_****_****_****"},
	{T("4111_11111111_1111"), "****_********_1111"},
	{T("p_20261123_103000"), NULL},
	{T("p_2026_11_23_10_30_00_4711"), NULL},
	{T("4111_1111_1111__1111"), "****_****_****__1111"},
	{T("_4111_1111_111"), NULL},
	{T("4111_"), NULL},

	/* cut short by the server */
	{T("$1 = '4111111111...'"), "$1 = '**********...'"},
	{T("line 1: ...11111111\", x}"), "line 1: ...********\", x}"},
	{T("(x4111 11...)"), "(x**** **...)"},
	{T("...41111"), "...*****"},
	{T("...1234567890123"), "...*************"},
	{T("...4111"), NULL},
	{T("4111..."), NULL},
	{T("12345678901.."), NULL},
	{T("1234567890. .."), NULL},

	/* full-width digits, and bytes that are no character */
	{T(TEN(WIDE_4) WIDE_4 WIDE_4), STARS STARS "****"},
	{T(WIDE_4 "11111111111"), "***"
							  "***********"},
	{T("411111111111111" WIDE_1), "***************"
								  "***"},
	{T("41111111111 " WIDE_1), "*********** ***"},
	{T("4111111111111111\xEF\xBC"), STARS "\xEF\xBC"},
	{T("4111111111111111\xEF"), STARS "\xEF"},
	{T("4111111111111111\xC2"), STARS "\xC2"},
	{T("4111111111111111\xE2\x80"), STARS "\xE2\x80"},
	{T("\xEF\xBC"
	   "4111111111111111"),
	 "\xEF\xBC" STARS},
	{T("\x91"
	   "4111111111111111\x91"),
	 "\x91" STARS "\x91"},
	{T("\xFF\xFE\x00\x80"
	   "4111111111111111"),
	 "\xFF\xFE\x00\x80" STARS},
	{T("4111111\xFF"
	   "111111111"),
	 NULL},
	{T("4111111\0"
	   "111111111"),
	 NULL},
	{T("\0"
	   "4111111111111111\0"),
	 "\0" STARS "\0"},
	{T("\xEF\xBC\xEF\xBC\x94"
	   "11111111111"),
	 "\xEF\xBC***"
	 "***********"},
};

static void
check_redaction(const TextCase *c)
{
	char *text = copy_of(c->text, c->size);
	bool  found = op_has_card_number(text, c->size);
	int	  masked = op_redact_card_numbers(text, c->size);
	bool  good;

	/* a result may hold zeros: it has the size of the text */
	good = memcmp(text, c->result != NULL ? c->result : c->text, c->size) == 0;
	good = good && found == (c->result != NULL) && (masked > 0) == found;
	good = good && !op_has_card_number(text, c->size) && op_redact_card_numbers(text, c->size) == 0;
	ok(good, "redaction of '%s'", shown(c->text, c->size));
	free(text);
}

/* Every number, grouped at every place by every separator: always found, wholly masked. */
static void
test_groupings(void)
{
	static const char *const separators[] = {"", " ", "-", "  ", " - ", "\t", "   ", NBSP, "\xE3\x80\x80", "\xE2\x80\x93"};

	for (size_t i = 0; i < lengthof(numbers); i++)
	{
		const char *number = numbers[i].number;
		int			n = (int) strlen(number);
		int			missed = 0;

		for (size_t s = 0; s < lengthof(separators); s++)
		{
			for (int place = 1; place < n; place++)
			{
				char   text[128];
				char   expected[128];
				size_t size = strlen(separators[s]);

				sprintf(text, "(%.*s%s%s)", place, number, separators[s], number + place);
				memset(expected, '*', sizeof(expected));
				expected[0] = '(';
				memcpy(expected + 1 + place, separators[s], size);
				strcpy(expected + 1 + n + size, ")");
				if (!op_has_card_number(text, strlen(text)) || op_redact_card_numbers(text, strlen(text)) != 1 ||
					strcmp(text, expected) != 0)
					missed++;
			}
		}
		ok(missed == 0 || (numbers[i].fault != OP_PAN_GOOD && numbers[i].brand == NULL), "%s grouped in every way", number);
	}
}

/* ---------- much ---------- */

#define MEGABYTE ((size_t) 1024 * 1024)

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Fills a large text with a pattern; its time must grow no faster than its size. */
static void
test_huge(const char *name, const char *pattern, size_t size, bool found)
{
	size_t length = strlen(pattern);
	char  *text = malloc(size);
	double small;
	double large;
	bool   good;

	if (text == NULL)
		exit(2);
	for (size_t i = 0; i < size; i++)
		text[i] = pattern[i % length];
	good = op_has_card_number(text, size) == found;
	small = seconds();
	good = (op_redact_card_numbers(text, size / 100) > 0) == found && good;
	small = seconds() - small;
	large = seconds();
	good = (op_redact_card_numbers(text, size) > 0) == found && good;
	large = seconds() - large;
	good = good && !op_has_card_number(text, size) && !op_names_secrets(text, size);
	free(text);
	ok(good, "much of %s", name);
	/* a hundred times as much, with room for a machine that is busy */
	ok(large < 1000 * small + 1, "in linear time: %s", name);
}

/* ---------- words ---------- */

static const TextCase secrets[] = {
	{T("SELECT order_payment.seal('Ada', 'holder', b)"), "yes"},
	{T("SELECT seal ('Ada')"), "yes"},
	{T("SELECT SEAL\n\t('Ada')"), "yes"},
	{T("SELECT \"seal\"('Ada')"), "yes"},
	{T("SELECT order_payment.\"seal\" ('Ada')"), "yes"},
	{T("SELECT seal/* x */('Ada')"), "yes"},
	{T("seal("), "yes"},
	{T("seal"), NULL},
	{T("SELECT 'seal the deal'"), NULL},
	{T("SELECT unseal('x')"), NULL},
	{T("SELECT seals('x')"), NULL},
	{T("SELECT seal$1('x')"), NULL},
	{T("SELECT \xC3\xA9seal('x')"), NULL},
	{T("SELECT seal\xC3\xA9('x')"), NULL},
	{T("SELECT seal_('x')"), NULL},
	{T("SELECT set_payment_password(7, '123456')"), "yes"},
	{T("SELECT verify_payment_password(7, '123456')"), "yes"},
	{T("SELECT Verify_Payment_Password(7, '123456')"), "yes"},
	{T("SELECT create_payment(1, 'stripe', payment_password => '123456')"), "yes"},
	{T("SELECT create_payment(1, 'stripe')"), NULL},
	{T("SELECT create_payment(1, 'stripe', 20, NULL, 'k', NULL, false, NULL, 'shop')"), NULL},
	{T("SELECT create_payment(1, 'stripe', 20, NULL, 'k', NULL, false, NULL, 'shop', NULL, 'Ada')"), "yes"},
	{T("SELECT \"create_payment\" (1,2,3,4,5,6,7,8,9,10,11,12,'123456')"), "yes"},
	{T("SELECT create_payment, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"), NULL},
	{T("UPDATE wallet SET holder = 'Ada'"), "yes"},
	{T("UPDATE wallet SET cardholder = 'Ada'"), "yes"},
	{T("UPDATE wallet SET shareholder = 'Ada', holders = 1"), NULL},
	{T("CREATE ROLE ada PASSWORD '123456'"), "yes"},
	{T("SELECT passwords, old_password"), NULL},
	{T("SELECT U&\"se\\0061l\"('Ada')"), "yes"},
	{T("SELECT u&\"x\""), "yes"},
	{T("SELECT U&'Ada'"), NULL},
	{T("SELECT u & \"x\", xu&\"x\""), NULL},
	{T("u&"), NULL},
	{T("INSERT INTO payment_passwords VALUES (1)"), "yes"},
	{T("INSERT INTO payments (order_id, CARD_HOLDER) VALUES (1, 'Ada')"), "yes"},
	{T("INSERT INTO payments (order_id, \"card_holder\") VALUES (1, 'Ada')"), "yes"},
	{T("UPDATE payments SET card_expiry = '12/30'"), "yes"},
	{T("UPDATE p SET x = 1 WHERE p.card_expiry IS NULL"), "yes"},
	{T("SELECT card_holders FROM x"), NULL},
	{T("SELECT my_card_holder FROM x"), NULL},
	{T("SELECT encrypt_amount(5)"), "yes"},
	{T("SELECT set_gateway_secret('stripe', 'x', 'y')"), "yes"},
	{T("SELECT card_fingerprints('4111')"), "yes"},
	{T("SELECT find_card('4111')"), "yes"},
	{T("SELECT find_cards('4111')"), "yes"},
	{T("SELECT find_card_by_number('4111')"), "yes"},
	{T("SELECT find_car('4111')"), NULL},
	{T("INSERT INTO t (cvv) VALUES ('123')"), "yes"},
	{T("INSERT INTO t (CVC2) VALUES ('123')"), "yes"},
	{T("INSERT INTO t (cvv2) VALUES ('123')"), "yes"},
	{T("INSERT INTO t (cvc) VALUES ('123')"), "yes"},
	{T("INSERT INTO t (cvn) VALUES ('123')"), "yes"},
	{T("SELECT admit_payment('1', 'purse', NULL, '123456', 'shop')"), "yes"},
	{T("SELECT admit_payments FROM t"), NULL},
	{T("SELECT cvvx, xcvc FROM t"), NULL},
	{T("card_holder"), "yes"},
	{T("card_holde"), NULL},
	{T("\0card_holder\0"), "yes"},
	{T("card\0_holder"), NULL},
	{T("seal\0("), NULL},
	{T("\xFF\xFE card_expiry"), "yes"},
	{T(""), NULL},
};

/* ---------- names that an administrator gives ---------- */

#define LONGEST "n23456789012345678901234567890123456789012345678901234567890123"

static void
test_own_names(void)
{
	static const char	*texts[] = {"SELECT login('a')", "SELECT LOGIN('a')", "x.\"login\"", "INSERT INTO pin$1", "\xC3\xA9 = 1", LONGEST};
	static const char	*others[] = {"logins", "log in", "x_login", "pin$", "\xC3\xAA", LONGEST "4", "n", ""};
	static const char	*refused[] = {"a.b", "\"login\"", "login;", LONGEST "4", "a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7"};
	OpSecretNames		 names;
	static OpSecretNames none;
	int					 wrong = 0;

	ok(op_read_secret_names(" Login,pin$1 ,, \xC3\xA9\t" LONGEST, &names) && names.n == 4, "%s", "a list of names");
	for (size_t i = 0; i < lengthof(texts); i++)
		wrong += op_names_secrets(texts[i], strlen(texts[i]));
	ok(wrong == 0, "%s", "they do not count before they are used");
	op_use_secret_names(&names);
	for (size_t i = 0; i < lengthof(texts); i++)
		ok(op_names_secrets(texts[i], strlen(texts[i])), "'%s' has a name of the list", shown(texts[i], strlen(texts[i])));
	for (size_t i = 0; i < lengthof(others); i++)
		ok(!op_names_secrets(others[i], strlen(others[i])), "'%s' has none", shown(others[i], strlen(others[i])));
	op_use_secret_names(&none);
	ok(!op_names_secrets(texts[0], strlen(texts[0])), "%s", "nor after they were taken back");
	ok(op_read_secret_names("", &names) && names.n == 0, "%s", "an empty list");
	for (size_t i = 0; i < lengthof(refused); i++)
		ok(!op_read_secret_names(refused[i], &names), "'%s' is no list of names", refused[i]);
}

static void
test_execute(void)
{
	ok(op_names_execute(T("EXECUTE p('x')")), "%s", "EXECUTE");
	ok(op_names_execute(T("explain analyze execute p('x')")), "%s", "execute within a statement");
	ok(!op_names_execute(T("SELECT executes, x_execute")), "%s", "other words");
	ok(!op_names_execute(T("")), "%s", "no word");
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_numbers();
	test_forms();
	test_masks();
	for (size_t i = 0; i < lengthof(redactions); i++)
		check_redaction(&redactions[i]);
	test_groupings();
	for (size_t i = 0; i < lengthof(secrets); i++)
	{
		char *text = copy_of(secrets[i].text, secrets[i].size);

		ok(op_names_secrets(text, secrets[i].size) == (secrets[i].result != NULL), "does '%s' name secrets",
		   shown(secrets[i].text, secrets[i].size));
		free(text);
	}
	test_own_names();
	test_execute();
	test_huge("one run of digits", "4", 10 * MEGABYTE, true);
	test_huge("separated digits", "1   ", 100 * MEGABYTE, true);
	test_huge("card numbers", "4111111111111111,", 10 * MEGABYTE, true);
	test_huge("runs that are too short", "12345678901,", 10 * MEGABYTE, false);
	test_huge("blanks", " ", 10 * MEGABYTE, false);
	test_huge("gaps that are too long", "12345678901    ", 10 * MEGABYTE, false);
	test_huge("half separators", "1\xE2\x80", 100 * MEGABYTE, false);
	test_huge("half digits", "\xEF\xBC", 10 * MEGABYTE, false);
	test_huge("words", "seal card_holde find_ca ", 10 * MEGABYTE, false);
	test_huge("one word", "card_holder", 10 * MEGABYTE, false);
	test_huge("calls that are too short", "create_payment(", 10 * MEGABYTE, false);
	test_huge("names of an administrator", "logins ", 10 * MEGABYTE, false);
	test_huge("groups with underscores", "1234_", 100 * MEGABYTE, true);
	printf("1..%d\n", tests);
	return 0;
}
