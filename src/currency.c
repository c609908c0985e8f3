/*
 * currency.c
 *		Which currencies there are, and how many decimals each has.
 *
 * Vocabulary.  A currency is named by a code, matched exactly (no folding, no
 * trimming): its ISO 4217 alphabetic code, three upper-case letters, or a
 * private code.  The exponent of a currency is the number of decimals of its
 * minor unit: 2 for EUR (cent), 0 for JPY, 3 for KWD, 4 for the unit of account
 * CLF.
 *
 * Private codes.  What ISO does not name (loyalty points, gift cards, coins of
 * a blockchain) has a code that carries its exponent: POINTS.0, BTC.8, ETH.18.
 * That is a name of 2 to 12 characters, the first an upper-case letter, the
 * others upper-case letters or digits, all ASCII; a dot; and the exponent, 0 to
 * 18, in decimal digits without a leading zero.  So the code says all that is
 * known of the currency, and no table of a store's is asked: a constraint means
 * the same on every server, in every dump and on every shard.  Two codes that
 * differ in their decimals are two currencies.  A name that is an ISO code is
 * refused (USD.3, XAU.2): one dollar must not have two spellings.
 *
 * No minor unit.  List one says "N.A." for metals, bond market units, drawing
 * rights, XTS (testing) and XXX (no currency).  These codes are known, so that
 * they are told from a typing error, but nothing can be paid in them: their
 * exponent is NULL, is_currency() and is_amount() are false for them.  Fund
 * codes that have a minor unit (BOV, CHE, CLF, COU, USN, XAD, ...) are
 * currencies like any other.
 *
 * Source.  ISO 4217:2015, list one as published by the maintenance agency SIX
 * on 2026-09-17: 178 codes, 13 of them without a minor unit.  The newest
 * amendment whose text was found is number 180 (Bulgaria: BGN gives way to EUR
 * on 2026-01-01); what made SIX publish anew on 2026-09-17 was not found, but
 * codes and minor units are those of the edition of 2026-01-01.
 *
 * Rule.  The functions are IMMUTABLE and stand in CHECK constraints of stored
 * rows.  So a code that was once released here is never removed, and its
 * exponent never lowered, even when ISO withdraws it: an old order must still
 * restore from a dump, and be refunded.  Codes withdrawn before the first
 * release (ANG, BGN, CUC, HRK, SLL, ZWL and older ones) were never in.
 * For the same reason the names that private codes may not have are the codes
 * of the first release, and never become more: a code that ISO adds later does
 * not refuse a private code that is stored already.
 *
 * Memory and locks: the table is constant; nothing is kept, nothing is locked.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "compat.h"
#include "currency.h"

#define CODE_LENGTH	   3 /* letters of an ISO code */
#define MIN_NAME	   2 /* characters of a private code before its dot */
#define MAX_NAME	   12
#define LIST_ONE_CODES 178 /* codes in the edition named above */
#define NO_MINOR	   OP_CURRENCY_NO_MINOR

typedef struct Currency
{
	char code[CODE_LENGTH + 1];
	int8 exponent; /* or NO_MINOR */
} Currency;

/* In code order: op_exponent_of() halves it. */
/* clang-format off */
static const Currency currency_table[] = {
	{"AED", 2}, {"AFN", 2}, {"ALL", 2}, {"AMD", 2}, {"AOA", 2}, {"ARS", 2}, {"AUD", 2},
	{"AWG", 2}, {"AZN", 2},
	{"BAM", 2}, {"BBD", 2}, {"BDT", 2}, {"BHD", 3}, {"BIF", 0}, {"BMD", 2}, {"BND", 2},
	{"BOB", 2}, {"BOV", 2}, {"BRL", 2}, {"BSD", 2}, {"BTN", 2}, {"BWP", 2}, {"BYN", 2},
	{"BZD", 2},
	{"CAD", 2}, {"CDF", 2}, {"CHE", 2}, {"CHF", 2}, {"CHW", 2}, {"CLF", 4}, {"CLP", 0},
	{"CNY", 2}, {"COP", 2}, {"COU", 2}, {"CRC", 2}, {"CUP", 2}, {"CVE", 2}, {"CZK", 2},
	{"DJF", 0}, {"DKK", 2}, {"DOP", 2}, {"DZD", 2},
	{"EGP", 2}, {"ERN", 2}, {"ETB", 2}, {"EUR", 2},
	{"FJD", 2}, {"FKP", 2},
	{"GBP", 2}, {"GEL", 2}, {"GHS", 2}, {"GIP", 2}, {"GMD", 2}, {"GNF", 0}, {"GTQ", 2},
	{"GYD", 2},
	{"HKD", 2}, {"HNL", 2}, {"HTG", 2}, {"HUF", 2},
	{"IDR", 2}, {"ILS", 2}, {"INR", 2}, {"IQD", 3}, {"IRR", 2}, {"ISK", 0},
	{"JMD", 2}, {"JOD", 3}, {"JPY", 0},
	{"KES", 2}, {"KGS", 2}, {"KHR", 2}, {"KMF", 0}, {"KPW", 2}, {"KRW", 0}, {"KWD", 3},
	{"KYD", 2}, {"KZT", 2},
	{"LAK", 2}, {"LBP", 2}, {"LKR", 2}, {"LRD", 2}, {"LSL", 2}, {"LYD", 3},
	{"MAD", 2}, {"MDL", 2}, {"MGA", 2}, {"MKD", 2}, {"MMK", 2}, {"MNT", 2}, {"MOP", 2},
	{"MRU", 2}, {"MUR", 2}, {"MVR", 2}, {"MWK", 2}, {"MXN", 2}, {"MXV", 2}, {"MYR", 2},
	{"MZN", 2},
	{"NAD", 2}, {"NGN", 2}, {"NIO", 2}, {"NOK", 2}, {"NPR", 2}, {"NZD", 2},
	{"OMR", 3},
	{"PAB", 2}, {"PEN", 2}, {"PGK", 2}, {"PHP", 2}, {"PKR", 2}, {"PLN", 2}, {"PYG", 0},
	{"QAR", 2},
	{"RON", 2}, {"RSD", 2}, {"RUB", 2}, {"RWF", 0},
	{"SAR", 2}, {"SBD", 2}, {"SCR", 2}, {"SDG", 2}, {"SEK", 2}, {"SGD", 2}, {"SHP", 2},
	{"SLE", 2}, {"SOS", 2}, {"SRD", 2}, {"SSP", 2}, {"STN", 2}, {"SVC", 2}, {"SYP", 2},
	{"SZL", 2},
	{"THB", 2}, {"TJS", 2}, {"TMT", 2}, {"TND", 3}, {"TOP", 2}, {"TRY", 2}, {"TTD", 2},
	{"TWD", 2}, {"TZS", 2},
	{"UAH", 2}, {"UGX", 0}, {"USD", 2}, {"USN", 2}, {"UYI", 0}, {"UYU", 2}, {"UYW", 4},
	{"UZS", 2},
	{"VED", 2}, {"VES", 2}, {"VND", 0}, {"VUV", 0},
	{"WST", 2},
	{"XAD", 2}, {"XAF", 0}, {"XAG", NO_MINOR}, {"XAU", NO_MINOR}, {"XBA", NO_MINOR},
	{"XBB", NO_MINOR}, {"XBC", NO_MINOR}, {"XBD", NO_MINOR}, {"XCD", 2}, {"XCG", 2},
	{"XDR", NO_MINOR}, {"XOF", 0}, {"XPD", NO_MINOR}, {"XPF", 0}, {"XPT", NO_MINOR},
	{"XSU", NO_MINOR}, {"XTS", NO_MINOR}, {"XUA", NO_MINOR}, {"XXX", NO_MINOR},
	{"YER", 2},
	{"ZAR", 2}, {"ZMW", 2}, {"ZWG", 2},
};
/* clang-format on */

StaticAssertDecl(lengthof(currency_table) == LIST_ONE_CODES,
				 "the currency table must hold every code of list one");

PG_FUNCTION_INFO_V1(op_currency_exponent);
PG_FUNCTION_INFO_V1(op_is_currency);
PG_FUNCTION_INFO_V1(op_currencies);

/*
 * The three letters as one number, which sorts as the letters do.
 */
static inline uint32
pack_code(const char *code)
{
	return (uint32) (unsigned char) code[0] << 16 |
		   (uint32) (unsigned char) code[1] << 8 |
		   (uint32) (unsigned char) code[2];
}

/* The exponent of the ISO code in the first three bytes. */
static int
iso_exponent(const char *code)
{
	int	   low = 0;
	int	   high = lengthof(currency_table) - 1;
	uint32 wanted = pack_code(code);

	while (low <= high)
	{
		int	   middle = (low + high) / 2;
		uint32 found = pack_code(currency_table[middle].code);

		if (found == wanted)
			return currency_table[middle].exponent;
		if (found < wanted)
			low = middle + 1;
		else
			high = middle - 1;
	}

	return OP_CURRENCY_UNKNOWN;
}

/* ctype.h would ask the locale. */
static inline bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * The exponent that a code of the form of a private one carries, and how long
 * its name is; whether that is an ISO code is not looked at.
 */
static int
carried_exponent(const char *code, int len, int *name)
{
	int			n = 0;
	int			exponent = 0;
	const char *digit;

	while (n < len && n <= MAX_NAME && (is_upper(code[n]) || (n > 0 && is_digit(code[n]))))
		n++;
	if (n < MIN_NAME || n > MAX_NAME || n + 1 >= len || code[n] != '.')
		return OP_CURRENCY_UNKNOWN;
	*name = n;

	digit = code + n + 1;
	if (*digit == '0' && digit + 1 < code + len)
		return OP_CURRENCY_UNKNOWN;
	for (; digit < code + len; digit++)
	{
		if (!is_digit(*digit))
			return OP_CURRENCY_UNKNOWN;
		exponent = exponent * 10 + (*digit - '0');
		if (exponent > OP_CURRENCY_MAX_EXPONENT)
			return OP_CURRENCY_UNKNOWN;
	}

	return exponent;
}

/* A code that is added after the first release must be left out here: see Rule. */
static inline bool
is_iso_name(const char *code, int name)
{
	return name == CODE_LENGTH && iso_exponent(code) != OP_CURRENCY_UNKNOWN;
}

int
op_exponent_of(const char *code, int len)
{
	int name;
	int exponent;

	if (len == CODE_LENGTH)
		return iso_exponent(code);

	exponent = carried_exponent(code, len, &name);
	if (exponent >= 0 && is_iso_name(code, name))
		return OP_CURRENCY_UNKNOWN;

	return exponent;
}

/*
 * May a message repeat it? Whatever is not a few letters may be a card number,
 * or its security code, that was bound to the wrong parameter; messages reach
 * logs.
 */
static bool
is_showable(const char *code, int len)
{
	if (len > CODE_LENGTH)
		return false;
	for (int i = 0; i < len; i++)
	{
		if (!is_upper(code[i]) && !(code[i] >= 'a' && code[i] <= 'z'))
			return false;
	}

	return true;
}

op_noreturn static void
report_iso_name(const char *code, int len)
{
	int exponent = iso_exponent(code);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("currency code \"%.*s\" gives an ISO 4217 code decimals of its own", len, code),
			 exponent >= 0 ? errdetail("%.3s has %d decimals, by ISO 4217.", code, exponent)
						   : errdetail("%.3s has no minor unit, by ISO 4217.", code),
			 exponent >= 0 ? errhint("Write \"%.3s\". A currency of your own needs another name, such as \"%.3sX%.*s\".", code, code, len - CODE_LENGTH, code + CODE_LENGTH)
						   : errhint("A currency of your own needs another name, such as \"%.3sX%.*s\".", code, len - CODE_LENGTH, code + CODE_LENGTH)));
	pg_unreachable();
}

op_noreturn static void
report_unknown_currency(const char *code, int len)
{
	int	 name;
	bool shown = is_showable(code, len);

	/* the form is right: then only the name can be wrong */
	if (carried_exponent(code, len, &name) >= 0)
		report_iso_name(code, len);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 shown ? errmsg("unknown currency code \"%.*s\"", len, code) : errmsg("unknown currency code"),
			 shown ? 0 : errdetail("The text given, of %d bytes, has the form of no code and is not shown.", len),
			 errhint("%s", OP_CURRENCY_HINT)));
	pg_unreachable();
}

static int
known_exponent(const char *code, int len)
{
	int exponent = op_exponent_of(code, len);

	if (exponent == OP_CURRENCY_UNKNOWN)
		report_unknown_currency(code, len);

	return exponent;
}

int
op_required_exponent(const char *code, int len)
{
	int exponent = known_exponent(code, len);

	if (exponent == OP_CURRENCY_NO_MINOR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("currency code \"%.*s\" has no minor unit", len, code),
				 errdetail("It is no money that something could be paid in."),
				 errhint("Use a code for which order_payment.is_currency() is true.")));

	return exponent;
}

Datum
op_currency_exponent(PG_FUNCTION_ARGS)
{
	const text *code = PG_GETARG_TEXT_PP(0);
	int			exponent = known_exponent(VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code));

	if (exponent == OP_CURRENCY_NO_MINOR)
		PG_RETURN_NULL();

	PG_RETURN_INT32(exponent);
}

Datum
op_is_currency(PG_FUNCTION_ARGS)
{
	const text *code = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(op_exponent_of(VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code)) >= 0);
}

/*
 * One row a call: that protocol is the same in all supported servers.
 */
Datum
op_currencies(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	const Currency	*currency;
	HeapTuple		 tuple;
	Datum			 values[2];
	bool			 nulls[2] = {false, false};

	if (SRF_IS_FIRSTCALL())
	{
		TupleDesc	  tupdesc;
		MemoryContext caller;

		call = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->tuple_desc = BlessTupleDesc(tupdesc);
		call->max_calls = lengthof(currency_table);
		MemoryContextSwitchTo(caller);
	}

	call = SRF_PERCALL_SETUP();
	if (call->call_cntr >= call->max_calls)
		SRF_RETURN_DONE(call);

	currency = &currency_table[call->call_cntr];
	values[0] = CStringGetTextDatum(currency->code);
	values[1] = Int32GetDatum(currency->exponent);
	nulls[1] = (currency->exponent == NO_MINOR);
	tuple = heap_form_tuple(call->tuple_desc, values, nulls);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(tuple));
}
